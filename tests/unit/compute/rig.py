# SPDX-License-Identifier: Apache-2.0
"""One instance on fakes, with a tap on every effect.

It boots with 2 of 8 vCPUs and 1024 of 4096 MiB and has 4 and 2048 now. Whatever is done to it, at
every effect and every time somebody sleeps: the lock is held (asleep: it is not), and no less is
reserved than the guest has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from nova_xloud.compute.admit import Admission, admit
from nova_xloud.compute.converge import Clock, Outcome, converge
from nova_xloud.compute.ports import Domain, Instance, RecordView, Reservation
from nova_xloud.conf import EngineOptions
from nova_xloud.core.desired import Desired
from nova_xloud.core.envelope import FlavorFacts, HostFacts
from nova_xloud.core.guest import GuestFigures
from nova_xloud.core.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, ManualClock, Timing
from nova_xloud.testing.ports import FakeActions, FakeClaims, FakeRecord

MAXIMUM = Size(8, 4096)
NOW = Size(4, 2048)
SPECS = {"minimum_cpu": "2", "minimum_memory": "1024"}
OPTIONS = EngineOptions(claim_attempts=3)
# More effects than anything here takes.
ENDLESS = 100

Hook = Callable[[], None]


class Killed(BaseException):
    """The process ends here: nothing of ours may catch it."""


class Rig:
    """An instance, its ports, and what a test does to them.

    :ivar effects: what was done, in order
    :ivar before: called before the named effect; ``sleep`` and ``lock`` can be named too
    :ivar kill_at: at this point, counting from 0 before and after each effect, all ends
    """

    def __init__(
        self,
        *,
        now: Size = NOW,
        agent: bool = False,
        running: bool = True,
        behaviour: Behaviour = Behaviour.COOPERATIVE,
        timing: Timing | None = None,
        capacity: Size = Size(100, 100_000),  # noqa: B008
        options: EngineOptions = OPTIONS,
    ) -> None:
        self.clock = ManualClock()
        self.options = options
        self.guest = FakeGuest(
            FakeGuest.size(MAXIMUM.vcpus, 1, MAXIMUM.memory_mb, now.memory_mb),
            behaviour=behaviour,
            timing=timing,
            clock=self.clock,
            agent=agent,
        )
        self.guest.set_vcpus(now.vcpus, live=False, config=True, hotpluggable=True)
        if running:
            self.guest.start(arrived=True)
        self.claims = FakeClaims(now, capacity=capacity)
        self.record = FakeRecord(
            FlavorFacts(MAXIMUM, SPECS), Desired(now), vm_state="active" if running else "stopped"
        )
        self.actions = FakeActions()
        self.effects: list[str] = []
        self.before: dict[str, Hook] = {}
        self.points = 0
        self.kill_at: int | None = None
        self.locked = False

    @property
    def instance(self) -> Instance:
        return Instance(
            uuid="b1a5",
            domain=lambda: _Domain(self, FakeDomain(self.guest)),
            claims=_Claims(self),
            record=_Record(self),
            actions=_Actions(self),
            lock=self.lock,
        )

    def admit(
        self,
        vcpus: int | None = None,
        memory_mb: int | None = None,
        *,
        persist: bool = True,
        host: HostFacts | None = None,
    ) -> Admission:
        request = AdjustRequest(vcpus, memory_mb, persist)
        return admit(self.instance, request, host or HostFacts(), self.options)

    def converge(self) -> Outcome:
        return converge(self.instance, self.options, Clock(self.clock.now, self.sleep))

    def adjust(self, vcpus: int | None = None, memory_mb: int | None = None) -> Outcome:
        self.admit(vcpus, memory_mb)
        return self.converge()

    @property
    def size(self) -> Size:
        """What the guest has; nothing while it is off."""
        if not self.guest.active:
            return Size(0, 0)
        return FakeDomain(self.guest).read().actuated

    def once_before(self, effect: str, hook: Hook) -> None:
        """Call ``hook`` before the next ``effect`` only."""

        def first() -> None:
            del self.before[effect]
            hook()

        self.before[effect] = first

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        assert not self.locked, "taken twice"
        self._hook("lock")
        self.locked = True
        try:
            yield
        finally:
            self.locked = False

    def sleep(self, seconds: float) -> None:
        assert not self.locked, "slept with the instance locked"
        self._hook("sleep")
        self.clock.sleep(seconds)
        self.check_invariant()

    @contextlib.contextmanager
    def effect(self, name: str) -> Iterator[None]:
        assert self.locked, f"{name} without the instance's lock"
        assert len(self.effects) < ENDLESS, self.effects[-6:]
        self._point()
        self._hook(name)
        self.effects.append(name)
        try:
            yield
        finally:
            self.check_invariant()
        self._point()

    def check_invariant(self) -> None:
        """``reserved >= max(actuated, observed)``, and not more than the host has."""
        if self.guest.active:
            seen = FakeDomain(self.guest).read()
            held = seen.actuated.at_least(seen.observed)
            assert self.claims.size.covers(held), f"{self.claims.size} reserved, {held} held"
        assert self.claims.capacity.covers(self.claims.size)

    def _hook(self, name: str) -> None:
        if name in self.before:
            self.before[name]()

    def _point(self) -> None:
        self.points += 1
        if self.points - 1 == self.kill_at:
            raise Killed


class _Domain:
    def __init__(self, rig: Rig, inner: Domain) -> None:
        self._rig, self._inner = rig, inner

    def read(self) -> GuestFigures:
        return self._inner.read()

    def set_vcpus(self, count: int, *, persistent: bool) -> None:
        with self._rig.effect("set_vcpus"):
            self._inner.set_vcpus(count, persistent=persistent)

    def set_memory(self, mib: int, *, persistent: bool) -> None:
        with self._rig.effect("set_memory"):
            self._inner.set_memory(mib, persistent=persistent)


class _Claims:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def read(self) -> Reservation:
        return self._rig.claims.read()

    def write(self, current: Reservation, size: Size) -> Reservation:
        with self._rig.effect("claim"):
            return self._rig.claims.write(current, size)


class _Record:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def refresh(self) -> RecordView:
        return self._rig.record.refresh()

    def write(self, desired: Desired, held: Size) -> None:
        with self._rig.effect("record"):
            self._rig.record.write(desired, held)


class _Actions:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def start(self, name: str) -> None:
        # For people to read; no size depends on it, and it is not done under the lock.
        self._rig.actions.start(name)

    def event(self, name: str) -> contextlib.AbstractContextManager[Any]:
        return self._rig.actions.event(name)
