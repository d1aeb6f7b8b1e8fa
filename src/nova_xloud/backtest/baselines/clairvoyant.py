# SPDX-License-Identifier: Apache-2.0
"""A policy that knows the future: how small a machine could be if nothing were ever missing.

``clairvoyant`` gives a machine in each row of the trace the most that is wanted in that row, and at
least the minimum. ``clairvoyant-paying`` pays for changes too, and finds the sizes that cost least
in sum: a size costs its share of the maximum times the seconds for which it is kept, and a change
costs as much as the whole maximum for ``PRICE`` seconds. vCPUs and memory are planned each on their
own.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from nova_xloud.backtest.demand import Demand, minimum_memory, minimum_vcpus
from nova_xloud.backtest.model import Played
from nova_xloud.backtest.steps import Change, Step

# One change costs as much as 1 % of the maximum for a day.
PRICE = 0.01 * 86400


@dataclass(frozen=True, slots=True)
class Clairvoyant:
    """Plans the sizes of a machine with all of its demand known beforehand.

    :ivar name: the policy's name
    :ivar price: what a change costs: as much as the whole maximum for so many seconds; 0: nothing
    """

    name: str
    price: float

    def plan(self, demand: Demand) -> Played:
        """Return the sizes and changes that the policy plans for the machine.

        A machine gets a size when the row of the trace that needs it begins, without a delay.
        """
        rows = _Rows(demand)
        vcpus = self._levels(rows.vcpus, rows.lengths, max(demand.max_vcpus))
        memory = self._levels(rows.memory, rows.lengths, max(demand.max_memory))
        steps: list[Step] = []
        changes: list[Change] = []
        for piece, at, cpus, mib in zip(rows.pieces, rows.begins, vcpus, memory, strict=True):
            # A level that is kept for a while may be above what the maximum is at times.
            cpus, mib = min(cpus, demand.max_vcpus[piece]), min(mib, demand.max_memory[piece])
            if steps and (cpus, mib) == (steps[-1].vcpus, steps[-1].memory_mb):
                continue
            if steps:
                more = (cpus - steps[-1].vcpus, mib - steps[-1].memory_mb)
                changes.append(Change(at, *more))
            steps.append(Step(at, cpus, mib))
        return Played(tuple(steps), tuple(changes), 0)

    def _levels(self, wanted: list[int], lengths: array[float], largest: int) -> list[int]:
        if not self.price or not largest:
            return wanted
        return cheapest_levels(wanted, lengths, self.price * largest)


CLAIRVOYANT = Clairvoyant("clairvoyant", 0.0)
CLAIRVOYANT_PAYING = Clairvoyant("clairvoyant-paying", PRICE)


class _Rows:
    """The most that is wanted in each row of the trace, at least the minimum; in a gap the minimum.

    Each list has one value for each row and each gap, in order of time.

    :ivar pieces: the index of the first piece
    :ivar begins: when the row or gap begins, seconds
    :ivar vcpus: the most vCPUs that are wanted in it, whole
    :ivar memory: the most memory that is wanted in it, MiB
    :ivar lengths: how long it is, seconds
    """

    def __init__(self, demand: Demand) -> None:
        self.pieces: list[int] = []
        self.begins: list[float] = []
        self.vcpus: list[int] = []
        self.memory: list[int] = []
        self.lengths: array[float] = array("d")
        row = -2
        for piece, belongs_to in enumerate(demand.row):
            vcpus = _at_least(demand.cpu[piece], minimum_vcpus(demand.max_vcpus[piece]))
            memory = _at_least(demand.memory[piece], minimum_memory(demand.max_memory[piece]))
            if belongs_to == row:
                self.vcpus[-1] = max(self.vcpus[-1], vcpus)
                self.memory[-1] = max(self.memory[-1], memory)
                continue
            row = belongs_to
            if self.begins:
                self.lengths.append(demand.edges[piece] - self.begins[-1])
            self.pieces.append(piece)
            self.begins.append(demand.edges[piece])
            self.vcpus.append(vcpus)
            self.memory.append(memory)
        self.lengths.append(demand.end - self.begins[-1])


def _at_least(wanted: float, minimum: int) -> int:
    return minimum if math.isnan(wanted) else max(minimum, math.ceil(wanted - 1e-9))


@dataclass(slots=True)
class _Group:
    """Possible begins of the last level, for all of which the level would be the same.

    :ivar level: that level: the highest value from any of the begins on
    :ivar begins: for each begin its time, the least cost of all intervals before it, and the index
        of its interval, in order of time. The first one is the best. Those that can never become
        the best are left out
    """

    level: int
    begins: list[tuple[float, float, int]]

    def cost(self, at: float) -> float:
        """Return the least cost up to the time ``at`` if the last level begins in this group."""
        time, before, _ = self.begins[0]
        return before + self.level * (at - time)


def cheapest_levels(values: Sequence[int], lengths: Sequence[float], price: float) -> list[int]:
    """Return a level for each value, no less than the value, so that the cost is least.

    The cost is the sum of level times length, plus ``price`` for each time that the level changes.

    :param values: what each interval needs
    :param lengths: how long each interval is
    :param price: what a change costs, in the unit of a value times a length
    """
    # least[j]: the cost of the first j intervals. The last level of them begins at some i, and is
    # the highest value from i to j; begins with the same highest value are kept as one group.
    # Levels of groups fall from the first group to the last.
    groups: list[_Group] = []
    least, came_from, now = 0.0, [], 0.0
    for index, (value, length) in enumerate(zip(values, lengths, strict=True)):
        group = _Group(value, [(now, least, index)])
        while groups and groups[-1].level <= value:
            group.begins[:0] = groups.pop().begins
        group.begins = _still_useful(group)
        groups.append(group)
        now += length
        best = min(groups, key=lambda g: g.cost(now))
        came_from.append((best.begins[0][2], best.level))
        least = best.cost(now) + price
    levels: list[int] = []
    end = len(came_from)
    while end:
        begin, level = came_from[end - 1]
        levels[:0] = [level] * (end - begin)
        end = begin
    return levels


def _still_useful(group: _Group) -> list[tuple[float, float, int]]:
    """Return the begin of least cost and all later ones, out of ``group.begins``.

    With an earlier begin the level has lasted longer, so it gets only worse when the level rises.
    """
    best = min(
        range(len(group.begins)),
        key=lambda k: (group.begins[k][1] - group.level * group.begins[k][0], -k),
    )
    return group.begins[best:]
