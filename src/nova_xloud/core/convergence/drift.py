# SPDX-License-Identifier: Apache-2.0
"""How an instance differs from its record, and the pause before a run is tried again.

===================  ===========================================================================
code                 drift
===================  ===========================================================================
reserved_too_little  the guest holds more than is reserved
definition           libvirt would start the guest with more than is reserved, or with another size
                     than the persisted one
unfinished           the adjustment has not converged
condition            a condition is recorded
recorded             the instance's columns in Nova's database differ from what is reserved
reserved             another size is reserved than the record requires
stopped              the guest is off, and the record still has a live size or a pending removal
vcpus                the guest has another number of vCPUs than is desired
memory               the guest has another size of memory than is desired
silent               the guest's balloon driver has stopped reporting
asked_often          the balloon's statistics still have the short period of a shrink
===================  ===========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.instance.conditions import RESERVED_TOO_LITTLE
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.state import NOTHING, must_be_claimed
from nova_xloud.core.size import Size, of_vcpus

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
    """Why an instance needs a run: a difference that a pass finds, or something left to finish.

    :ivar code: one of the codes in this module's table, for programs
    :ivar why: the reason, for people
    :ivar urgent: whether more must be claimed than is reserved, for what the guest holds or would
        start with; then there is no pause between tries
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
    """Return the first reason why an instance needs a run; None without one.

    A reason is a difference between the instance's record, columns, allocation, definition and
    guest. An unfinished adjustment, a recorded condition, a balloon driver that has stopped
    reporting, and statistics with the short period of a shrink are reasons too. Some of these do
    not count if the instance is not driven or was never adjusted, or while the guest boots.

    :param desired: the instance's record
    :param recorded: the size in the instance's columns in Nova's database
    :param reserved: the size that Placement has allocated to the instance on this host
    :param stats: the statistics of the libvirt domain; None if libvirt has no such domain, or has
        no statistics of it because it is busy
    :param booting: whether the guest started so lately that its balloon may still be inflating
    :param driven: whether the instance is driven to its desired size in its vm_state
    :param silent: whether the guest holds less than its maximum, and its balloon driver has
        reported before and does not any more
    """
    held = _must_be_claimed(stats, booting=booting)
    if not reserved.covers(held):
        return Drift(TOO_LITTLE, f"the guest holds {held} and {reserved} are reserved", urgent=True)
    if not driven:
        return _find_in_followed(desired, recorded, reserved, stats)
    defined = None if stats is None else stats.defined
    if defined is not None and not reserved.covers(defined):
        why = f"libvirt would start the guest with {defined} and {reserved} are reserved"
        return Drift(DEFINITION, why, urgent=True)
    return _find_in_driven(desired, recorded, reserved, stats, booting=booting, silent=silent)


def _find_in_followed(
    desired: Desired, recorded: Size, reserved: Size, stats: DomainStats | None
) -> Drift | None:
    """Return the drift of an instance that is not driven to its desired size; None without one.

    Only the definition, the condition ``ReservedTooLittle`` and the columns count here; the caller
    has compared what the guest holds. None too if the guest does not run.
    """
    if stats is None or not stats.running:
        return None
    if stats.defined is not None and not reserved.covers(stats.defined):
        why = f"libvirt would start the guest with {stats.defined} and {reserved} are reserved"
        return Drift(DEFINITION, why, urgent=True)
    if any(one.type == RESERVED_TOO_LITTLE for one in desired.recorded_conditions):
        return Drift(CONDITION, f"the condition {RESERVED_TOO_LITTLE} is recorded")
    if recorded != reserved:
        return Drift(RECORDED, f"{recorded} are recorded and {reserved} are reserved")
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
        # The instance was never adjusted. Its guest may have been started before nova-xloud was
        # installed, with more than it would boot with now, and that is claimed.
        return None
    if stats is not None and stats.defined not in (None, desired.persisted):
        why = f"libvirt would start the guest with {stats.defined} and not with {desired.persisted}"
        return Drift(DEFINITION, why)
    if reserved != desired.claim:
        return Drift(RESERVED, f"{reserved} are reserved and should be {desired.claim}")
    if stats is None or not stats.running:
        if desired == desired.restarted():
            return None
        return Drift(STOPPED, "the guest has stopped, and a size was asked for only until then")
    return _size_drift(desired.target, stats, booting=booting)


def _unsettled(
    desired: Desired, recorded: Size, reserved: Size, stats: DomainStats | None, *, silent: bool
) -> Drift | None:
    """Return the first drift that is found without comparing the desired size; None without one.

    It may be an unfinished adjustment, a recorded condition, columns that differ from what is
    reserved, a driver that has stopped reporting, or the short period of statistics.
    """
    if not desired.progress.reached:
        return Drift(UNFINISHED, f"its adjustment is {desired.progress.phase.value}")
    if desired.recorded_conditions:
        return Drift(CONDITION, f"the condition {desired.recorded_conditions[0].type} is recorded")
    if recorded != reserved:
        return Drift(RECORDED, f"{recorded} are recorded and {reserved} are reserved")
    if silent:
        return Drift(SILENT, "the guest's balloon driver has stopped reporting")
    if stats is not None and stats.asked_often:
        return Drift(
            ASKED_OFTEN, "the balloon's statistics still have the short period of a shrink"
        )
    return None


def _has(target: Size, stats: DomainStats | None) -> bool:
    return stats is not None and stats.held == target


def _must_be_claimed(stats: DomainStats | None, *, booting: bool) -> Size:
    if stats is None or not stats.running:
        return NOTHING
    return must_be_claimed(stats.held, booting=booting, pinned_mb=stats.pinned_mb)


def _size_drift(target: Size, stats: DomainStats, *, booting: bool) -> Drift | None:
    if stats.vcpus != target.vcpus:
        return Drift(VCPUS, f"the guest has {of_vcpus(stats.vcpus)} and should have {target.vcpus}")
    has = stats.held.memory_mb
    if has != target.memory_mb and not booting:
        return Drift(MEMORY, f"the guest has {has} MiB and should have {target.memory_mb}")
    return None


def pause_after(attempts: int, first: float, longest: float) -> float:
    """Return the seconds to wait before the next attempt.

    The pause doubles with each attempt, from ``first`` up to ``longest`` seconds.

    :param attempts: how many attempts were made so far, at least 1
    """
    return min(longest, first * 2.0 ** min(attempts - 1, 64))
