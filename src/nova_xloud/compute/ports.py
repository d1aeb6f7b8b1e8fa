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

from nova_xloud.core.autoscaling.mode import OFF, Scaling
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts


class Domain(Protocol):
    """One libvirt domain.

    Calls return when libvirt has answered; the guest may not have followed yet. Every method may
    raise a :class:`nova_xloud.errors.DomainError`.
    """

    def read(self, *, agent: bool = True) -> DomainReading:
        """Return what libvirt and the guest's agent report of the domain now.

        :param agent: whether the agent may be asked; if not, or if the agent does not answer,
            ``vcpus_online`` is None
        """

    def ping(self) -> None:
        """Ask QEMU something that it answers at once, and return when QEMU has answered.

        If QEMU hangs, this call hangs too.
        """

    def set_vcpus(self, count: int) -> None:
        """Hot-plug or unplug vCPUs so that the running guest has ``count``.

        The definition, from which the guest starts next, stays as it is.

        :raises VcpuNotRemovable: a vCPU cannot be unplugged, for example because it was there at
            boot and is not hotpluggable
        :raises RemovalRejected: the guest refused to give a vCPU back
        :raises RemovalTimedOut: libvirt has waited 5 s for the guest, or the guest has not answered
            an earlier request for the vCPU yet. The guest may still give the vCPU back. Raised too
            if another call holds the domain and libvirt's messages are not in English
        """

    def set_memory(self, mib: int) -> None:
        """Set the balloon's target in the running guest to ``mib`` MiB; the definition stays.

        :raises InvalidSize: ``mib`` is 0, negative, or above the maximum
        :raises DomainNotRunning: the domain is shut off
        """

    def set_statistics_period(self, seconds: int) -> None:
        """Have QEMU ask the balloon driver for statistics every ``seconds`` seconds.

        This is set in the running guest only; the definition stays as it is.

        :raises DomainNotRunning: the domain is shut off
        """

    def set_definition(self, size: Size) -> None:
        """Set vCPUs and memory in the definition, from which the guest starts next.

        A running guest is not changed; the domain may also be shut off. Every vCPU that this adds
        is hotpluggable. The size is set in two calls, so after an error only one of vCPUs and
        memory may be set.

        :raises DomainNotRunning: the domain is transient and so has no definition
        :raises InvalidSize: the size is 0, negative, or above the maximum
        """

    def set_vcpus_online(self, count: int) -> None:
        """Have the guest's agent take CPUs online or offline, so that ``count`` are online.

        :raises AgentUnavailable: the guest has no agent, or the agent does not answer or refuses;
            or too many other agents of this host have not answered yet
        :raises InvalidSize: ``count`` is 0, or more than the vCPUs that are present
        :raises DomainNotRunning: the domain is shut off or paused
        """


class ClaimConflict(Exception):
    """The allocation, or something on its host's resource provider, was changed meanwhile.

    Nothing was written; the caller has to read the allocation again.
    """


@dataclass(frozen=True, slots=True)
class Reservation:
    """The allocation of an instance in Placement, as it was last read or written.

    :ivar size: the vCPUs and the memory that are allocated on the instance's compute node
    :ivar body: the instance's allocations on all resource providers, in Placement's form, with the
        consumer generation
    """

    size: Size
    body: dict[str, Any]


class Claims(Protocol):
    """The allocation of one instance in Placement.

    Every method may raise :class:`nova_xloud.errors.NotFound`, if the instance's compute node is
    not one of this host's.
    """

    def read(self) -> Reservation:
        """Return the instance's allocation, as Placement has it now.

        :returns: the allocation. Without an allocation on this host, its size is 0 vCPUs and 0 MiB;
            but a resource that the flavor fixes by resource class (``resources:VCPU``) always has
            the flavor's number
        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        """

    def check(self, current: Reservation, size: Size) -> None:
        """Raise if the host has no room now for an allocation of ``size`` instead of ``current``.

        Nothing is changed; this is for dry runs. Only :meth:`write` finds out whether the
        allocation has changed since ``current`` was read.

        :raises NoCapacity: the host has no room for ``size``
        :raises NoAllocation: ``current`` has no allocation for the instance on this host
        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        """

    def write(self, current: Reservation, size: Size) -> Reservation:
        """Change the allocation from ``current`` to ``size``, and return the new allocation.

        :raises ClaimConflict: the allocation has changed since ``current`` was read, or somebody
            else was changing something on the resource provider
        :raises NoCapacity: the host has no room for ``size``; the message names what was asked for
            and what is free, or has Placement's reason
        :raises ClaimRefused: Placement refuses ``size`` though it is no more than is allocated, or
            answers 400 or 404, for example because it does not know the host
        :raises NoAllocation: ``current`` has no allocation for the instance on this host
        :raises PlacementUnavailable: Placement could not be asked, or answered with another error.
            The allocation may have been changed all the same
        """


@dataclass(frozen=True, slots=True)
class RecordView:
    """What Nova's database has of an instance, as it was read once.

    :ivar vm_state: Nova's vm_state
    :ivar task_state: Nova's task_state; None while no operation has set one
    :ivar on_this_host: whether the instance's host is this host
    :ivar facts: the parts of flavor and image on which the bounds of the size depend
    :ivar desired: the instance's record: the desired size, and how far the instance has come
    :ivar recorded: the size in the instance's own columns, vcpus and memory_mb
    :ivar version: changes when the instance is written, as at the beginning and the end of an
        operation. It may be a time in whole seconds, so that two writes in one second have the same
    :ivar scaling: how the instance is scaled automatically, by its record, its flavor and nova.conf
    :ivar locked: whether somebody has locked the instance
    """

    vm_state: str
    task_state: str | None
    on_this_host: bool
    facts: FlavorFacts
    desired: Desired
    recorded: Size
    version: object = None
    scaling: Scaling = OFF
    locked: bool = False


class Record(Protocol):
    """The database record of one instance."""

    def refresh(self) -> RecordView:
        """Read the record from the database again, and return it.

        :raises NotFound: the instance was deleted
        """

    def write(self, desired: Desired, recorded: Size) -> None:
        """Write ``desired`` as the record, and ``recorded`` into the instance's columns.

        ``desired`` is written only if it differs from the stored record.

        :raises InvalidState: a task_state is set; or the host, vm_state, flavor, image or record
            has changed since the last :meth:`refresh` or :meth:`write`. Nothing was written
        :raises NotFound: the instance was deleted
        """


class Actions(Protocol):
    """The instance action of a request: its events and its notifications."""

    def start(self, name: str) -> None:
        """Create the instance action ``name`` in Nova's database, for the id of the request."""

    def start_once(self, name: str) -> None:
        """Create the instance action ``name`` for the id of the request, unless it has an action.

        This is for automatic growth: all its requests for an instance on one day have the same id,
        so only the first of them creates an action.
        """

    def event(self, name: str) -> AbstractContextManager[Any]:
        """Return a context that records what is done in it as the event ``name`` of the action.

        When the context is left, the event is recorded as finished, with the error if the context
        is left with one. After :class:`nova_xloud.errors.AdjustmentDeferred` the event stays open;
        the context of a later run continues that event and finishes it. If the request has no
        action, because the process that admitted it was killed before it created one, the action
        is created.
        """

    def open_events(self) -> Sequence[str]:
        """Return the names of the action's events that have begun and have not ended."""

    def end_superseded(self, request_id: str) -> None:
        """End the open events of another request's action of the same instance, as superseded.

        They end with :class:`nova_xloud.errors.AdjustmentSuperseded`. If that request has no
        action or no open event, nothing is done.
        """

    def notify(self, name: str, error: Exception | None = None) -> None:
        """Send a notification of Nova; that it cannot be sent is logged and not raised.

        :param name: ``<action>.start``, ``<action>.end`` or ``<action>.error``; sent as
            ``compute.instance.<name>``
        :param error: the error that the notification reports; None if there is none
        """


class InstanceLock(Protocol):
    """Nova's own lock of one instance."""

    def __call__(self, within: float) -> AbstractContextManager[Any]:
        """Return a context that takes the lock when it is entered, and releases it when it is left.

        :param within: seconds to wait for an operation of Nova that holds the lock. While
            nova-xloud itself holds the lock, the wait goes on without a limit. 0: do not wait
        :raises InvalidState: when the context is entered: an operation of Nova still holds the lock
            after ``within`` seconds; or ``within`` is 0 and the lock is held
        """


@dataclass(frozen=True, slots=True)
class Instance:
    """The ports of one instance, opened for one request or by a pass.

    :ivar domain: opens the instance's domain; raises :class:`DomainNotFound` if there is none, and
        :class:`DomainCallFailed` if libvirt could not be reached
    :ivar claims: the allocation in Placement
    :ivar record: the record in Nova's database
    :ivar actions: the instance action of the request
    :ivar lock: Nova's own lock of the instance
    :ivar booting: takes a reading; returns whether the guest has started so lately that its balloon
        may still be inflating
    :ivar watched: takes a reading; returns it with ``balloon_driver`` set by all readings so far:
        see :meth:`nova_xloud.compute.watch.Watch.judged`
    :ivar request_id: the id of the request for which the instance was opened; a new id if a pass
        opened it for no request; may be empty
    :ivar answers: takes seconds; returns whether the guest's QEMU answers within them, or True if
        there is no QEMU. Must not be called under the lock
    :ivar placement_answers: takes seconds; returns whether Placement answers within them or has
        answered lately. Must not be called under the lock
    :ivar logged: returns a context in which this thread logs with the id of the request
    :ivar node: the hypervisor hostname of the compute node that the instance is on; may be empty
    :ivar user_id: the id of the user who has sent that request; empty if no user has
    :ivar project_id: the project that the instance belongs to
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
    node: str = ""
    user_id: str = ""
    project_id: str = ""


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
        """Return libvirt's ids of the domains that ran already when nova-compute started, by UUID.

        Only the first call returns them. Any later call returns an empty mapping.
        """

    def records(self) -> Sequence[ManagedInstance]:
        """Return all elastic instances of this host, read in two calls of Nova's objects at most.

        An instance whose data in Nova's database is unreadable is left out, which is logged. So is
        an instance on a compute node that is not one of this nova-compute's, which is not logged.
        """

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        """Return the size that Placement has allocated to each instance on this host, by UUID.

        It takes one call to Placement for each compute node. An instance without an allocation has
        the size that :meth:`Claims.read` returns then.

        :raises PlacementUnavailable: Placement could not be asked
        """

    def open(self, uuid: str, request_id: str) -> Instance:
        """Read one instance from the database, and return its ports.

        :param request_id: the id of the request whose instance action gets the events; empty: a new
            id, which no instance action has
        :raises NotFound: the instance was deleted
        """

    def actions(self, uuid: str, request_id: str) -> Actions:
        """Return the instance action of a request for an instance, which may have been deleted.

        Nothing is read yet. No notification can be sent by what is returned.
        """
