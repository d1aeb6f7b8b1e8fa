# SPDX-License-Identifier: Apache-2.0
"""Nova's choice between threads and eventlet is made by the first import, so it is made here."""

import importlib.util
import os

# The environment of tests/dashboard has Horizon and no Nova.
if importlib.util.find_spec("nova") is not None:
    from nova_xloud import releases

    # As the services of that release run: nova-compute is on eventlet before 34.
    if releases.major() >= 34:
        os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "true")
    import nova.tests.functional  # noqa: F401
