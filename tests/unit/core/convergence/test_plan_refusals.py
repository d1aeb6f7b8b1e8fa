# SPDX-License-Identifier: Apache-2.0
"""Which adjustments are refused: by the bounds, by a blocker, by the state of the guest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, HostFacts, bounds_of
from nova_xloud.errors import Blocked, Refused
from tests.unit.core.convergence.plans import BOUNDS, RUNNING, SPECS, planned
from tests.unit.core.states import MAXIMUM, guest, state


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


def test_ignored_minimum_does_not_hide_the_blocker_behind_the_bounds() -> None:
    bounds = bounds_of(FlavorFacts(MAXIMUM, {**SPECS, "hw:mem_page_size": "large"}))
    refusal = refused(AdjustRequest(None, 1024), state(Size(4, 4096)), bounds)
    assert refusal.reason_code == "xloud.blocked.huge_pages"


def test_blocked_resource_blocks_neither_the_other_nor_its_present_size() -> None:
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


@pytest.mark.parametrize(
    "stuck",
    [
        state(Desired(Size(2, 2048)), Size(8, 2048), guest(8, 2048, removable_vcpus=0)),
        state(Desired(Size(5, 2048), removal_pending=2), Size(5, 2048), guest(4, 2048)),
    ],
    ids=["vCPUs of the boot are to go", "a vCPU is to come while a removal is unsettled"],
)
@pytest.mark.parametrize("memory_mb", [1024, 3072])
def test_vcpus_that_are_stuck_do_not_keep_the_memory(stuck: InstanceState, memory_mb: int) -> None:
    desired = stuck.desired.target
    for vcpus in (None, desired.vcpus):
        plan = planned(AdjustRequest(vcpus, memory_mb), stuck)
        assert plan.desired.target == Size(desired.vcpus, memory_mb)


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
