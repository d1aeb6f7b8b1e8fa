# SPDX-License-Identifier: Apache-2.0
"""The steps of convergence, as data, and what a run remembers between two of them.

The ``name`` of a step is API: a dry run's answer has it as ``step``. A name stays even if the class
is renamed.
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
    """Set the balloon's target to ``mib`` MiB."""

    name: ClassVar[str] = "set_memory"
    mib: int


@dataclass(frozen=True, slots=True)
class SetStatisticsPeriod:
    """Have QEMU request the balloon driver's statistics every ``seconds`` seconds."""

    name: ClassVar[str] = "set_statistics_period"
    seconds: int


@dataclass(frozen=True, slots=True)
class SetVcpus:
    """Plug or unplug vCPUs until the guest has ``count``."""

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
    """Clear the mark of :class:`MarkRemoval`: the vCPUs are gone, or no removal was begun."""

    name: ClassVar[str] = "removal_settled"


@dataclass(frozen=True, slots=True)
class Stuck:
    """End the run: the desired size was not reached, and no other step is possible now.

    The guest does not follow or does not report, its memory is pinned, or libvirt did not change
    the definition.

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
    :ivar left: how far the guest is from there, in vCPUs or MiB; less is progress
    :ivar booting: whether the guest has just started; then the run is deferred if the guest does
        not follow, and does not fail
    :ivar within: seconds after which waiting ends, if that is sooner than the step's time-out
    """

    name: ClassVar[str] = "await"
    code: str
    what: str
    left: int
    booting: bool = False
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """End the run until another operation or the guest acts; a new run follows then.

    :ivar why: the reason, for people
    """

    name: ClassVar[str] = "deferred"
    why: str


@dataclass(frozen=True, slots=True)
class NoRoom:
    """End the run: ``size`` must be reserved, and Placement has refused to reserve it."""

    name: ClassVar[str] = "short"
    size: Size


@dataclass(frozen=True, slots=True)
class Release:
    """Release all that is reserved beyond ``size``."""

    name: ClassVar[str] = "release"
    size: Size


@dataclass(frozen=True, slots=True)
class SetRecorded:
    """Write the reserved ``size`` into the instance's columns, and how far the run has come."""

    name: ClassVar[str] = "record"
    size: Size


@dataclass(frozen=True, slots=True)
class DropLiveSize:
    """Drop the live size and a pending removal from the record, because the guest has stopped."""

    name: ClassVar[str] = "forget_live"


@dataclass(frozen=True, slots=True)
class Converged:
    """End the run: the instance has its desired size."""

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
    """Return whether libvirt waits for the guest, for up to 5 s, in the call that ``step`` makes.

    It does so when vCPUs are removed.

    :param held: the size that the guest holds now
    """
    return isinstance(step, SetVcpus) and step.count < held.vcpus


def writes_the_record(step: Step) -> bool:
    """Return whether ``step`` may write to the instance in Nova's database."""
    return isinstance(step, MarkRemoval | RemovalSettled | SetRecorded | DropLiveSize | Converged)


def in_words(step: Step) -> str | None:
    """Return what ``step`` has done, for the log; None if it has no effect outside of Nova."""
    match step:
        case Claim(size):
            return f"reserved {size}"
        case Release(size):
            return f"released all but {size}"
        case SetDefinition(size):
            return f"libvirt's definition set to {size} for the next start"
        case SetMemory(mib):
            return f"balloon target set to {mib} MiB"
        case SetStatisticsPeriod(seconds):
            return f"period of the balloon's statistics set to {seconds} s"
        case SetVcpus(count):
            return f"vCPUs in QEMU set to {count}"
        case SetOnline(count):
            return f"guest agent asked for {count} CPUs online"
    return None


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run has commanded and learned so far, so that it commands nothing twice.

    A field is None or False until the run has done, or learned, what the field describes.

    :ivar balloon_target_mb: the target that the run has set for the balloon, MiB; None again after
        an error of libvirt, because the target is unknown then
    :ivar stats_period_set: the period of the balloon's statistics that the run has set, seconds;
        libvirt may have refused it
    :ivar vcpus_requested: the count of vCPUs that the run has asked libvirt to plug or unplug to
    :ivar online_requested: the count of CPUs online that the run has asked the guest agent for
    :ivar removal_error: how the hypervisor or the guest refused to remove vCPUs
    :ivar removal_late: libvirt has given up waiting for a vCPU to be unplugged, and the guest may
        still give the vCPU back
    :ivar vcpus_when_late: how many vCPUs the guest had when the run first saw that a removal was
        late; if it has fewer later, the late vCPU is gone
    :ivar domain_busy: libvirt's error if another call holds the domain, so that the last command
        has not begun
    :ivar statistics_given_up: the run has waited for the guest's statistics for long enough
    :ivar removal_marked: the run has marked a removal in the record, where none was marked before
    :ivar removal_undone: nothing came of the marked removal, so the mark must be cleared
    :ivar definition_set: the size that the run has set in libvirt's definition
    :ivar definition_error: how libvirt refused to change the definition
    :ivar claim_denied: the size that Placement has refused to reserve
    :ivar release_refused: Placement has refused a release
    :ivar settled_mb: the balloon's size at the last reading, MiB
    :ivar settled_stats_at: the time of the guest's statistics when the balloon was first seen at
        ``settled_mb``
    """

    balloon_target_mb: int | None = None
    stats_period_set: int | None = None
    vcpus_requested: int | None = None
    online_requested: int | None = None
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

        It has the balloon's new size with the time of the statistics, if the size has changed, and
        how many vCPUs the guest has, if this is the first reading after a removal was late.
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
        """Return whether statistics have come since the balloon was first seen at its size."""
        if guest.stats_at is None or guest.memory_mb != self.settled_mb:
            return False
        # Compared for equality only: the host's clock may have stepped back between the two.
        return guest.stats_at != self.settled_stats_at
