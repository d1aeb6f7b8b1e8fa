# SPDX-License-Identifier: Apache-2.0
"""The steps of a run, as data, and what a run remembers between two steps.

The ``name`` of a step is API, because a dry run's answer has it as ``step``. So the name stays even
if the class is renamed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Size

NOT_REMOVED = "xloud.guest_refused.vcpus_not_removed"
NO_STATISTICS = "xloud.guest_refused.no_statistics"


@dataclass(frozen=True, slots=True)
class Claim:
    """Reserve ``size``, because less is reserved than is desired, held or defined."""

    name: ClassVar[str] = "claim"
    size: Size


@dataclass(frozen=True, slots=True)
class SetDefinition:
    """Set the size of the guest's next start in libvirt's definition, not in the running guest."""

    name: ClassVar[str] = "set_definition"
    size: Size


@dataclass(frozen=True, slots=True)
class SetMemory:
    """Set the balloon's target, the memory that the guest is to have, to ``mib`` MiB."""

    name: ClassVar[str] = "set_memory"
    mib: int


@dataclass(frozen=True, slots=True)
class SetStatisticsPeriod:
    """Have QEMU request the balloon driver's statistics every ``seconds`` seconds."""

    name: ClassVar[str] = "set_statistics_period"
    seconds: int


@dataclass(frozen=True, slots=True)
class SetVcpus:
    """Have libvirt plug or unplug vCPUs of the running guest until it has ``count``."""

    name: ClassVar[str] = "set_vcpus"
    count: int


@dataclass(frozen=True, slots=True)
class SetOnline:
    """Have the guest agent set vCPUs online or offline until ``count`` are online."""

    name: ClassVar[str] = "set_online"
    count: int


@dataclass(frozen=True, slots=True)
class MarkRemoval:
    """Mark in the record that vCPUs are about to be removed, down to ``count``."""

    name: ClassVar[str] = "begin_removal"
    count: int


@dataclass(frozen=True, slots=True)
class RemovalSettled:
    """Clear the mark of :class:`MarkRemoval`: the vCPUs are gone, or the removal was not begun."""

    name: ClassVar[str] = "removal_settled"


@dataclass(frozen=True, slots=True)
class Stuck:
    """End the run: the desired size was not reached, and no other step is possible now.

    Examples are a guest that does not follow or does not report, and pinned memory.

    :ivar code: the reason code, ``xloud.guest_refused.<what>``
    :ivar why: the reason, for people
    """

    name: ClassVar[str] = "stuck"
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for the guest, because the next step depends on what it does or reports.

    :ivar code: the reason code if the guest does not follow, ``xloud.guest_refused.<what>``
    :ivar what: what the run waits for, for people, as a clause: "the guest's vCPUs become 3 (are
        2)"
    :ivar left: how many vCPUs or MiB the guest is away from the size that the run drives it to;
        less is progress
    :ivar booting: whether memory is to shrink in a guest that has just started. Then the run ends
        as deferred if the guest does not follow, and not as refused by the guest
    :ivar within: seconds without progress after which the run stops waiting, if that is less than
        ``[xloud] step_timeout``; None for ``step_timeout``
    """

    name: ClassVar[str] = "await"
    code: str
    what: str
    left: int
    booting: bool = False
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """End the run, because something else has to happen first; a later run goes on.

    Another libvirt call holds the domain, the guest is paused, or the instance is not driven in its
    vm_state.

    :ivar why: the reason, for people
    """

    name: ClassVar[str] = "deferred"
    why: str


@dataclass(frozen=True, slots=True)
class NoRoom:
    """End the run: at least ``size`` must be reserved, and Placement has refused to reserve it."""

    name: ClassVar[str] = "short"
    size: Size


@dataclass(frozen=True, slots=True)
class Release:
    """Release all that is reserved beyond ``size``."""

    name: ClassVar[str] = "release"
    size: Size


@dataclass(frozen=True, slots=True)
class SetRecorded:
    """Write the reserved ``size`` into the instance's columns, and the outcome into the record."""

    name: ClassVar[str] = "record"
    size: Size


@dataclass(frozen=True, slots=True)
class DropLiveSize:
    """Drop the live size and a pending removal from the record, because the guest has stopped."""

    name: ClassVar[str] = "forget_live"


@dataclass(frozen=True, slots=True)
class Converged:
    """End the run: the instance has its desired size, or is off and will start with it."""

    name: ClassVar[str] = "converged"


Step = (
    Claim
    | SetDefinition
    | SetMemory
    | SetStatisticsPeriod
    | MarkRemoval
    | SetVcpus
    | SetOnline
    | RemovalSettled
    | Stuck
    | Await
    | Deferred
    | NoRoom
    | Release
    | SetRecorded
    | DropLiveSize
    | Converged
)


def waits_in_libvirt(step: Step, held: Size) -> bool:
    """Return whether ``step`` removes vCPUs: then libvirt waits some seconds for the guest.

    :param held: the size that the guest holds now
    """
    return isinstance(step, SetVcpus) and step.count < held.vcpus


def writes_the_record(step: Step) -> bool:
    """Return whether ``step`` may write to the instance in Nova's database."""
    writing = Claim | MarkRemoval | RemovalSettled | SetRecorded | DropLiveSize | Converged
    return isinstance(step, writing)


def in_words(step: Step) -> str | None:
    """Return what ``step`` has done, for the log.

    None for a step that changes neither what is reserved nor what the guest has or starts with.
    """
    match step:
        case Claim(size):
            return f"reserved {size}"
        case Release(size):
            return f"released all but {size}"
        case SetDefinition(size):
            return f"libvirt's definition set to {size} for the next start"
        case SetMemory(mib):
            return f"balloon target set to {mib} MiB"
        case SetVcpus(count):
            return f"vCPUs in QEMU set to {count}"
        case SetOnline(count):
            return f"guest agent asked for {count} CPUs online"
    return None


def took_effect(step: Step, before: RunState, after: RunState) -> bool:
    """Return whether nothing refused ``step`` and, if it removes vCPUs, the removal is not late.

    This is called if executing ``step`` raised no error. A refusal of :class:`SetDefinition`,
    :class:`SetOnline` or :class:`SetVcpus` may raise none: it is in ``after``. For any other step
    the result is True.

    :param before: what the run knew before the step was executed
    :param after: what the run knows since then
    """
    match step:
        case SetDefinition():
            return after.definition_error is None
        case SetOnline():
            return after.online_error is None
        case SetVcpus():
            # Only a time-out leaves this count unknown until the next reading.
            is_late = after.removal_late and after.vcpus_when_late is None
            refused = after.removal_error != before.removal_error or after.domain_busy is not None
            return not (is_late or refused)
    return True


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run has commanded and learned so far, so that no command is repeated needlessly.

    A field is None or False until the run has done, or learned, what the field describes.

    :ivar balloon_target_mb: the target that the run has set last for the balloon, MiB; None again
        after an error of libvirt that ends the run, because the target is unknown then
    :ivar stats_period_set: the period of the balloon's statistics that the run has set, seconds;
        libvirt may have refused it
    :ivar vcpus_requested: the count of vCPUs that the run has asked libvirt for
    :ivar online_requested: the count of CPUs online that the run has asked the guest agent for
    :ivar online_error: why the guest agent was not asked, or did not do it
    :ivar removal_error: why vCPUs were not removed: how libvirt or the guest refused it, or that
        the run has waited too long
    :ivar removal_late: libvirt has given up waiting for a vCPU to be unplugged, and the guest may
        still give the vCPU back
    :ivar vcpus_when_late: how many vCPUs the guest had at the first reading after the last removal
        that was late; if it has fewer later, the late vCPU is gone
    :ivar domain_busy: libvirt's error if another call holds the domain, so that libvirt has not
        begun to change the vCPUs
    :ivar statistics_given_up: the run has waited for the guest's statistics for long enough
    :ivar removal_marked: when the run last marked a removal in the record, none was marked there.
        False if one was, because that one may still happen
    :ivar removal_undone: the removal that the run has marked was not begun, so the mark must be
        cleared; False again once it is
    :ivar definition_set: the size that the run has tried to set in libvirt's definition
    :ivar definition_error: how libvirt refused to change the definition
    :ivar claim_denied: the size that must be reserved, and that Placement has refused to reserve
    :ivar release_refused: Placement has refused a release
    :ivar settled_mb: the balloon's size at the last reading, MiB
    :ivar settled_stats_at: the time of the guest's statistics when the balloon was first seen at
        ``settled_mb``
    """

    balloon_target_mb: int | None = None
    stats_period_set: int | None = None
    vcpus_requested: int | None = None
    online_requested: int | None = None
    online_error: str | None = None
    removal_error: str | None = None
    removal_late: bool = False
    vcpus_when_late: int | None = None
    domain_busy: str | None = None
    statistics_given_up: bool = False
    removal_marked: bool = False
    removal_undone: bool = False
    definition_set: Size | None = None
    definition_error: str | None = None
    claim_denied: Size | None = None
    release_refused: bool = False
    settled_mb: int | None = None
    settled_stats_at: int | None = None

    def after_reading(self, guest: DomainReading | None) -> RunState:
        """Return the state of the run after one more reading of the guest.

        If the balloon's size has changed, the new state has that size and the time of the guest's
        statistics. In the first reading after a removal was late, it also gets the guest's vCPUs.

        :param guest: the reading; None if there is no libvirt domain: then the state is unchanged
        """
        if guest is None:
            return self
        run = self
        if run.removal_late and run.vcpus_when_late is None:
            run = replace(run, vcpus_when_late=guest.vcpus)
        if guest.memory_mb == run.settled_mb:
            return run
        return replace(run, settled_mb=guest.memory_mb, settled_stats_at=guest.stats_at)

    def given_up(self, step: Await, why: str) -> RunState | None:
        """Return the state of the run after it has waited too long in ``step``.

        :param why: the reason, for people
        :returns: None if the run cannot go on without ``step`` and ends
        """
        if step.code == NOT_REMOVED:
            return replace(self, removal_error=why)
        if step.code == NO_STATISTICS and not self.statistics_given_up:
            return replace(self, statistics_given_up=True)
        return None

    def has_fresh_statistics(self, guest: DomainReading) -> bool:
        """Return whether statistics have come since the balloon was first seen at this size."""
        if guest.stats_at is None or guest.memory_mb != self.settled_mb:
            return False
        # Compared for equality only: the host's clock may have stepped back between the two.
        return guest.stats_at != self.settled_stats_at
