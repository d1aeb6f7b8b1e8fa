# SPDX-License-Identifier: Apache-2.0
"""Which instances a pass over a host has to look at, and when it looks again at one in vain."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.instance.conditions import RESERVED_TOO_LITTLE
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import Glimpse
from nova_xloud.core.size import Size

TOO_LITTLE = "reserved_too_little"
DEFINITION = "definition"
UNFINISHED = "unfinished"
CONDITION = "condition"
RECORDED = "recorded"
RESERVED = "reserved"
STOPPED = "stopped"
VCPUS = "vcpus"
MEMORY = "memory"
SILENT = "silent"
ASKED_OFTEN = "asked_often"
CODES = (
    TOO_LITTLE,
    DEFINITION,
    UNFINISHED,
    CONDITION,
    RECORDED,
    RESERVED,
    STOPPED,
    VCPUS,
    MEMORY,
    SILENT,
    ASKED_OFTEN,
)


@dataclass(frozen=True, slots=True)
class Look:
    """An instance has to be looked at.

    :ivar code: for programs, one of ``CODES``
    :ivar why: for people
    :ivar urgent: more is held than is reserved: however often it was looked at before
    """

    code: str
    why: str
    urgent: bool = False


def look(
    desired: Desired,
    recorded: Size,
    reserved: Size,
    glimpse: Glimpse | None,
    *,
    booting: bool,
    driven: bool = True,
    silent: bool = False,
) -> Look | None:
    """Whether and why an instance has to be looked at; None: all is as it should be.

    :param recorded: the size in its own columns
    :param reserved: what Placement holds for it here
    :param glimpse: None: libvirt has no such domain
    :param booting: its guest's balloon may still be on the way
    :param driven: as in :class:`nova_xloud.core.instance.state.InstanceState`
    :param silent: its guest holds less than its maximum, and its driver, which has reported before,
        reports no more
    """
    held = _held(glimpse, booting=booting)
    if not reserved.covers(held):
        return Look(TOO_LITTLE, f"it holds {held} and {reserved} are reserved", urgent=True)
    if not driven:
        return _followed(desired, recorded, reserved, glimpse)
    defined = None if glimpse is None else glimpse.defined
    if defined is not None and not reserved.covers(defined):
        why = f"libvirt would start it with {defined} and {reserved} are reserved"
        return Look(DEFINITION, why, urgent=True)
    return _look(desired, recorded, reserved, glimpse, booting=booting, silent=silent)


def _followed(
    desired: Desired, recorded: Size, reserved: Size, glimpse: Glimpse | None
) -> Look | None:
    """Of an instance that is not driven: no more than that its claim and its alarm are right."""
    if glimpse is None or not glimpse.running:
        return None
    if glimpse.defined is not None and not reserved.covers(glimpse.defined):
        why = f"libvirt would start it with {glimpse.defined} and {reserved} are reserved"
        return Look(DEFINITION, why, urgent=True)
    if any(one.type == RESERVED_TOO_LITTLE for one in desired.noted):
        return Look(CONDITION, f"it was {RESERVED_TOO_LITTLE}")
    if recorded != reserved:
        return Look(RECORDED, f"{recorded} are recorded and {reserved} reserved")
    return None


def _look(
    desired: Desired,
    recorded: Size,
    reserved: Size,
    glimpse: Glimpse | None,
    *,
    booting: bool,
    silent: bool,
) -> Look | None:
    found = _unsettled(desired, recorded, reserved, glimpse, silent=silent)
    if found is not None:
        return found
    if not desired.generation and not _has(desired.target, glimpse):
        # Nobody asked for anything. It may have been started before nova-xloud was here, with more
        # than it would boot with now, and that is claimed.
        return None
    if glimpse is not None and glimpse.defined not in (None, desired.persisted):
        why = f"libvirt would start it with {glimpse.defined} and not with {desired.persisted}"
        return Look(DEFINITION, why)
    if reserved != desired.to_hold:
        return Look(RESERVED, f"{reserved} are reserved and should be {desired.to_hold}")
    if glimpse is None or not glimpse.running:
        if desired == desired.restarted():
            return None
        return Look(STOPPED, "it has stopped, and something was asked only until then")
    return _is_not(desired.target, glimpse, booting=booting)


def _unsettled(
    desired: Desired, recorded: Size, reserved: Size, glimpse: Glimpse | None, *, silent: bool
) -> Look | None:
    """What has to be looked at whatever size it should have."""
    if not desired.progress.reached:
        return Look(UNFINISHED, f"its adjustment is {desired.progress.phase.value}")
    if desired.noted:
        return Look(CONDITION, f"it was {desired.noted[0].type}")
    if recorded != reserved:
        return Look(RECORDED, f"{recorded} are recorded and {reserved} reserved")
    if silent:
        return Look(SILENT, "its balloon driver has reported before, and does not any more")
    if glimpse is not None and glimpse.asked_often:
        return Look(ASKED_OFTEN, "its balloon's statistics are asked for as often as in a shrink")
    return None


def _has(target: Size, glimpse: Glimpse | None) -> bool:
    return glimpse is not None and glimpse.held == target


def _held(glimpse: Glimpse | None, *, booting: bool) -> Size:
    if glimpse is None or not glimpse.running:
        return Size(0, 0)
    return Size(glimpse.vcpus, glimpse.pinned_mb) if booting else glimpse.held


def _is_not(target: Size, glimpse: Glimpse, *, booting: bool) -> Look | None:
    if glimpse.vcpus != target.vcpus:
        return Look(VCPUS, f"it has {glimpse.vcpus} vCPUs and should have {target.vcpus}")
    has = glimpse.held.memory_mb
    if has != target.memory_mb and not booting:
        return Look(MEMORY, f"it has {has} MiB and should have {target.memory_mb}")
    return None


def pause_after(attempts: int, first: float, longest: float) -> float:
    """Seconds to the next attempt: the first pause doubled with each, up to the longest."""
    return min(longest, first * 2.0 ** min(attempts - 1, 64))
