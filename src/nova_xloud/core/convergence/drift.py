# SPDX-License-Identifier: Apache-2.0
"""Which instances differ from their record, and how long to wait before trying again one that does
not follow.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.instance.conditions import RESERVED_TOO_LITTLE
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.state import NOTHING, must_be_claimed
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
class Drift:
    """A difference that a pass finds between an instance and its record.

    :ivar code: for programs, one of ``CODES``
    :ivar why: for people
    :ivar urgent: more is held, or would be started with, than is reserved: no pause between tries
    """

    code: str
    why: str
    urgent: bool = False


def find_drift(
    desired: Desired,
    recorded: Size,
    reserved: Size,
    stats: DomainStats | None,
    *,
    booting: bool,
    driven: bool = True,
    silent: bool = False,
) -> Drift | None:
    """The first difference between an instance and its record; None: there is none.

    :param recorded: the size in its own columns
    :param reserved: what Placement holds for it here
    :param stats: None: libvirt has no such domain
    :param booting: its guest's balloon may still be on the way
    :param driven: as in :class:`nova_xloud.core.instance.state.InstanceState`
    :param silent: its guest holds less than its maximum, and its driver, which has reported before,
        reports no more
    """
    held = _must_be_claimed(stats, booting=booting)
    if not reserved.covers(held):
        return Drift(TOO_LITTLE, f"it holds {held} and {reserved} are reserved", urgent=True)
    if not driven:
        return _find_in_followed(desired, recorded, reserved, stats)
    defined = None if stats is None else stats.defined
    if defined is not None and not reserved.covers(defined):
        why = f"libvirt would start it with {defined} and {reserved} are reserved"
        return Drift(DEFINITION, why, urgent=True)
    return _find_in_driven(desired, recorded, reserved, stats, booting=booting, silent=silent)


def _find_in_followed(
    desired: Desired, recorded: Size, reserved: Size, stats: DomainStats | None
) -> Drift | None:
    """In an instance that is not driven: only its claim and its alarm have to be right."""
    if stats is None or not stats.running:
        return None
    if stats.defined is not None and not reserved.covers(stats.defined):
        why = f"libvirt would start it with {stats.defined} and {reserved} are reserved"
        return Drift(DEFINITION, why, urgent=True)
    if any(one.type == RESERVED_TOO_LITTLE for one in desired.recorded_conditions):
        return Drift(CONDITION, f"it was {RESERVED_TOO_LITTLE}")
    if recorded != reserved:
        return Drift(RECORDED, f"{recorded} are recorded and {reserved} reserved")
    return None


def _find_in_driven(
    desired: Desired,
    recorded: Size,
    reserved: Size,
    stats: DomainStats | None,
    *,
    booting: bool,
    silent: bool,
) -> Drift | None:
    found = _unsettled(desired, recorded, reserved, stats, silent=silent)
    if found is not None:
        return found
    if not desired.generation and not _has(desired.target, stats):
        # Nobody asked for anything. It may have been started before nova-xloud was here, with more
        # than it would boot with now, and that is claimed.
        return None
    if stats is not None and stats.defined not in (None, desired.persisted):
        why = f"libvirt would start it with {stats.defined} and not with {desired.persisted}"
        return Drift(DEFINITION, why)
    if reserved != desired.claim:
        return Drift(RESERVED, f"{reserved} are reserved and should be {desired.claim}")
    if stats is None or not stats.running:
        if desired == desired.restarted():
            return None
        return Drift(STOPPED, "it has stopped, and something was asked only until then")
    return _size_drift(desired.target, stats, booting=booting)


def _unsettled(
    desired: Desired, recorded: Size, reserved: Size, stats: DomainStats | None, *, silent: bool
) -> Drift | None:
    """A difference that does not depend on the size that the instance should have."""
    if not desired.progress.reached:
        return Drift(UNFINISHED, f"its adjustment is {desired.progress.phase.value}")
    if desired.recorded_conditions:
        return Drift(CONDITION, f"it was {desired.recorded_conditions[0].type}")
    if recorded != reserved:
        return Drift(RECORDED, f"{recorded} are recorded and {reserved} reserved")
    if silent:
        return Drift(SILENT, "its balloon driver has reported before, and does not any more")
    if stats is not None and stats.asked_often:
        return Drift(ASKED_OFTEN, "its balloon's statistics are asked for as often as in a shrink")
    return None


def _has(target: Size, stats: DomainStats | None) -> bool:
    return stats is not None and stats.held == target


def _must_be_claimed(stats: DomainStats | None, *, booting: bool) -> Size:
    if stats is None or not stats.running:
        return NOTHING
    return must_be_claimed(stats.held, booting=booting, pinned_mb=stats.pinned_mb)


def _size_drift(target: Size, stats: DomainStats, *, booting: bool) -> Drift | None:
    if stats.vcpus != target.vcpus:
        return Drift(VCPUS, f"it has {stats.vcpus} vCPUs and should have {target.vcpus}")
    has = stats.held.memory_mb
    if has != target.memory_mb and not booting:
        return Drift(MEMORY, f"it has {has} MiB and should have {target.memory_mb}")
    return None


def pause_after(attempts: int, first: float, longest: float) -> float:
    """Seconds to the next attempt: the first pause doubled with each, up to the longest."""
    return min(longest, first * 2.0 ** min(attempts - 1, 64))
