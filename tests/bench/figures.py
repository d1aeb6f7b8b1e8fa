"""What a measure gives: figures with their goals, tables, plots. Pure.

A figure is one row of the report: pairs of ``(theirs, ours)``, in the order in which they were
measured. Where nothing stands beside ours, theirs is None in each pair.
"""

import statistics
from dataclasses import dataclass

from tests.bench import paired

# What of a figure a goal is about: the ratio of ours to theirs, the median of ours, or the largest
# (with ``at_least`` the smallest) of ours.
RATIO, OURS, WORST = "ratio", "ours", "worst"

MET, UNCLEAR, MISSED = "met", "unclear", "missed"

# Fewer pairs than these say nothing of a ratio, whatever it is.
FEW = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure is to keep.

    :ivar limit: the bound, which itself is within it
    :ivar of: ``RATIO``, ``OURS`` or ``WORST``
    :ivar at_least: a lower bound; otherwise an upper one
    """

    limit: float
    of: str = RATIO
    at_least: bool = False

    def holds(self, number):
        """Whether a number is within the bound."""
        return number >= self.limit if self.at_least else number <= self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the report.

    :ivar name: of the row; no other figure of the measure has it
    :ivar what: what of ours is measured, from where to where
    :ivar beside: what stands beside it; None where nothing does
    :ivar unit: of both numbers of each pair
    :ivar pairs: ``(theirs, ours)`` in the order in which they were measured
    :ivar goal: None where there is none
    """

    name: str
    what: str
    beside: str | None
    unit: str
    pairs: tuple
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers that are no pairs: a heading, column names, rows of text or numbers."""

    title: str
    header: tuple
    rows: tuple


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a plot."""

    label: str
    x: tuple
    y: tuple


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture.

    :ivar name: of its file, without its ending
    :ivar title: what is seen in it, in words
    :ivar x: the label of that axis with its unit; ``y`` is that of the other axis
    :ivar steps: values stay until the next one; otherwise points are joined by straight lines
    :ivar logarithmic: both axes are
    """

    name: str
    title: str
    x: str
    y: str
    series: tuple
    steps: bool = False
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """All that one measure gives."""

    figures: tuple = ()
    tables: tuple = ()
    plots: tuple = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure in few numbers.

    :ivar theirs: the median of theirs, None where nothing stands beside ours; ``ours`` is that of
        ours
    :ivar ratio: the median of the pairs' own ratios, or None
    :ivar low: where the spread of the ratio begins; of the median of ours where there is no ratio
    :ivar high: where it ends
    """

    theirs: float | None
    ours: float
    ratio: float | None
    low: float
    high: float


def summary(figure):
    """The :class:`Summary` of a figure."""
    ours = [pair[1] for pair in figure.pairs]
    if any(theirs is None for theirs, _ in figure.pairs):
        return Summary(None, statistics.median(ours), None, *paired.spread(ours))
    one = paired.ratio(figure.pairs)
    return Summary(one.theirs, one.ours, one.ratio, one.low, one.high)


def verdict(figure):
    """``MET``, ``UNCLEAR`` or ``MISSED``; None where there is no goal.

    It is unclear where the median is out of bounds and the spread reaches into them, and of a ratio
    of few pairs.
    """
    goal = figure.goal
    if goal is None:
        return None
    one = summary(figure)
    if goal.of == WORST:
        ours = [pair[1] for pair in figure.pairs]
        return MET if goal.holds(min(ours) if goal.at_least else max(ours)) else MISSED
    if goal.of == OURS:
        median, (low, high) = one.ours, paired.spread([pair[1] for pair in figure.pairs])
    else:
        median, low, high = one.ratio, one.low, one.high
    if goal.of == RATIO and len(figure.pairs) < FEW:
        return UNCLEAR
    if goal.holds(median):
        return MET
    return UNCLEAR if goal.holds(high if goal.at_least else low) else MISSED
