# SPDX-License-Identifier: Apache-2.0
"""Whether an adjustment may be, and what must be claimed first."""

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
from nova_xloud.core.sizing.bounds import FlavorFacts, HostFacts, bounds_of
from nova_xloud.errors import Blocked, Refused
from tests.unit.core.states import MAXIMUM, guest, sizes, state, states

SPECS = {"minimum_cpu": "2", "minimum_memory": "1024"}
BOUNDS = bounds_of(FlavorFacts(MAXIMUM, SPECS))
RUNNING = state(Size(4, 2048), reading=guest(4, 2048))


def planned(request: AdjustRequest, before: InstanceState = RUNNING) -> Plan:
    answer = decide(request, before, BOUNDS)
    assert isinstance(answer, Plan)
    return answer


def refused(
    request: AdjustRequest, before: InstanceState = RUNNING, bounds: object = BOUNDS
) -> Refused:
    answer = decide(request, before, bounds)  # type: ignore[arg-type]
    assert isinstance(answer, Refused)
    return answer


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (AdjustRequest(1, None), ("1 vCPUs", "minimum of 2", "maximum of 8")),
        (AdjustRequest(9, None), ("9 vCPUs", "minimum of 2", "maximum of 8")),
        (AdjustRequest(0, None), ("0 vCPUs",)),
        (AdjustRequest(-4, None), ("-4 vCPUs",)),
        (AdjustRequest(None, 1023), ("1023 MiB", "minimum of 1024", "maximum of 4096")),
        (AdjustRequest(None, 4097), ("4097 MiB", "minimum of 1024", "maximum of 4096")),
        (AdjustRequest(4, 4097), ("4097 MiB",)),
        (AdjustRequest(9, 2048), ("9 vCPUs",)),
    ],
    ids=str,
)
def test_outside_of_the_bounds_is_refused_and_says_the_bounds(
    request_: AdjustRequest, named: tuple[str, ...]
) -> None:
    refusal = refused(request_)
    assert (refusal.reason_code, refusal.status) == ("xloud.out_of_bounds", 400)
    for text in named:
        assert text in refusal.message


@pytest.mark.parametrize("size", [Size(2, 1024), Size(8, 4096), Size(2, 4096), Size(8, 1024)])
def test_the_bounds_themselves_may_be_asked_for(size: Size) -> None:
    assert planned(AdjustRequest(size.vcpus, size.memory_mb)).desired.target == size


def test_vcpus_off_the_step_are_refused() -> None:
    bounds = bounds_of(FlavorFacts(MAXIMUM, {**SPECS, "hw:cpu_threads": "2"}))
    refusal = refused(AdjustRequest(3, None), bounds=bounds)
    assert (refusal.reason_code, refusal.status) == ("xloud.out_of_bounds", 400)
    assert "multiple of 2" in refusal.message
    assert isinstance(decide(AdjustRequest(6, None), RUNNING, bounds), Plan)


@pytest.mark.parametrize(
    ("request_", "bounds", "code"),
    [
        (
            AdjustRequest(6, None),
            bounds_of(FlavorFacts(MAXIMUM, SPECS), HostFacts(virt_type="lxc")),
            "xloud.blocked.hypervisor",
        ),
        (
            AdjustRequest(None, 3072),
            bounds_of(FlavorFacts(MAXIMUM, SPECS), HostFacts(virt_type="lxc")),
            "xloud.blocked.hypervisor",
        ),
        (
            AdjustRequest(None, 3072),
            bounds_of(FlavorFacts(MAXIMUM, SPECS), HostFacts(balloon_device=False)),
            "xloud.blocked.no_balloon",
        ),
        (
            AdjustRequest(6, 3072),
            bounds_of(FlavorFacts(MAXIMUM, SPECS), HostFacts(file_backed_memory=True)),
            "xloud.blocked.file_backed_memory",
        ),
        (
            AdjustRequest(None, 3072),
            bounds_of(FlavorFacts(MAXIMUM, {"hw:mem_page_size": "large"})),
            "xloud.blocked.huge_pages",
        ),
        (
            AdjustRequest(6, None),
            bounds_of(FlavorFacts(MAXIMUM, {"resources:VCPU": "8"})),
            "xloud.blocked.resource_override",
        ),
    ],
)
def test_a_blocked_resource_is_refused_with_the_blockers_code(
    request_: AdjustRequest, bounds: object, code: str
) -> None:
    refusal = refused(request_, bounds=bounds)
    assert (refusal.reason_code, refusal.status) == (code, 409)


def test_a_minimum_that_is_ignored_does_not_hide_the_blocker_behind_the_bounds() -> None:
    bounds = bounds_of(FlavorFacts(MAXIMUM, {**SPECS, "hw:mem_page_size": "large"}))
    refusal = refused(AdjustRequest(None, 1024), state(Size(4, 4096)), bounds)
    assert refusal.reason_code == "xloud.blocked.huge_pages"


def test_a_blocked_resource_does_not_block_the_other_nor_asking_for_what_it_has() -> None:
    bounds = bounds_of(FlavorFacts(MAXIMUM, SPECS), HostFacts(balloon_device=False))
    assert isinstance(decide(AdjustRequest(6, None), RUNNING, bounds), Plan)
    assert isinstance(decide(AdjustRequest(6, 2048), RUNNING, bounds), Plan)


def test_vcpus_of_boot_stay_in_a_running_guest() -> None:
    booted = state(Size(8, 4096), reading=guest(8, 4096, removable_vcpus=2))
    assert refused(AdjustRequest(5, None), booted).reason_code == "xloud.blocked.boot_vcpus"
    assert isinstance(decide(AdjustRequest(6, None), booted, BOUNDS), Plan)
    assert isinstance(decide(AdjustRequest(None, 2048), booted, BOUNDS), Plan)


@pytest.mark.parametrize("reading", [None, guest(8, 4096, removable_vcpus=0, running=False)])
def test_vcpus_of_boot_may_be_asked_away_while_it_is_stopped(reading: object) -> None:
    stopped = InstanceState(Desired(Size(8, 4096)), Size(8, 4096), reading)  # type: ignore[arg-type]
    assert planned(AdjustRequest(2, None), stopped).desired.target.vcpus == 2


@pytest.mark.parametrize(
    ("vcpus", "code"),
    [(5, "xloud.blocked.removal_unsettled"), (4, None), (3, None), (None, None)],
)
def test_while_a_removal_is_unsettled_no_vcpu_is_added(vcpus: int | None, code: str | None) -> None:
    pending = Desired(Size(2, 2048), removal_pending=2)
    unsettled = state(pending, Size(4, 2048), guest(4, 2048))
    answer = decide(AdjustRequest(vcpus, 3072), unsettled, BOUNDS)
    assert (answer.reason_code if isinstance(answer, Refused) else None) == code


def test_a_removal_that_is_seen_to_be_done_blocks_nothing() -> None:
    done = state(Desired(Size(2, 2048), removal_pending=2), None, guest(2, 2048))
    assert planned(AdjustRequest(6, None), done).desired.target.vcpus == 6


def test_a_removal_blocks_nothing_of_a_stopped_instance() -> None:
    stopped = state(Desired(Size(2, 2048), removal_pending=2))
    assert planned(AdjustRequest(6, None), stopped).desired.target.vcpus == 6


@pytest.mark.parametrize("reading", [None, guest(4, 2048, running=False)])
def test_until_it_stops_cannot_be_asked_of_one_that_does_not_run(reading: object) -> None:
    stopped = InstanceState(Desired(Size(4, 2048)), Size(4, 2048), reading)  # type: ignore[arg-type]
    refusal = refused(AdjustRequest(6, None, persist=False), stopped)
    assert (refusal.reason_code, refusal.status) == ("xloud.invalid_state", 409)


@pytest.mark.parametrize(
    "request_",
    [AdjustRequest(6, 9999), AdjustRequest(99, 3072)],
)
def test_with_one_of_two_refused_both_are(request_: AdjustRequest) -> None:
    refused(request_)


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


def test_growing_claims_before_it_is_begun_and_shrinking_releases_nothing_yet() -> None:
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
def test_there_is_nothing_to_do_only_where_it_is_desired_reached_and_claimed(
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
        assert plan.desired.force is request_.force
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


@pytest.mark.parametrize(
    ("image", "host", "why"),
    [
        ({"hw_locked_memory": "true"}, HostFacts(), "locked_memory"),
        ({"hw_mem_page_size": "large"}, HostFacts(), "huge_pages"),
        ({}, HostFacts(file_backed_memory=True), "file_backed_memory"),
    ],
)
def test_pinned_memory_may_become_its_maximum_whatever_pins_it(
    image: dict[str, str], host: HostFacts, why: str
) -> None:
    """Rebuilt with such an image by a version of before, say: that is the only way out."""
    bounds = bounds_of(FlavorFacts(MAXIMUM, {"minimum_memory": "1024"}, image), host)
    pinned = replace(guest(4, 1024), pinned=(why,))
    held = state(Size(4, 1024), reserved=Size(4, MAXIMUM.memory_mb), reading=pinned)
    plan = decide(AdjustRequest(None, MAXIMUM.memory_mb), held, bounds)
    assert isinstance(plan, Plan)
    assert plan.claim.memory_mb == MAXIMUM.memory_mb
    refusal = decide(AdjustRequest(None, 2048), held, bounds)
    assert isinstance(refusal, Blocked)
    assert refusal.reason_code == f"xloud.blocked.{why}"


@pytest.mark.parametrize("distro", ["win2k22", "win10", "Windows", "freebsd14.0"])
def test_systems_are_known_by_what_libosinfo_calls_them(distro: str) -> None:
    facts = FlavorFacts(MAXIMUM, {"minimum_cpu": "1"}, {"os_distro": distro})
    assert bounds_of(facts, HostFacts()).removal is not None


def test_who_keeps_vcpus_is_refused_before_a_removal_is_tried_and_may_grow() -> None:
    windows = bounds_of(
        FlavorFacts(MAXIMUM, {"minimum_cpu": "1"}, {"os_type": "windows"}), HostFacts()
    )
    running = state(Size(4, 1024), reserved=Size(4, 1024), reading=guest(4, 1024))
    refusal = decide(AdjustRequest(2, None), running, windows)
    assert isinstance(refusal, Blocked)
    assert refusal.reason_code == "xloud.blocked.vcpu_removal"
    assert "added" in refusal.message
    assert isinstance(decide(AdjustRequest(6, None), running, windows), Plan)
    assert isinstance(decide(AdjustRequest(4, 2048), running, windows), Plan)
    # What was once asked for and refused keeps nothing else from being asked for.
    held = state(Size(2, 1024), reserved=Size(4, 1024), reading=guest(4, 1024))
    assert isinstance(decide(AdjustRequest(2, 2048), held, windows), Plan)
    stopped = replace(running, guest=None)
    assert isinstance(decide(AdjustRequest(2, None), stopped, windows), Plan)


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
