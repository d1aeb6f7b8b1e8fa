# SPDX-License-Identifier: Apache-2.0
"""Scores, computed by hand on traces of a few samples."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from nova_xloud.backtest.model import Played
from nova_xloud.backtest.scoring import score
from nova_xloud.backtest.steps import Change, Step
from tests.unit.backtest.rig import demand, samples

# The first 300 s are not scored, so each day here has 300 s before it.
A_DAY = 288


def _played(
    *steps: tuple[float, int, int], changes: tuple[tuple[float, int, int], ...] = ()
) -> Played:
    return Played(tuple(Step(*s) for s in steps), tuple(Change(*c) for c in changes), 0)


def test_share_is_the_mean_over_time(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples(*[(1, 100)] * 3))
    result = score(one, _played((0, 4, 4096), (450, 2, 8192)))
    # 300 to 450 of 600 s with 4 vCPUs of 8 and 4096 of 16384 MiB, then 450 s with 2 and 8192.
    assert result.vcpu_share == pytest.approx((150 * 4 + 450 * 2) / 600 / 8)
    assert result.memory_share == pytest.approx((150 * 0.25 + 450 * 0.5) / 600)
    assert result.vcpus == pytest.approx(2.5)
    assert result.memory_mb == pytest.approx((150 * 4096 + 450 * 8192) / 600)
    assert result.days == pytest.approx(600 / 86400)


def test_unmet_is_what_was_wanted_above_the_size(tmp_path: Path) -> None:
    values = [(1.0, 1000.0)] * (A_DAY + 1)
    values[10] = (3.5, 1500.0)
    result = score(demand(tmp_path, *samples(*values)), _played((0, 2, 1200)))
    assert result.unmet_cpu == pytest.approx(1.5 * 300)
    # Memory rises by 500 MiB at once, for 300 s.
    assert result.unmet_memory == pytest.approx(300 * 300)
    # After one minute: once.
    assert result.kills == pytest.approx(1)
    assert list(result.waits) == [300, 300]


def test_wait_ends_when_the_size_has_grown(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples((1, 100), (1, 100), (3, 100), (1, 100)))
    result = score(one, _played((0, 2, 816), (608, 4, 816)))
    assert list(result.waits) == [8]
    assert result.unmet_cpu == pytest.approx(8 * 86400 / 900)


def test_need_that_passes_soon_by_itself_is_no_wait(tmp_path: Path) -> None:
    rows = samples(*[(1, 100)] * 60, interval=10)
    rows[40] = "400,a,3,100,8,16384"
    assert list(score(demand(tmp_path, *rows), _played((0, 2, 816))).waits) == []
    rows[41] = "410,a,3,100,8,16384"
    assert list(score(demand(tmp_path, *rows), _played((0, 2, 816))).waits) == [20]


def test_changes_and_reversals_within_ten_minutes(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples(*[(1, 100)] * (A_DAY + 1)))
    changes = (
        (100, 1, 0),  # in the warm-up: not counted
        (1000, 1, 0),
        (1500, -1, 0),  # a flap
        (2000, 1, 0),  # undone
        (2700, -1, 500),  # 700 s later: neither; memory's first
        (2800, 0, -500),  # a flap of memory
        (2900, 0, -100),
    )
    result = score(one, _played((0, 2, 816), changes=changes))
    assert result.changes == pytest.approx(6)
    assert result.flaps == pytest.approx(2)
    assert result.undone == pytest.approx(1)


def test_five_minutes_after_a_resize_are_not_scored(tmp_path: Path) -> None:
    def days(*memory: int) -> float:
        rows = [f"{i * 300},a,1,900,2,{mib}" for i, mib in enumerate(memory)]
        return score(demand(tmp_path, *rows), _played((0, 1, 800))).days * 86400

    assert days(2048, 2048, 2048, 2048) == pytest.approx(900)
    assert days(2048, 2048, 4096, 4096) == pytest.approx(600)
    # Rounding of what was given is no resize.
    assert days(2048, 2048, 2060, 2048) == pytest.approx(900)


def test_gap_is_not_scored(tmp_path: Path) -> None:
    rows = [f"{at},a,3,1000,8,4096" for at in (0, 300, 600, 3600)]
    result = score(demand(tmp_path, *rows), _played((0, 2, 2048)))
    assert result.days == pytest.approx(900 / 86400)
    assert result.unmet_cpu == pytest.approx(86400)
    # The need lasted on both sides of the gap, and nobody knows for how long.
    assert list(result.waits) == []


def test_figure_that_the_trace_cannot_give_is_unknown(tmp_path: Path) -> None:
    result = score(demand(tmp_path, "0,a,1,,4,", "300,a,1,,4,", "600,a,1,,4,"), _played((0, 1, 0)))
    assert result.vcpu_share == 0.25
    assert math.isnan(result.memory_share)
    assert math.isnan(result.unmet_memory)
    assert math.isnan(result.kills)
