# SPDX-License-Identifier: Apache-2.0
"""Correlated load: the same hours of all machines, or all peaks at once."""

from __future__ import annotations

import math
from pathlib import Path

from nova_xloud.backtest.alignment import Alignment, Span, aligned, common_peak, own_peak, part
from nova_xloud.backtest.demand import Demand
from tests.unit.backtest.rig import demand, samples

SPAN = Span(before=600, after=600)


def _with_peak(path: Path, row: int, rows: int = 12, cpu: float = 6.0) -> Demand:
    values = [(1.0, 1000.0)] * rows
    values[row] = (cpu, 1000.0)
    return demand(path, *samples(*values))


def test_peak_is_where_the_shares_are_highest(tmp_path: Path) -> None:
    assert own_peak(_with_peak(tmp_path, 7)) == 2100
    both = [_with_peak(tmp_path, 3, cpu=4.0), _with_peak(tmp_path, 9), _with_peak(tmp_path, 3)]
    # Three and five cores more at 900 s, and five at 2700 s.
    assert common_peak(both) == 900


def test_clock_keeps_the_same_hours(tmp_path: Path) -> None:
    parts = aligned([_with_peak(tmp_path, 3), _with_peak(tmp_path, 4)], Alignment.CLOCK, SPAN)
    first, second = parts
    assert list(first.edges) == [0, 300, 600, 900, 1200]
    assert list(first.cpu) == [1, 1, 6, 1]
    assert list(second.cpu) == [1, 1, 1, 6]


def test_peaks_are_put_at_one_moment(tmp_path: Path) -> None:
    parts = aligned([_with_peak(tmp_path, 3), _with_peak(tmp_path, 7)], Alignment.PEAK, SPAN)
    assert [list(one.cpu) for one in parts] == [[1, 1, 6, 1]] * 2
    assert [list(one.row) for one in parts] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert list(parts[0].wakes) == [0, 2, 3]


def test_machine_is_there_all_the_time(tmp_path: Path) -> None:
    one = part(_with_peak(tmp_path, 0, rows=2), 0, SPAN)
    assert one is not None
    assert list(one.edges) == [0, 600, 900, 1200]
    assert math.isnan(one.cpu[0])
    assert (one.row[0], one.max_vcpus[0]) == (-1, 8)
    late = part(_with_peak(tmp_path, 1, rows=2), 300, SPAN)
    assert late is not None
    assert list(late.edges) == [0, 300, 600, 900, 1200]
    assert list(late.row) == [-1, 0, 1, -1]


def test_machine_without_that_time_is_left_out(tmp_path: Path) -> None:
    assert part(_with_peak(tmp_path, 0, rows=2), 90000, SPAN) is None
