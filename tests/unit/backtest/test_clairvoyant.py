# SPDX-License-Identifier: Apache-2.0
"""The policies that know the future: never too small, and as cheap as can be."""

from __future__ import annotations

import random
from itertools import groupby
from pathlib import Path

import pytest

from nova_xloud.backtest.baselines.clairvoyant import (
    CLAIRVOYANT,
    CLAIRVOYANT_PAYING,
    PRICE,
    cheapest_levels,
)
from nova_xloud.backtest.demand import Resolution
from nova_xloud.backtest.scoring import score
from tests.unit.backtest.rig import demand, samples


def _cost(levels: list[int], lengths: list[float], price: float) -> float:
    changes = len(list(groupby(levels))) - 1
    return sum(map(float.__mul__, map(float, levels), lengths)) + price * changes


def _least_cost(values: list[int], lengths: list[float], price: float) -> float:
    """Of all ways to cut the intervals into levels."""
    best = float("inf")
    for cuts in range(2 ** (len(values) - 1)):
        levels: list[int] = []
        begin = 0
        for end in range(1, len(values) + 1):
            if end == len(values) or cuts >> (end - 1) & 1:
                levels += [max(values[begin:end])] * (end - begin)
                begin = end
        best = min(best, _cost(levels, lengths, price))
    return best


@pytest.mark.parametrize(
    ("values", "price", "levels"),
    [
        ([1, 5, 1], 0, [1, 5, 1]),
        ([1, 5, 1], 3, [1, 5, 1]),
        ([1, 5, 1], 5, [5, 5, 5]),
        ([1, 1, 1, 5], 5, [1, 1, 1, 5]),
        ([5, 4, 3, 2, 1], 2.5, [5, 5, 3, 3, 3]),
        ([3], 9, [3]),
        ([], 9, []),
    ],
    ids=["free", "cheap", "dear", "long", "falling", "one", "none"],
)
def test_levels_by_hand(values: list[int], price: float, levels: list[int]) -> None:
    found = cheapest_levels(values, [1.0] * len(values), price)
    assert _cost(found, [1.0] * len(values), price) == _cost(levels, [1.0] * len(values), price)
    assert all(level >= value for level, value in zip(found, values, strict=True))


@pytest.mark.parametrize("seed", range(60))
def test_levels_cost_least_of_all(seed: int) -> None:
    chance = random.Random(seed)
    values = [chance.randint(1, 9) for _ in range(chance.randint(1, 11))]
    lengths = [float(chance.randint(1, 5)) for _ in values]
    price = chance.choice([0.5, 2.0, 7.0, 20.0])
    found = cheapest_levels(values, lengths, price)
    assert all(level >= value for level, value in zip(found, values, strict=True))
    assert _cost(found, lengths, price) == pytest.approx(_least_cost(values, lengths, price))


def test_nothing_is_ever_missing(tmp_path: Path) -> None:
    values = [(0.5 + i % 7, 1000.0 + 900 * (i % 11)) for i in range(60)]
    one = demand(tmp_path, *samples(*values), resolution=Resolution.EXPANDED)
    for policy in (CLAIRVOYANT, CLAIRVOYANT_PAYING):
        result = score(one, policy.plan(one))
        assert (result.unmet_cpu, result.unmet_memory, result.kills) == (0, 0, 0)


def test_paying_changes_less_and_has_more(tmp_path: Path) -> None:
    one = demand(tmp_path, *samples(*[(0.5 + 4 * (i % 2), 1000.0) for i in range(40)]))
    free, paying = (score(one, policy.plan(one)) for policy in (CLAIRVOYANT, CLAIRVOYANT_PAYING))
    assert free.changes > 0 == paying.changes
    assert free.vcpu_share == pytest.approx(3 / 8, abs=0.01)
    assert paying.vcpu_share == 5 / 8


def test_change_costs_a_hundredth_of_the_maximum_for_a_day(tmp_path: Path) -> None:
    assert PRICE == 864

    # 6 vCPUs of 8 that are not needed for longer than two changes cost are given back between.
    def changes(idle_rows: int) -> int:
        values = [(7.0, 100.0), *[(1.0, 100.0)] * idle_rows, (7.0, 100.0)]
        return len(CLAIRVOYANT_PAYING.plan(demand(tmp_path, *samples(*values))).changes)

    # 2 x 864 s x 8 vCPUs = 13,824 vCPU-seconds; 6 vCPUs for 2,304 s.
    assert changes(7) == 0
    assert changes(8) == 2
