# SPDX-License-Identifier: Apache-2.0
"""What an adjustment makes desired, and what must be claimed for it first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Event, Phase, Progress
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, bounds_of
from tests.unit.core.convergence.plans import RUNNING, SPECS, planned
from tests.unit.core.states import MAXIMUM, guest, sizes, state, states


def test_both_sizes_are_one_plan() -> None:
    plan = planned(AdjustRequest(6, 1024))
    assert plan.desired.target == Size(6, 1024)
    assert plan.claim == Size(6, 2048)


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        (AdjustRequest(6, None), Size(6, 2048)),
        (AdjustRequest(None, 3072), Size(4, 3072)),
        (AdjustRequest(None, None), Size(4, 2048)),
    ],
)
def test_what_is_not_asked_for_stays_as_it_is_desired(
    request_: AdjustRequest, target: Size
) -> None:
    assert planned(request_).desired.target == target


def test_what_is_not_asked_for_is_what_is_desired_and_not_what_was_reached() -> None:
    under_way = state(Size(4, 4096), reading=guest(4, 2048))
    assert planned(AdjustRequest(6, None), under_way).desired.target == Size(6, 4096)


def test_plan_claims_for_a_growth_and_releases_nothing_for_a_shrink() -> None:
    assert planned(AdjustRequest(6, 3072)).claim == Size(6, 3072)
    assert planned(AdjustRequest(2, 1024)).claim == Size(4, 2048)


def test_a_size_that_is_not_persisted_claims_beside_the_persisted_one() -> None:
    plan = planned(AdjustRequest(6, 1024, persist=False))
    assert (plan.desired.persisted, plan.desired.live) == (Size(4, 2048), Size(6, 1024))
    assert plan.claim == Size(6, 2048)


@pytest.mark.parametrize(
    ("before", "nothing"),
    [
        (RUNNING, True),
        (state(Size(4, 2048)), True),
        (state(Size(4, 2048), reading=guest(1, 1, running=False)), True),
        (state(Size(4, 2048), reading=guest(4, 2048, paused=True)), True),
        (state(Size(4, 2048), reading=guest(3, 2048)), False),
        (state(Size(4, 2048), reading=guest(4, 2049)), False),
        (state(Size(4, 2048), Size(5, 2048), guest(4, 2048)), False),
        (state(Size(4, 2048), Size(3, 2048)), False),
        (state(Desired(Size(6, 2048), live=Size(4, 2048)), None, guest(4, 2048)), False),
    ],
    ids=[
        "running and reached",
        "no domain",
        "shut off",
        "paused",
        "vCPUs not reached",
        "memory not reached",
        "more is reserved",
        "less is reserved",
        "only until it stops",
    ],
)
def test_nothing_to_do_means_desired_reached_and_claimed(
    before: InstanceState, nothing: bool
) -> None:
    assert planned(AdjustRequest(4, 2048), before).nothing_to_do is nothing


def test_the_same_size_asked_to_end_with_the_guest_is_something_to_do() -> None:
    live = state(Desired(Size(2, 1024), live=Size(4, 2048)), None, guest(4, 2048))
    assert planned(AdjustRequest(4, 2048, persist=False), live).nothing_to_do
    assert not planned(AdjustRequest(4, 2048, persist=True), live).nothing_to_do


requests = st.builds(
    AdjustRequest,
    vcpus=st.none() | st.integers(-1, 10),
    memory_mb=st.none() | st.integers(-1, 5000),
    persist=st.booleans(),
    force=st.booleans(),
)
flavors = st.builds(
    FlavorFacts,
    maximum=st.just(MAXIMUM),
    extra_specs=st.sampled_from(
        [{}, SPECS, {"hw:cpu_threads": "2"}, {"hw:mem_page_size": "large"}]
    ),
)


@given(requests, states, flavors)
def test_a_claim_is_never_less_than_what_is_held_reserved_or_wanted(
    request_: AdjustRequest, before: InstanceState, flavor: FlavorFacts
) -> None:
    plan = decide(request_, before, bounds_of(flavor))
    if isinstance(plan, Plan):
        assert plan.claim.covers(before.held)
        assert plan.claim.covers(before.reserved)
        assert plan.claim.covers(plan.desired.claim)


@given(requests, states, flavors)
def test_a_claim_is_no_more_than_it_needs(
    request_: AdjustRequest, before: InstanceState, flavor: FlavorFacts
) -> None:
    plan = decide(request_, before, bounds_of(flavor))
    if isinstance(plan, Plan):
        needed = before.held.at_least(before.reserved).at_least(plan.desired.claim)
        assert plan.claim == needed


@given(requests, states, flavors)
def test_what_is_planned_is_what_was_asked_for_to_the_last_unit(
    request_: AdjustRequest, before: InstanceState, flavor: FlavorFacts
) -> None:
    plan = decide(request_, before, bounds_of(flavor))
    if isinstance(plan, Plan):
        target = plan.desired.target
        assert request_.vcpus in (None, target.vcpus)
        assert request_.memory_mb in (None, target.memory_mb)
        another = not plan.desired.same_target(before.desired)
        assert plan.desired.generation == before.desired.generation + another


@given(states, sizes, st.booleans())
def test_nothing_to_do_leaves_claim_and_sizes_unchanged(
    before: InstanceState, size: Size, persist: bool
) -> None:
    settled = replace(before, reserved=before.desired.claim)
    for request_ in (
        AdjustRequest(size.vcpus, size.memory_mb, persist),
        AdjustRequest(None, None, persist),
    ):
        plan = decide(request_, settled, bounds_of(FlavorFacts(MAXIMUM)))
        if isinstance(plan, Plan) and plan.nothing_to_do:
            assert plan.claim == settled.reserved
            assert (plan.desired.persisted, plan.desired.live) == (
                settled.desired.persisted,
                settled.desired.live,
            )


@given(requests, states, flavors)
def test_what_is_planned_says_for_whom_and_since_when_and_whether_by_force(
    request_: AdjustRequest, before: InstanceState, flavor: FlavorFacts
) -> None:
    plan = decide(request_, before, bounds_of(flavor), "now", "req-1")
    if isinstance(plan, Plan):
        progress = plan.desired.progress
        assert (progress.phase, progress.code) == (Phase.ADMITTED, "xloud.admitted")
        assert (progress.message, progress.request_id) == ("", "req-1")
        # A request that names no size leaves how the last one is carried out.
        force = request_.force if request_.has_size else before.desired.force
        assert plan.desired.force is force
        assert plan.desired.recorded_conditions == before.desired.recorded_conditions


@pytest.mark.parametrize("event", [Event.DEFER, Event.REFUSE, Event.FAIL])
def test_same_size_is_planned_again_when_the_last_run_did_not_reach_it(
    event: Event,
) -> None:
    progress = Progress().after(Event.BEGIN, "").after(event, "")
    before = replace(RUNNING, desired=replace(RUNNING.desired, progress=progress))
    plan = planned(AdjustRequest(4, 2048), before)
    assert not plan.nothing_to_do
    assert plan.desired.generation == before.desired.generation


def test_the_same_by_force_is_something_to_do_and_a_generation() -> None:
    plan = planned(AdjustRequest(4, 2048, force=True))
    assert not plan.nothing_to_do
    assert plan.desired.generation == RUNNING.desired.generation + 1


def test_memory_above_the_target_of_a_booting_guest_is_not_claimed() -> None:
    booting = replace(state(Size(4, 2048), reading=guest(4, 4096)), booting=True)
    assert planned(AdjustRequest(6, 1024), booting).claim == Size(6, 2048)
    assert planned(AdjustRequest(6, 3072), booting).claim == Size(6, 3072)
    assert planned(AdjustRequest(6, 1024), replace(booting, booting=False)).claim == Size(6, 4096)


# Persisted 4 and 2048; until it stops 6 and 1024.
BOTH_LIVE = Desired(Size(4, 2048), live=Size(6, 1024), generation=1)


@pytest.mark.parametrize(
    ("request_", "persisted", "target"),
    [
        (AdjustRequest(8, None), Size(8, 2048), Size(8, 1024)),
        (AdjustRequest(None, 3072), Size(4, 3072), Size(6, 3072)),
        (AdjustRequest(8, 3072), Size(8, 3072), Size(8, 3072)),
        (AdjustRequest(8, None, persist=False), Size(4, 2048), Size(8, 1024)),
        (AdjustRequest(None, None), Size(4, 2048), Size(6, 1024)),
    ],
)
def test_live_size_of_the_resource_left_out_stays_live(
    request_: AdjustRequest, persisted: Size, target: Size
) -> None:
    plan = planned(request_, state(BOTH_LIVE, Size(8, 4096), guest(6, 1024)))
    assert (plan.desired.persisted, plan.desired.target) == (persisted, target)
    assert plan.desired.restarted().target == persisted
    assert plan.claim.covers(persisted.at_least(target))


OLDER = replace(
    state(Size(2, 1024), reserved=MAXIMUM, reading=guest(MAXIMUM.vcpus, MAXIMUM.memory_mb)),
    recorded=MAXIMUM,
)


def test_stock_started_guest_keeps_the_resource_left_out() -> None:
    plan = planned(AdjustRequest(None, 2048), OLDER)
    assert plan.desired.target == plan.desired.persisted == Size(MAXIMUM.vcpus, 2048)


def test_elastic_guest_with_a_moving_balloon_keeps_its_desired_memory() -> None:
    # 3000 MiB were claimed for it a moment ago, and it is to have 1024.
    reading = guest(2, 3000)
    on_the_way = replace(state(Size(2, 1024), Size(2, 3000), reading), recorded=Size(2, 3000))
    assert planned(AdjustRequest(4, None), on_the_way).desired.target == Size(4, 1024)
    stock = replace(on_the_way, guest=replace(reading, autodeflate=True))
    assert planned(AdjustRequest(4, None), stock).desired.target == Size(4, 3000)


def test_adjusted_guest_keeps_the_desired_size_of_the_resource_left_out() -> None:
    adjusted = replace(OLDER, desired=Desired(Size(4, 1024), generation=1))
    assert planned(AdjustRequest(None, 2048), adjusted).desired.target == Size(4, 2048)
