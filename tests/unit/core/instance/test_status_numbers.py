# SPDX-License-Identifier: Apache-2.0
"""The numbers that the status of an instance shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.instance.status import status, status_from_database
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, HostFacts, bounds_of

SPECS = {"minimum_cpu": "2", "minimum_memory": "1024", "hw:cpu_threads": "2"}
BOUNDS = bounds_of(FlavorFacts(Size(8, 4096), SPECS))
# Every number is another, so that none can stand for another.
GUEST = DomainReading(
    running=True,
    paused=False,
    max_vcpus=8,
    vcpus=4,
    removable_vcpus=2,
    max_memory_mb=4096,
    memory_mb=2048,
    balloon_driver=True,
    vcpus_online=3,
    attached_dimms_mb=128,
    has_virtiomem=True,
)
STATE = InstanceState(
    Desired(Size(5, 2560), live=Size(6, 3072), generation=9), reserved=Size(7, 3584), guest=GUEST
)
NOW = "2026-11-24T12:00:00Z"
THEN = "2026-11-24T11:00:00Z"


def told(**changes: Any) -> dict[str, Any]:
    state = {"desired": STATE.desired, "reserved": STATE.reserved, "guest": GUEST, **changes}
    return status(InstanceState(**state), BOUNDS, NOW)


def test_the_shape_that_the_dashboard_reads() -> None:
    shape = {
        "current_vcpus": 6, "min_vcpus": 2, "max_vcpus": 8,
        "current_memory_mb": 3072, "min_memory_mb": 1024, "max_memory_mb": 4096,
        "balloon_driver_active": True, "attached_dimms_mb": 128, "has_virtiomem": True,
    }  # fmt: skip
    body = told()
    assert {name: body[name] for name in shape} == shape
    assert set(body) == {
        *shape, "vcpus", "memory_mb", "vcpu_step", "generation", "conditions", "blockers", "source",
    }  # fmt: skip


def test_the_four_numbers_of_each_resource() -> None:
    body = told()
    assert body["vcpus"] == {"desired": 6, "reserved": 7, "actuated": 4, "observed": 3}
    assert body["memory_mb"] == {
        "desired": 3072, "reserved": 3584, "actuated": 2048, "observed": 2048,
    }  # fmt: skip
    assert (body["vcpu_step"], body["generation"], body["source"]) == (2, 9, "host")


def test_without_an_agent_nobody_says_what_the_guest_uses() -> None:
    reading = DomainReading(True, False, 8, 4, 2, 4096, 2048)
    body = told(guest=reading)
    assert (body["vcpus"]["actuated"], body["vcpus"]["observed"]) == (4, None)
    # Clients that read integers go by these.
    assert (body["current_vcpus"], body["current_memory_mb"]) == (6, 3072)


@pytest.mark.parametrize("confirmed", [False, None])
def test_memory_of_a_driver_that_has_not_reported_is_not_observed(confirmed: bool | None) -> None:
    reading = DomainReading(True, False, 8, 4, 2, 4096, 2048, memory_confirmed=confirmed)
    body = told(guest=reading)
    assert (body["memory_mb"]["actuated"], body["memory_mb"]["observed"]) == (2048, None)
    assert body["current_memory_mb"] == 3072


@pytest.mark.parametrize("reports", [True, False, None])
def test_of_a_running_guest_the_flat_fields_are_never_null(reports: bool | None) -> None:
    reading = DomainReading(True, False, 8, 4, 2, 4096, 2048, reports, stats_period=10)
    body = told(guest=reading)
    assert body["balloon_driver_active"] is bool(reports)
    flat = {name: value for name, value in body.items() if not isinstance(value, dict | list)}
    assert None not in flat.values()


@pytest.mark.parametrize("guest", [None, DomainReading(False, False, 8, 4, 2, 4096, 2048)])
def test_a_stopped_instance_has_nothing_and_is_told_as_it_will_start(
    guest: DomainReading | None,
) -> None:
    body = told(guest=guest)
    assert (body["current_vcpus"], body["current_memory_mb"]) == (5, 2560)
    assert (body["vcpus"]["actuated"], body["vcpus"]["observed"]) == (0, 0)
    assert (body["memory_mb"]["actuated"], body["memory_mb"]["observed"]) == (0, 0)
    assert body["balloon_driver_active"] is False
    assert body["has_virtiomem"] is False
    assert body["attached_dimms_mb"] == 0


@pytest.mark.parametrize(("driver", "active"), [(True, True), (False, False), (None, False)])
def test_a_balloon_driver_is_active_when_it_reports(driver: bool | None, active: bool) -> None:
    reading = DomainReading(True, False, 8, 4, 2, 4096, 2048, balloon_driver=driver)
    assert told(guest=reading)["balloon_driver_active"] is active


def test_blockers_are_told_with_resource_code_and_message() -> None:
    bounds = bounds_of(FlavorFacts(Size(8, 4096)), HostFacts(balloon_device=False))
    (blocker,) = status(STATE, bounds, NOW)["blockers"]
    assert blocker["resource"] == "memory_mb"
    assert blocker["code"] == "xloud.blocked.no_balloon"
    assert "mem_stats_period_seconds" in blocker["message"]


def test_an_unsettled_removal_is_a_blocker_of_vcpus() -> None:
    (blocker,) = told(desired=Desired(Size(5, 2560), removal_pending=3))["blockers"]
    assert (blocker["resource"], blocker["code"]) == ("vcpus", "xloud.blocked.removal_unsettled")


def test_from_the_database_nothing_is_claimed_to_be_known_of_the_guest() -> None:
    body = status_from_database(InstanceState(STATE.desired, STATE.reserved, None), BOUNDS, NOW)
    assert body["source"] == "database"
    assert body["vcpus"] == {"desired": 6, "reserved": 7, "actuated": None, "observed": None}
    assert body["memory_mb"]["actuated"] is body["memory_mb"]["observed"] is None
    for name in ("balloon_driver_active", "attached_dimms_mb", "has_virtiomem"):
        assert body[name] is None


def test_from_the_database_the_shape_is_the_same() -> None:
    of_record = InstanceState(STATE.desired, STATE.reserved, None)
    assert set(status_from_database(of_record, BOUNDS, NOW)) == set(told())


# It is to have 6 and 3072, has 4 and 2048, and 3 of its CPUs are online.
REFUSED = Progress(Phase.GUEST_REFUSED, "xloud.guest_refused.vcpus_not_added", "why", THEN)
OFFLINE = Condition("CpusNotOnline", True, "xloud.cpus_not_online", "3 of 4", THEN)


def record(progress: Progress = REFUSED, *recorded_conditions: Condition) -> Desired:
    return Desired(Size(6, 3072), progress=progress, recorded_conditions=recorded_conditions)


def test_condition_has_type_status_reason_message_and_since() -> None:
    conditions = told(desired=record(REFUSED, OFFLINE))["conditions"]
    assert conditions[0] == {
        "type": "Converged",
        "status": False,
        "reason": "xloud.guest_refused.vcpus_not_added",
        "message": "why",
        "since": THEN,
    }
    assert [(c["type"], c["status"], c["since"]) for c in conditions] == [
        ("Converged", False, THEN),
        ("GuestRefused", True, THEN),
        ("CpusNotOnline", True, THEN),
    ]


def test_while_it_is_tried_again_it_converges_and_has_still_refused() -> None:
    state = InstanceState(record(REFUSED, OFFLINE), Size(7, 3584), GUEST)
    conditions = status(state, BOUNDS, NOW, converging=True)["conditions"]
    assert [(c["type"], c["status"], c["reason"], c["since"]) for c in conditions] == [
        ("Converged", False, "xloud.converging", THEN),
        ("GuestRefused", True, "xloud.guest_refused.vcpus_not_added", THEN),
        ("CpusNotOnline", True, "xloud.cpus_not_online", THEN),
    ]


def test_one_that_is_as_it_should_be_is_converged_and_nothing_else() -> None:
    progress = Progress(Phase.CONVERGED, "xloud.converged", "", THEN)
    guest = replace(GUEST, vcpus=6, vcpus_online=6, memory_mb=3072)
    assert told(desired=record(progress), guest=guest)["conditions"] == [
        {
            "type": "Converged",
            "status": True,
            "reason": "xloud.converged",
            "message": "",
            "since": THEN,
        }
    ]


def from_database(desired: Desired) -> list[tuple[Any, ...]]:
    body = status_from_database(InstanceState(desired, STATE.reserved, None), BOUNDS, NOW)
    return [(c["type"], c["status"], c["reason"], c["message"]) for c in body["conditions"]]


def test_from_the_database_the_conditions_are_those_that_the_host_wrote() -> None:
    assert from_database(record(REFUSED, OFFLINE)) == [
        ("Converged", False, REFUSED.code, "why"),
        ("GuestRefused", True, REFUSED.code, "why"),
        ("CpusNotOnline", True, "xloud.cpus_not_online", "3 of 4"),
    ]


def test_from_the_database_one_that_was_reached_is_as_far_as_it_is_known() -> None:
    progress = Progress(Phase.CONVERGED, "xloud.converged", "", THEN)
    assert from_database(record(progress)) == [("Converged", True, "xloud.converged", "")]
