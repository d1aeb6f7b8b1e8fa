# SPDX-License-Identifier: Apache-2.0
"""The steps of convergence, as data, and what a run remembers between two of them.

``name`` of a step is API: it is the ``step`` of a dry run's answer, whatever the class is called.
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
    """Reserve ``size`` first: less is reserved than the next step, or the guest, needs."""

    name: ClassVar[str] = "claim"
    size: Size


@dataclass(frozen=True, slots=True)
class SetDefinition:
    """Have libvirt start the guest with ``size`` from now on. The running guest is left alone."""

    name: ClassVar[str] = "set_definition"
    size: Size


@dataclass(frozen=True, slots=True)
class SetMemory:
    """Tell the balloon to become ``mib``."""

    name: ClassVar[str] = "set_memory"
    mib: int


@dataclass(frozen=True, slots=True)
class SetStatisticsPeriod:
    """Have QEMU ask the balloon's driver for statistics every ``seconds``."""

    name: ClassVar[str] = "set_statistics_period"
    seconds: int


@dataclass(frozen=True, slots=True)
class SetVcpus:
    """Plug or unplug up to ``count``."""

    name: ClassVar[str] = "set_vcpus"
    count: int


@dataclass(frozen=True, slots=True)
class SetOnline:
    """Have the guest's agent bring vCPUs online, or take them offline, up to ``count``."""

    name: ClassVar[str] = "set_online"
    count: int


@dataclass(frozen=True, slots=True)
class MarkRemoval:
    """Mark in the record that vCPUs are about to be removed, down to ``count``."""

    name: ClassVar[str] = "begin_removal"
    count: int


@dataclass(frozen=True, slots=True)
class RemovalSettled:
    """The vCPUs to be removed are seen to be gone: take the mark off the record."""

    name: ClassVar[str] = "removal_settled"


@dataclass(frozen=True, slots=True)
class Stuck:
    """No step is safe before the guest acts, or restarts.

    :ivar code: ``xloud.guest_refused.<what>``
    :ivar why: for people
    """

    name: ClassVar[str] = "stuck"
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Await:
    """All was commanded already; wait for the guest.

    :ivar code: ``xloud.guest_refused.<what>``, if it does not come
    :ivar what: for people: what is waited for
    :ivar left: how far it is from there, in vCPUs or MiB: less is progress
    :ivar booting: it has time: its balloon is on the way after its start
    :ivar within: seconds after which it is given up, where that is sooner than a step's time-out
    """

    name: ClassVar[str] = "await"
    code: str
    what: str
    left: int
    booting: bool = False
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """Nothing can happen before somebody else acts; an event brings us back.

    :ivar why: for people
    """

    name: ClassVar[str] = "deferred"
    why: str


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Nothing is left to do but to reserve ``size``, and the host has no room for it."""

    name: ClassVar[str] = "short"
    size: Size


@dataclass(frozen=True, slots=True)
class Release:
    """Give back all but ``size``."""

    name: ClassVar[str] = "release"
    size: Size


@dataclass(frozen=True, slots=True)
class SetRecorded:
    """Write what is reserved into the instance's own columns, which say something else."""

    name: ClassVar[str] = "record"
    size: Size


@dataclass(frozen=True, slots=True)
class DropLiveSize:
    """The guest has stopped: drop the size that was desired only until then."""

    name: ClassVar[str] = "forget_live"


@dataclass(frozen=True, slots=True)
class Converged:
    """There is nothing left to do."""

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
    """Whether libvirt waits for the guest in it, for up to 5 s: it does where vCPUs are to go."""
    return isinstance(step, SetVcpus) and step.count < held.vcpus


def writes_the_record(step: Step) -> bool:
    """Whether it may write something of the instance into Nova's database."""
    return isinstance(step, MarkRemoval | RemovalSettled | SetRecorded | DropLiveSize | Converged)


def in_words(step: Step) -> str | None:
    """What was done, for an operator's log; None: nothing that is seen from outside."""
    match step:
        case Claim(size):
            return f"{size} are reserved"
        case Release(size):
            return f"all but {size} are released"
        case SetDefinition(size):
            return f"libvirt was told: it starts with {size} from now on"
        case SetMemory(mib):
            return f"its balloon was told: {mib} MiB"
        case SetStatisticsPeriod(seconds):
            return f"its balloon's statistics are asked for every {seconds} s"
        case SetVcpus(count):
            return f"its QEMU was told: {count} vCPUs"
        case SetOnline(count):
            return f"its agent was told: {count} CPUs online"
    return None


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run has commanded and learned so far, so that it commands nothing twice.

    :ivar balloon_target_mb: the target that it set for the balloon
    :ivar stats_period_set: the period of the balloon's statistics that it set, seconds; libvirt may
        have refused it
    :ivar vcpus_requested: the count of vCPUs that it asked libvirt to plug, or to unplug down to
    :ivar online_requested: the count of CPUs online that it asked the guest's agent for
    :ivar removal_error: how the hypervisor or the guest refused to remove vCPUs
    :ivar removal_late: libvirt has given up waiting for a vCPU to be unplugged, and the guest may
        still give it back
    :ivar vcpus_when_late: how many vCPUs there were when that was first seen: when there are fewer,
        the late one has come
    :ivar domain_busy: another call holds the domain, and nothing that was asked of it has begun
    :ivar statistics_given_up: it has waited for the guest's statistics for long enough
    :ivar removal_marked: it has marked a removal in the record, where none was unsettled
    :ivar removal_undone: nothing came of that removal, so the mark has to go
    :ivar definition_set: what it set libvirt's definition to
    :ivar definition_error: how libvirt refused to change the definition
    :ivar claim_denied: the size that the host had no room for
    :ivar release_refused: Placement has refused a release
    :ivar settled_mb: the size at which the balloon was seen last
    :ivar settled_stats_at: the time of the guest's statistics when the balloon was first seen at
        that size
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
        """The same after one more reading of the guest."""
        if guest is None:
            return self
        run = self
        if run.removal_late and run.vcpus_when_late is None:
            run = replace(run, vcpus_when_late=guest.vcpus)
        if guest.memory_mb == run.settled_mb:
            return run
        return replace(run, settled_mb=guest.memory_mb, settled_stats_at=guest.stats_at)

    def given_up(self, step: Await, why: str) -> RunState | None:
        """The same after ``step`` was waited for too long, where the run goes on without it.

        :param why: for people
        :returns: None: the run ends
        """
        if step.code == NOT_REMOVED:
            return replace(self, removal_error=why)
        if step.code == NO_STATISTICS and not self.statistics_given_up:
            return replace(self, statistics_given_up=True)
        return None

    def has_fresh_statistics(self, guest: DomainReading) -> bool:
        """Whether the guest's statistics are of a time when its balloon was where it is now."""
        if guest.stats_at is None or guest.memory_mb != self.settled_mb:
            return False
        # Not by which is later: the host's clock may have stepped back between them.
        return guest.stats_at != self.settled_stats_at
