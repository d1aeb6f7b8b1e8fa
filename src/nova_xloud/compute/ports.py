# SPDX-License-Identifier: Apache-2.0
"""The ports of the engine: all that it needs of libvirt, Placement and Nova.

Each port has one adapter to the real service and one fake in :mod:`nova_xloud.testing`.
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
    """One libvirt domain.

    Calls return when libvirt has answered, not when the guest has followed. Every method may raise
    a :class:`nova_xloud.errors.DomainError`.
    """

    def read(self, *, agent: bool = True) -> DomainReading:
        """Read the domain once.

        :param agent: also ask the guest's agent; without that ``vcpus_online`` is None
        """

    def ping(self) -> None:
        """Ask QEMU something that it answers at once, and return when QEMU has answered."""

    def set_vcpus(self, count: int) -> None:
        """Hot-plug or unplug vCPUs so that the running guest has ``count``.

        The definition, from which the guest starts next, stays as it is.

        :raises VcpuNotRemovable: a vCPU to remove was there at boot and is not hotpluggable
        :raises RemovalTimedOut: libvirt has waited 5 s for the guest, which may still give the vCPU
            back
        """

    def set_memory(self, mib: int) -> None:
        """Set the balloon's target in the running guest; the definition stays as it is."""

    def set_statistics_period(self, seconds: int) -> None:
        """Have QEMU ask the balloon driver for statistics every ``seconds`` seconds.

        This is set in the running guest only; the definition stays as it is.

        :raises DomainNotRunning: the domain is shut off
        """

    def set_definition(self, size: Size) -> None:
        """Set vCPUs and memory in the definition, from which the guest starts next.

        A running guest is not changed; the domain may also be shut off. Every vCPU that this adds
        can be removed again once the guest runs. The size is set in two calls, so after an error
        only one of vCPUs and memory may be set.

        :raises DomainNotRunning: the domain is transient, and so has no definition
        :raises InvalidSize: the size is 0, negative, or above the maximum
        """

    def set_vcpus_online(self, count: int) -> None:
        """Have the guest's agent bring CPUs online, or take them offline, up to ``count``.

        :raises AgentUnavailable: the guest has no agent, or the agent does not answer
        """


class ClaimConflict(Exception):
    """Somebody else changed the allocation after it was read; the caller has to read it again."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The allocation of an instance on its host in Placement, as it was read once.

    :ivar size: the vCPUs and the memory that are allocated
    :ivar body: the whole allocation, to be written back with its consumer generation
    """

    size: Size
    body: dict[str, Any]


class Claims(Protocol):
    """The allocation of one instance in Placement."""

    def read(self) -> Reservation:
        """Read the allocation from Placement.

        :raises PlacementUnavailable: Placement could not be asked
        """

    def check(self, current: Reservation, size: Size) -> None:
        """Raise unless ``write(current, size)`` would succeed now.

        It changes nothing; dry runs use it.

        :raises NoCapacity: :meth:`write` would raise it
        :raises PlacementUnavailable: Placement could not be asked
        """

    def write(self, current: Reservation, size: Size) -> Reservation:
        """Change the allocation to ``size``, if it is still as ``current``; return the new one.

        :raises ClaimConflict: the allocation has changed since ``current`` was read
        :raises NoCapacity: the host has no room for ``size``; the message names what was asked for
            and what is free
        :raises ClaimRefused: Placement refuses ``size`` though it is no more than is allocated, or
            Placement does not know the host
        :raises NoAllocation: Placement has no allocation for the instance on this host
        :raises PlacementUnavailable: Placement could not be asked
        """


@dataclass(frozen=True, slots=True)
class RecordView:
    """What Nova's database has of an instance, as it was read once.

    :ivar on_this_host: the instance's host is this host
    :ivar facts: what of the flavor and the image bounds the size
    :ivar desired: the instance's record
    :ivar recorded: the size in the instance's own columns, vcpus and memory_mb
    :ivar version: changes whenever the instance is written, as at the beginning and the end of an
        operation; Nova's database may count it in whole seconds
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
        """Read the record from the database again.

        :raises NotFound: the instance was deleted
        """

    def write(self, desired: Desired, recorded: Size) -> None:
        """Write ``desired``, and ``recorded`` into the instance's columns, if no task is running.

        :raises InvalidState: a task has started meanwhile; nothing was written
        """


class Actions(Protocol):
    """The instance action of a request: its events and its notifications."""

    def start(self, name: str) -> None:
        """Record that the instance action ``name`` has begun."""

    def event(self, name: str) -> AbstractContextManager[Any]:
        """Return a context in which the event ``name`` of the action takes place.

        The event is recorded with the error that leaves the context, if one does.
        """

    def notify(self, name: str, error: Exception | None = None) -> None:
        """Send a notification; never raise.

        :param name: ``<action>.start``, ``<action>.end`` or ``<action>.error``
        :param error: the error that the notification reports
        """


class InstanceLock(Protocol):
    """Nova's own lock of one instance."""

    def __call__(self, within: float) -> AbstractContextManager[Any]:
        """Take the lock, and return a context that releases it.

        :param within: seconds to wait for an operation of Nova's that has the lock, while what
            nova-xloud itself does under the lock is waited for without a limit; 0: do not wait
        :raises InvalidState: the lock was not free in that time
        """


@dataclass(frozen=True, slots=True)
class Instance:
    """The ports of one instance, opened for one request.

    :ivar domain: opens the instance's domain; raises :class:`DomainNotFound` if there is none
    :ivar claims: the allocation in Placement
    :ivar record: the record in Nova's database
    :ivar actions: the instance action of the request
    :ivar lock: Nova's own lock of the instance
    :ivar booting: returns whether the guest has started so lately that its balloon may still be
        inflating
    :ivar watched: returns the reading with ``balloon_driver`` set: see
        :meth:`nova_xloud.compute.watch.Watch.judged`
    :ivar request_id: the id of the request for which the instance was opened
    :ivar answers: returns whether the guest's QEMU answers within so many seconds; True if there is
        no QEMU. Not to be called under the lock
    :ivar placement_answers: returns whether Placement answers within so many seconds. Not to be
        called under the lock
    :ivar logged: returns a context in which this thread logs with the id of the request
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

    :ivar node: the compute node that the instance is on
    :ivar view: the record
    :ivar project_id: the project that the instance belongs to
    """

    uuid: str
    node: str
    view: RecordView
    project_id: str = ""


class HostInstances(Protocol):
    """All elastic instances of this host, read in as few calls as possible."""

    def domain_stats(self, uuids: Collection[str]) -> Mapping[str, DomainStats]:
        """Return the statistics of libvirt's domains on this host, by UUID of the instance.

        It takes one call to libvirt, and two more for each of ``uuids``. A domain that is busy just
        now may be missing. A QEMU that hangs delays the answer for as long as it hangs.

        :param uuids: the instances whose definition and devices are read too
        :raises DomainError: libvirt could not be asked
        """

    def boot_ids(self) -> Mapping[str, int]:
        """Return the ids of the domains that ran already when nova-compute started, by UUID."""

    def records(self) -> Sequence[ManagedInstance]:
        """Return all elastic instances of this host, read in two queries at most."""

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        """Return the size that Placement has allocated to each instance on this host, by UUID.

        It takes one call to Placement for each compute node.

        :raises PlacementUnavailable: Placement could not be asked
        """

    def open(self, uuid: str, request_id: str) -> Instance:
        """Open the ports of one of these instances.

        :param request_id: the request whose instance action gets the events; may be empty
        :raises NotFound: the instance was deleted
        """
