# SPDX-License-Identifier: Apache-2.0
"""The next step: which one, when it is waited for, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.next_step import next_step
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from tests.unit.core.states import MAXIMUM, guest, reports, state, told_own_size


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
    assert next_step(state(desired, MAXIMUM, reading), RunState()) == step


def test_memory_shrinks_after_vcpus_and_before_the_rest() -> None:
    reading = reports(2, 2048, vcpus_online=1)
    before = state(Size(2, 1024), MAXIMUM, reading)
    assert next_step(before, told_own_size(2048)) == steps.SetMemory(1024)
    there = replace(before, guest=replace(reading, memory_mb=1024))
    assert next_step(there, RunState(balloon_target_mb=1024)) == steps.SetOnline(2)
    online = replace(there, guest=replace(reading, memory_mb=1024, vcpus_online=2))
    assert next_step(online, RunState(balloon_target_mb=1024)) == steps.Release(Size(2, 1024))


def test_the_operators_limits_are_the_balloons() -> None:
    before = state(Size(2, 1024), MAXIMUM, reports(2, 2048))
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
    step = next_step(state(desired, MAXIMUM, reading), run_state)
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
    assert next_step(state(desired, MAXIMUM, reading), run_state) == step


@pytest.mark.parametrize("run_state", [RunState(), RunState(balloon_target_mb=2048)])
def test_a_paused_guest_is_told_but_not_waited_for(run_state: RunState) -> None:
    step = next_step(state(Size(2, 2048), MAXIMUM, guest(2, 1024, paused=True)), run_state)
    if run_state.balloon_target_mb is None:
        assert step == steps.SetMemory(2048)
    else:
        assert isinstance(step, steps.Deferred)
        assert "paused" in step.why


def test_a_paused_guest_is_given_vcpus_and_not_asked_for_them() -> None:
    paused = guest(4, 1024, paused=True)
    assert next_step(state(Size(6, 1024), MAXIMUM, paused), RunState()) == steps.SetVcpus(6)
    assert isinstance(next_step(state(Size(2, 1024), MAXIMUM, paused), RunState()), steps.Deferred)


def test_nothing_is_released_while_the_guest_still_has_it() -> None:
    for reading in (guest(3, 1024), guest(2, 1025), guest(2, 1024, vcpus_online=1)):
        run_state = RunState(balloon_target_mb=1024, vcpus_requested=2, online_requested=2)
        step = next_step(state(Size(2, 1024), MAXIMUM, reading), run_state)
        assert isinstance(step, steps.Await)


def test_a_size_that_is_not_persisted_keeps_the_persisted_claim() -> None:
    live = Desired(Size(4, 2048), live=Size(2, 1024))
    assert next_step(state(live, MAXIMUM, guest(2, 1024)), RunState()) == steps.Release(
        Size(4, 2048)
    )


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
    stopped = state(desired, MAXIMUM, reading)
    assert next_step(stopped, RunState()) == steps.DropLiveSize()
    after = replace(stopped, desired=desired.restarted())
    assert next_step(after, RunState()) == steps.Release(Size(2, 1024))


@pytest.mark.parametrize("old", [512, 4096])
def test_a_balloon_on_its_way_to_an_older_size_is_stopped(old: int) -> None:
    # It was told another size, has not begun, and what it has is desired again.
    reading = guest(2, 1024, balloon_driver=False)
    step = next_step(state(Size(2, 1024), None, reading), RunState(balloon_target_mb=old))
    assert step == steps.SetMemory(1024)


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
