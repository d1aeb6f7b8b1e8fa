# SPDX-License-Identifier: Apache-2.0
"""Nova's compute API for WSGI servers, extended: ``nova_xloud.wsgi.osapi_compute:application``."""

from __future__ import annotations

from nova import monkey_patch

# As Nova's own module does, before anything else is imported.
monkey_patch.patch(backend="threading")

from nova_xloud.seams.install import install  # noqa: E402

install()

from nova.wsgi.osapi_compute import application  # noqa: E402

__all__ = ["application"]
