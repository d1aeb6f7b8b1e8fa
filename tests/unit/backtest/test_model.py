# SPDX-License-Identifier: Apache-2.0
"""What a policy sees of a machine in the model, and how long it takes to get what it wants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nova_xloud.backtest.baselines.clairvoyant import Clairvoyant
from nova_xloud.backtest.demand import Demand, Resolution
from nova_xloud.backtest.model import Pace, play
from nova_xloud.backtest.policies import SINGLE_POLICIES
from nova_xloud.backtest.policy import NEVER, Policy, Seen, Wanted
from nova_xloud.backtest.scoring import score
from nova_xloud.backtest.steps import Step
from tests.unit.backtest.rig import Scripted, demand, samples

EACH_TICK = Pace(tick=5, idle=5)


def _steps(one: Demand, policy: Scripted) -> list[tuple[float, int, int]]:
    played = play(one, policy, 1, EACH_TICK)
    return [(round(step.at, 3), step.vcpus, step.memory_mb) for step in played.steps]


def test_machine_starts_with_its_minimum_or_its_maximum(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 100)))
    assert list(play(one, Scripted([(0, 1, 816)]), 1).steps) == [Step(0, 1, 816)]
    large = Scripted([(0, 8, 16384)], starts_large=True)
    assert list(play(one, large, 1).steps) == [Step(0, 8, 16384)]


def test_vcpu_is_there_after_a_second_and_memory_at_its_speed(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 100)))
    policy = Scripted([(0, 1, 816), (10, 2, 816 + 2150 * 3), (100, 2, 816 + 2150 * 3 - 920 * 2)])
    assert _steps(one, policy) == [(0, 1, 816), (11, 2, 816), (13, 2, 7266), (102, 2, 5426)]
    # While it changes there is no tick, and there is one right after.
    assert [seen.at for seen in policy.seen][:4] == [0, 5, 10, 15]


def test_wanted_size_is_cut_to_the_range(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 100)))
    steps = _steps(one, Scripted([(0, 99, 99999), (100, 0, 0)]))
    assert (steps[-3][1], steps[-3][2]) == (8, 16384)
    assert (steps[-1][1], steps[-1][2]) == (1, 816)


def test_cpu_seen_is_the_mean_since_the_last_tick_and_cut(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((0.5, 100), (3.0, 100)))
    policy = Scripted([(0, 2, 816)])
    play(one, policy, 1, EACH_TICK)
    by_time = {seen.at: seen for seen in policy.seen}
    assert by_time[0].cpu is None
    assert by_time[300].cpu == pytest.approx(0.5)
    # 3 cores are wanted of 2.
    assert by_time[305].cpu == pytest.approx(2.0)
    assert by_time[600 - 5].cpu_seconds == pytest.approx(0.5 * 300 + 2 * 295)


def test_memory_seen_is_that_of_an_old_report(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 400), (1, 700)))
    policy = Scripted([(0, 1, 816)])
    play(one, policy, 1, EACH_TICK)
    by_time = {seen.at: seen for seen in policy.seen}
    assert by_time[0].memory is None
    assert by_time[305].memory == 400
    assert by_time[310].memory == 700
    assert 5 <= by_time[310].at - by_time[310].reported_at <= 10


def test_what_does_not_fit_is_swapped_and_comes_back(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 500), (1, 1200), (1, 600)))
    policy = Scripted([(0, 1, 816), (400, 1, 1000), (450, 1, 1300)])
    play(one, policy, 1, EACH_TICK)
    by_time = {seen.at: seen for seen in policy.seen}
    short = by_time[310]
    assert (short.memory, short.swapped_out, short.swapped_in) == (816, 384, 0)
    assert short.pressure == pytest.approx(384 / 1200)
    assert by_time[420].swapped_in == 184
    last = by_time[595]
    assert (last.memory, last.swapped_out, last.swapped_in, last.pressure) == (1200, 384, 384, 0)
    # More than a minute without 384 MiB has cost a process.
    assert (by_time[360].kills, by_time[365].kills) == (0, 1)


def test_maximum_that_falls_cuts_the_size_without_a_change(tmp_path: Path) -> None:
    rows = ["0,a,1,100,8,8192", "300,a,1,100,4,4096", "600,a,1,100,8,8192"]
    one = demand(tmp_path, *rows)
    played = play(one, Scripted([(0, 6, 2000)], again=NEVER), 1)
    sizes = [(step.at, step.vcpus, step.memory_mb) for step in played.steps[-3:]]
    assert sizes == [(1, 6, 2000), (300, 4, 2000), (601, 6, 2000)]
    assert len(played.changes) == 2


def test_machine_at_its_maximum_follows_it_without_a_change(tmp_path: Path) -> None:
    one = demand(tmp_path, "0,a,1,100,4,4096", "300,a,1,100,8,8192")
    played = play(one, Scripted([(0, 99, 99999)], starts_large=True), 1)
    assert [(step.at, step.vcpus) for step in played.steps] == [(0, 4), (300, 8)]
    assert list(played.changes) == []


def test_counter_goes_on_in_a_gap(tmp_path: Path) -> None:
    rows = [f"{at},a,0.5,100,2,1024" for at in (0, 300, 600, 2400)]
    policy = Scripted([(0, 1, 256)])
    play(demand(tmp_path, *rows), policy, 1, EACH_TICK)
    by_time = {seen.at: seen for seen in policy.seen}
    assert by_time[1500].cpu is None
    assert by_time[1500].memory is None
    assert by_time[2405].cpu == pytest.approx(0.5)


def test_resource_that_is_not_in_the_trace_is_none(tmp_path: Path) -> None:
    policy = Scripted([(0, 0, 300)])
    play(demand(tmp_path, "0,a,,100,,1024"), policy, 1)
    assert policy.seen[-1].cpu is None
    assert (policy.seen[-1].max_vcpus, policy.seen[-1].vcpus) == (0, 0)


def test_ticks_are_left_out_where_nothing_is_new(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 100), (3, 100), (1, 100)))
    policy = Scripted([(0, 4, 816)], again=NEVER)
    play(one, policy, 1, Pace(tick=5, idle=60))
    # The start and what follows; growth at 300 with the tick before; the fall at 600, seen once.
    times = [seen.at for seen in policy.seen]
    assert times == [0, 5, 10, 15, 20, 295, 300, 305, 310, 315, 595, 600, 615]
    asked_again = Scripted([(0, 4, 816)], again=0.0)
    play(one, asked_again, 1, Pace(tick=5, idle=60))
    assert {80, 140, 200, 260} <= {seen.at for seen in asked_again.seen}


def test_policy_with_a_period_is_asked_no_more_often(tmp_path: Path) -> None:
    policy = Scripted([(0, 1, 816)], period=60)
    play(demand(tmp_path, *samples((1, 100), (3, 100))), policy, 1)
    assert [seen.at for seen in policy.seen] == [60 * n for n in range(10)]


def test_same_seed_plays_the_same(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 100), (3, 900)))
    ages = []
    for seed in (3, 3, 4):
        policy = Scripted([(0, 1, 816)])
        play(one, policy, seed)
        ages.append([seen.reported_at for seen in policy.seen])
    assert ages[0] == ages[1]
    assert ages[0] != ages[2]


@dataclass(frozen=True)
class _EachTick:
    """The policy, asked at every tick whatever it says."""

    policy: Policy
    name: str
    starts_large: bool
    period: float

    def begin(self) -> Any:
        return self.policy.begin()

    def decide(self, state: Any, seen: Seen) -> tuple[Any, Wanted]:
        state, wanted = self.policy.decide(state, seen)
        return state, wanted._replace(again=0.0)


@pytest.mark.parametrize("name", ["neon", "hyper-v", "virtui", "yesterday-max"])
def test_ticks_that_are_left_out_change_nothing(tmp_path: Path, name: str) -> None:
    values = [(0.3 + (i * 5) % 7, 700.0 + 1900 * ((i * 3) % 5)) for i in range(16)]
    one = demand(tmp_path, *samples(*values), resolution=Resolution.EXPANDED)
    policy = SINGLE_POLICIES[name]
    assert not isinstance(policy, Clairvoyant)
    every = _EachTick(policy, policy.name, policy.starts_large, policy.period)
    quick, each = play(one, policy, 1), play(one, every, 1, EACH_TICK)
    assert quick.ticks < each.ticks / 2
    first, second = score(one, quick), score(one, each)
    assert first.memory_share == pytest.approx(second.memory_share, rel=0.01)
    assert first.vcpu_share == pytest.approx(second.vcpu_share, rel=0.01)
    assert first.unmet_memory == pytest.approx(second.unmet_memory, rel=0.02)
    assert first.unmet_cpu == pytest.approx(second.unmet_cpu, rel=0.02, abs=300)
    assert first.changes == pytest.approx(second.changes, rel=0.05)
