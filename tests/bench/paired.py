"""Numbers that were measured in turns, as one ratio with its spread. Pure."""

import random
import statistics
from dataclasses import dataclass

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """Extended to stock, of pairs that were measured one right after the other.

    :ivar stock: the median of the stock ones, in the unit they were measured in; likewise extended
    :ivar ratio: the median of the pairs' own ratios
    :ivar low: where 95 of 100 medians of resampled pairs begin (percentile bootstrap)
    :ivar high: where they end
    """

    stock: float
    extended: float
    ratio: float
    low: float
    high: float


def order(pairs, seed):
    """Who goes first in each of so many pairs: False for stock. Half and half, shuffled."""
    turns = [bool(i % 2) for i in range(pairs)]
    random.Random(seed).shuffle(turns)
    return turns


def ratio(pairs, seed=0):
    """The :class:`Ratio` of ``(stock, extended)`` pairs.

    :param seed: of the resampling, so that the same numbers give the same spread
    """
    ratios = [extended / stock for stock, extended in pairs]
    draw = random.Random(seed)
    medians = sorted(
        statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES)
    )
    return Ratio(
        stock=statistics.median(stock for stock, _ in pairs),
        extended=statistics.median(extended for _, extended in pairs),
        ratio=statistics.median(ratios),
        low=medians[round(_RESAMPLES * 0.025)],
        high=medians[round(_RESAMPLES * 0.975) - 1],
    )
