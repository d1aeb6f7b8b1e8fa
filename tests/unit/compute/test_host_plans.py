# SPDX-License-Identifier: Apache-2.0
"""Dry runs: the plan of an adjustment, which changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import (
    NotFound,
    PlacementUnavailable,
)
from tests.unit.compute.host_rig import host_of, untouched
from tests.unit.compute.rig import NOW, OPTIONS, Rig


def test_a_plan_has_the_steps_and_changes_nothing() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    assert host.plan("context", "instance", AdjustRequest(6, 3072)) == {
        "admitted": True,
        "refusal": None,
        "desired": {"vcpus": 6, "memory_mb": 3072},
        "claim": {"vcpus": 6, "memory_mb": 3072},
        "steps": [
            {"step": "claim", "vcpus": 6, "memory_mb": 3072},
            {"step": "set_definition", "vcpus": 6, "memory_mb": 3072},
            {"step": "set_memory", "mib": 3072},
            {"step": "set_vcpus", "count": 6},
        ],
        "blockers": [],
    }
    assert untouched(rig)
    assert worker.submitted == []


def test_a_plan_and_a_status_are_told_though_an_operation_has_the_instance() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    rig.held_for = 600
    assert host.plan("context", "instance", AdjustRequest(6, 3072))["admitted"]
    assert host.status("context", "instance")["vcpus"]["actuated"] == NOW.vcpus
    assert rig.clock.now() == 0


def test_a_plan_of_what_it_has_is_empty() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(NOW.vcpus, NOW.memory_mb))
    assert (told["admitted"], told["steps"]) == (True, [])
    assert told["desired"] == told["claim"] == {"vcpus": 4, "memory_mb": 2048}


def test_a_plan_that_is_refused_says_why_and_what_blocks() -> None:
    rig = Rig()
    host, _ = host_of(rig, HostFacts(balloon_device=False))
    told = host.plan("context", "instance", AdjustRequest(None, 3072))
    assert told["admitted"] is False
    assert told["refusal"]["code"] == "xloud.blocked.no_balloon"
    assert "mem_stats_period_seconds" in told["refusal"]["message"]
    assert [b["code"] for b in told["blockers"]] == ["xloud.blocked.no_balloon"]
    assert (told["desired"], told["claim"], told["steps"]) == (None, None, [])


def test_a_plan_for_which_the_host_has_no_room_is_refused_with_its_steps() -> None:
    rig = Rig(capacity=Size(5, 4096))
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(6, None))
    assert told["admitted"] is False
    assert told["refusal"]["code"] == "xloud.no_capacity"
    assert told["claim"] == {"vcpus": 6, "memory_mb": 2048}
    steps = [step["step"] for step in told["steps"]]
    assert steps == ["claim", "set_definition", "set_memory", "set_vcpus"]
    assert untouched(rig)


def test_a_plan_of_a_busy_instance_is_refused() -> None:
    rig = Rig()
    rig.record.task_state = "rebooting"
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(6, None))
    assert told["refusal"]["code"] == "xloud.invalid_state"
    assert told["admitted"] is False


def test_a_plan_is_of_the_operators_limits() -> None:
    rig = Rig()
    rig.options = replace(OPTIONS, limits=replace(OPTIONS.limits, step_mb=600))
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(None, 1024, force=True))
    assert [step.get("mib") for step in told["steps"]] == [None, 1448, 1024, None]


@pytest.mark.parametrize("error", [NotFound, PlacementUnavailable])
def test_a_plan_of_what_cannot_be_read_is_refused_outright(error: type[Exception]) -> None:
    rig = Rig()
    rig.record.deleted = error is NotFound
    rig.claims.unreachable = error is PlacementUnavailable
    host, _ = host_of(rig)
    with pytest.raises(error):
        host.plan("context", "instance", AdjustRequest(6, None))
