# SPDX-License-Identifier: Apache-2.0
"""The steps of a dry run; that they come true is in tests/unit/compute/test_forecast_comes_true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.dry_run import STEP_NAMES, described, forecast
from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, bounds_of
from tests.unit.core.states import MAXIMUM, guest, state, states

LIMITS = Limits(step_mb=1000, reserve_mb=64)
BOUNDS = bounds_of(FlavorFacts(MAXIMUM))


def running(vcpus: int = 4, memory_mb: int = 2048, **other: Any) -> InstanceState:
    """As it should be; its driver reports that it uses 32 MiB."""
    reading = {"balloon_driver": True, "usable_mb": memory_mb - 32, "stats_at": 5, **other}
    return state(Size(vcpus, memory_mb), None, guest(vcpus, memory_mb, **reading))


def foretold(
    before: InstanceState, vcpus: int | None, memory_mb: int | None, **other: bool
) -> list[steps.Step]:
    plan = decide(AdjustRequest(vcpus, memory_mb, **other), before, BOUNDS)
    assert isinstance(plan, Plan)
    return list(forecast(before, plan, LIMITS))


def test_growing_is_claimed_then_memory_then_vcpus() -> None:
    assert foretold(running(), 6, 3072) == [
        steps.Claim(Size(6, 3072)),
        steps.SetMemory(3072),
        steps.SetVcpus(6),
    ]


def test_shrinking_is_vcpus_then_memory_by_steps_then_the_release() -> None:
    assert foretold(running(6, 4096), 2, 1024) == [
        steps.MarkRemoval(2),
        steps.SetVcpus(2),
        steps.SetMemory(4096),
        steps.SetMemory(3096),
        steps.SetMemory(2096),
        steps.SetMemory(1096),
        steps.SetMemory(1024),
        steps.Release(Size(2, 1024)),
    ]


def test_by_force_it_needs_no_statistics() -> None:
    silent = running(usable_mb=None, stats_at=None)
    assert foretold(silent, None, 512, force=True) == [
        steps.SetMemory(1048),
        steps.SetMemory(512),
        steps.Release(Size(4, 512)),
    ]


@pytest.mark.parametrize(
    ("reading", "told", "code"),
    [
        ({"usable_mb": None, "stats_at": None}, [], "xloud.guest_refused.no_statistics"),
        (
            {"usable_mb": None, "stats_at": None, "balloon_driver": False},
            [],
            "xloud.guest_refused.no_statistics",
        ),
        ({"usable_mb": 64}, [steps.SetMemory(2048)], "xloud.guest_refused.memory_floor"),
    ],
    ids=["no statistics", "no driver", "floor"],
)
def test_a_guest_that_would_not_get_there_is_told_at_the_end(
    reading: dict[str, Any], told: list[steps.Step], code: str
) -> None:
    *before, last = foretold(running(**reading), None, 512)
    assert before == told
    assert isinstance(last, steps.Await | steps.Stuck)
    assert last.code == code


def test_a_guest_that_gets_a_part_of_the_way_is_foretold_that_part() -> None:
    *before, last = foretold(running(usable_mb=564), None, 512)
    assert before == [steps.SetMemory(2048), steps.SetMemory(1548)]
    assert isinstance(last, steps.Await)
    assert (last.code, last.left) == ("xloud.guest_refused.memory_floor", 1548 - 512)


def test_a_paused_guest_is_foretold_until_it_would_have_to_run() -> None:
    *before, last = foretold(running(paused=True), 2, 3072)
    assert before == [steps.Claim(Size(4, 3072)), steps.SetMemory(3072)]
    assert isinstance(last, steps.Deferred)


def test_a_stopped_instance_is_claimed_for_or_released() -> None:
    off = state(Size(4, 2048))
    assert foretold(off, 6, 1024) == [steps.Claim(Size(6, 2048)), steps.Release(Size(6, 1024))]
    assert foretold(off, 2, 1024) == [steps.Release(Size(2, 1024))]


def test_dry_run_takes_added_cpus_as_online_and_brings_online_the_others() -> None:
    assert steps.SetOnline(6) not in foretold(running(vcpus_online=4), 6, None)
    assert foretold(running(vcpus_online=3), 4, 3072)[1:] == [
        steps.SetMemory(3072),
        steps.SetOnline(4),
    ]


def test_what_a_dead_admission_left_claimed_is_released() -> None:
    before = replace(running(), reserved=Size(8, 4096))
    assert foretold(before, 4, 2048)[-1] == steps.Release(Size(4, 2048))


requests = st.builds(
    AdjustRequest,
    vcpus=st.none() | st.integers(1, 8),
    memory_mb=st.none() | st.integers(256, 4096),
    persist=st.booleans(),
    force=st.booleans(),
)


@given(requests, states)
def test_a_forecast_ends_and_tells_no_bookkeeping(
    request_: AdjustRequest, before: InstanceState
) -> None:
    plan = decide(request_, before, BOUNDS)
    if not isinstance(plan, Plan):
        return
    told = forecast(before, plan, Limits(step_mb=16))
    silent = (steps.SetRecorded, steps.RemovalSettled, steps.DropLiveSize, steps.Converged)
    assert not any(isinstance(step, silent) for step in told)
    # Nothing follows what cannot be foretold.
    ends = (steps.Await, steps.Deferred, steps.Stuck, steps.NoRoom)
    assert not any(isinstance(step, ends) for step in told[:-1])


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (
            steps.Claim(Size(6, 3072)),
            {"step": "claim", "vcpus": 6, "memory_mb": 3072},
        ),
        (
            steps.Release(Size(2, 1024)),
            {"step": "release", "vcpus": 2, "memory_mb": 1024},
        ),
        (steps.SetMemory(1024), {"step": "set_memory", "mib": 1024}),
        (steps.SetVcpus(3), {"step": "set_vcpus", "count": 3}),
        (steps.SetOnline(3), {"step": "set_online", "count": 3}),
        (steps.MarkRemoval(2), {"step": "begin_removal", "count": 2}),
        (steps.NoRoom(Size(6, 1024)), {"step": "short", "vcpus": 6, "memory_mb": 1024}),
        (steps.Deferred("why"), {"step": "deferred", "why": "why"}),
        (steps.Stuck("xloud.x", "why"), {"step": "stuck", "code": "xloud.x", "why": "why"}),
        (
            steps.Await("xloud.x", "what", 5),
            {"step": "await", "code": "xloud.x", "what": "what", "left": 5, "booting": False},
        ),
    ],
)
def test_a_step_for_people(step: steps.Step, told: dict[str, Any]) -> None:
    assert described(step) == told


# API: a client goes by them, so they stay whatever the classes are called.
NAMES = [
    "claim", "set_definition", "set_memory", "set_vcpus", "set_online", "begin_removal", "release",
    "await", "deferred", "stuck", "short",
]  # fmt: skip
NOT_IN_AN_ANSWER = [
    "record", "removal_settled", "forget_live", "set_statistics_period", "converged",
]  # fmt: skip


def test_the_names_of_steps_stay() -> None:
    assert sorted(STEP_NAMES) == sorted(NAMES)
    assert sorted(step.name for step in get_args(steps.Step)) == sorted(NAMES + NOT_IN_AN_ANSWER)
