# SPDX-License-Identifier: Apache-2.0
"""Machines on one host that has not room for all: nobody oversells it, and weights count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_xloud.backtest.alignment import Alignment, Span, aligned
from nova_xloud.backtest.demand import Demand
from nova_xloud.backtest.model import Pace
from nova_xloud.backtest.ours import PROFILES
from nova_xloud.backtest.policies import POLICIES, on_a_host
from nova_xloud.backtest.policy import Host, HostPolicy, Neighbour, Seen, Wanted
from nova_xloud.backtest.scoring import score
from nova_xloud.backtest.sharing import Arbitrated, FirstCome
from nova_xloud.backtest.together import host_of, play_together, steady
from tests.unit.backtest.rig import Scripted, demand, samples

PACE = Pace()


def _machines(path: Path, count: int, values: Sequence[tuple[float, float]]) -> list[Demand]:
    one = demand(path, *samples(*values))
    return [replace(one, name=f"m{index}") for index in range(count)]


def test_host_has_a_share_of_all_maxima_and_all_minima(tmp_path: Path) -> None:
    machines = _machines(tmp_path, 3, [(1, 100)])
    assert host_of(machines, 0.5) == Host(12, 24576)
    assert host_of(machines, 0.01) == Host(3, 3 * 816)


def test_resize_is_no_part_of_the_play(tmp_path: Path) -> None:
    one = steady(demand(tmp_path, "0,a,1,100,2,1024", "300,a,1,100,4,2048"))
    assert set(one.max_vcpus) == {4}
    assert set(one.max_memory) == {2048}


def test_who_asks_first_gets_what_is_left_and_a_part(tmp_path: Path) -> None:
    machines = _machines(tmp_path, 3, [(1, 100), (1, 100)])
    policy = FirstCome(Scripted([(0, 8, 5000)]))
    done = play_together(machines, policy, Host(12, 12000), 1, PACE)
    sizes = [one.steps[-1] for one in done.played]
    assert [(step.vcpus, step.memory_mb) for step in sizes] == [(8, 5000), (3, 5000), (1, 2000)]
    assert (done.most_vcpus, done.most_mb) == (12, 12000)


class _ByMaximum(Scripted):
    """The script is for the machine of 8 vCPUs; any other always wants 7."""

    def decide(self, state: None, seen: Seen) -> tuple[None, Wanted]:
        if seen.max_vcpus != 8:
            return None, Wanted(7, seen.memory_mb)
        return super().decide(state, seen)


def test_what_is_given_back_is_taken_by_others(tmp_path: Path) -> None:
    values = [(1.0, 100.0)] * 3
    first = demand(tmp_path, *samples(*values))
    second = replace(demand(tmp_path, *samples(*values, cores=7)), name="b")
    policy = FirstCome(_ByMaximum([(0, 7, 816), (300, 1, 816)]))
    done = play_together([first, second], policy, Host(8, 2000), 1, PACE)
    assert [step.vcpus for step in done.played[0].steps] == [1, 7, 1]
    assert [step.vcpus for step in done.played[1].steps] == [1, 7]
    assert done.played[1].steps[1].at > done.played[0].steps[2].at
    assert done.most_vcpus == 8


@pytest.mark.parametrize("alignment", list(Alignment), ids=lambda a: a.value)
@pytest.mark.parametrize("share", [0.2, 0.6])
@pytest.mark.parametrize(
    "name", ["ours-dense", "ours-balanced", "neon", "hyper-v", "yesterday-max"]
)
def test_full_host_is_never_oversold(
    tmp_path: Path, alignment: Alignment, share: float, name: str
) -> None:
    values = [(1.0 + (i * 5) % 7, 1500.0 + 2700 * ((i * 3) % 5)) for i in range(8)]
    span = Span(before=900, after=900)
    machines = [steady(one) for one in aligned(_machines(tmp_path, 4, values), alignment, span)]
    host = host_of(machines, share)
    policy = on_a_host(POLICIES[name], {})
    assert policy is not None
    done = play_together(machines, policy, host, 1, PACE)
    assert done.most_vcpus <= host.vcpus
    assert done.most_mb <= host.memory_mb
    # It is not for want of wishes.
    assert done.most_mb > 0.8 * host.memory_mb or share > 0.2


def test_larger_weight_is_served_better(tmp_path: Path) -> None:
    machines = _machines(tmp_path, 6, [(1, 1000), *[(1, 9000.0)] * 4])
    weights = {f"m{index}": 400 if index % 2 else 50 for index in range(6)}
    policy = Arbitrated(PROFILES[0], weights)
    done = play_together(machines, policy, host_of(machines, 0.4), 1, PACE)
    missing = [score(m, p).unmet_memory for m, p in zip(machines, done.played, strict=True)]
    light, heavy = sum(missing[0::2]), sum(missing[1::2])
    assert 0 < heavy < light


class _Watching:
    """Wants more for a machine that is not due, and keeps who was due when."""

    name, starts_large, period = "watching", False, 0.0

    def __init__(self) -> None:
        self.due: dict[float, list[str]] = {}

    def begin(self) -> None:
        return None

    def decide_all(
        self, state: Any, host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[None, tuple[Wanted, ...]]:
        self.due[at] = [machine.name for machine in machines if machine.is_due]
        vcpus = 2 if at >= 300 else 1
        return None, tuple(Wanted(vcpus, machine.desired_mb) for machine in machines)


def test_host_may_change_a_machine_that_is_not_due(tmp_path: Path) -> None:
    busy = demand(tmp_path, *samples((1, 100), (3, 100)))
    calm = replace(demand(tmp_path, *samples((1, 100), (1, 100))), name="b")
    policy = _Watching()
    checked: HostPolicy = policy
    done = play_together([busy, calm], checked, Host(16, 9999), 1, PACE)
    assert policy.due[300] == ["a"]
    assert [one.steps[-1].at for one in done.played] == [301, 301]


def test_policy_with_a_period_has_all_machines_due(tmp_path: Path) -> None:
    busy = demand(tmp_path, *samples((1, 100), (3, 100)))
    calm = replace(demand(tmp_path, *samples((1, 100), (1, 100))), name="b")
    policy = _Watching()
    policy.period = 10.0
    play_together([busy, calm], policy, Host(16, 9999), 1, PACE)
    assert all(names == ["a", "b"] for names in policy.due.values())


def test_policy_that_knows_the_future_cannot_share_a_host() -> None:
    assert on_a_host(POLICIES["clairvoyant"], {}) is None
    assert on_a_host(POLICIES["fixed-max"], {}) is None
    assert isinstance(on_a_host(POLICIES["ours-dense"], {}), Arbitrated)
    assert on_a_host(POLICIES["mom"], {}) is POLICIES["mom"]
