# SPDX-License-Identifier: Apache-2.0
"""The Claims, Record and Actions ports in memory; the Domain port is :class:`FakeDomain`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from nova_xloud.compute.ports import ClaimConflict, RecordView, Reservation
from nova_xloud.core.desired import Desired
from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState, NoCapacity, NotFound, PlacementUnavailable

NOTHING = Size(0, 0)
PROVIDER = "fake-provider"


class FakeClaims:
    """One instance's allocation against a provider that others use too.

    As Placement: a write is refused when the consumer generation has moved on, and when the
    provider is left more than full by it, unless it was that before and is not made worse.

    :ivar size: what is allocated
    :ivar capacity: of the provider
    :ivar others: what other consumers have there
    :ivar conflicts: before each of that many next writes somebody else writes the same size
    :ivar unreachable: Placement answers nobody
    :ivar written: every size that was written through the port
    """

    def __init__(self, size: Size, *, capacity: Size, others: Size = NOTHING) -> None:
        self.size = size
        self.capacity = capacity
        self.others = others
        self.conflicts = 0
        self.unreachable = False
        self.written: list[Size] = []
        self._generation = 1

    def somebody_else_writes(self, size: Size) -> None:
        """Change the allocation behind the port's back."""
        self.size = size
        self._generation += 1

    def read(self) -> Reservation:
        self._check_reachable()
        resources = {"VCPU": self.size.vcpus, "MEMORY_MB": self.size.memory_mb}
        body = {
            "allocations": {PROVIDER: {"resources": resources}},
            "consumer_generation": self._generation,
        }
        return Reservation(self.size, body)

    def write(self, current: Reservation, size: Size) -> Reservation:
        self._check_reachable()
        if self.conflicts:
            self.conflicts -= 1
            self.somebody_else_writes(self.size)
        if current.body["consumer_generation"] != self._generation:
            raise ClaimConflict("fake Placement: consumer generation conflict")
        self._check_room("vCPUs", size.vcpus, self.size.vcpus, self._free.vcpus)
        self._check_room("MiB", size.memory_mb, self.size.memory_mb, self._free.memory_mb)
        self.size = size
        self.written.append(size)
        self._generation += 1
        return self.read()

    @property
    def _free(self) -> Size:
        return Size(
            self.capacity.vcpus - self.others.vcpus,
            self.capacity.memory_mb - self.others.memory_mb,
        )

    def _check_room(self, unit: str, asked: int, had: int, free: int) -> None:
        if asked > max(free, had):
            raise NoCapacity(f"fake Placement: asked {asked} {unit}, free {free}")

    def _check_reachable(self) -> None:
        if self.unreachable:
            raise PlacementUnavailable("fake Placement: not reachable")


class FakeRecord:
    """One row of Nova's database.

    :ivar desired: as last written
    :ivar held: the size in the instance's own columns, as last written
    :ivar task_state: while it is set, every write is refused
    :ivar here: the instance is still on this host
    :ivar deleted: reading and writing find no row
    :ivar written: every record that was written
    """

    def __init__(
        self,
        facts: FlavorFacts,
        desired: Desired,
        *,
        held: Size | None = None,
        vm_state: str = "active",
        task_state: str | None = None,
    ) -> None:
        self.facts = facts
        self.desired = desired
        self.held = desired.to_hold if held is None else held
        self.vm_state = vm_state
        self.task_state = task_state
        self.here = True
        self.deleted = False
        self.written: list[Desired] = []

    def refresh(self) -> RecordView:
        self._check_exists()
        return RecordView(
            self.vm_state, self.task_state, self.here, self.facts, self.desired, self.held
        )

    def write(self, desired: Desired, held: Size) -> None:
        self._check_exists()
        if self.task_state is not None:
            raise InvalidState(f"fake record: the instance is busy: {self.task_state}")
        self.desired, self.held = desired, held
        self.written.append(desired)

    def _check_exists(self) -> None:
        if self.deleted:
            raise NotFound("fake record: the instance was deleted")


@dataclass(slots=True)
class FakeEvent:
    """One event of an instance action.

    :ivar result: ``Success`` or ``Error`` as Nova writes them; None until it has ended
    :ivar error: what left the block
    """

    name: str
    result: str | None = None
    error: BaseException | None = None


class FakeActions:
    """Instance actions of one instance.

    :ivar started: names of the actions that were begun
    :ivar events: in the order they were begun
    """

    def __init__(self) -> None:
        self.started: list[str] = []
        self.events: list[FakeEvent] = []

    def start(self, name: str) -> None:
        self.started.append(name)

    @contextlib.contextmanager
    def event(self, name: str) -> Iterator[FakeEvent]:
        event = FakeEvent(name)
        self.events.append(event)
        try:
            yield event
        except BaseException as error:
            event.result, event.error = "Error", error
            raise
        event.result = "Success"
