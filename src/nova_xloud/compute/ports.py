# SPDX-License-Identifier: Apache-2.0
"""What the package compute needs of the outside, and no more.

Each port has one adapter to the real thing and one fake in
:mod:`nova_xloud.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts


class Domain(Protocol):
    """One libvirt domain. Calls return when libvirt answered, not when the guest did.

    Every method may raise a :class:`nova_xloud.errors.DomainError`.
    """

    def read(self, *, agent: bool = True) -> DomainReading:
        """One reading of it.

        :param agent: ask the guest's agent too; without it ``vcpus_online`` is None
        """

    def ping(self) -> None:
        """Ask its QEMU something that it answers at once; returns when it has."""

    def set_vcpus(self, count: int) -> None:
        """Hot-plug or unplug up to ``count``, live; the definition it starts from next stays.

        :raises VcpuNotRemovable: a vCPU to remove was there at boot
        :raises RemovalTimedOut: libvirt has waited 5 s for the guest, which may still give it back
        """

    def set_memory(self, mib: int) -> None:
        """Set the balloon's target, live; the definition it starts from next stays."""

    def set_statistics_period(self, seconds: int) -> None:
        """Have QEMU ask the balloon's driver for statistics so often, live; the definition stays.

        :raises DomainNotRunning: it is shut off
        """

    def set_definition(self, size: Size) -> None:
        """Set what it is started with next, vCPUs and memory; a running guest is left alone.

        Every vCPU that this adds can be removed again when the guest runs. For a domain that is
        shut off too. Two changes: after an error only one of them may be there.

        :raises DomainNotRunning: it is transient, and has no definition
        :raises InvalidSize: 0, negative, or above the maximum
        """

    def set_vcpus_online(self, count: int) -> None:
        """Have the guest's agent bring CPUs online, or take them offline, up to ``count``.

        :raises AgentUnavailable: there is none, or it does not answer
        """


class ClaimConflict(Exception):
    """Somebody else changed the allocation since it was read: read again."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What Placement holds for an instance on its host, as read once.

    :ivar body: the whole allocation, to be written back with its consumer generation
    """

    size: Size
    body: dict[str, Any]


class Claims(Protocol):
    """The allocation of one instance in Placement."""

    def read(self) -> Reservation:
        """:raises PlacementUnavailable: it could not be asked"""

    def check(self, current: Reservation, size: Size) -> None:
        """Raise unless ``write(current, size)`` would succeed now; changes nothing, for dry runs.

        :raises NoCapacity: as that does
        :raises PlacementUnavailable: it could not be asked
        """

    def write(self, current: Reservation, size: Size) -> Reservation:
        """Make it ``size``, if it is still as ``current``.

        :raises ClaimConflict: it is not
        :raises NoCapacity: more was asked for than the host can give; names what was asked and
            what is free
        :raises ClaimRefused: no more was asked for than is held, and Placement does not take it; or
            it does not know the host
        :raises NoAllocation: Placement holds nothing for it here
        :raises PlacementUnavailable: it could not be asked
        """


@dataclass(frozen=True, slots=True)
class RecordView:
    """What Nova's database says of an instance, as read once.

    :ivar on_this_host: this host is its host
    :ivar recorded: what its own columns say that it holds
    :ivar version: another one once anything has been written of the instance, as at both ends of an
        operation; Nova's database may count in whole seconds
    """

    vm_state: str
    task_state: str | None
    on_this_host: bool
    facts: FlavorFacts
    desired: Desired
    recorded: Size
    version: object = None


class Record(Protocol):
    """The database record of one instance."""

    def refresh(self) -> RecordView:
        """Read it again.

        :raises NotFound: it was deleted
        """

    def write(self, desired: Desired, recorded: Size) -> None:
        """Write ``desired``, and the size for the instance's columns, only if no task is running.

        :raises InvalidState: a task has started meanwhile; nothing was written
        """


class Actions(Protocol):
    """Instance actions and their events, as people see them."""

    def start(self, name: str) -> None:
        """Record that the action has begun."""

    def event(self, name: str) -> AbstractContextManager[Any]:
        """Record an event of it, with the error that leaves the block, if one does."""

    def notify(self, name: str, error: Exception | None = None) -> None:
        """Send a notification; never raises.

        :param name: ``<action>.start``, ``<action>.end`` or ``<action>.error``
        """


class InstanceLock(Protocol):
    """Nova's own lock of one instance."""

    def __call__(self, within: float) -> AbstractContextManager[Any]:
        """Have it.

        :param within: seconds that an operation of Nova's may keep it from us, while what we do
            with it ourselves is waited for; 0: nobody is waited for
        :raises InvalidState: one has kept it for longer
        """


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance, through its ports.

    :ivar domain: opens its domain; :class:`DomainNotFound` where there is none
    :ivar lock: Nova's own per-instance lock
    :ivar booting: whether the guest has started so lately that its balloon may be on the way
    :ivar watched: the same reading with what is known of its balloon driver by who has watched it
    :ivar request_id: of the request for which it was opened
    :ivar answers: whether its QEMU answers within so many seconds, or there is none; not asked
        under the lock
    :ivar placement_answers: the same of Placement
    :ivar logged: in it, what this thread logs has that request's id
    """

    uuid: str
    domain: Callable[[], Domain]
    claims: Claims
    record: Record
    actions: Actions
    lock: InstanceLock
    booting: Callable[[DomainReading], bool] = lambda reading: False
    watched: Callable[[DomainReading], DomainReading] = lambda reading: reading
    request_id: str = ""
    answers: Callable[[float], bool] = lambda within: True
    placement_answers: Callable[[float], bool] = lambda within: True
    logged: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True, slots=True)
class ManagedInstance:
    """One elastic instance of this host, as Nova's database has it.

    :ivar node: the compute node it is on
    :ivar project_id: whose it is
    """

    uuid: str
    node: str
    view: RecordView
    project_id: str = ""


class HostInstances(Protocol):
    """All elastic instances of this host, read in as few calls as possible."""

    def domain_stats(self, uuids: Collection[str]) -> Mapping[str, DomainStats]:
        """What libvirt says of its domains, by instance: one call, and two for each of ``uuids``.

        :param uuids: whose definition and devices are read too; of no other is anything more asked

        One that is busy just now may be missing. One that hangs delays the answer for as long.

        :raises DomainError: libvirt was not to be asked
        """

    def boot_ids(self) -> Mapping[str, int]:
        """libvirt's ids of the domains that ran already when the service began, by instance."""

    def records(self) -> Sequence[ManagedInstance]:
        """All of them, as Nova's database has them: two queries at the most."""

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        """What Placement has allocated to them on this host: one call a compute node.

        :raises PlacementUnavailable:
        """

    def open(self, uuid: str, request_id: str) -> Instance:
        """Open one of these instances.

        :param request_id: of whose instance action the events shall be; may be empty
        :raises NotFound: it was deleted
        """
