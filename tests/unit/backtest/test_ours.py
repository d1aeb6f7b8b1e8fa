# SPDX-License-Identifier: Apache-2.0
"""What the functions of nova-compute see of a machine in the model, and what is done with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nova_xloud.backtest import ours
from nova_xloud.backtest.model import play
from nova_xloud.backtest.ours import PROFILES, ranges_of, sample_of, wanted_of
from nova_xloud.backtest.scoring import score
from nova_xloud.core.autoscaling import history, recommend
from nova_xloud.core.autoscaling.recommendation import Advice, Recommendation
from nova_xloud.core.autoscaling.settings import Profile, Range
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.size import Size
from tests.unit.backtest.rig import demand, samples, see


def test_functions_are_those_of_nova_compute() -> None:
    assert ours.observed is history.observed
    assert ours.recommend is recommend.recommend
    assert [replace(policy.tuning, interval=5.0) for policy in PROFILES] == [
        TUNINGS[profile] for profile in Profile
    ]
    assert [policy.name for policy in PROFILES] == ["ours-dense", "ours-balanced", "ours-careful"]


def test_sample_has_what_a_guest_reports() -> None:
    sample = sample_of(see(swapped_out=50.0, swapped_in=20.0, kills=1, cpu_seconds=77.0))
    assert (sample.size, sample.desired) == (Size(4, 8192), Size(4, 8192))
    assert (sample.available_mb, sample.usable_mb) == (8192, 4096)
    assert (sample.swapped_out_mb, sample.swapped_in_mb, sample.oom_kills) == (50, 20, 1)
    assert (sample.cpu_seconds, sample.delay_seconds) == (77, 0)
    assert sample.at - sample.reported_at == 7


def test_what_is_not_known_is_none_in_the_sample() -> None:
    without_memory = sample_of(see(memory=None))
    assert without_memory.available_mb is without_memory.reported_at is None
    assert without_memory.oom_kills is without_memory.swapped_out_mb is None
    assert without_memory.cpu_seconds == 0
    without_cpu = sample_of(see(vcpus=0, max_vcpus=0))
    assert without_cpu.cpu_seconds is without_cpu.delay_seconds is None


def test_resource_that_is_not_in_the_trace_is_blocked() -> None:
    ranges = ranges_of(see(max_memory_mb=0))
    assert ranges.vcpus == Range(1, 4)
    assert ranges.memory_mb.blocked


@pytest.mark.parametrize(
    ("code", "again"), [("hold.probation", 15.0), ("hold.interval", 15.0), ("hold.needed", 0.0)]
)
def test_shrink_that_waits_for_little_is_asked_about_soon(code: str, again: float) -> None:
    advice = Advice(2, 1.0, 1, code, "")
    recommendation = Recommendation(0.0, Advice(3, 1.0, 1, "hold.needed", ""), advice)
    assert wanted_of(recommendation) == (3, 2, again)


def test_busy_machine_grows_and_an_idle_one_shrinks_after_the_window(tmp_path: Path) -> None:
    busy, idle = (6.0, 9000.0), (0.2, 700.0)
    one = demand(tmp_path, *samples(*[busy] * 6, *[idle] * 30))
    played = play(one, PROFILES[0], 1)
    sizes = [(step.at, step.vcpus, step.memory_mb) for step in played.steps]
    assert sizes[0] == (0, 1, 816)
    full = next(at for at, vcpus, mib in sizes if vcpus >= 6 and mib >= 9000)
    assert full < 60
    # As long as the need is in the window of an hour, the size fits it.
    remembered = [step for step in played.steps if full <= step.at < 1800 + 3600 - 300]
    assert all(step.vcpus >= 6 and step.memory_mb >= 9000 for step in remembered)
    assert sizes[-1][1] < 6
    assert sizes[-1][2] < 9000
    result = score(one, played)
    assert (result.kills, result.flaps) == (0, 0)
