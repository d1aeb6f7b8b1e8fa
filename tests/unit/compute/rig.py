# SPDX-License-Identifier: Apache-2.0
"""One instance on fakes, with a tap on every effect.

It boots with 2 of 8 vCPUs and 1024 of 4096 MiB and has 4 and 2048 now. Whatever is done to it, at
every effect and every time somebody sleeps: the lock is held (asleep: it is not), and no less is
reserved than the guest has.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from nova_xloud.clock import Clock
from nova_xloud.compute.admit import Admission, admit, reserve
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.converge import converge
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Waits
from nova_xloud.compute.watch import Watch
from nova_xloud.compute.worker import Converging
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.conditions import judge
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import NEVER_ADJUSTED
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, HostFacts
from nova_xloud.errors import InvalidState
from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, ManualClock, Timing
from nova_xloud.testing.fake_ports import FakeActions, FakeClaims, FakeRecord
from tests.unit.compute.rig_ports import TappedActions, TappedClaims, TappedDomain, TappedRecord

MAXIMUM = Size(8, 4096)
NOW = Size(4, 2048)
SPECS = {"minimum_cpu": "2", "minimum_memory": "1024"}
OPTIONS = EngineOptions(claim_attempts=3)
# A balloon gives memory back in steps that the guest has time for, and leaves it a reserve.
STEPS = replace(OPTIONS, limits=Limits(step_mb=300, reserve_mb=64))
# Before a guest shrinks, its balloon is set to the size that it has (convergence/balloon.py).
SHRINK = ["set_memory", "set_memory"]
# More effects than anything here takes.
ENDLESS = 100
UUID = "b1a5"

Hook = Callable[[], None]


class Killed(BaseException):
    """The process ends here: nothing of ours may catch it."""


class Rig:
    """An instance, its ports, and what a test does to them.

    :param grace: seconds after its start in which the guest is booting; 0: it never is
    :ivar effects: what was done, in order
    :ivar done: the same, each with the value that was set or written
    :ivar before: called before the named effect; ``sleep``, ``lock``, ``read``, ``claim_read`` and
        ``answers`` too
    :ivar kill_at: at this point, counting from 0 before and after each effect, all ends
    :ivar request_id: of whoever asks next
    :ivar answers: QEMU does
    :ivar placement_answers: Placement does
    :ivar defined_by_hand: its definition may be larger than what is reserved
    :ivar held_for: seconds that another operation keeps the lock from whoever wants it now
    :ivar takes_memory: the guest takes memory on its own, and nobody can have reserved it before
    """

    def __init__(
        self,
        *,
        now: Size = NOW,
        agent: bool = False,
        autodeflate: bool = False,
        running: bool = True,
        behaviour: Behaviour = Behaviour.COOPERATIVE,
        timing: Timing | None = None,
        capacity: Size = Size(100, 100_000),  # noqa: B008
        options: EngineOptions = OPTIONS,
        grace: float = 0,
        uuid: str = UUID,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.options = options
        self.uuid = uuid
        self.guest = FakeGuest(
            FakeGuest.size(MAXIMUM.vcpus, 1, MAXIMUM.memory_mb, now.memory_mb),
            behaviour=behaviour,
            timing=timing,
            clock=self.clock,
            agent=agent,
            autodeflate=autodeflate,
        )
        self.guest.set_vcpus(now.vcpus, live=False, config=True, hotpluggable=True)
        if running:
            self.guest.start(arrived=True)
        self.claims = FakeClaims(now, capacity=capacity)
        self.record = FakeRecord(
            FlavorFacts(MAXIMUM, SPECS), Desired(now), vm_state="active" if running else "stopped"
        )
        self.actions = FakeActions()
        self.boot_grace = BootGrace(self.clock.now, grace)
        self.watch = Watch(self.clock.now)
        # The service has begun long ago.
        self.boot_grace.assume_booted({})
        self.effects: list[str] = []
        self.done: list[tuple[str, Any]] = []
        self.before: dict[str, Hook] = {}
        self.points = 0
        self.kill_at: int | None = None
        self.locked = False
        self.request_id = ""
        self.answers = True
        self.placement_answers = True
        self.takes_memory = False
        self.defined_by_hand = False
        self.held_for = 0.0
        self.admitted = False

    @property
    def instance(self) -> Instance:
        return Instance(
            uuid=self.uuid,
            domain=lambda: TappedDomain(self, FakeDomain(self.guest)),
            claims=TappedClaims(self),
            record=TappedRecord(self),
            actions=TappedActions(self),
            lock=self.lock,
            booting=lambda reading: self.boot_grace.is_booting(self.uuid, reading),
            watched=lambda reading: self.watch.judged(self.uuid, reading),
            request_id=self.request_id,
            answers=self._answers,
            placement_answers=self._placement_answers,
        )

    def admit(
        self,
        vcpus: int | None = None,
        memory_mb: int | None = None,
        *,
        persist: bool = True,
        force: bool = False,
        host: HostFacts | None = None,
    ) -> Admission:
        request = AdjustRequest(vcpus, memory_mb, persist, force)
        facts = host or HostFacts()
        self.admitted = True
        return admit(self.instance, request, facts, self.options, date=self.date)

    def reserve(
        self, vcpus: int | None = None, memory_mb: int | None = None, *, persist: bool = True
    ) -> None:
        request = AdjustRequest(vcpus, memory_mb, persist)
        reserve(self.instance, request, HostFacts(), self.options, date=self.date)

    def converge(self) -> Outcome:
        return self.carry_out(converge(self.instance, self.options, self.engine_clock))

    def carry_out(self, run: Waits[Outcome]) -> Outcome:
        """A run, to its end, in the rig's time; an admission wakes it, as a submission does."""
        try:
            pause = next(run)
            while True:
                self.admitted = False
                if pause.seconds:
                    self.sleep(pause.seconds)
                pause = run.send(self.admitted)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def adjust(
        self, vcpus: int | None = None, memory_mb: int | None = None, *, force: bool = False
    ) -> Outcome:
        self.admit(vcpus, memory_mb, force=force)
        return self.converge()

    def boot(self) -> None:
        """Start it from its configuration: with all of its memory, as every guest begins."""
        self.guest.start()
        self.record.vm_state = "active"

    def stop(self) -> None:
        self.guest.stop()
        self.record.vm_state = "stopped"

    @property
    def engine_clock(self) -> Clock:
        """The rig's time, as the engine is given it."""
        return Clock(self.clock.now, date=self.date)

    def date(self) -> str:
        """ISO 8601, UTC, of the rig's time."""
        now = datetime.datetime.fromtimestamp(self.clock.wall(), datetime.UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def size(self) -> Size:
        """What the guest has; nothing while it is off."""
        if not self.guest.active:
            return Size(0, 0)
        return FakeDomain(self.guest).read(agent=False).actuated

    @property
    def definition(self) -> Size:
        """What libvirt would start it with."""
        return Size(self.guest.config.vcpus, -(-self.guest.config.memory_kib // 1024))

    def define(self, size: Size) -> None:
        """Somebody gives it another definition, by hand."""
        self.defined_by_hand = True
        self.guest.set_vcpus(size.vcpus, live=False, config=True, hotpluggable=True)
        self.guest.set_memory(size.memory_mb * 1024, live=False, config=True)

    @property
    def desired(self) -> Desired:
        """What is recorded, without how far it has come."""
        return replace(self.record.desired, progress=NEVER_ADJUSTED, recorded_conditions=())

    @property
    def end(self) -> tuple[str, str]:
        """Phase and code of what is recorded: how the last run ended."""
        progress = self.record.desired.progress
        return progress.phase.value, progress.code

    @property
    def recorded_conditions(self) -> list[str]:
        """The types of the conditions that are recorded."""
        return [one.type for one in self.record.desired.recorded_conditions]

    @property
    def recorded_reasons(self) -> list[str]:
        """The codes of the conditions that are recorded."""
        return [one.reason for one in self.record.desired.recorded_conditions]

    def visible_conditions(self) -> list[str]:
        """The types of the conditions that people see now, but ``Converged``."""
        guest = FakeDomain(self.guest).read()
        seen = InstanceState(
            self.record.desired,
            self.claims.size,
            self.watch.judged(self.uuid, guest),
            booting=self.boot_grace.is_booting(self.uuid, guest),
        )
        found = judge(seen, self.record.desired.progress, self.date())
        return [one.type for one in found if one.status and one.type != "Converged"]

    def told(self, effect: str) -> list[Any]:
        """The values that the named effect has set or written, in order."""
        return [what for name, what in self.done if name == effect]

    def once_before(self, effect: str, hook: Hook) -> None:
        """Call ``hook`` before the next ``effect`` only."""

        def first() -> None:
            del self.before[effect]
            hook()

        self.before[effect] = first

    @contextlib.contextmanager
    def lock(self, within: float) -> Iterator[None]:
        assert not self.locked, "taken twice"
        if self.held_for > within:
            self.clock.advance(within)
            raise InvalidState(f"another operation has held the instance for {within:g} s")
        self._hook("lock")
        self.locked = True
        try:
            yield
        finally:
            self.locked = False

    def sleep(self, seconds: float) -> None:
        assert not self.locked, "slept with the instance locked"
        self._hook("sleep")
        self.held_for = max(0.0, self.held_for - seconds)
        self.clock.sleep(seconds)
        self.check_invariant()

    @contextlib.contextmanager
    def effect(self, name: str, what: Any) -> Iterator[None]:
        assert self.locked, f"{name} without the instance's lock"
        assert len(self.effects) < ENDLESS, self.effects[-6:]
        self._point()
        self._hook(name)
        self.effects.append(name)
        self.done.append((name, what))
        try:
            yield
        finally:
            self.check_invariant()
        self._point()

    def check_invariant(self) -> None:
        """``reserved >= max(actuated, observed)``, and not more than the host has."""
        if self.guest.active:
            # Even while another call holds the domain.
            busy, self.guest.busy = self.guest.busy, False
            seen = FakeDomain(self.guest).read(agent=False)
            self.guest.busy = busy
            held = seen.held
            reserved = self.claims.size
            if self.takes_memory or self.boot_grace.booting(self.uuid, seen.boot_id):
                # Memory that it was not set to. check_reserved() checks what it is set to.
                held = Size(held.vcpus, min(held.memory_mb, reserved.memory_mb))
            assert reserved.covers(held), f"{reserved} reserved, {held} held"
        if self.guest.exists and self.guest.persistent and not self.defined_by_hand:
            reserved, starts_with = self.claims.size, self.definition
            assert reserved.covers(starts_with), f"{reserved} reserved, starts with {starts_with}"
        assert self.claims.capacity.covers(self.claims.size)

    def check_reserved(self, asked: Size, has: Size | None = None) -> None:
        """Fail if ``asked`` is not reserved for the guest, beyond what the guest has already."""
        has = self.size if has is None else has
        assert self.claims.size.at_least(has).covers(asked), f"{asked} is not reserved"

    def check_unchanged(self) -> None:
        """A request has left no claim, no record and no action, and the guest as it was."""
        assert self.claims.size == NOW
        assert self.claims.written == []
        assert self.record.desired == Desired(NOW)
        assert self.record.written == []
        assert self.actions.started == []
        assert self.size == NOW

    def _answers(self, within: float) -> bool:
        assert not self.locked, "QEMU was asked whether it answers with the instance locked"
        self._hook("answers")
        return self.answers

    def _placement_answers(self, within: float) -> bool:
        assert not self.locked, "Placement was asked whether it answers with the instance locked"
        return self.placement_answers

    def _hook(self, name: str) -> None:
        if name in self.before:
            self.before[name]()

    def _point(self) -> None:
        self.points += 1
        if self.points - 1 == self.kill_at:
            raise Killed


def at_once(run: Callable[..., Outcome]) -> Converging:
    """Something that stands for :func:`converge`: it ends in its first turn."""

    def steps(*arguments: Any) -> Waits[Outcome]:
        yield from ()
        return run(*arguments)

    return steps
