# SPDX-License-Identifier: Apache-2.0
"""Fakes of the ports Claims, Record, Actions and HostInstances, which keep all data in memory.

The Domain port is :class:`nova_xloud.testing.fake_domain.FakeDomain`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nova_xloud.compute.ports import (
    Actions,
    ClaimConflict,
    Instance,
    ManagedInstance,
    RecordView,
    Reservation,
)
from nova_xloud.core.autoscaling.mode import OFF
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU, judged, refusal_of
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import (
    AdjustmentDeferred,
    AdjustmentSuperseded,
    DomainCallFailed,
    DomainNotFound,
    InvalidState,
    NoAllocation,
    NotFound,
    PlacementUnavailable,
)
from nova_xloud.testing.fake_domain import stats_of, without_documents

NOTHING = Size(0, 0)
PROVIDER = "fake-provider"
ELSEWHERE = "another-provider"


class FakeClaims:
    """The Claims port over one instance's allocation from a provider that others use too.

    It refuses a write as Placement does: if the consumer generation has changed, if the provider
    has too little free, if the provider has no inventory of a resource class, and if an amount is
    above ``max_unit`` or no multiple of ``step_size``. A provider that is more than full still
    takes a write that asks for no more than the instance has, unless ``refuses_when_overfull``.

    :ivar size: the instance's allocation from this host's provider
    :ivar elsewhere: whether the instance is being moved and has no allocation from this host's
        provider; it may have one from the provider of the target host
    :ivar capacity: what the provider has in all
    :ivar others: what other consumers have allocated from the provider
    :ivar max_unit: the most that one consumer may have; None: the capacity
    :ivar step_size: every amount must be a multiple of it
    :ivar without: resource classes of which the provider has no inventory
    :ivar refuses_when_overfull: whether a write that leaves the provider more than full is refused
        even if it reduces the usage, as by Placement before 14.0
    :ivar conflicts: how many of the next writes raise ``ClaimConflict``; before each of them,
        somebody else writes the allocation again with the size that it has
    :ivar unreachable: whether Placement does not answer
    :ivar asked: every size that :meth:`write` was called with, in order
    :ivar written: every size that was written, in order
    """

    def __init__(self, size: Size, *, capacity: Size, others: Size = NOTHING) -> None:
        self.size = size
        self.capacity = capacity
        self.others = others
        self.max_unit: Size | None = None
        self.step_size = Size(1, 1)
        self.without: set[str] = set()
        self.refuses_when_overfull = False
        self.conflicts = 0
        self.unreachable = False
        self.elsewhere = False
        self.asked: list[Size] = []
        self.written: list[Size] = []
        self._generation: int | None = 1

    def somebody_else_writes(self, size: Size) -> None:
        """Change the allocation as another client of Placement would, with a new generation."""
        self.size = size
        self._generation = (self._generation or 0) + 1

    def move_away(self) -> None:
        """Begin a migration: the allocation passes to the migration's own consumer.

        Placement then no longer knows the instance as a consumer.
        """
        self.size = NOTHING
        self.elsewhere = True
        self._generation = None

    def claim_elsewhere(self) -> None:
        """Let the scheduler claim the target host of a migration for the instance.

        Placement then knows the instance as a consumer again, with generation 1.
        """
        self._generation = 1

    def come_back(self, size: Size) -> None:
        """End a failed migration: the instance has an allocation of ``size`` on this host again.

        To Placement the instance is a new consumer, with generation 1.
        """
        self.size = size
        self.elsewhere = False
        self._generation = 1

    def read(self) -> Reservation:
        self._check_reachable()
        here = {PROVIDER: {"resources": _resources(self.size)}}
        body: dict[str, Any] = {
            "allocations": {ELSEWHERE: {"resources": {}}} if self.elsewhere else here,
            "consumer_generation": self._generation,
        }
        return Reservation(self.size, body)

    def check(self, current: Reservation, size: Size) -> None:
        self._check_reachable()
        self._check_allocated(current)
        self._check_amounts(size, is_release=False, lets_go=True)

    def write(self, current: Reservation, size: Size) -> Reservation:
        self.asked.append(size)
        self._check_reachable()
        self._check_allocated(current)
        if self.conflicts and self._generation is not None:
            self.conflicts -= 1
            self.somebody_else_writes(self.size)
        self._check_generation(current)
        self._check_amounts(
            size,
            is_release=current.size.covers(size),
            lets_go=not self.refuses_when_overfull,
        )
        # A write replaces all allocations of the consumer, also those from another provider.
        self.size, self.elsewhere = size, False
        self.written.append(size)
        self._generation = (self._generation or 0) + 1
        return self.read()

    def _check_allocated(self, current: Reservation) -> None:
        if PROVIDER not in current.body["allocations"]:
            raise NoAllocation("fake Placement: the instance has no allocation on this host")

    def _check_generation(self, current: Reservation) -> None:
        if current.body["consumer_generation"] != self._generation:
            raise ClaimConflict("fake Placement: consumer generation conflict")

    @property
    def _free(self) -> Size:
        return Size(
            self.capacity.vcpus - self.others.vcpus,
            self.capacity.memory_mb - self.others.memory_mb,
        )

    def _check_amounts(self, size: Size, *, is_release: bool, lets_go: bool) -> None:
        """Raise the refusal that Placement has for ``size``, if it has one; else do nothing.

        :param is_release: whether the write asks for no more than the instance had when the caller
            read its allocation
        :param lets_go: whether a resource class may be more than full if the write asks for no more
            of it than the instance has
        :raises NoCapacity: Placement refuses an amount, and ``is_release`` is false
        :raises ClaimRefused: Placement refuses an amount, and ``is_release`` is true
        """
        held = _resources(self.size)
        # What is free to this instance is computed in _free, which a subclass may override.
        free, units = _resources(self._free), _resources(self.max_unit or self.capacity)
        steps = _resources(self.step_size)
        inventories = {
            name: {
                "total": max(0, free[name]),
                "reserved": 0,
                "allocation_ratio": 1.0,
                "min_unit": 1,
                "max_unit": units[name],
                "step_size": steps[name],
            }
            for name in held
            if name not in self.without
        }
        asked = {name: amount for name, amount in _resources(size).items() if amount}
        amounts = list(judged(asked, held, inventories, held))
        at_fault = [
            one
            for one in amounts
            if one.fault and not (lets_go and one.has_too_little and one.asked <= held[one.name])
        ]
        if at_fault:
            words = " ".join(one.name for one in at_fault)
            raise refusal_of(words, amounts, is_release=is_release)

    def _check_reachable(self) -> None:
        if self.unreachable:
            raise PlacementUnavailable("fake Placement: not reachable")


def _resources(size: Size) -> dict[str, int]:
    return {VCPU: size.vcpus, MEMORY_MB: size.memory_mb}


class FakeRecord:
    """The Record port over one row of a database in memory.

    :ivar facts: the facts of the instance's flavor and image
    :ivar desired: the desired size as last written
    :ivar recorded: the size in the instance's own columns, as last written
    :ivar vm_state: Nova's vm_state, such as ``active``
    :ivar task_state: Nova's task_state; while it is not None, a write raises ``InvalidState``
    :ivar on_this_host: whether the instance is still on this host
    :ivar scaling: how the instance is scaled automatically; a mode in ``desired``, which was
        requested, goes before the mode in this
    :ivar locked: whether somebody has locked the instance
    :ivar deleted: whether the row is gone; reading and writing then raise ``NotFound``
    :ivar written: the ``Desired`` of every write that was not refused, in order
    """

    def __init__(
        self,
        facts: FlavorFacts,
        desired: Desired,
        *,
        recorded: Size | None = None,
        vm_state: str = "active",
        task_state: str | None = None,
    ) -> None:
        self._version = 0
        self.facts = facts
        self.desired = desired
        self.recorded = desired.claim if recorded is None else recorded
        self.vm_state = vm_state
        self.task_state = task_state
        self.on_this_host = True
        self.scaling = OFF
        self.locked = False
        self.deleted = False
        self.written: list[Desired] = []

    @property
    def task_state(self) -> str | None:
        """Nova's task_state; setting it also changes the version of the row."""
        return self._task_state

    @task_state.setter
    def task_state(self, state: str | None) -> None:
        self._task_state = state
        self._version += 1

    def refresh(self) -> RecordView:
        self._check_exists()
        return RecordView(
            self.vm_state,
            self.task_state,
            self.on_this_host,
            self.facts,
            self.desired,
            self.recorded,
            self._version,
            replace(self.scaling, mode=self.desired.autoscale or self.scaling.mode),
            self.locked,
        )

    def write(self, desired: Desired, recorded: Size) -> None:
        self._check_exists()
        self._check_idle()
        self._version += 1
        self.recorded = recorded
        if not desired.same_record(self.desired):
            # Nova's record does not write an equal value again either.
            self.desired = desired
        self.written.append(desired)

    def _check_idle(self) -> None:
        if self.task_state is not None:
            raise InvalidState(f"fake record: the instance is busy: {self.task_state}")

    def _check_exists(self) -> None:
        if self.deleted:
            raise NotFound("fake record: the instance was deleted")


@dataclass(slots=True)
class FakeEvent:
    """One event of an instance action.

    :ivar result: ``Success`` or ``Error``, as in Nova's event; None until the event has ended
    :ivar error: the error with which the event has ended; None if it has none
    :ivar request_id: the request of the event's action; empty if the test does not tell requests
        apart
    """

    name: str
    result: str | None = None
    error: BaseException | None = None
    request_id: str = ""


class FakeActions:
    """The Actions port: the instance actions of one instance in memory.

    :param request_id: only events of this request are seen; empty: the events of all requests are
        seen, as if they were of one request
    :ivar started: the names of the actions that were started, in order
    :ivar events: the events of all actions, in the order in which they began
    :ivar notified: the names of the notifications that were sent, in order
    """

    def __init__(self, request_id: str = "") -> None:
        self.request_id = request_id
        self.started: list[str] = []
        self.events: list[FakeEvent] = []
        self.notified: list[str] = []
        self._once: list[tuple[str, str]] = []

    def of_request(self, request_id: str) -> FakeActions:
        """Return the same instance's actions, with the events of one request only."""
        one = FakeActions(request_id)
        one.started, one.events, one.notified = self.started, self.events, self.notified
        one._once = self._once
        return one

    def start(self, name: str) -> None:
        self.started.append(name)

    def start_once(self, name: str) -> None:
        if not any(one == (self.request_id, name) for one in self._once):
            self._once.append((self.request_id, name))
            self.start(name)

    def notify(self, name: str, error: Exception | None = None) -> None:
        self.notified.append(name)

    def open_events(self) -> list[str]:
        return [event.name for event in self._events() if event.result is None]

    def end_superseded(self, request_id: str) -> None:
        for event in self.events:
            if event.request_id == request_id and event.result is None:
                event.result, event.error = "Error", AdjustmentSuperseded()

    def _events(self) -> list[FakeEvent]:
        return [one for one in self.events if self.request_id in ("", one.request_id)]

    @contextlib.contextmanager
    def event(self, name: str) -> Iterator[FakeEvent]:
        # One request has one event of a name, also after its end, as in Nova.
        like = [one for one in self._events() if one.name == name]
        event = next((one for one in like if self.request_id or one.result is None), None)
        if event is None:
            event = FakeEvent(name, request_id=self.request_id)
            self.events.append(event)
        try:
            yield event
        except AdjustmentDeferred:
            # A deferred run has not ended: the run that resumes it continues the same event.
            raise
        except BaseException as error:
            event.result, event.error = "Error", error
            raise
        event.result = "Success"


class FakeHostInstances:
    """The HostInstances port over instances that each have their own fakes.

    A guest that runs when this object is created counts as one that ran already when nova-compute
    started. Unlike the real adapter, :meth:`boot_ids` returns these guests at every call.

    :param instances: all instances of the host; :meth:`open` returns a copy of one, with the
        request id
    :ivar calls: the name of every method that was called, in order; for ``open`` and ``actions``
        it is a tuple of the name, the UUID and the request id
    :ivar libvirt_away: whether :meth:`domain_stats` raises ``DomainCallFailed``
    :ivar left_out: UUIDs that :meth:`domain_stats` leaves out, as libvirt does for a busy domain
    """

    NODE = "fake-node"

    def __init__(self, instances: Iterable[Instance] = ()) -> None:
        self._instances = {one.uuid: one for one in instances}
        self.calls: list[str | tuple[str, str, str]] = []
        self.libvirt_away = False
        self.left_out: set[str] = set()
        self._ran_already = {
            uuid: one.boot_id
            for uuid, one in self._domain_stats().items()
            if one.running and one.boot_id is not None
        }

    def domain_stats(self, uuids: Collection[str]) -> Mapping[str, DomainStats]:
        self.calls.append("domain_stats")
        if self.libvirt_away:
            raise DomainCallFailed("fake host instances: libvirt is away")
        seen = {
            uuid: one if uuid in uuids else without_documents(one)
            for uuid, one in self._domain_stats().items()
        }
        return {uuid: one for uuid, one in seen.items() if uuid not in self.left_out}

    def boot_ids(self) -> Mapping[str, int]:
        self.calls.append("boot_ids")
        return self._ran_already

    def records(self) -> Sequence[ManagedInstance]:
        self.calls.append("records")
        found: list[ManagedInstance] = []
        for uuid, instance in self._instances.items():
            with contextlib.suppress(NotFound):
                found.append(ManagedInstance(uuid, self.NODE, instance.record.refresh()))
        return [one for one in found if one.view.on_this_host]

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        self.calls.append("allocations")
        return {one.uuid: self._instances[one.uuid].claims.read().size for one in instances}

    def open(self, uuid: str, request_id: str) -> Instance:
        self.calls.append(("open", uuid, request_id))
        instance = self._instances[uuid]
        instance.record.refresh()
        return replace(instance, request_id=request_id)

    def actions(self, uuid: str, request_id: str) -> Actions:
        self.calls.append(("actions", uuid, request_id))
        actions: Any = self._instances[uuid].actions
        of_request: Actions = actions.of_request(request_id)
        return of_request

    def _domain_stats(self) -> dict[str, DomainStats]:
        seen: dict[str, DomainStats] = {}
        for uuid, instance in self._instances.items():
            with contextlib.suppress(DomainNotFound):
                seen[uuid] = stats_of(instance.domain().read(agent=False))
        return seen
