# SPDX-License-Identifier: Apache-2.0
"""Nova's choice between threads and eventlet is made by the first import, so it is made here."""

import os

os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "true")
import nova.tests.functional  # noqa: F401
