# SPDX-License-Identifier: Apache-2.0
"""The ports of the engine: all that it needs of libvirt, Placement and Nova.

The adapters to the real services are in :mod:`nova_xloud.adapters` and :mod:`nova_xloud.libvirt`,
and fakes for tests in :mod:`nova_xloud.testing`.
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
        :raises RemovalRejected: the guest refused to give a vCPU back
        :raises RemovalTimedOut: libvirt has waited 5 s for the guest, or the guest has not answered
            an earlier request for the vCPU yet; it may still give the vCPU back. If libvirt's
            messages are not in English, also when another call holds the domain
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
        """Have the guest's agent bring CPUs online, or take them offline, until it has ``count``.

        :raises AgentUnavailable: the guest has no agent, or the agent does not answer or refuses;
            or too many other agents of this host have not answered yet
        :raises InvalidSize: ``count`` is 0, or more than the vCPUs that are present
        :raises DomainNotRunning: the domain is shut off or paused
        """


class ClaimConflict(Exception):
    """Somebody else changed the allocation after it was read; the caller has to read it again."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The allocation of an instance in Placement, as it was last read or written.

    :ivar size: the vCPUs and the memory that are allocated on the instance's compute node
    :ivar body: the instance's allocations on all resource providers, as Placement returned them, to
        be written back with the consumer generation
    """

    size: Size
    body: dict[str, Any]


class Claims(Protocol):
    """The allocation of one instance in Placement.

    Every method may raise :class:`nova_xloud.errors.NotFound`, if the instance's compute node is
    not one of this host's.
    """

    def read(self) -> Reservation:
        """Read the allocation from Placement.

        :returns: a size of 0 and 0 if Placement has no allocation on this host; but a resource that
            the flavor fixes by resource class (``resources:VCPU``) always has the flavor's number
        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        """

    def check(self, current: Reservation, size: Size) -> None:
        """Raise if the host has no room now for changing the allocation to ``size``.

        It changes nothing; dry runs use it. It does not find out whether the allocation has changed
        since ``current`` was read, or is missing: only :meth:`write` does.

        :raises NoCapacity: :meth:`write` would raise it
        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        """

    def write(self, current: Reservation, size: Size) -> Reservation:
        """Change the allocation to ``size``, if it is still as ``current``; return the new one.

        :raises ClaimConflict: the allocation has changed since ``current`` was read
        :raises NoCapacity: the host has no room for ``size``; the message names what was asked for
            and what is free
        :raises ClaimRefused: Placement refuses ``size`` though it is no more than is allocated, or
            answers 400 or 404, for example because it does not know the host
        :raises NoAllocation: ``current`` has no allocation for the instance on this host
        :raises PlacementUnavailable: Placement could not be asked, or answered with another error
        """


@dataclass(frozen=True, slots=True)
class RecordView:
    """What Nova's database has of an instance, as it was read once.

    :ivar vm_state: Nova's vm_state
    :ivar task_state: Nova's task_state; None while no operation has set one
    :ivar on_this_host: the instance's host is this host
    :ivar facts: what of the flavor and the image bounds the size
    :ivar desired: the instance's record: the desired size, and how far the instance has come
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

        ``desired`` is written only if it differs from the stored record.

        :raises InvalidState: a task is running; or the host, vm_state, flavor, image or record has
            changed since the last :meth:`refresh` or :meth:`write`. Nothing was written
        :raises NotFound: the instance was deleted
        """


class Actions(Protocol):
    """The instance action of a request: its events and its notifications."""

    def start(self, name: str) -> None:
        """Create the instance action ``name`` in Nova's database, for the id of the request."""

    def event(self, name: str) -> AbstractContextManager[Any]:
        """Return a context in which the event ``name`` of the action takes place.

        When the context ends, the event is recorded as finished, with the error that leaves the
        context, if one does. After :class:`nova_xloud.errors.AdjustmentDeferred` the event stays
        open; the context of a later run goes on with that event and finishes it.
        """

    def notify(self, name: str, error: Exception | None = None) -> None:
        """Send a notification; never raise.

        :param name: ``<action>.start``, ``<action>.end`` or ``<action>.error``; sent as
            ``compute.instance.<name>``
        :param error: the error that the notification reports
        """


class InstanceLock(Protocol):
    """Nova's own lock of one instance."""

    def __call__(self, within: float) -> AbstractContextManager[Any]:
        """Return a context that takes the lock when it is entered, and releases it when it is left.

        :param within: seconds to wait for an operation of Nova that holds the lock; while
            nova-xloud itself holds it, the wait goes on without a limit. 0: do not wait for anybody
        :raises InvalidState: when the context is entered: an operation of Nova still holds the lock
            after ``within`` seconds; with 0, anybody holds it
        """


@dataclass(frozen=True, slots=True)
class Instance:
    """The ports of one instance, opened for one request.

    :ivar domain: opens the instance's domain; raises :class:`DomainNotFound` if there is none, and
        :class:`DomainCallFailed` if libvirt could not be reached
    :ivar claims: the allocation in Placement
    :ivar record: the record in Nova's database
    :ivar actions: the instance action of the request
    :ivar lock: Nova's own lock of the instance
    :ivar booting: returns whether the guest has started so lately that its balloon may still be
        inflating
    :ivar watched: returns the reading with ``balloon_driver`` set to what is known of the guest's
        driver from all readings: see :meth:`nova_xloud.compute.watch.Watch.judged`
    :ivar request_id: the id of the request for which the instance was opened; may be empty
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

    :ivar node: the hypervisor hostname of the compute node that the instance is on
    :ivar view: what the database has of the instance, with its record
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

        It takes one call to libvirt, and three more for each of ``uuids``. Domains that are shut
        off or that are not Nova's are returned too. A domain that is busy just now may be missing.
        A QEMU that hangs delays the answer for as long as it hangs.

        :param uuids: the instances whose definition and devices are read too
        :raises DomainError: libvirt could not be asked
        """

    def boot_ids(self) -> Mapping[str, int]:
        """Return the ids of the domains that ran already when nova-compute started, by UUID.

        Call it once: the ids are forgotten then, and a second call returns none.
        """

    def records(self) -> Sequence[ManagedInstance]:
        """Return all elastic instances of this host, read in two queries at most.

        Left out are an instance whose data in Nova's database cannot be read, which is logged, and
        an instance on a compute node that nova-compute does not report.
        """

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        """Return the size that Placement has allocated to each instance on this host, by UUID.

        It takes one call to Placement for each compute node. The size of an instance without an
        allocation is that of :meth:`Claims.read`.

        :raises PlacementUnavailable: Placement could not be asked
        """

    def open(self, uuid: str, request_id: str) -> Instance:
        """Open the ports of one of these instances.

        :param request_id: the request whose instance action gets the events; may be empty
        :raises NotFound: the instance was deleted
        """
