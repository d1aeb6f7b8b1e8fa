"""The load that rises and falls, and what became of it."""

import pytest

from tests.bench import load


def test_each_needs_one_to_four_and_comes_back():
    needs = load.demand(40)
    assert {units for one in needs for units in one} == {1, 2, 3, 4}
    assert all(len(one) == load.MINUTES for one in needs)
    assert all(max(one) == load.MOST for one in needs)
    # All at their most at once would be no case for anybody.
    assert max(map(sum, zip(*needs, strict=True))) < 40 * 3


def test_a_server_needs_the_same_whoever_else_there_is():
    assert load.demand(40)[:8] == load.demand(8) != load.demand(8, seed=2)


def test_an_hour():
    one = load.hour([(1, 1), (2, 1), (4, 1)], ((1, 4, 2), (1, 1, 1)), asked=2, refused=1)
    assert (one.needed, one.had, one.claimed) == ((2, 5, 3), (2, 3, 3), (2, 3, 5))
    assert one.unmet == pytest.approx(0.2)
    assert one.idle == pytest.approx(0.2)
    assert (one.servers, one.asked, one.refused) == (2, 2, 1)
