# SPDX-License-Identifier: Apache-2.0
"""What a machine of a trace wants over time, as pieces of constant demand.

A sample is one row of the trace. A sample of 5 minutes is a mean, and hides what happens inside of
it. ``Resolution.EXPANDED`` puts a burst into each sample of a machine whose rows are at least 240 s
apart (the median). The burst is as high as the trace says in its columns ``cpu_max_cores``,
``cpu_p90_cores``, ``cpu_p99_cores`` and ``mem_max_mb``. Without them its height is drawn by chance,
as it was measured in other traces. A burst that would make little difference is left out. The mean
of the sample stays about as it is.
"""

from __future__ import annotations

import enum
import math
import random
import statistics
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from nova_xloud.backtest.traces import UNKNOWN, Machine
from nova_xloud.core.sizing.minimums import MemoryFloor

# A time between two rows that is this many times the usual one is a gap: nothing is known in it.
GAP = 2.5
# Shorter samples than this are taken as they are, seconds.
LONGEST_AS_SAMPLED = 240.0
# A burst takes a tenth of the sample, and its peak a tenth of that: percentiles 90 and 99.
BURST_SHARE, PEAK_SHARE = 0.1, 0.01
# Maximum over mean of a sample, where it was not measured: median 2.3, percentile 90 5.5 (azure-v1
# and google-2019: medians 2.0 to 2.6, percentiles 90 of 4 to 7).
CPU_PEAK_MEDIAN, CPU_PEAK_SIGMA = 2.3, 0.68
# Where the burst is, without its peak, between mean and maximum: google-2019 has percentile 90 at
# 0.49 and percentile 99 at 0.66 of the maximum (medians).
CPU_BURST_OF_PEAK = 0.57
# Maximum over mean of memory, less 1: median 0.009, percentile 90 0.084 (google-2019).
MEMORY_PEAK_MEDIAN, MEMORY_PEAK_SIGMA, MEMORY_PEAK_MOST = 0.009, 1.74, 0.2
# Memory grows no faster than this, MiB a second (hyperalloc: 1,802 MiB in 6 s at percentile 99).
MEMORY_SPEED = 300.0
RAMP_STEP = 5.0
# Smaller differences of demand are no reason to ask a policy at once: cores, MiB, share of both.
CORES_THAT_MATTER, MEMORY_THAT_MATTERS, SHARE_THAT_MATTERS = 0.1, 16.0, 0.01
# From this share of what it was given on, a machine may have wanted more than it was seen to use.
CENSORED_FROM = 0.98

FLOOR = MemoryFloor()


class Resolution(enum.Enum):
    """How a sample of a trace becomes demand. The values are names on the command line."""

    SAMPLED = "sampled"
    """A sample's mean is the demand of its whole interval."""
    EXPANDED = "expanded"
    """A sample of minutes has a burst inside of it, unless that would make little difference."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one machine wants, as pieces of constant demand.

    Each array but ``edges`` and ``wakes`` has one value for each piece. An unknown demand is NaN. A
    maximum that is not known is 0.

    :ivar source: the name of the trace
    :ivar name: the machine's name
    :ivar edges: when each piece begins, and when the last one ends, seconds
    :ivar cpu: cores wanted in each piece, at most the maximum
    :ivar memory: MiB wanted in each piece, at most the maximum
    :ivar cache: MiB of page cache in each piece
    :ivar max_vcpus: the maximum of vCPUs in each piece, whole
    :ivar max_memory: the maximum of memory in each piece, MiB
    :ivar row: the machine's row of the trace that each piece belongs to, from 0 on; -1 in gaps
    :ivar wakes: indexes of the pieces with which the demand or a maximum changes by so much that a
        policy is asked
    :ivar censored: the share of rows, 0 to 1, in which the machine used all the CPU that it was
        given (from 98 % on), and so may have wanted more
    :ivar left_out: in how many rows the memory counts as unknown, because it is more than the
        machine was given
    """

    source: str
    name: str
    edges: array[float]
    cpu: array[float]
    memory: array[float]
    cache: array[float]
    max_vcpus: array[int]
    max_memory: array[int]
    row: array[int]
    wakes: array[int]
    censored: float
    left_out: int

    @property
    def begin(self) -> float:
        """When the first piece begins, seconds."""
        return self.edges[0]

    @property
    def end(self) -> float:
        """When the last piece ends, seconds."""
        return self.edges[-1]


def minimum_vcpus(maximum: int) -> int:
    """Return the fewest vCPUs of a machine: 1; or 0 if its ``maximum`` is 0, which is unknown."""
    return min(1, maximum)


@cache
def minimum_memory(maximum_mb: int) -> int:
    """Return the least memory of a machine with that maximum, MiB.

    That is the smallest minimum that nova-xloud lets a flavor of ``maximum_mb`` name. It is 0 if
    the maximum is 0, which is unknown.
    """
    return FLOOR.of(maximum_mb) if maximum_mb else 0


def demand_of(machine: Machine, seed: int, resolution: Resolution) -> Demand:
    """Return what ``machine`` wants.

    Where the time between two rows is more than ``GAP`` times the usual one, the demand is unknown
    between them. The same machine has the same demand with the same ``seed``, whichever machines
    are beside it.
    """
    chance = random.Random(f"{seed}:{machine.source}:{machine.name}")
    pieces = _Pieces(machine)
    typical = _typical_interval(machine.time)
    expands = resolution is Resolution.EXPANDED and typical >= LONGEST_AS_SAMPLED
    for index, begin in enumerate(machine.time):
        after = machine.time[index + 1] if index + 1 < len(machine.time) else begin + typical
        is_gap = after - begin > GAP * typical
        end = begin + typical if is_gap else after
        pieces.add_row(index, begin, end, chance if expands else None)
        if is_gap:
            pieces.add(end, UNKNOWN, UNKNOWN, UNKNOWN, -1)
    return pieces.demand(end)


def _typical_interval(times: array[float]) -> float:
    steps = [after - before for before, after in pairwise(times)]
    return statistics.median(steps) if steps else 300.0


@dataclass(slots=True)
class _Pieces:
    """Puts the pieces of a machine's demand together, row by row; the fields are as in ``Demand``.

    :ivar censored: how many rows, and not the share, as in ``Demand``
    """

    machine: Machine
    edges: array[float] = field(default_factory=lambda: array("d"))
    cpu: array[float] = field(default_factory=lambda: array("d"))
    memory: array[float] = field(default_factory=lambda: array("d"))
    cache: array[float] = field(default_factory=lambda: array("d"))
    max_vcpus: array[int] = field(default_factory=lambda: array("q"))
    max_memory: array[int] = field(default_factory=lambda: array("q"))
    row: array[int] = field(default_factory=lambda: array("q"))
    censored: int = 0
    left_out: int = 0

    def add(self, begin: float, cpu: float, memory: float, cache: float, row: int) -> None:
        """Add a piece that begins at ``begin``.

        A demand above its maximum is cut to the maximum, and is unknown if the maximum is unknown.

        :param cpu: cores wanted
        :param memory: MiB wanted
        :param cache: MiB of page cache
        :param row: the row of the trace that has the maxima; -1: a gap, with those of the piece
            before
        """
        vcpus, given = self._maxima(row) if row >= 0 else (self.max_vcpus[-1], self.max_memory[-1])
        self.edges.append(begin)
        self.cpu.append(min(cpu, vcpus) if vcpus else UNKNOWN)
        self.memory.append(min(memory, given) if given else UNKNOWN)
        self.cache.append(cache)
        self.max_vcpus.append(vcpus)
        self.max_memory.append(given)
        self.row.append(row)

    def _maxima(self, row: int) -> tuple[int, int]:
        cores, memory = self.machine.cores[row], self.machine.memory_given[row]
        vcpus = 0 if math.isnan(cores) else max(1, math.ceil(cores - 1e-9))
        return vcpus, 0 if math.isnan(memory) else int(memory)

    def add_row(self, row: int, begin: float, end: float, chance: random.Random | None) -> None:
        """Add the pieces of one row, and count the row if its CPU is censored.

        :param chance: draws the burst of the row; None: the row has no burst
        """
        cpu, memory = self.machine.cpu[row], self._memory(row)
        cores = self.machine.cores[row]
        self.censored += cores > 0 and cpu >= CENSORED_FROM * cores
        cache = self._further("mem_cached_mb", row)
        if chance is None:
            self._ramp_to(begin, end, cpu, memory, cache, row)
            return
        burst, peak = self._cpu_burst(row, cpu, chance)
        high = self._memory_burst(row, memory, chance)
        length = (end - begin) * BURST_SHARE
        start = begin + chance.random() * (end - begin - length)
        if not _matters(cpu, peak, CORES_THAT_MATTER) and not _matters(
            memory, high, MEMORY_THAT_MATTERS
        ):
            self._ramp_to(begin, end, cpu, memory, cache, row)
            return
        peak_end = start + (end - begin) * PEAK_SHARE
        rest = BURST_SHARE - PEAK_SHARE
        low = (cpu - burst * rest - peak * PEAK_SHARE) / (1 - BURST_SHARE)
        low_memory = (memory - min(high, memory / BURST_SHARE) * BURST_SHARE) / (1 - BURST_SHARE)
        self._ramp_to(begin, start, low, low_memory, cache, row)
        reached = min(high, self.memory[-1] + MEMORY_SPEED * (peak_end - start))
        self.add(start, peak, reached, cache, row)
        self._ramp_to(peak_end, start + length, burst, high, cache, row)
        self.add(start + length, low, low_memory, cache, row)

    def _memory(self, row: int) -> float:
        """Return the memory used in a row, MiB.

        If it is more than the machine was given then, count the row as left out and return NaN.
        """
        used = self.machine.memory[row]
        if used > self.machine.memory_given[row]:
            self.left_out += 1
            return UNKNOWN
        return used

    def _further(self, column: str, row: int) -> float:
        values = self.machine.further.get(column)
        return UNKNOWN if values is None else values[row]

    def _cpu_burst(self, row: int, mean: float, chance: random.Random) -> tuple[float, float]:
        """Return the cores of a row's burst outside of its peak, and those of the peak.

        Both are at least ``mean``, the mean of the row.
        """
        ratio = max(1.0, chance.lognormvariate(math.log(CPU_PEAK_MEDIAN), CPU_PEAK_SIGMA))
        peak = _first_known(self._further("cpu_max_cores", row), mean * ratio)
        tenth, hundredth = (self._further(f"cpu_p{p}_cores", row) for p in (90, 99))
        burst = _first_known((tenth + hundredth) / 2, peak * CPU_BURST_OF_PEAK)
        # Of what the burst takes from the rest of the sample there has to be enough.
        most = mean / BURST_SHARE
        peak = max(mean, peak)
        burst = min(max(mean, burst), peak, max(mean, most - peak * PEAK_SHARE / BURST_SHARE))
        return burst, min(peak, mean / PEAK_SHARE / 2)

    def _memory_burst(self, row: int, mean: float, chance: random.Random) -> float:
        more = chance.lognormvariate(math.log(MEMORY_PEAK_MEDIAN), MEMORY_PEAK_SIGMA)
        drawn = mean * (1 + min(more, MEMORY_PEAK_MOST))
        return max(mean, _first_known(self._further("mem_max_mb", row), drawn))

    def _ramp_to(
        self, begin: float, end: float, cpu: float, memory: float, cache: float, row: int
    ) -> None:
        """Add what lasts from ``begin`` to ``end``: one piece, or several while memory grows.

        Memory grows by at most 300 MiB a second (``MEMORY_SPEED``). If it has to grow by more, it
        gets there in pieces of 5 s (``RAMP_STEP``).
        """
        at = begin
        for step in self._ramp(memory, end - begin):
            self.add(at, cpu, step, cache, row)
            at += RAMP_STEP
        self.add(at, cpu, memory, cache, row)

    def _ramp(self, memory: float, length: float) -> Iterator[float]:
        """Yield the memory, MiB, of each piece on the way to ``memory``, without ``memory`` itself.

        :param length: the seconds in which it has to get there
        """
        if not self.memory:
            return
        now, room = self.memory[-1], length - RAMP_STEP
        while memory - now > MEMORY_SPEED * RAMP_STEP and room > 0:
            now += MEMORY_SPEED * RAMP_STEP
            room -= RAMP_STEP
            yield now

    def demand(self, end: float) -> Demand:
        """Return the demand of all rows that were added; the last piece ends at ``end``."""
        self.edges.append(end)
        rows = len(self.machine.time)
        return Demand(
            self.machine.source,
            self.machine.name,
            self.edges,
            self.cpu,
            self.memory,
            self.cache,
            self.max_vcpus,
            self.max_memory,
            self.row,
            wakes_of(self.cpu, self.memory, self.max_vcpus, self.max_memory),
            self.censored / rows,
            self.left_out,
        )


def wakes_of(
    cpu: array[float], memory: array[float], max_vcpus: array[int], max_memory: array[int]
) -> array[int]:
    """Return the indexes of the pieces with which a policy is asked at once, lowest first.

    When such a piece begins, a maximum changes, or the demand differs enough from that of the last
    such piece: by 1 %, and by 0.1 cores or 16 MiB, or in whether it is known.
    """
    wakes = array("q")
    last_cpu = last_memory = UNKNOWN
    last_sizes = (0, 0)
    for index, (now_cpu, now_memory) in enumerate(zip(cpu, memory, strict=True)):
        sizes = (max_vcpus[index], max_memory[index])
        if (
            sizes != last_sizes
            or _matters(last_cpu, now_cpu, CORES_THAT_MATTER)
            or _matters(last_memory, now_memory, MEMORY_THAT_MATTERS)
        ):
            wakes.append(index)
            last_cpu, last_memory, last_sizes = now_cpu, now_memory, sizes
    return wakes


def _matters(before: float, after: float, least: float) -> bool:
    """Return whether a change of demand is large enough for a policy to be asked.

    That is by at least ``least`` and by at least 1 %. If one of the two values is unknown, NaN,
    the change is large enough; if both are, it is not.

    :param least: cores or MiB, as the values
    """
    if math.isnan(before) or math.isnan(after):
        return math.isnan(before) != math.isnan(after)
    return abs(after - before) >= max(least, SHARE_THAT_MATTERS * before)


def _first_known(*values: float) -> float:
    for value in values:
        if not math.isnan(value):
            return value
    return UNKNOWN
