# SPDX-License-Identifier: Apache-2.0
"""Nova's compute API for WSGI servers, extended: ``nova_xloud.wsgi.osapi_compute:application``."""

from __future__ import annotations

from nova_xloud import releases

# As Nova's own module does, before anything else is imported.
releases.choose_backend()

from nova_xloud.seams.install import install_when_configured  # noqa: E402

install_when_configured()

application = releases.compute_api_application()

__all__ = ["application"]
