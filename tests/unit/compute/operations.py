# SPDX-License-Identifier: Apache-2.0
"""What comes between a request, or a run, and its end."""

from __future__ import annotations

from nova_xloud.core.size import Size
from tests.unit.compute.rig import Rig


def task_starts(rig: Rig) -> None:
    """Another operation has begun, and says so."""
    rig.record.task_state = "rebooting"


def moved(rig: Rig) -> None:
    """The instance is on another host."""
    rig.record.on_this_host = False


def deleted(rig: Rig) -> None:
    """The instance is gone."""
    rig.record.deleted = True


def full(rig: Rig) -> None:
    """Others have been given nearly all vCPUs of the host."""
    rig.claims.others = Size(95, 0)


def unreachable(rig: Rig) -> None:
    """Placement answers no call."""
    rig.claims.unreachable = True
