# SPDX-License-Identifier: Apache-2.0
"""The next step, and that following the steps ends with what is desired."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
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
from tests.unit.core.states import desireds, guest, guests, sizes, state

FULL = Size(8, 4096)


def reports(vcpus: int, memory_mb: int, **other: Any) -> DomainReading:
    """A guest whose driver has just reported that it uses next to nothing."""
    reading = {"balloon_driver": True, "usable_mb": memory_mb - 1, "stats_at": 20, **other}
    return guest(vcpus, memory_mb, **reading)


def told_own_size(memory_mb: int, **other: Any) -> RunState:
    """The balloon has been where it is for some time, and was told to stay there."""
    return RunState(balloon_target_mb=memory_mb, settled_mb=memory_mb, settled_stats_at=10, **other)


@pytest.mark.parametrize(
    ("desired", "reading", "step"),
    [
        (Size(4, 2048), guest(2, 1024), steps.SetMemory(2048)),
        (Size(4, 2048), guest(2, 2048), steps.SetVcpus(4)),
        (Size(2, 1024), guest(4, 2048), steps.MarkRemoval(2)),
        (Desired(Size(2, 1024), removal_pending=2), guest(4, 2048), steps.SetVcpus(2)),
        (Desired(Size(2, 1024), removal_pending=3), guest(4, 2048), steps.MarkRemoval(2)),
        (Desired(Size(2, 1024), removal_pending=2), guest(2, 2048), steps.RemovalSettled()),
        (Size(2, 1024), reports(2, 2048), steps.SetMemory(2048)),
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
        "then memory is to shrink: it is told what it has",
        "what grows goes before what shrinks: memory",
        "and vCPUs",
        "all that is left is the claim",
    ],
)
def test_the_order_of_steps(
    desired: Size | Desired, reading: DomainReading, step: steps.Step
) -> None:
    assert next_step(state(desired, FULL, reading), RunState()) == step


def test_memory_shrinks_after_vcpus_and_before_the_rest() -> None:
    reading = reports(2, 2048, vcpus_online=1)
    before = state(Size(2, 1024), FULL, reading)
    assert next_step(before, told_own_size(2048)) == steps.SetMemory(1024)
    there = replace(before, guest=replace(reading, memory_mb=1024))
    assert next_step(there, RunState(balloon_target_mb=1024)) == steps.SetOnline(2)
    online = replace(there, guest=replace(reading, memory_mb=1024, vcpus_online=2))
    assert next_step(online, RunState(balloon_target_mb=1024)) == steps.Release(Size(2, 1024))


def test_the_operators_limits_are_the_balloons() -> None:
    before = state(Size(2, 1024), FULL, reports(2, 2048))
    run_state = told_own_size(2048)
    assert next_step(before, run_state, Limits(step_mb=100)) == steps.SetMemory(1948)
    assert next_step(before, run_state, Limits(reserve_mb=1500)) == steps.SetMemory(1501)


@pytest.mark.parametrize(
    ("recorded", "step"),
    [
        (None, steps.Converged()),
        (Size(4, 2048), steps.Converged()),
        (Size(4, 2047), steps.SetRecorded(Size(4, 2048))),
        (Size(8, 2048), steps.SetRecorded(Size(4, 2048))),
    ],
)
def test_the_last_is_that_the_instances_columns_say_what_is_reserved(
    recorded: Size | None, step: steps.Step
) -> None:
    there = InstanceState(Desired(Size(4, 2048)), Size(4, 2048), guest(4, 2048), recorded)
    assert next_step(there, RunState(balloon_target_mb=2048)) == step


def test_with_all_as_desired_there_is_nothing_to_do() -> None:
    assert next_step(state(Size(2, 1024), None, guest(2, 1024)), RunState()) == steps.Converged()
    assert next_step(state(Size(2, 1024)), RunState()) == steps.Converged()


@pytest.mark.parametrize(
    ("reserved", "reading", "claim"),
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
    reserved: Size, reading: DomainReading | None, claim: Size
) -> None:
    step = next_step(state(Size(4, 2048), reserved, reading), RunState())
    assert step == steps.Claim(claim)


def test_an_agent_that_says_more_cpus_than_there_are_claims_nothing() -> None:
    reading = guest(2, 1024, vcpus_online=1000)
    assert (
        next_step(state(Size(2, 1024), None, reading), RunState(balloon_target_mb=1024))
        == steps.Converged()
    )


@pytest.mark.parametrize(
    ("desired", "reading", "run_state", "what"),
    [
        (Size(2, 2048), guest(2, 1024), RunState(balloon_target_mb=2048), "2048 MiB (is 1024)"),
        (Size(2, 1024), guest(2, 2048), RunState(balloon_target_mb=1024), "1024 MiB (is 2048)"),
        (Size(4, 1024), guest(2, 1024), RunState(vcpus_requested=4), "4 (are 2)"),
        (Size(2, 1024), guest(4, 1024), RunState(vcpus_requested=2), "2 (has 4)"),
        (
            Size(4, 1024),
            guest(4, 1024, vcpus_online=2),
            RunState(online_requested=4),
            "4 vCPUs online (are 2)",
        ),
    ],
)
def test_what_was_told_once_is_waited_for(
    desired: Size, reading: DomainReading, run_state: RunState, what: str
) -> None:
    step = next_step(state(desired, FULL, reading), run_state)
    assert isinstance(step, steps.Await)
    assert what in step.what
    assert step.left == max(
        abs(desired.memory_mb - reading.memory_mb),
        abs(desired.vcpus - (reading.vcpus_online or reading.vcpus)),
    )


@pytest.mark.parametrize(
    ("desired", "reading", "run_state", "step"),
    [
        (
            Size(4, 1024),
            guest(4, 1024, vcpus_online=2),
            RunState(online_requested=3),
            steps.SetOnline(4),
        ),
        (Size(2, 3072), guest(2, 1024), RunState(balloon_target_mb=2048), steps.SetMemory(3072)),
        (Size(2, 2500), reports(2, 3072), told_own_size(3072), steps.SetMemory(2500)),
        (Size(6, 1024), guest(2, 1024), RunState(vcpus_requested=4), steps.SetVcpus(6)),
        (Size(2, 1024), guest(6, 1024), RunState(vcpus_requested=4), steps.MarkRemoval(2)),
    ],
)
def test_a_newer_desired_is_told_anew(
    desired: Size, reading: DomainReading, run_state: RunState, step: steps.Step
) -> None:
    assert next_step(state(desired, FULL, reading), run_state) == step


@pytest.mark.parametrize("run_state", [RunState(), RunState(balloon_target_mb=2048)])
def test_a_paused_guest_is_told_but_not_waited_for(run_state: RunState) -> None:
    step = next_step(state(Size(2, 2048), FULL, guest(2, 1024, paused=True)), run_state)
    if run_state.balloon_target_mb is None:
        assert step == steps.SetMemory(2048)
    else:
        assert isinstance(step, steps.Deferred)
        assert "paused" in step.why


def test_a_paused_guest_is_given_vcpus_and_not_asked_for_them() -> None:
    paused = guest(4, 1024, paused=True)
    assert next_step(state(Size(6, 1024), FULL, paused), RunState()) == steps.SetVcpus(6)
    assert isinstance(next_step(state(Size(2, 1024), FULL, paused), RunState()), steps.Deferred)


def test_nothing_is_released_while_the_guest_still_has_it() -> None:
    for reading in (guest(3, 1024), guest(2, 1025), guest(2, 1024, vcpus_online=1)):
        run_state = RunState(balloon_target_mb=1024, vcpus_requested=2, online_requested=2)
        step = next_step(state(Size(2, 1024), FULL, reading), run_state)
        assert isinstance(step, steps.Await)


def test_a_size_that_is_not_persisted_keeps_the_persisted_claim() -> None:
    live = Desired(Size(4, 2048), live=Size(2, 1024))
    assert next_step(state(live, FULL, guest(2, 1024)), RunState()) == steps.Release(Size(4, 2048))


@pytest.mark.parametrize("reading", [None, guest(2, 1024, running=False)])
@pytest.mark.parametrize(
    "desired",
    [
        Desired(Size(2, 1024), live=Size(4, 2048)),
        Desired(Size(2, 1024), removal_pending=1),
    ],
)
def test_stopped_guest_drops_its_live_size_before_the_release(
    reading: DomainReading | None, desired: Desired
) -> None:
    stopped = state(desired, FULL, reading)
    assert next_step(stopped, RunState()) == steps.DropLiveSize()
    after = replace(stopped, desired=desired.restarted())
    assert next_step(after, RunState()) == steps.Release(Size(2, 1024))


@pytest.mark.parametrize("old", [512, 4096])
def test_a_balloon_on_its_way_to_an_older_size_is_stopped(old: int) -> None:
    # It was told another size, has not begun, and what it has is desired again.
    reading = guest(2, 1024, balloon_driver=False)
    step = next_step(state(Size(2, 1024), None, reading), RunState(balloon_target_mb=old))
    assert step == steps.SetMemory(1024)


def test_offline_cpus_do_not_stand_in_the_way_of_removing_vcpus() -> None:
    reading = guest(4, 1024, vcpus_online=2)
    assert next_step(state(Size(3, 1024), FULL, reading), RunState()) == steps.MarkRemoval(3)


def test_while_a_removal_is_unsettled_no_step_adds_a_vcpu() -> None:
    desired = Desired(Size(4, 1024), removal_pending=2)
    step = next_step(state(desired, FULL, guest(3, 1024)), RunState())
    assert isinstance(step, steps.Stuck)
    assert step.code == "xloud.guest_refused.removal_unsettled"


REFUSED = RunState(balloon_target_mb=1024, vcpus_requested=2, removal_error="68: timed out")


def test_what_was_refused_to_be_removed_is_stuck_and_says_why() -> None:
    desired = Desired(Size(2, 1024), removal_pending=2)
    step = next_step(state(desired, FULL, guest(4, 1024)), REFUSED)
    assert step == steps.Stuck("xloud.guest_refused.vcpus_not_removed", "68: timed out")


@pytest.mark.parametrize("stuck", ["refused", "unsettled"])
def test_vcpus_that_are_stuck_keep_no_memory_from_shrinking_or_growing(stuck: str) -> None:
    vcpus, run_state = (2, REFUSED) if stuck == "refused" else (6, RunState())
    for memory_mb, step in ((2048, steps.SetMemory(2048)), (512, steps.SetMemory(1024))):
        desired = Desired(Size(vcpus, 1024), removal_pending=2)
        before = state(desired, FULL, reports(4, memory_mb))
        assert next_step(before, replace(run_state, balloon_target_mb=None)) == step
    after = next_step(
        state(desired, FULL, reports(4, 1024)), replace(run_state, balloon_target_mb=1024)
    )
    assert isinstance(after, steps.Stuck)


def test_a_balloon_without_a_driver_keeps_neither_vcpus_from_going_nor_cpus_from_coming() -> None:
    # It has 2048 MiB, and its driver does not say whether it could do with 1024.
    run_state = RunState(balloon_target_mb=2048, settled_mb=2048, statistics_given_up=True)
    silent = guest(4, 2048, balloon_driver=False, vcpus_online=3)
    fewer = state(Size(2, 1024), FULL, silent)
    assert next_step(fewer, run_state) == steps.MarkRemoval(2)
    same = state(Size(4, 1024), FULL, silent)
    assert next_step(same, run_state) == steps.SetOnline(4)
    # What cannot be done is said when nothing else is left; vCPUs first.
    said = next_step(replace(same, guest=replace(silent, vcpus_online=4)), run_state)
    assert isinstance(said, steps.Stuck)
    assert said.code == "xloud.guest_refused.no_statistics"
    both = state(Desired(Size(2, 1024), removal_pending=2), FULL, replace(silent, vcpus_online=2))
    said = next_step(both, replace(run_state, vcpus_requested=2, removal_error="68: timed out"))
    assert isinstance(said, steps.Stuck)
    assert said.code == "xloud.guest_refused.vcpus_not_removed"


OFFLINE = Limits(offline_vcpus=True)


@pytest.mark.parametrize(
    ("online", "limits", "run_state", "step"),
    [
        (4, OFFLINE, REFUSED, steps.SetOnline(2)),
        (3, OFFLINE, REFUSED, steps.SetOnline(2)),
        (4, OFFLINE, replace(REFUSED, online_requested=3), steps.SetOnline(2)),
        (4, OFFLINE, replace(REFUSED, online_requested=2), None),
        (2, OFFLINE, REFUSED, None),
        (1, OFFLINE, REFUSED, steps.SetOnline(2)),
        (None, OFFLINE, REFUSED, None),
        (4, Limits(), REFUSED, None),
        (4, OFFLINE, RunState(balloon_target_mb=1024), steps.SetVcpus(2)),
    ],
    ids=[
        "they are taken offline",
        "those that are left",
        "another count was told",
        "it was told already",
        "they are offline",
        "more than asked for are",
        "no agent",
        "not without the option",
        "not before the removal was refused",
    ],
)
def test_where_vcpus_cannot_be_removed_the_agent_takes_them_offline(
    online: int | None, limits: Limits, run_state: RunState, step: steps.Step | None
) -> None:
    desired = Desired(Size(2, 1024), removal_pending=2)
    before = state(desired, Size(4, 1024), guest(4, 1024, vcpus_online=online))
    answer = next_step(before, run_state, limits)
    if step is not None:
        assert answer == step
        return
    assert isinstance(answer, steps.Stuck)
    assert answer.code == "xloud.guest_refused.vcpus_not_removed"
    assert "68: timed out" in answer.why
    said = f"{online} of its 4 vCPUs are online, all stay claimed"
    assert (said in answer.why) is (online in (1, 2))


@pytest.mark.parametrize(
    ("online", "step"),
    [
        (3, steps.SetOnline(4)),
        (4, steps.Converged()),
        (9, steps.Converged()),
        (None, steps.Converged()),
    ],
)
def test_the_agent_is_asked_for_what_the_guest_has_not_brought_online(
    online: int | None, step: steps.Step
) -> None:
    before = state(Size(4, 1024), None, guest(4, 1024, vcpus_online=online))
    assert next_step(before, RunState(balloon_target_mb=1024)) == step


def test_the_agent_is_not_asked_for_more_cpus_than_there_are() -> None:
    reading = guest(4, 1024, vcpus_online=3)
    before = state(Size(6, 1024), Size(4, 1024), reading)
    run_state = RunState(balloon_target_mb=1024, claim_denied=Size(6, 1024))
    assert next_step(before, run_state) == steps.SetOnline(4)
    online = replace(before, guest=replace(reading, vcpus_online=4))
    assert next_step(online, replace(run_state, online_requested=4)) == steps.NoRoom(Size(6, 1024))


class TestNoRoom:
    """The host has no room for what must be reserved: nothing grows, and what shrinks may."""

    TOLD = told_own_size(2048, claim_denied=Size(6, 4096))

    def test_what_was_refused_is_not_claimed_again_and_nothing_else_grows(self) -> None:
        before = state(Size(6, 4096), Size(4, 2048), reports(4, 2048))
        assert next_step(before, RunState()) == steps.Claim(Size(6, 4096))
        assert next_step(before, self.TOLD) == steps.NoRoom(Size(6, 4096))

    def test_something_else_is_claimed(self) -> None:
        before = state(Size(6, 3000), Size(4, 2048), reports(4, 2048))
        assert next_step(before, self.TOLD) == steps.Claim(Size(6, 3000))

    def test_one_that_is_reserved_grows(self) -> None:
        before = state(Size(6, 4096), Size(6, 2048), reports(4, 2048))
        assert next_step(before, self.TOLD) == steps.SetVcpus(6)
        before = state(Size(6, 4096), Size(4, 4096), reports(4, 2048))
        assert next_step(before, self.TOLD) == steps.SetMemory(4096)

    @pytest.mark.parametrize(
        ("target", "reading", "step"),
        [
            (Size(6, 1500), reports(4, 2048), steps.SetMemory(1500)),
            (Size(2, 4096), reports(4, 2048), steps.MarkRemoval(2)),
        ],
    )
    def test_one_shrinks_where_the_other_cannot_grow(
        self, target: Size, reading: DomainReading, step: steps.Step
    ) -> None:
        before = state(target, Size(4, 2048), reading)
        needed = before.minimum_claim
        assert next_step(before, RunState()) == steps.Claim(needed)
        assert next_step(before, told_own_size(2048, claim_denied=needed)) == step

    def test_what_it_took_on_its_own_is_given_back_if_it_can_be(self) -> None:
        # It should have 1024 MiB, took 2048, and there is no room to reserve them.
        before = state(Size(4, 1024), Size(4, 1024), reports(4, 2048))
        assert next_step(before, RunState()) == steps.Claim(Size(4, 2048))
        run_state = told_own_size(2048, claim_denied=Size(4, 2048))
        assert next_step(before, run_state) == steps.SetMemory(1024)
        arrived = replace(before, guest=reports(4, 1024))
        assert next_step(arrived, replace(run_state, balloon_target_mb=1024)) == steps.Converged()

    def test_when_less_is_needed_that_is_tried(self) -> None:
        run_state = told_own_size(2048, claim_denied=Size(4, 2048))
        on_the_way = state(Size(4, 1024), Size(4, 1024), reports(4, 1500))
        assert next_step(on_the_way, run_state) == steps.Claim(Size(4, 1500))

    def test_a_stopped_one_is_short_too(self) -> None:
        before = state(Size(6, 4096), Size(4, 2048))
        assert next_step(before, self.TOLD) == steps.NoRoom(Size(6, 4096))


def test_memory_of_a_booting_guest_is_awaited_and_not_claimed() -> None:
    booting = state(Size(4, 1024), Size(4, 1024), guest(4, 4096))
    assert next_step(booting, RunState()) == steps.Claim(Size(4, 4096))
    step = next_step(replace(booting, booting=True), RunState())
    assert isinstance(step, steps.Await)
    assert step.booting


def test_memory_of_a_booting_guest_is_released_after_it_arrived() -> None:
    before = InstanceState(Desired(Size(4, 1024)), Size(6, 3000), guest(4, 1025), booting=True)
    assert isinstance(next_step(before, RunState()), steps.Await)
    arrived = replace(before, guest=guest(4, 1024))
    assert next_step(arrived, RunState(balloon_target_mb=1024)) == steps.Release(Size(4, 1024))


class IdealGuest:
    """Follows every step; whatever it is told takes it some readings. It uses no memory."""

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
def test_an_ideal_guest_always_ends_with_what_is_desired_and_no_more_is_reserved(
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
def test_the_guest_shrinks_only_after_it_has_grown_and_memory_goes_around_vcpus(
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
