"""Numbers that were measured in turns, as one ratio with its spread. Pure."""

import random
import statistics
from dataclasses import dataclass

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours to theirs, of pairs that were measured one right after the other.

    :ivar theirs: the median of theirs, in the unit they were measured in; ``ours`` is that of ours
    :ivar ratio: the median of the pairs' own ratios
    :ivar low: where 95 of 100 medians of resampled pairs begin (percentile bootstrap)
    :ivar high: where they end
    """

    theirs: float
    ours: float
    ratio: float
    low: float
    high: float


def order(pairs, seed):
    """Who goes first in each of so many pairs: False for theirs. Half and half, shuffled."""
    turns = [bool(i % 2) for i in range(pairs)]
    random.Random(seed).shuffle(turns)
    return turns


def ratio(pairs, seed=0):
    """The :class:`Ratio` of ``(theirs, ours)`` pairs; none of theirs may be 0.

    :param seed: of the resampling, so that the same numbers give the same spread
    """
    ratios = [ours / theirs for theirs, ours in pairs]
    low, high = spread(ratios, seed)
    return Ratio(
        theirs=statistics.median(theirs for theirs, _ in pairs),
        ours=statistics.median(ours for _, ours in pairs),
        ratio=statistics.median(ratios),
        low=low,
        high=high,
    )


def spread(numbers, seed=0):
    """Between which two 95 of 100 medians of resampled numbers are (percentile bootstrap)."""
    draw = random.Random(seed)
    medians = sorted(
        statistics.median(draw.choices(numbers, k=len(numbers))) for _ in range(_RESAMPLES)
    )
    return medians[round(_RESAMPLES * 0.025)], medians[round(_RESAMPLES * 0.975) - 1]
