"""The arithmetic of the benchmark."""

import pytest

from tests.bench import paired


def test_half_of_the_pairs_begin_with_each_and_a_seed_is_an_order():
    turns = paired.order(20, seed=3)
    assert sorted(turns) == [False] * 10 + [True] * 10
    assert turns == paired.order(20, seed=3) != paired.order(20, seed=4)


def test_the_ratio_is_of_pairs_and_not_of_medians():
    # The machine got slower by and by, for both.
    one = paired.ratio([(10, 11), (20, 22), (40, 44), (80, 88)])
    assert one.ratio == pytest.approx(1.1)
    assert (one.low, one.high) == (pytest.approx(1.1), pytest.approx(1.1))
    assert (one.theirs, one.ours) == (30, 33)


def test_the_spread_is_around_the_ratio_and_grows_with_the_noise():
    calm = paired.ratio([(100, 100 + i % 3) for i in range(40)])
    noisy = paired.ratio([(100, 80 + 3 * (i % 15)) for i in range(40)])
    for one in (calm, noisy):
        assert one.low <= one.ratio <= one.high
    assert noisy.high - noisy.low > calm.high - calm.low
