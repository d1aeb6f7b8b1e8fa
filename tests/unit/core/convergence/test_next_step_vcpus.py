# SPDX-License-Identifier: Apache-2.0
"""The next step where vCPUs are stuck, offline, or brought by the agent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.next_step import next_step
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from tests.unit.core.states import MAXIMUM, guest, reports, state


def test_offline_cpus_do_not_stand_in_the_way_of_removing_vcpus() -> None:
    reading = guest(4, 1024, vcpus_online=2)
    assert next_step(state(Size(3, 1024), MAXIMUM, reading), RunState()) == steps.MarkRemoval(3)


def test_while_a_removal_is_unsettled_no_step_adds_a_vcpu() -> None:
    desired = Desired(Size(4, 1024), removal_pending=2)
    step = next_step(state(desired, MAXIMUM, guest(3, 1024)), RunState())
    assert isinstance(step, steps.Stuck)
    assert step.code == "xloud.guest_refused.removal_unsettled"


REFUSED = RunState(balloon_target_mb=1024, vcpus_requested=2, removal_error="68: timed out")


def test_what_was_refused_to_be_removed_is_stuck_and_says_why() -> None:
    desired = Desired(Size(2, 1024), removal_pending=2)
    step = next_step(state(desired, MAXIMUM, guest(4, 1024)), REFUSED)
    assert step == steps.Stuck("xloud.guest_refused.vcpus_not_removed", "68: timed out")


@pytest.mark.parametrize("stuck", ["refused", "unsettled"])
def test_vcpus_that_are_stuck_keep_no_memory_from_shrinking_or_growing(stuck: str) -> None:
    vcpus, run_state = (2, REFUSED) if stuck == "refused" else (6, RunState())
    for memory_mb, step in ((2048, steps.SetMemory(2048)), (512, steps.SetMemory(1024))):
        desired = Desired(Size(vcpus, 1024), removal_pending=2)
        before = state(desired, MAXIMUM, reports(4, memory_mb))
        assert next_step(before, replace(run_state, balloon_target_mb=None)) == step
    after = next_step(
        state(desired, MAXIMUM, reports(4, 1024)), replace(run_state, balloon_target_mb=1024)
    )
    assert isinstance(after, steps.Stuck)


def test_pinned_memory_below_its_desired_size_keeps_no_vcpu_from_coming() -> None:
    pinned = guest(4, 1024, pinned=("a device of the host is passed through",))
    grows = state(Size(6, 2048), MAXIMUM, pinned)
    assert next_step(grows, RunState()) == steps.SetVcpus(6)
    there = replace(grows, guest=replace(pinned, vcpus=6))
    after = next_step(there, RunState(vcpus_requested=6))
    assert isinstance(after, steps.Stuck)
    assert after.code == "xloud.guest_refused.memory_pinned"


def test_balloon_without_a_driver_keeps_no_vcpu_from_going_or_coming() -> None:
    # It has 2048 MiB, and its driver does not say whether it could do with 1024.
    run_state = RunState(balloon_target_mb=2048, settled_mb=2048, statistics_given_up=True)
    silent = guest(4, 2048, balloon_driver=False, vcpus_online=3)
    fewer = state(Size(2, 1024), MAXIMUM, silent)
    assert next_step(fewer, run_state) == steps.MarkRemoval(2)
    same = state(Size(4, 1024), MAXIMUM, silent)
    assert next_step(same, run_state) == steps.SetOnline(4)
    # What cannot be done is said when nothing else is left; vCPUs first.
    said = next_step(replace(same, guest=replace(silent, vcpus_online=4)), run_state)
    assert isinstance(said, steps.Stuck)
    assert said.code == "xloud.guest_refused.no_statistics"
    both = state(
        Desired(Size(2, 1024), removal_pending=2), MAXIMUM, replace(silent, vcpus_online=2)
    )
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
    said = f"{online} of the guest's 4 vCPUs are online, all stay claimed"
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
