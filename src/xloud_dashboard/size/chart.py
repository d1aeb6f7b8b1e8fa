# SPDX-License-Identifier: Apache-2.0
"""The chart of a resource over time: samples and adjustments, as places in a picture.

A number is drawn from its sample until the next one. Where there is no sample there is no line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nova_xloud.client import PastAdjustment
from xloud_dashboard.size.bars import LABELS

# When, in seconds since 1970, and the number; None if it was not known then.
Sample = tuple[float, int | None]
# The samples of each kind, in the order of time.
Samples = Mapping[str, Sequence[Sample]]

# The kinds, the widest line first: of lines with the same number each can be seen.
KINDS = ("maximum", "reserved", "actuated", "observed", "desired")
# The picture's size in its own units; a browser stretches it.
WIDTH, HEIGHT = 1000, 100
_LABELS = {"maximum": gettext_lazy("maximum")} | LABELS


@dataclass(frozen=True)
class Line:
    """One number over time.

    :ivar name: its name, such as ``reserved``
    :ivar label: its name for people
    :ivar pieces: the points of each piece, as SVG has them; between two pieces it was not known
    :ivar low: the smallest number
    :ivar high: the largest number
    :ivar last: the last number
    """

    name: str
    label: Any
    pieces: tuple[str, ...]
    low: int
    high: int
    last: int

    @property
    def in_words(self) -> str:
        """What the line shows, for those who do not see it."""
        told = {"label": self.label, "low": self.low, "high": self.high, "last": self.last}
        if self.low == self.high:
            return _("%(label)s always %(last)s") % told
        return _("%(label)s from %(low)s to %(high)s, last %(last)s") % told


@dataclass(frozen=True)
class Mark:
    """An adjustment.

    :ivar x: where it is
    :ivar text: what was asked for, and when
    """

    x: str
    text: str


@dataclass(frozen=True)
class Chart:
    """One resource over time.

    :ivar resource: ``vcpus`` or ``memory_mb``
    :ivar title: the name of the resource for people
    :ivar unit: what its numbers count
    :ivar top: the number at the upper end; 0 is at the lower end
    :ivar begin: when it begins
    :ivar end: when it ends
    """

    resource: str
    title: Any
    unit: str
    top: int
    begin: datetime
    end: datetime
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]

    @property
    def times(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The begin and the end, each as ISO 8601 and for people."""
        begin, end = ((one.isoformat(), f"{one:%H:%M} UTC") for one in (self.begin, self.end))
        return begin, end

    @property
    def in_words(self) -> str:
        """What the chart shows, for those who do not see it."""
        lines = "; ".join(line.in_words for line in self.lines)
        (_begin, begin), (_end, end) = self.times
        told = _("%(title)s from %(begin)s to %(end)s: %(lines)s %(unit)s.") % {
            "title": self.title,
            "begin": begin,
            "end": end,
            "lines": lines,
            "unit": self.unit,
        }
        if not self.marks:
            return told
        return f"{told} {_('Adjustments')}: {'; '.join(mark.text for mark in self.marks)}."


@dataclass(frozen=True)
class Span:
    """The time of a chart, in seconds since 1970.

    :ivar gap: two samples that are more seconds apart have a gap between them
    """

    begin: float
    end: float
    gap: float

    def x(self, at: float) -> str:
        """Return where a moment is."""
        return f"{WIDTH * (at - self.begin) / (self.end - self.begin):.1f}"


def charts_of(
    span: Span, samples: Mapping[str, Samples], history: Iterable[PastAdjustment]
) -> tuple[Chart, ...]:
    """Return the charts of vCPUs and memory; none of a resource without a sample.

    :param samples: for ``vcpus`` and ``memory_mb`` the samples; those outside the span are left out
    :param history: the adjustments of the server; those outside the span are left out
    """
    marks = tuple(_marks(span, history))
    titles = (("vcpus", _("vCPUs"), "vCPUs"), ("memory_mb", _("Memory"), "MiB"))
    found = (
        _chart(span, resource, title, unit, samples.get(resource, {}), marks)
        for resource, title, unit in titles
    )
    return tuple(chart for chart in found if chart is not None)


def _chart(
    span: Span, resource: str, title: str, unit: str, samples: Samples, marks: tuple[Mark, ...]
) -> Chart | None:
    kept = {
        kind: [one for one in samples.get(kind, ()) if span.begin <= one[0] <= span.end]
        for kind in KINDS
    }
    top = max((value or 0 for line in kept.values() for _at, value in line), default=0)
    lines = tuple(
        _line(span, kind, line, top)
        for kind, line in kept.items()
        if any(value is not None for _at, value in line)
    )
    if not lines:
        return None
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (span.begin, span.end))
    return Chart(resource, title, unit, top, begin, end, lines, marks)


def _line(span: Span, kind: str, samples: Sequence[Sample], top: int) -> Line:
    known = [value for _at, value in samples if value is not None]
    return Line(
        name=kind,
        label=_LABELS[kind],
        pieces=tuple(_points(span, piece, top) for piece in _pieces(samples, span.gap)),
        low=min(known),
        high=max(known),
        last=known[-1],
    )


def _pieces(samples: Sequence[Sample], gap: float) -> Iterator[list[tuple[float, int]]]:
    """Yield the samples between two gaps, without those that are not known."""
    piece: list[tuple[float, int]] = []
    for at, value in samples:
        if piece and (value is None or at - piece[-1][0] > gap):
            yield piece
            piece = []
        if value is not None:
            piece.append((at, value))
    if piece:
        yield piece


def _points(span: Span, piece: Sequence[tuple[float, int]], top: int) -> str:
    """Return the corners of a piece; a single sample is a dot."""

    def point(at: float, value: int) -> str:
        return f"{span.x(at)},{HEIGHT - (HEIGHT * value / top if top else 0):.1f}"

    corners = [point(*piece[0])]
    for (_before, value), (at, following) in pairwise(piece):
        if following != value:
            corners += [point(at, value), point(at, following)]
    return " ".join([*corners, point(*piece[-1])])


def _marks(span: Span, history: Iterable[PastAdjustment]) -> Iterator[Mark]:
    """Yield the adjustments in the span, the oldest first."""
    for one in sorted(history, key=lambda past: past.at):
        try:
            at = datetime.fromisoformat(one.at).timestamp()
        except ValueError:
            continue
        if span.begin <= at <= span.end:
            yield Mark(span.x(at), f"{one.at}: {one.before} to {one.after}, {one.outcome}")
