# SPDX-License-Identifier: Apache-2.0
"""Summaries over machines: means, percentiles, and the worst machine."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace

import pytest

from nova_xloud.backtest.policy import Host
from nova_xloud.backtest.scoring import Score
from nova_xloud.backtest.summary import (
    CHANGES,
    FIGURES,
    FIT_P50,
    FIT_P99,
    MEMORY_SHARE,
    PER_HOST,
    UNMET_CPU,
    VCPU_SHARE,
    Spread,
    percentile,
    summed_up,
)

ONE = Score(1, 0.5, 0.25, 2, 4096, 10, 20, 0, 3, 0, 0, array("d", [5, 10]))
HOST = Host(64, 65536)


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([3, 1, 2, 4], 0.5, 2), ([3, 1, 2, 4], 0.9, 4), ([7], 0.5, 7), ([5, 6, 7], 0.5, 6)],
)
def test_percentile(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


def test_mean_percentiles_and_worst() -> None:
    scores = [replace(ONE, unmet_cpu=value) for value in (1, 2, 3, 4, 5, 6, 7, 8, 9, 100)]
    summary = summed_up("x", scores, HOST)
    assert summary.figures[UNMET_CPU.name] == Spread(14.5, 5, 9, 100)
    assert (summary.machines, summary.days) == (10, 10)


def test_servers_per_host_by_the_scarcer_resource() -> None:
    scores = [replace(ONE, vcpus=1, memory_mb=4096), replace(ONE, vcpus=3, memory_mb=4096)]
    # The mean size is 2 vCPUs and 4096 MiB: 32 by CPU, 16 by memory. Of each: 16, and 16 of 21.
    assert summed_up("x", scores, HOST).figures[PER_HOST.name] == Spread(16, 16, 16, 16)
    scores = [replace(ONE, vcpus=8), replace(ONE, vcpus=16)]
    spread = summed_up("x", scores, HOST).figures[PER_HOST.name]
    assert spread == Spread(64 / 12, 4, 4, 4)


def test_servers_per_host_without_memory() -> None:
    scores = [replace(ONE, memory_mb=math.nan)]
    assert summed_up("x", scores, HOST).figures[PER_HOST.name].mean == 32


def test_waits_are_of_all_needs_and_of_each_machine() -> None:
    scores = [
        replace(ONE, waits=array("d", [5, 5, 5])),
        replace(ONE, waits=array("d", [40])),
        replace(ONE, waits=array("d")),
    ]
    figures = summed_up("x", scores, HOST).figures
    assert figures[FIT_P50.name] == Spread(5, 5, 40, 40)
    assert figures[FIT_P99.name] == Spread(40, 5, 40, 40)


def test_machines_without_a_figure_do_not_count() -> None:
    scores = [ONE, replace(ONE, memory_share=math.nan)]
    assert summed_up("x", scores, HOST).figures[MEMORY_SHARE.name] == Spread(0.25, 0.25, 0.25, 0.25)
    none = summed_up("x", [replace(ONE, memory_share=math.nan)], HOST)
    assert math.isnan(none.figures[MEMORY_SHARE.name].worst)


def test_every_figure_is_there() -> None:
    figures = summed_up("x", [ONE], HOST).figures
    assert set(figures) == {figure.name for figure in FIGURES}
    assert (figures[VCPU_SHARE.name].mean, figures[CHANGES.name].mean) == (0.5, 3)
