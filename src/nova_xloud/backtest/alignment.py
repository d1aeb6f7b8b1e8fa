# SPDX-License-Identifier: Apache-2.0
"""Cuts a time around a peak out of each machine's demand, so that all can share one host."""

from __future__ import annotations

import enum
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nova_xloud.backtest.demand import Demand, wakes_of

HOUR = 3600.0


class Alignment(enum.Enum):
    """Which part of each machine is played together. The values are names on the command line."""

    CLOCK = "clock"
    """The same time of all machines, around the peak of all together.

    The trace has to give the times of all machines by the same clock.
    """
    PEAK = "peak"
    """The time around each machine's own peak, as if all had their peaks at once."""


@dataclass(frozen=True, slots=True)
class Span:
    """How much time is played around a peak.

    :ivar before: seconds before the peak
    :ivar after: seconds after the peak
    """

    before: float = 12 * HOUR
    after: float = 6 * HOUR


def aligned(demands: Sequence[Demand], alignment: Alignment, span: Span) -> tuple[Demand, ...]:
    """Return the part of each demand that is played, in the order of ``demands``.

    The time of a part is in seconds and begins at 0, so the peak is at ``span.before``. A demand
    without a row of the trace in that time is left out.

    :param alignment: whether that is around a common peak, or around the peak of each
    :param span: how much time is played around the peak
    """
    if alignment is Alignment.CLOCK:
        peak = common_peak(demands)
        peaks = [peak] * len(demands)
    else:
        peaks = [own_peak(demand) for demand in demands]
    parts = (part(demand, peak, span) for demand, peak in zip(demands, peaks, strict=True))
    return tuple(one for one in parts if one is not None)


def own_peak(demand: Demand) -> float:
    """Return when the demand is highest: the begin of the first such piece, seconds.

    The height of a piece is the share of the vCPU maximum that is wanted, plus the share of the
    memory maximum that is wanted. A share that is not known counts as 0.
    """
    best, at = -1.0, demand.begin
    for piece, begin in enumerate(demand.edges[:-1]):
        height = _height(demand, piece)
        if height > best:
            best, at = height, begin
    return at


def common_peak(demands: Sequence[Demand]) -> float:
    """Return when the sum of the heights of all demands is highest, seconds; the first such time.

    The height of a demand is that of :func:`own_peak`.
    """
    changes: list[tuple[float, float]] = []
    for demand in demands:
        before = 0.0
        for piece, begin in enumerate(demand.edges[:-1]):
            height = _height(demand, piece)
            changes.append((begin, height - before))
            before = height
        changes.append((demand.end, -before))
    changes.sort()
    total, best, at = 0.0, -math.inf, changes[0][0]
    for index, (when, change) in enumerate(changes):
        total += change
        is_last_of_time = index + 1 == len(changes) or changes[index + 1][0] > when
        if is_last_of_time and total > best:
            best, at = total, when
    return at


def _height(demand: Demand, piece: int) -> float:
    return _share(demand.cpu[piece], demand.max_vcpus[piece]) + _share(
        demand.memory[piece], demand.max_memory[piece]
    )


def _share(wanted: float, most: int) -> float:
    return wanted / most if most and not math.isnan(wanted) else 0.0


def part(demand: Demand, peak: float, span: Span) -> Demand | None:
    """Return the demand from ``peak - span.before`` to ``peak + span.after``.

    The time of the part begins at 0. Where the demand begins later or ends earlier, a piece of
    unknown demand is added, with the maxima of the piece beside it. So a host has all of its
    machines from the begin to the end. None if the demand has no row of the trace in that time.

    :param peak: the time of the peak in ``demand``, seconds
    """
    begin, end = peak - span.before, peak + span.after
    pieces = [
        piece
        for piece in range(len(demand.cpu))
        if demand.edges[piece] < end and demand.edges[piece + 1] > begin
    ]
    if not pieces or all(demand.row[piece] < 0 for piece in pieces):
        return None
    cut = _Cut(demand)
    if demand.begin > begin:
        cut.add(0.0, pieces[0], is_known=False)
    for piece in pieces:
        cut.add(max(0.0, demand.edges[piece] - begin), piece)
    if demand.end < end:
        cut.add(demand.end - begin, pieces[-1], is_known=False)
    return cut.demand(end - begin)


class _Cut:
    """Puts the pieces of a part of a demand together."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._edges: array[float] = array("d")
        self._pieces: list[int] = []
        self._known: list[bool] = []

    def add(self, begin: float, piece: int, is_known: bool = True) -> None:
        """Add a piece to the part, with the demand and the maxima of a piece of the whole demand.

        :param begin: when the piece begins, seconds since the begin of the part
        :param piece: the index of the piece in the whole demand
        :param is_known: False: take the maxima only, and let the demand be unknown
        """
        self._edges.append(begin)
        self._pieces.append(piece)
        self._known.append(is_known)

    def _column(self, values: array[float]) -> array[float]:
        return array(
            "d",
            (
                values[piece] if is_known else math.nan
                for piece, is_known in zip(self._pieces, self._known, strict=True)
            ),
        )

    def demand(self, end: float) -> Demand:
        """Return the part, made of the pieces that were added; the last one ends at ``end``."""
        whole, pieces = self._demand, self._pieces
        cpu, memory = self._column(whole.cpu), self._column(whole.memory)
        max_vcpus = array("q", (whole.max_vcpus[piece] for piece in pieces))
        max_memory = array("q", (whole.max_memory[piece] for piece in pieces))
        rows = zip(pieces, self._known, strict=True)
        return replace(
            whole,
            edges=self._edges + array("d", [end]),
            cpu=cpu,
            memory=memory,
            cache=self._column(whole.cache),
            max_vcpus=max_vcpus,
            max_memory=max_memory,
            row=array("q", (whole.row[piece] if is_known else -1 for piece, is_known in rows)),
            wakes=wakes_of(cpu, memory, max_vcpus, max_memory),
        )
