# SPDX-License-Identifier: Apache-2.0
"""Each baseline does what its publication says, with the published constants."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nova_xloud.backtest.baselines import neon, senpai, vpa, yesterday
from nova_xloud.backtest.baselines.fixed import FIXED_MAXIMUM, FIXED_MINIMUM
from nova_xloud.backtest.baselines.hyperv import HyperV
from nova_xloud.backtest.baselines.virtui import Virtui
from nova_xloud.backtest.policy import NEVER, Wanted
from tests.unit.backtest.rig import see


def test_fixed_policies_keep_one_size() -> None:
    assert FIXED_MINIMUM.decide(None, see())[1] == Wanted(1, 816)
    assert FIXED_MAXIMUM.decide(None, see())[1] == Wanted(4, 16384)


class TestNeon:
    """A unit of this machine is 1 GiB and 0.25 vCPU."""

    @pytest.mark.parametrize(
        ("load", "memory", "units"),
        [
            (0.9, 100, 4),  # 0.9 / 0.9 / 0.25
            (1.0, 100, 4),  # 4.44 is rounded to 4
            (1.02, 100, 5),  # 4.53 to 5
            (0.1, 4096, 6),  # (4096 + 100) / 0.75 = 5595 MiB
            (0.1, 668, 1),  # 768 / 0.75 is a unit
            (0.1, 669, 2),
            (3.6, 4096, 16),
            (None, 4096, 6),
            (0.9, None, 4),
            (None, None, None),
        ],
    )
    def test_goal(self, load: float | None, memory: float | None, units: int | None) -> None:
        assert neon.goal_units(load, memory, 1024.0, 0.25) == units

    def test_grows_to_the_goal_in_one_step(self) -> None:
        seen = see(vcpus=1, memory_mb=2048, load=3.0, memory=2048.0)
        _, wanted = neon.Neon().decide(neon.State(3.0), seen)
        assert wanted[:2] == (4, 13 * 1024)  # 3 / 0.9 / 0.25 = 13.3

    def test_shrinks_by_one_unit(self) -> None:
        _, wanted = neon.Neon().decide(neon.State(0.1), see(load=0.1, memory=1000.0))
        assert wanted[:2] == (2, 7 * 1024)

    def test_monitor_denies_a_shrink(self) -> None:
        # 0.85 * (7168 - 100) - 100 = 5907.8 is the most that may be used.
        assert not neon.is_denied(7168, 5907)
        assert neon.is_denied(7168, 5908)
        seen = see(memory_mb=12288, load=0.1, memory=8000.0, vcpus=3)
        # The goal is 11 units. 0.85 * (11264 - 100) - 100 is more than 8000.
        assert neon.Neon().decide(neon.State(0.1), seen)[1].memory_mb == 11 * 1024

    def test_never_shrinks_without_figures_and_may_grow(self) -> None:
        policy = neon.Neon()
        assert policy.decide(neon.State(0.1), see(load=0.1, memory=None))[1].memory_mb == 8192
        assert policy.decide(neon.State(3.6), see(load=3.6, memory=None))[1].memory_mb == 16384

    def test_load_average_is_that_of_one_minute(self) -> None:
        assert neon.load_average(0.0, 4.0, 60.0) == pytest.approx(4 * (1 - math.exp(-1)))
        assert neon.load_average(None, 4.0, 5.0) == 4.0
        assert neon.load_average(2.0, None, 5.0) == 2.0

    def test_shrinks_vcpus_unit_by_unit_where_memory_is_not_known(self) -> None:
        policy, state = neon.Neon(), neon.State(0.1)
        seen = see(memory_mb=0, max_memory_mb=0, min_memory_mb=0, memory=None, load=0.1)
        sizes = []
        for _ in range(9):
            state, wanted = policy.decide(state, seen)
            sizes.append(wanted.vcpus)
            assert wanted.again == 5.0
            seen = seen._replace(vcpus=wanted.vcpus)
        # Four units are a vCPU: 16 units, then 15, ...
        assert sizes == [4, 4, 4, 3, 3, 3, 3, 2, 2]

    def test_machine_of_which_nothing_is_known_keeps_its_size(self) -> None:
        seen = see(vcpus=0, max_vcpus=0, memory_mb=0, max_memory_mb=0, load=None, memory=None)
        assert neon.Neon().decide(neon.State(), seen)[1][:2] == (0, 0)

    def test_small_machine_has_eight_units(self) -> None:
        assert neon.units_of(see(max_memory_mb=2048, max_vcpus=2)) == (8, 256, 0.25)
        assert neon.units_of(see(max_memory_mb=0)) == (16, 0, 0.25)


class TestVpa:
    def test_buckets_grow_by_five_percent(self) -> None:
        assert vpa.bucket(0.0) == vpa.bucket(0.0099) == 0
        assert vpa.bucket(0.01) == 1
        assert vpa.bucket_begin(2) == pytest.approx(0.01 + 0.0105)
        for index in (1, 7, 60, 150):
            assert vpa.bucket(vpa.bucket_begin(index)) == index

    def test_sample_counts_twice_as_much_a_day_later(self) -> None:
        weights = vpa.added((0.0,) * vpa.CPU_BUCKETS, 0.5, 0)
        weights = vpa.added(weights, 2.0, 86400)
        assert weights[vpa.bucket(0.5)] == 1
        assert weights[vpa.bucket(2.0)] == 2

    def test_target_is_percentile_90_and_15_percent(self) -> None:
        weights: tuple[float, ...] = (0.0,) * vpa.CPU_BUCKETS
        for cores, count in ((0.5, 90), (3.0, 10)):
            for _ in range(count):
                weights = vpa.added(weights, cores, 0)
        bounds = vpa.cpu_bounds(weights, 86400.0)
        assert bounds is not None
        end = vpa.bucket_begin(vpa.bucket(0.5) + 1)
        assert bounds.target == pytest.approx(end * 1.15)
        # Percentile 95 is of the others, and twice as much with a day of samples.
        assert bounds.upper == pytest.approx(vpa.bucket_begin(vpa.bucket(3.0) + 1) * 1.15 * 2)
        assert bounds.lower == pytest.approx(end * 1.15 * 1.001**-2)

    def test_memory_is_by_the_peak_of_each_day(self) -> None:
        peaks: tuple[vpa.Peak, ...] = ()
        for at, used in ((0, 500), (3600, 900), (7200, 700), (86400, 600), (90000, 400)):
            peaks = vpa.with_peak(peaks, at, used)
        assert [tuple(peak) for peak in peaks] == [(0, 900), (86400, 600)]
        for day in range(2, 12):
            peaks = vpa.with_peak(peaks, day * 86400, 100 + day)
        assert len(peaks) == 8

    def test_old_peak_counts_less(self) -> None:
        peaks = (vpa.Peak(0, 900), vpa.Peak(4 * 86400, 600))
        # A sixteenth of the weight is below the highest tenth.
        assert vpa.memory_percentile(peaks, 4 * 86400, 0.9) == 600
        assert vpa.memory_percentile(peaks, 4 * 86400, 0.95) == 900

    def test_oom_kill_is_a_sample_of_a_fifth_more(self) -> None:
        policy = vpa.Vpa()
        state = vpa.State(since=0.0, peaks=(vpa.Peak(0, 2000),), kills=0)
        state, _ = policy.decide(state, see(memory_mb=2000, memory=2000.0, kills=1))
        assert state.peaks[-1].mib == 2400
        small = vpa.State(since=0.0, peaks=(vpa.Peak(0, 300),), kills=0)
        assert policy.decide(small, see(memory_mb=300, kills=1))[0].peaks[-1].mib == 400

    def test_updater_waits_for_half_a_day_within_the_bounds(self) -> None:
        peaks = (vpa.Peak(0, 4000),)
        for at, mib in ((11 * 3600, 5000), (12 * 3600, 4600)):
            state = vpa.State(since=0.0, peaks=peaks)
            seen = see(at=float(at), memory_mb=5000 if mib == 5000 else 5500, memory=4000.0)
            assert vpa.Vpa().decide(state, seen)[1].memory_mb == mib

    def test_keeps_the_size_without_samples(self) -> None:
        _, wanted = vpa.Vpa().decide(vpa.State(), see(cpu=None, memory=None))
        assert wanted[:2] == (4, 8192)


class TestVirtui:
    @pytest.mark.parametrize(
        ("memory", "wanted"),
        [
            (0.65, 10650),  # 30 % more
            (0.649, 8192),
            (0.551, 8192),
            (0.55, 7372),  # 10 % less
        ],
    )
    def test_bands(self, memory: float, wanted: int) -> None:
        state = _grown_up()
        assert Virtui().decide(state, see(memory=memory * 8192))[1].memory_mb == wanted

    def test_ten_seconds_of_quiet_after_shrinking(self) -> None:
        policy = Virtui()
        state, wanted = policy.decide(_grown_up(), see(memory=1000.0))
        assert wanted == Wanted(4, 7372, 10.0)
        _, wanted = policy.decide(state, see(at=1009.0, reported_at=1002.0, memory=1000.0))
        assert (wanted.memory_mb, wanted.again) == (8192, pytest.approx(1.0))
        _, wanted = policy.decide(state, see(at=1010.0, reported_at=1003.0, memory=1000.0))
        assert wanted.memory_mb == 7372

    def test_old_figures_and_a_fresh_boot_change_nothing(self) -> None:
        assert (
            Virtui().decide(_grown_up(), see(memory=8000.0, reported_at=987.9))[1].memory_mb == 8192
        )
        assert Virtui().decide(Virtui().begin(), see(memory=8000.0))[1].memory_mb == 8192

    def test_swap_out_grows_and_keeps_from_shrinking(self) -> None:
        policy = Virtui()
        before, _ = policy.decide(_grown_up(), see(at=990.0, reported_at=983.0))
        state, wanted = policy.decide(before, see(swapped_out=10.0, memory=5000.0))
        assert wanted.memory_mb == 10650
        seen = see(at=1059.0, reported_at=1052.0, swapped_out=10.0, memory=1000.0)
        assert policy.decide(state, seen)[1].memory_mb == 8192

    def test_between_the_bands_it_wants_nothing(self) -> None:
        assert Virtui().decide(_grown_up(), see(memory=0.6 * 8192))[1].again == NEVER


def _grown_up() -> Any:
    return Virtui().begin()._replace(booted=0.0)


def test_hyper_v_gives_demand_and_a_fifth() -> None:
    assert HyperV().decide(None, see())[1] == Wanted(4, 4916)  # 4096 * 1.2 = 4915.2
    swapped = see(memory=4096.0, swapped_out=1000.0, swapped_in=500.0)
    assert HyperV().decide(None, swapped)[1].memory_mb == 5516  # 4596 * 1.2 = 5515.2
    assert HyperV().decide(None, see(memory=None))[1].memory_mb == 8192


class TestSenpai:
    @pytest.mark.parametrize(
        ("seconds", "factor"),
        [
            (0.0, 0.99),
            (0.001, 0.99),  # (10 / 10)^2 of 1 %
            (0.002, 0.9975),  # (5 / 10)^2 of 1 %
            (0.010, 0.9999),
            (0.020, 1.01),  # (2 / 20)^2
            (0.100, 1.25),  # (10 / 20)^2
            (0.200, 2.0),
            (1.0, 2.0),
        ],
    )
    def test_factor(self, seconds: float, factor: float) -> None:
        assert senpai.change(seconds) == pytest.approx(factor)

    def test_a_hundredth_less_each_interval_without_pressure(self) -> None:
        _, wanted = senpai.Senpai().decide(None, see(elapsed=6.0, memory=8000.0))
        assert (wanted.memory_mb, wanted.again) == (8110, 6.0)

    def test_steps_far_from_use_are_taken_together(self) -> None:
        _, wanted = senpai.Senpai().decide(None, see(elapsed=60.0, memory=1000.0))
        assert (wanted.memory_mb, wanted.again) == (math.floor(8192 * 0.99**10), 0.0)
        _, wanted = senpai.Senpai().decide(None, see(elapsed=60.0, memory=8000.0))
        assert wanted.memory_mb == 8000

    def test_pressure_raises_at_once(self) -> None:
        # A hundredth of 6 s are 60 ms: (6 / 20)^2 = 9 %.
        _, wanted = senpai.Senpai().decide(None, see(elapsed=6.0, pressure=0.01))
        assert wanted.memory_mb == math.ceil(8192 * 1.09)


class TestYesterday:
    def test_highest_need_of_the_last_day(self) -> None:
        needs: tuple[yesterday.Need, ...] = ()
        for at, amount in ((0, 5.0), (1000, 9.0), (2000, 3.0), (3000, 4.0)):
            needs = yesterday.with_need(needs, at, amount)
        assert [need.amount for need in needs] == [9.0, 4.0]
        needs = yesterday.with_need(needs, 86400 + 1500, 1.0)
        assert [need.amount for need in needs] == [4.0, 1.0]
        assert yesterday.with_need(needs, 200000, None) == ()

    def test_has_the_maximum_until_a_day_has_passed(self) -> None:
        policy = yesterday.Yesterday()
        state, wanted = policy.decide(policy.begin(), see(at=0.0, load=2.2, memory=3000.0))
        assert wanted[:2] == (4, 16384)
        _, wanted = policy.decide(state, see(at=86400.0, load=0.5, memory=1000.0))
        assert wanted[:2] == (3, 3000)

    def test_larger_need_than_all_of_the_day_is_served(self) -> None:
        policy = yesterday.Yesterday()
        state, _ = policy.decide(policy.begin(), see(at=0.0, load=1.0, memory=3000.0))
        seen = see(at=90000.0, load=3.4, memory=3000.0, swapped_out=700.0, swapped_in=100.0)
        assert policy.decide(state, seen)[1][:2] == (4, 3600)
