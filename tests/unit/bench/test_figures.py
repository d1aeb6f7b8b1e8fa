"""Whether a figure keeps its goal."""

import pytest

from tests.bench.figures import MET, MISSED, OURS, UNCLEAR, WORST, Figure, Goal, summary, verdict


def figure(pairs, goal=None):
    return Figure("row", "what", "stock", "s", tuple(pairs), goal)


@pytest.mark.parametrize(
    ("ratios", "goal", "expected"),
    [
        ([1.4, 1.5, 1.5], Goal(1.5), MET),
        ([1.6, 1.61, 1.62], Goal(1.5), MISSED),
        # Chance alone may have done it.
        ([1.3, 1.6, 1.6], Goal(1.5), UNCLEAR),
        ([0.5, 0.6, 0.7], Goal(0.5, at_least=True), MET),
        ([0.4, 0.41, 0.42], Goal(0.5, at_least=True), MISSED),
        ([0.4, 0.4, 0.6], Goal(0.5, at_least=True), UNCLEAR),
        ([9, 9, 9], None, None),
    ],
)
def test_a_ratio(ratios, goal, expected):
    assert verdict(figure([(2, 2 * ratio) for ratio in 2 * ratios], goal)) == expected


@pytest.mark.parametrize("ratio", [1, 9])
def test_few_pairs_say_nothing_of_a_ratio(ratio):
    assert verdict(figure([(2, 2 * ratio)] * 4, Goal(1.5))) == UNCLEAR
    assert verdict(figure([(2, 2 * ratio)] * 5, Goal(1.5))) != UNCLEAR


@pytest.mark.parametrize(
    ("ours", "goal", "expected"),
    [
        ([4, 5, 9], Goal(5, OURS), MET),
        ([6, 6, 6], Goal(5, OURS), MISSED),
        # One is enough.
        ([0, 0, 1], Goal(0, WORST), MISSED),
        ([0, 0, 0], Goal(0, WORST), MET),
        ([3, 9, 9], Goal(4, WORST, at_least=True), MISSED),
    ],
)
def test_ours_alone(ours, goal, expected):
    assert verdict(figure([(None, one) for one in ours], goal)) == expected


def test_a_summary_without_anything_beside_it_has_no_ratio():
    one = summary(figure([(None, 1), (None, 2), (None, 3)]))
    assert (one.theirs, one.ours, one.ratio) == (None, 2, None)
    assert one.low <= 2 <= one.high
