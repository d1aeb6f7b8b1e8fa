# SPDX-License-Identifier: Apache-2.0
"""Samples become pieces of constant demand; bursts keep the mean, and unknown stays unknown."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

from nova_xloud.backtest.demand import (
    Demand,
    Resolution,
    demand_of,
    minimum_memory,
    minimum_vcpus,
)
from tests.unit.backtest.rig import HEADER, demand, read, samples

EXPANDED = Resolution.EXPANDED


def _mean(one: Demand, values: str, row: int) -> float:
    total = seconds = 0.0
    for piece, (begin, end) in enumerate(pairwise(one.edges)):
        if one.row[piece] == row:
            total += getattr(one, values)[piece] * (end - begin)
            seconds += end - begin
    return total / seconds


def test_sample_is_one_piece_as_sampled(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1.5, 1000), (2.0, 1200)))
    assert list(one.edges) == [0, 300, 600]
    assert list(one.cpu) == [1.5, 2.0]
    assert list(one.memory) == [1000, 1200]
    assert list(one.row) == [0, 1]
    assert list(one.max_vcpus) == [8, 8]


def test_burst_keeps_the_mean_of_its_sample(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples(*[(2.0, 4000.0)] * 40, cores=64), resolution=EXPANDED)
    for row in range(40):
        assert _mean(one, "cpu", row) == pytest.approx(2.0)
        assert _mean(one, "memory", row) == pytest.approx(4000.0)
    peaks = sorted(
        max(cpu for cpu, row in zip(one.cpu, one.row, strict=True) if row == r) for r in range(40)
    )
    # The median of maximum over mean is 2.3.
    assert 1.6 < peaks[20] / 2.0 < 3.2


def test_burst_is_as_high_as_was_measured(tmp_path: Path) -> None:
    header = f"{HEADER},cpu_max_cores,mem_max_mb"
    one = demand(tmp_path, "0,a,1,1000,8,4096,6,1500", header=header, resolution=EXPANDED)
    assert max(one.cpu) == 6
    assert max(one.memory) == 1500
    # A hundredth of the sample at the peak, nine hundredths at 0.57 of it.
    lengths = [end - begin for begin, end in pairwise(one.edges)]
    assert lengths[one.cpu.index(6)] == pytest.approx(3)
    assert one.cpu[one.cpu.index(6) + 1] == pytest.approx(0.57 * 6)
    assert _mean(one, "cpu", 0) == pytest.approx(1)


def test_short_samples_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = samples((1.5, 1000), (2.0, 1200), interval=60)
    assert list(demand(tmp_path, *rows, resolution=EXPANDED).cpu) == [1.5, 2.0]


def test_demand_depends_on_the_seed_and_the_machine(tmp_path: Path) -> None:
    machine = read(tmp_path, *samples((2.0, 1000), (2.0, 1000), (2.0, 1000)))
    assert demand_of(machine, 7, EXPANDED).edges == demand_of(machine, 7, EXPANDED).edges
    assert demand_of(machine, 7, EXPANDED).cpu == demand_of(machine, 7, EXPANDED).cpu
    assert demand_of(machine, 7, EXPANDED).edges != demand_of(machine, 8, EXPANDED).edges


def test_demand_is_cut_at_what_was_given_and_marked(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((7.9, 100), (9.0, 100), (1.0, 100), (2.0, 100)))
    assert max(one.cpu) == 8
    assert one.censored == pytest.approx(0.5)


def test_memory_above_what_was_given_is_left_out(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 20000), (1, 100)))
    assert math.isnan(one.memory[0])
    assert one.left_out == 1


def test_gap_is_unknown(tmp_path: Path) -> None:
    rows = [f"{at},a,1,100,2,1024" for at in (0, 300, 600, 2400, 2700)]
    one = demand(tmp_path, *rows)
    assert list(one.edges) == [0, 300, 600, 900, 2400, 2700, 3000]
    assert list(one.row) == [0, 1, 2, -1, 3, 4]
    assert math.isnan(one.cpu[3])
    assert one.max_vcpus[3] == 2


def test_resource_that_is_not_in_the_trace_is_unknown(tmp_path: Path) -> None:
    one = demand(tmp_path, "0,a,,100,,1024", "300,a,,100,,1024")
    assert list(one.max_vcpus) == [0, 0]
    assert all(math.isnan(cpu) for cpu in one.cpu)


def test_part_of_a_core_is_a_whole_vcpu(tmp_path: Path) -> None:
    assert demand(tmp_path, "0,a,1,1,2.33,64").max_vcpus[0] == 3
    assert demand(tmp_path, "0,a,0.1,1,0.1,64").max_vcpus[0] == 1


def test_memory_rises_no_faster_than_was_measured(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 1000), (1, 6000)))
    # 1,500 MiB in 5 s: 300 MiB a second.
    assert list(one.edges) == [0, 300, 305, 310, 315, 600]
    assert list(one.memory) == [1000, 2500, 4000, 5500, 6000]


def test_small_differences_do_not_wake(tmp_path: Path) -> None:
    one = demand(
        tmp_path, *samples((1, 1000), (1.05, 1010), (1.09, 1015), (1.2, 1015), (1.2, 1100))
    )
    assert list(one.wakes) == [0, 3, 4]


def test_minimum_is_that_of_flavors() -> None:
    assert (minimum_vcpus(8), minimum_vcpus(0)) == (1, 0)
    assert minimum_memory(16384) == 160 + 656
    assert (minimum_memory(128), minimum_memory(0)) == (128, 0)
