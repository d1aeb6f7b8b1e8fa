# SPDX-License-Identifier: Apache-2.0
"""The baselines that decide all machines of a host: Proxmox and MOM, with published constants."""

from __future__ import annotations

import pytest

from nova_xloud.backtest.baselines import mom
from nova_xloud.backtest.baselines.mom import Mom
from nova_xloud.backtest.baselines.proxmox import Balloon, Proxmox, new_sizes
from nova_xloud.backtest.policy import Host, Neighbour
from tests.unit.backtest.rig import see


def _neighbour(name: str, size: int, used: float | None) -> Neighbour:
    seen = see(memory_mb=size, memory=used)
    return Neighbour(name, seen, True, 4, size, 4, size)


class TestProxmox:
    @pytest.mark.parametrize(
        ("goal", "sizes"),
        [
            (9, [1000, 1000]),  # below 10 MiB nothing is done
            (100, [1050, 1050]),
            (1000, [1100, 1100]),  # 100 MiB a cycle at most
            (-100, [950, 950]),
            (-5000, [900, 900]),
        ],
        ids=["nothing", "up", "far-up", "down", "far-down"],
    )
    def test_goal_is_shared_out(self, goal: float, sizes: list[float]) -> None:
        assert new_sizes([Balloon(1000, 500, 2000, 10)] * 2, goal) == sizes

    def test_pressed_grow_first_and_others_shrink_first(self) -> None:
        # Pressed: at most 25 % of the minimum of 500 MiB is free.
        balloons = [Balloon(1000, 500, 2000, 125), Balloon(1000, 500, 2000, 126)]
        assert new_sizes(balloons, 80) == [1080, 1000]
        assert new_sizes(balloons, -80) == [1000, 920]
        unknown = [Balloon(1000, 500, 2000, None), balloons[1]]
        assert new_sizes(unknown, 80) == [1080, 1000]

    def test_all_grow_if_the_pressed_cannot(self) -> None:
        balloons = [Balloon(2000, 500, 2000, 0), Balloon(1000, 500, 2000, 900)]
        # Both shall have their minimum and 1040 MiB: one gives 100 MiB, the other gets them.
        assert new_sizes(balloons, 80) == [1900, 1100]

    def test_what_is_above_a_maximum_goes_to_others(self) -> None:
        balloons = [Balloon(1000, 500, 1010, 0), Balloon(1000, 500, 2000, 0)]
        assert new_sizes(balloons, 100) == [1010, 1090]

    def test_host_is_filled_to_80_percent(self) -> None:
        machines = [_neighbour("a", 8192, 100.0), _neighbour("b", 8192, 100.0)]
        _, wanted = Proxmox().decide_all(None, Host(8, 20580), machines, 0.0)
        # 20580 * 0.8 - 16384 = 80 MiB more for two.
        assert [one[:2] for one in wanted] == [(4, 8232), (4, 8232)]


class TestMom:
    @pytest.mark.parametrize(
        ("host_free", "used", "size"),
        [
            (0.20, 100, 1050),  # all grow by 5 %
            (0.20, 900, 1100),  # at once to what is used and 20 %
            (0.19, 100, 950),  # all shrink by 5 %
            (0.10, 860, 960),  # but not below what is used and 10 %
            (0.05, 960, 960),  # critical: nothing free is left to it
            (0.02, 1100, 1000),  # it uses more than it has, and does not grow
            (0.19, 808, 998),  # 0.2 % less
            (0.20, 5000, 2000),  # no more than the maximum
        ],
        ids=["grow", "need", "shrink", "floor", "critical", "swap", "small", "maximum"],
    )
    def test_new_size(self, host_free: float, used: float, size: float) -> None:
        # A change of less than 0.25 % is none.
        expected = 1000 if size == 998 else size
        assert mom.new_size(1000, used, host_free, (100, 2000)) == pytest.approx(expected)

    def test_machine_without_figures_is_left_alone(self) -> None:
        machines = [_neighbour("a", 8192, None), _neighbour("b", 8192, 100.0)]
        policy = Mom()
        _, wanted = policy.decide_all(policy.begin(), Host(8, 17000), machines, 0.0)
        assert [one.memory_mb for one in wanted] == [8192, round(8192 * 0.95)]

    def test_means_of_ten_samples(self) -> None:
        policy = Mom()
        state = policy.begin()
        for used in (0.0,) * 5 + (8000.0,) * 10:
            machines = [_neighbour("a", 8192, used)]
            state, _ = policy.decide_all(state, Host(4, 16384), machines, 0.0)
        assert state.used["a"] == (8000.0,) * 10
        assert state.host == (0.5,) * 10

    def test_page_cache_counts_as_used(self) -> None:
        policy = Mom()
        seen = see(memory=1000.0, cache=3000.0)
        state, _ = policy.decide_all(
            policy.begin(), Host(4, 16384), [Neighbour("a", seen, True, 4, 8192, 4, 8192)], 0.0
        )
        assert state.used["a"] == (4000.0,)

    def test_trace_without_memory_changes_nothing(self) -> None:
        policy, machine = Mom(), _neighbour("a", 0, None)
        _, wanted = policy.decide_all(policy.begin(), Host(4, 0), [machine], 0.0)
        assert wanted[0].memory_mb == 0
