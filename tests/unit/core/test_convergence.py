# SPDX-License-Identifier: Apache-2.0
"""The next step, and that following the steps ends with what is desired."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core import convergence as steps
from nova_xloud.core.convergence import Told, next_step
from nova_xloud.core.desired import Desired
from nova_xloud.core.guest import GuestFigures
from nova_xloud.core.plan import InstanceState
from nova_xloud.core.size import Size
from tests.unit.core.states import desireds, guest, guests, sizes, state

FULL = Size(8, 4096)


@pytest.mark.parametrize(
    ("desired", "figures", "step"),
    [
        (Size(4, 2048), guest(2, 1024), steps.SetMemory(2048)),
        (Size(4, 2048), guest(2, 2048), steps.SetVcpus(4)),
        (Size(2, 1024), guest(4, 2048), steps.BeginRemoval(2)),
        (Desired(Size(2, 1024), removal_pending=2), guest(4, 2048), steps.SetVcpus(2)),
        (Desired(Size(2, 1024), removal_pending=3), guest(4, 2048), steps.BeginRemoval(2)),
        (Desired(Size(2, 1024), removal_pending=2), guest(2, 2048), steps.RemovalSettled()),
        (Size(2, 1024), guest(2, 2048), steps.SetMemory(1024)),
        (Size(2, 2048), guest(4, 1024), steps.SetMemory(2048)),
        (Size(4, 1024), guest(2, 2048), steps.SetVcpus(4)),
        (Size(2, 1024), guest(2, 1024), steps.Release(Size(2, 1024))),
    ],
    ids=[
        "memory grows first",
        "then vCPUs grow",
        "vCPUs shrink first: that is written down",
        "then asked for",
        "what is written down is for as many as are asked for",
        "and when they are gone that is written down",
        "then memory shrinks",
        "what grows goes before what shrinks: memory",
        "and vCPUs",
        "all that is left is the claim",
    ],
)
def test_the_order_of_steps(
    desired: Size | Desired, figures: GuestFigures, step: steps.Step
) -> None:
    assert next_step(state(desired, FULL, figures), Told()) == step


def test_with_all_as_desired_there_is_nothing_to_do() -> None:
    assert next_step(state(Size(2, 1024), None, guest(2, 1024)), Told()) == steps.Converged()
    assert next_step(state(Size(2, 1024)), Told()) == steps.Converged()


@pytest.mark.parametrize(
    ("reserved", "figures", "claim"),
    [
        (Size(2, 2048), guest(2, 1024), Size(4, 2048)),
        (Size(4, 1024), guest(2, 1024), Size(4, 2048)),
        (Size(8, 1024), guest(2, 1024), Size(8, 2048)),
        (Size(4, 2048), guest(6, 1024), Size(6, 2048)),
        (Size(4, 2048), guest(2, 3072), Size(4, 3072)),
        (Size(0, 0), None, Size(4, 2048)),
        (Size(2, 1024), guest(8, 4096, running=False), Size(4, 2048)),
    ],
    ids=[
        "vCPUs to add",
        "memory to add",
        "without giving vCPUs back",
        "vCPUs it has",
        "memory it has",
        "stopped, without a claim",
        "stopped: what it had does not count",
    ],
)
def test_what_is_not_reserved_is_claimed_before_anything_else(
    reserved: Size, figures: GuestFigures | None, claim: Size
) -> None:
    step = next_step(state(Size(4, 2048), reserved, figures), Told())
    assert step == steps.Claim(claim)


def test_an_agent_that_says_more_cpus_than_there_are_claims_nothing() -> None:
    figures = guest(2, 1024, vcpus_online=1000)
    assert next_step(state(Size(2, 1024), None, figures), Told(memory_mb=1024)) == steps.Converged()


@pytest.mark.parametrize(
    ("desired", "figures", "told", "what"),
    [
        (Size(2, 2048), guest(2, 1024), Told(memory_mb=2048), "2048 MiB (is 1024)"),
        (Size(2, 1024), guest(2, 2048), Told(memory_mb=1024), "1024 MiB (is 2048)"),
        (Size(4, 1024), guest(2, 1024), Told(vcpus=4), "4 (are 2)"),
        (Size(2, 1024), guest(4, 1024), Told(vcpus=2), "2 (has 4)"),
        (Size(4, 1024), guest(4, 1024, vcpus_online=2), Told(), "4 vCPUs online (are 2)"),
    ],
)
def test_what_was_told_once_is_waited_for(
    desired: Size, figures: GuestFigures, told: Told, what: str
) -> None:
    step = next_step(state(desired, FULL, figures), told)
    assert isinstance(step, steps.Await)
    assert what in step.what


@pytest.mark.parametrize(
    ("desired", "figures", "told", "step"),
    [
        (Size(2, 3072), guest(2, 1024), Told(memory_mb=2048), steps.SetMemory(3072)),
        (Size(2, 1024), guest(2, 3072), Told(memory_mb=2048), steps.SetMemory(1024)),
        (Size(6, 1024), guest(2, 1024), Told(vcpus=4), steps.SetVcpus(6)),
        (Size(2, 1024), guest(6, 1024), Told(vcpus=4), steps.BeginRemoval(2)),
    ],
)
def test_a_newer_desired_is_told_anew(
    desired: Size, figures: GuestFigures, told: Told, step: steps.Step
) -> None:
    assert next_step(state(desired, FULL, figures), told) == step


@pytest.mark.parametrize("told", [Told(), Told(memory_mb=2048)])
def test_a_paused_guest_is_told_but_not_waited_for(told: Told) -> None:
    step = next_step(state(Size(2, 2048), FULL, guest(2, 1024, paused=True)), told)
    if told.memory_mb is None:
        assert step == steps.SetMemory(2048)
    else:
        assert isinstance(step, steps.Deferred)
        assert "paused" in step.why


def test_a_paused_guest_is_given_vcpus_and_not_asked_for_them() -> None:
    paused = guest(4, 1024, paused=True)
    assert next_step(state(Size(6, 1024), FULL, paused), Told()) == steps.SetVcpus(6)
    assert isinstance(next_step(state(Size(2, 1024), FULL, paused), Told()), steps.Deferred)


def test_nothing_is_released_while_the_guest_still_has_it() -> None:
    for figures in (guest(3, 1024), guest(2, 1025)):
        step = next_step(state(Size(2, 1024), FULL, figures), Told(1024, 2))
        assert isinstance(step, steps.Await)


def test_a_size_that_is_not_persisted_keeps_the_persisted_claim() -> None:
    live = Desired(Size(4, 2048), live=Size(2, 1024))
    assert next_step(state(live, FULL, guest(2, 1024)), Told()) == steps.Release(Size(4, 2048))


@pytest.mark.parametrize("figures", [None, guest(2, 1024, running=False)])
@pytest.mark.parametrize(
    "desired",
    [
        Desired(Size(2, 1024), live=Size(4, 2048)),
        Desired(Size(2, 1024), removal_pending=1),
    ],
)
def test_a_stopped_guest_has_what_was_of_the_running_one_forgotten_then_released(
    figures: GuestFigures | None, desired: Desired
) -> None:
    stopped = state(desired, FULL, figures)
    assert next_step(stopped, Told()) == steps.ForgetLive()
    after = replace(stopped, desired=desired.restarted())
    assert next_step(after, Told()) == steps.Release(Size(2, 1024))


@pytest.mark.parametrize("old", [512, 4096])
def test_a_balloon_on_its_way_to_an_older_size_is_stopped(old: int) -> None:
    # It was told another size, has not begun, and what it has is desired again.
    figures = guest(2, 1024, balloon_driver=False)
    step = next_step(state(Size(2, 1024), None, figures), Told(memory_mb=old))
    assert step == steps.SetMemory(1024)


def test_offline_cpus_do_not_stand_in_the_way_of_removing_vcpus() -> None:
    figures = guest(4, 1024, vcpus_online=2)
    assert next_step(state(Size(3, 1024), FULL, figures), Told()) == steps.BeginRemoval(3)


def test_while_a_removal_is_unsettled_no_step_adds_a_vcpu() -> None:
    desired = Desired(Size(4, 1024), removal_pending=2)
    step = next_step(state(desired, FULL, guest(3, 1024)), Told())
    assert isinstance(step, steps.Stuck)


class IdealGuest:
    """Follows every step; whatever it is told takes it some readings."""

    def __init__(self, before: InstanceState, strides: list[int]) -> None:
        self.state = before
        self.told = Told()
        self._strides = strides

    def run(self, bound: int = 60) -> list[steps.Step]:
        taken: list[steps.Step] = []
        while not taken or not isinstance(taken[-1], steps.Converged):
            assert len(taken) < bound, f"does not end: {taken}"
            step = next_step(self.state, self.told)
            taken.append(step)
            self._take(step)
        return taken

    def _take(self, step: steps.Step) -> None:
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
                self.told = replace(self.told, memory_mb=mib)
            case steps.SetVcpus(count):
                self.check_invariant(Size(count, 0))
                self._check_removal(count)
                self.told = replace(self.told, vcpus=count)
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
            case steps.Record(size):
                assert size == now.reserved != now.recorded
            case steps.ForgetLive():
                assert not now.running
                desired = desired.restarted()
            case steps.BeginRemoval(count):
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
        self.state = replace(self.state, guest=replace(self._figures(), running=False))

    def _figures(self) -> GuestFigures:
        assert self.state.guest is not None
        return self.state.guest

    def _plug(self, count: int) -> None:
        figures = self._figures()
        online = figures.vcpus_online
        online = None if online is None else min(online, count)
        self.state = replace(self.state, guest=replace(figures, vcpus=count, vcpus_online=online))

    def _resume(self) -> None:
        figures = self._figures()
        assert figures.paused
        self.state = replace(self.state, guest=replace(figures, paused=False))

    def _time_passes(self) -> None:
        figures = self._figures()
        assert not figures.paused, "a paused guest was waited for"
        if figures.vcpus_online is not None:
            figures = replace(figures, vcpus_online=figures.vcpus)
        if self.told.memory_mb is not None:
            way = self.told.memory_mb - figures.memory_mb
            stride = self._strides.pop() if self._strides else abs(way)
            moved = max(-stride, min(stride, way))
            figures = replace(figures, memory_mb=figures.memory_mb + moved)
        self.state = replace(self.state, guest=figures)
        self.check_invariant(Size(0, 0))


strides = st.lists(st.integers(1, 5000), max_size=8)
figures_or_none = st.none() | guests()


@given(desireds, sizes, figures_or_none, strides)
def test_an_ideal_guest_always_ends_with_what_is_desired_and_no_more_is_reserved(
    desired: Desired, reserved: Size, figures: GuestFigures | None, strides: list[int]
) -> None:
    # The invariant is checked before each order to the guest, and after each thing it does.
    ideal = IdealGuest(InstanceState(desired, reserved, figures), strides)
    ideal.run()
    after = ideal.state
    if after.running:
        assert after.held == after.desired.target
        assert (after.desired.persisted, after.desired.live) == (desired.persisted, desired.live)
    else:
        assert after.desired == desired.restarted()
    assert after.reserved == after.desired.to_hold


@given(desireds, guests(), sizes, strides)
def test_whoever_was_stopped_half_way_is_followed_by_somebody_who_goes_on(
    desired: Desired, figures: GuestFigures, reserved: Size, strides: list[int]
) -> None:
    whole = IdealGuest(InstanceState(desired, reserved, figures), list(strides))
    for stopped_after in range(len(whole.run())):
        half = IdealGuest(InstanceState(desired, reserved, figures), list(strides))
        for _ in range(stopped_after):
            half._take(next_step(half.state, half.told))
        half.told = Told()
        half.run()
        assert half.state.reserved == half.state.desired.to_hold
        assert not half.state.running or half.state.held == half.state.desired.target


@given(desireds, sizes, figures_or_none, strides)
def test_the_columns_of_the_instance_are_made_to_say_what_is_reserved(
    desired: Desired, recorded: Size, figures: GuestFigures | None, strides: list[int]
) -> None:
    ideal = IdealGuest(InstanceState(desired, Size(1, 1), figures, recorded), strides)
    ideal.run()
    assert ideal.state.recorded == ideal.state.reserved


@given(desireds, sizes, figures_or_none, strides)
def test_the_guest_shrinks_only_after_it_has_grown_and_memory_goes_around_vcpus(
    desired: Desired, reserved: Size, figures: GuestFigures | None, strides: list[int]
) -> None:
    ideal = IdealGuest(InstanceState(desired, reserved, figures), strides)
    target, before = desired.target, ideal.state.held
    order = {
        steps.Claim: 0,
        steps.SetMemory: 1 if target.memory_mb >= before.memory_mb else 4,
        steps.SetVcpus: 2 if target.vcpus > (figures.vcpus if figures else 0) else 3,
        steps.Release: 5,
        steps.Record: 6,
    }
    taken = [order[type(step)] for step in ideal.run() if type(step) in order]
    assert taken == sorted(taken)
    assert len(taken) == len(set(taken)), "something was done twice"


@given(desireds, sizes, figures_or_none)
def test_a_step_changes_only_what_falls_short(
    desired: Desired, reserved: Size, figures: GuestFigures | None
) -> None:
    before = InstanceState(desired, reserved, figures)
    step = next_step(before, Told())
    if isinstance(step, steps.Release):
        assert step.size == desired.to_hold
        assert not before.running or before.held == desired.target
    if isinstance(step, steps.SetMemory | steps.SetVcpus | steps.BeginRemoval | steps.Stuck):
        assert before.running
