# SPDX-License-Identifier: Apache-2.0
"""Named points at which a test can kill the process: each is between two effects.

Fault points are off unless the environment variable :data:`VARIABLE` names a folder. Then a test
arms a point with a file of the point's name in that folder: the process that comes to the point
next is killed with SIGKILL. Only the lab sets the variable (``make chaos``). Each service for which
it is set logs that at its start, and ``nova-xloud-status upgrade check`` fails.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path

LOG = logging.getLogger(__name__)

VARIABLE = "NOVA_XLOUD_FAULT_POINT"

COMPUTE, API, DATABASE = "nova-compute", "nova-api", "nova-conductor"

# name: the service that comes there. Each name is in the code once.
POINTS: Mapping[str, str] = {
    # An adjustment is admitted.
    "admit.claimed": COMPUTE,
    "admit.recorded": COMPUTE,
    "reserve.recorded": COMPUTE,
    "action.started": COMPUTE,
    # A run: after the effect of a step, before the next reading.
    "step.claimed": COMPUTE,
    "step.removal_marked": COMPUTE,
    "step.definition_set": COMPUTE,
    "step.memory_set": COMPUTE,
    "step.vcpus_set": COMPUTE,
    "step.releasing": COMPUTE,
    "step.released": COMPUTE,
    "step.recording": COMPUTE,
    "step.recorded": COMPUTE,
    # The end of a run.
    "finish.released": COMPUTE,
    "run.ended": COMPUTE,
    # A request with a limited quota.
    "api.quota_checked": API,
    "api.reserved": API,
    "api.quota_rechecked": API,
    "api.adjusted": API,
    "api.unreserving": API,
    # The record is written for a nova-compute.
    "database.updating": DATABASE,
    "database.updated": DATABASE,
}

# Read once, so a running service cannot be armed by a change of its environment.
_FOLDER = os.environ.get(VARIABLE, "")


def reached(point: str) -> None:
    """Kill this process if the point is armed; do nothing if :data:`VARIABLE` is not set.

    An armed point is disarmed first, so the next process does not end there too. If the point
    cannot be disarmed, the process is not killed.

    :param point: a name in :data:`POINTS`
    """
    if _FOLDER:
        _kill_if_armed(Path(_FOLDER) / point)


def folder() -> str | None:
    """Return the folder where points of this process can be armed; None if fault points are off."""
    return _FOLDER or None


def warn_if_on() -> None:
    """If fault points are on, log that as critical, with what turns them off; else do nothing."""
    if _FOLDER:
        LOG.critical(
            "The environment variable %s is set to %s: this service kills itself where a test says "
            "so. It is for the lab only. Unset the variable and restart the service.",
            VARIABLE,
            _FOLDER,
        )


def _kill_if_armed(file: Path) -> None:
    try:
        file.unlink()
    except OSError:
        # Usually there is no such file. If it cannot be removed, the process would end there again
        # and again.
        return
    LOG.critical("Fault point %s: this process is killed now.", file.name)
    os.kill(os.getpid(), signal.SIGKILL)
