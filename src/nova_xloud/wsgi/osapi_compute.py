# SPDX-License-Identifier: Apache-2.0
"""Nova's compute API extended by nova-xloud: a WSGI server loads ``application`` from here."""

from __future__ import annotations

from nova_xloud import releases

# Nova's own module does this too, before anything else is imported.
releases.choose_backend()

from nova_xloud.seams.install import install_when_configured  # noqa: E402

install_when_configured()

application = releases.compute_api_application()

__all__ = ["application"]
