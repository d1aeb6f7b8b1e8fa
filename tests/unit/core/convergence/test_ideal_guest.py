# SPDX-License-Identifier: Apache-2.0
"""A guest that follows every step ends with the desired size."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.next_step import next_step
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from tests.unit.core.states import desireds, guests, sizes


class IdealGuest:
    """A guest that follows every step after some readings, and uses no memory."""

    LIMITS = Limits(step_mb=1024, reserve_mb=0)

    def __init__(self, before: InstanceState, strides: list[int]) -> None:
        has_balloon = before.guest and replace(
            before.guest, balloon_driver=True, memory_confirmed=True
        )
        self.state = replace(before, guest=has_balloon)
        self.run_state = RunState()
        self._strides = strides

    def run(self, bound: int = 60) -> list[steps.Step]:
        taken: list[steps.Step] = []
        while not taken or not isinstance(taken[-1], steps.Converged):
            assert len(taken) < bound, f"does not end: {taken}"
            taken.append(self.take_one())
        return taken

    def take_one(self) -> steps.Step:
        self.run_state = self.run_state.after_reading(self.state.guest)
        step = next_step(self.state, self.run_state, self.LIMITS)
        self._execute(step)
        return step

    def _execute(self, step: steps.Step) -> None:
        now = self.state
        match step:
            case steps.Claim(size):
                assert size.covers(now.reserved), "a claim gave something back"
                self.state = replace(now, reserved=size)
            case steps.Release(size):
                assert now.reserved.covers(size), "a release claimed something"
                self.state = replace(now, reserved=size)
                self.check_invariant(Size(0, 0))
            case steps.SetMemory(mib):
                self.check_invariant(Size(0, mib))
                assert mib >= now.held.memory_mb - self.LIMITS.step_mb, "too large a step"
                self.run_state = replace(self.run_state, balloon_target_mb=mib)
            case steps.SetOnline(count):
                assert count <= now.held.vcpus, "more CPUs than there are"
                self.run_state = replace(self.run_state, online_requested=count)
            case steps.SetVcpus(count):
                self.check_invariant(Size(count, 0))
                self._check_removal(count)
                self.run_state = replace(self.run_state, vcpus_requested=count)
                self._plug(count)
            case steps.Deferred():
                self._resume()
            case steps.Stuck():
                self._stop()
            case steps.Await():
                self._time_passes()
            case _:
                self._write_down(step)

    def _write_down(self, step: steps.Step) -> None:
        now = self.state
        desired = now.desired
        match step:
            case steps.SetRecorded(size):
                assert size == now.reserved != now.recorded
            case steps.DropLiveSize():
                assert not now.running
                desired = desired.restarted()
            case steps.MarkRemoval(count):
                desired = replace(desired, removal_pending=count)
            case steps.RemovalSettled():
                assert desired.removal_pending is not None
                assert now.held.vcpus <= desired.removal_pending
                desired = replace(desired, removal_pending=None)
        # Whoever writes the record writes what is held into it too.
        self.state = replace(now, desired=desired, recorded=now.reserved)

    def check_invariant(self, asked: Size) -> None:
        needed = self.state.held.at_least(asked)
        assert self.state.reserved.covers(needed), f"{self.state.reserved} for {needed}"

    def _check_removal(self, count: int) -> None:
        now = self.state
        if count < now.held.vcpus:
            assert now.desired.removal_pending is not None, "a removal was not written down"
            assert now.desired.removal_pending <= count
        else:
            assert not now.removal_unsettled, "a vCPU was added while a removal was unsettled"

    def _stop(self) -> None:
        assert self.state.removal_unsettled
        self.state = replace(self.state, guest=replace(self._reading(), running=False))

    def _reading(self) -> DomainReading:
        assert self.state.guest is not None
        return self.state.guest

    def _plug(self, count: int) -> None:
        reading = self._reading()
        online = reading.vcpus_online
        online = None if online is None else min(online, count)
        self.state = replace(self.state, guest=replace(reading, vcpus=count, vcpus_online=online))

    def _resume(self) -> None:
        reading = self._reading()
        assert reading.paused
        self.state = replace(self.state, guest=replace(reading, paused=False))

    def _time_passes(self) -> None:
        reading = self._reading()
        assert not reading.paused, "a paused guest was waited for"
        if reading.vcpus_online is not None:
            reading = replace(reading, vcpus_online=reading.vcpus)
        if self.run_state.balloon_target_mb is not None:
            way = self.run_state.balloon_target_mb - reading.memory_mb
            stride = self._strides.pop() if self._strides else abs(way)
            moved = max(-stride, min(stride, way))
            reading = replace(reading, memory_mb=reading.memory_mb + moved)
        since = reading.stats_at or 0
        reading = replace(reading, usable_mb=reading.memory_mb, stats_at=since + 1)
        self.state = replace(self.state, guest=reading)
        self.check_invariant(Size(0, 0))


strides = st.lists(st.integers(1, 5000), max_size=8)
figures_or_none = st.none() | guests()


@given(desireds, sizes, figures_or_none, strides)
def test_ideal_guest_ends_with_what_is_desired_and_no_more_is_reserved(
    desired: Desired, reserved: Size, reading: DomainReading | None, strides: list[int]
) -> None:
    # The invariant is checked before each order to the guest, and after each thing it does.
    ideal = IdealGuest(InstanceState(desired, reserved, reading), strides)
    ideal.run()
    after = ideal.state
    if after.running:
        assert after.held == after.desired.target
        assert (after.desired.persisted, after.desired.live) == (desired.persisted, desired.live)
    else:
        assert after.desired == desired.restarted()
    assert after.reserved == after.desired.claim


@given(desireds, guests(), sizes, strides)
def test_next_run_finishes_an_interrupted_run(
    desired: Desired, reading: DomainReading, reserved: Size, strides: list[int]
) -> None:
    whole = IdealGuest(InstanceState(desired, reserved, reading), list(strides))
    for stopped_after in range(len(whole.run())):
        half = IdealGuest(InstanceState(desired, reserved, reading), list(strides))
        for _ in range(stopped_after):
            half.take_one()
        half.run_state = RunState()
        half.run()
        assert half.state.reserved == half.state.desired.claim
        assert not half.state.running or half.state.held == half.state.desired.target


@given(desireds, sizes, figures_or_none, strides)
def test_the_columns_of_the_instance_are_made_to_say_what_is_reserved(
    desired: Desired, recorded: Size, reading: DomainReading | None, strides: list[int]
) -> None:
    ideal = IdealGuest(InstanceState(desired, Size(1, 1), reading, recorded), strides)
    ideal.run()
    assert ideal.state.recorded == ideal.state.reserved


@given(desireds, sizes, figures_or_none, strides)
def test_ideal_guest_shrinks_after_it_has_grown_and_memory_around_vcpus(
    desired: Desired, reserved: Size, reading: DomainReading | None, strides: list[int]
) -> None:
    ideal = IdealGuest(InstanceState(desired, reserved, reading), strides)
    target, before = desired.target, ideal.state.held
    order = {
        steps.Claim: 0,
        steps.SetMemory: 1 if target.memory_mb >= before.memory_mb else 4,
        steps.SetVcpus: 2 if target.vcpus > (reading.vcpus if reading else 0) else 3,
        steps.SetOnline: 5,
        steps.Release: 6,
        steps.SetRecorded: 7,
    }
    every = ideal.run()
    taken = [order[type(step)] for step in every if type(step) in order]
    assert taken == sorted(taken)
    once = [rank for rank in taken if rank != 4]
    assert len(once) == len(set(once)), "something was done twice"
    pushed = [step.mib for step in every if isinstance(step, steps.SetMemory)]
    assert pushed == sorted(set(pushed), reverse=True), "a balloon that shrinks a guest turned back"


@given(desireds, sizes, figures_or_none)
def test_a_step_changes_only_what_falls_short(
    desired: Desired, reserved: Size, reading: DomainReading | None
) -> None:
    before = InstanceState(desired, reserved, reading)
    step = next_step(before, RunState())
    if isinstance(step, steps.Release):
        assert step.size == desired.claim
        assert not before.running or before.held == desired.target
    if isinstance(step, steps.SetMemory | steps.SetVcpus | steps.MarkRemoval | steps.Stuck):
        assert before.running
