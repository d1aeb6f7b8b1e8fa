# SPDX-License-Identifier: Apache-2.0
"""The series: the rows of the trace, and what the machine had from each on."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nova_xloud.backtest.demand import Resolution, demand_of
from nova_xloud.backtest.model import Pace, Played
from nova_xloud.backtest.policies import SINGLE_POLICIES, played
from nova_xloud.backtest.scoring import WARM_UP, score
from nova_xloud.backtest.series import HEADER, SeriesFiles, rows
from nova_xloud.backtest.steps import Step
from tests.unit.backtest.rig import read, samples

STEPS = (Step(0, 1, 816), Step(300, 2, 816), Step(411.25, 2, 1000), Step(450, 3, 1000))


def test_row_for_each_sample_and_each_change(tmp_path: Path) -> None:
    machine = read(tmp_path, *samples((1, 100), (2.5, 700), (1, 100)))
    found = list(rows(machine, demand_of(machine, 1, Resolution.SAMPLED), Played(STEPS, (), 0)))
    assert found == [
        "0,a,1,100,8,16384,1,816",
        "300,a,2.5,700,8,16384,2,816",
        "411.25,a,2.5,700,8,16384,2,1000",
        "450,a,2.5,700,8,16384,3,1000",
        "600,a,1,100,8,16384,3,1000",
    ]


def test_cell_of_a_resource_that_is_not_in_the_trace_is_empty(tmp_path: Path) -> None:
    machine = read(tmp_path, "0,a,,100,,1024", "2.5,a,,,,1024")
    one = demand_of(machine, 1, Resolution.SAMPLED)
    assert list(rows(machine, one, Played((Step(0, 0, 300),), (), 0))) == [
        "0,a,,100,,1024,,300",
        "2.5,a,,,,1024,,300",
    ]


def test_files_of_several_policies(tmp_path: Path) -> None:
    machine = read(tmp_path, "0,a,1,100,2,1024")
    one = demand_of(machine, 1, Resolution.SAMPLED)
    with SeriesFiles(str(tmp_path / "out-{policy}.csv.gz")) as series:
        series.add(machine, one, "x", Played((Step(0, 1, 300),), (), 0))
        series.add(machine, one, "y", Played((Step(0, 2, 400),), (), 0))
    text = gzip.decompress((tmp_path / "out-y.csv.gz").read_bytes()).decode()
    assert text == f"{HEADER}\n0,a,1,100,2,1024,2,400\n"
    assert HEADER == "time_s,vm,cpu_used_cores,mem_used_mb,cpu_cores,mem_mb,vcpus,memory_mb"
    assert (tmp_path / "out-x.csv.gz").exists()


def test_series_has_all_that_scores_need(tmp_path: Path) -> None:
    # No rise of more than 1,500 MiB, which would take some seconds.
    values = [(0.5 + (i * 5) % 7, 900.0 + 1400 * (i % 2)) for i in range(24)]
    machine = read(tmp_path, *samples(*values))
    one = demand_of(machine, 1, Resolution.SAMPLED)
    policy = SINGLE_POLICIES["neon"]
    done = played(policy, one, 1, Pace())
    found = [row.split(",") for row in rows(machine, one, done)]
    ends = [float(row[0]) for row in found[1:]] + [one.end]
    size = unmet = seconds = 0.0
    for (at, _, _, used, _, most, _, memory), end in zip(found, ends, strict=True):
        begin = max(float(at), WARM_UP)
        if end > begin:
            seconds += end - begin
            size += int(memory) / int(most) * (end - begin)
            unmet += max(0.0, float(used) - int(memory)) * (end - begin)
    expected = score(one, done)
    assert size / seconds == pytest.approx(expected.memory_share)
    assert unmet / seconds * 86400 == pytest.approx(expected.unmet_memory, rel=1e-3)
    assert expected.unmet_memory > 0
