# SPDX-License-Identifier: Apache-2.0
"""Scores what a policy has done with one machine: what it saves, and what harm it does."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nova_xloud.backtest.demand import Demand
from nova_xloud.backtest.model import Played
from nova_xloud.backtest.policy import Host
from nova_xloud.backtest.steps import Change, Step
from nova_xloud.backtest.swap import Starvation

DAY = 86400.0
# The first minutes of a machine are not scored: in a trace it does not start, but runs already. And
# neither are those after its maximum has changed by more than a trifle: it was resized then, which
# is a start too.
WARM_UP = 300.0
RESIZED_SHARE = 0.01
# A change and one in the other direction within this time are a flap, seconds.
FLAP_SECONDS = 600.0
# A need that passes by itself sooner than this, seconds, is no time from need to fit.
SHORTEST_WAIT = 15.0


USUAL_HOST = Host(64, 512 * 1024)


@dataclass(frozen=True, slots=True)
class Score:
    """How a policy did on one machine. A figure that the trace cannot give is NaN.

    Only times in which the demand is known count for the means.

    :ivar days: how long was scored, days; without gaps, and without ``WARM_UP`` seconds after the
        begin and after each resize
    :ivar vcpu_share: vCPUs that the machine had, as a share of its maximum; mean over time
    :ivar memory_share: memory that the machine had, as a share of its maximum; mean over time
    :ivar vcpus: vCPUs that the machine had; mean over time
    :ivar memory_mb: memory that the machine had, MiB; mean over time
    :ivar unmet_cpu: core-seconds a day that were wanted above what the machine had
    :ivar unmet_memory: MiB-seconds a day that were wanted above what the machine had
    :ivar kills: processes a day that the model has killed for want of memory
    :ivar changes: changes of size a day; vCPUs and memory at once are one
    :ivar flaps: growths a day that a shrink of the same resource followed within 10 minutes
    :ivar undone: shrinks a day that growth of the same resource followed within 10 minutes
    :ivar waits: for how long each need of more vCPUs or memory lasted until the size fitted,
        seconds; without needs that passed by themselves in less than ``SHORTEST_WAIT`` seconds, and
        without those that lasted until a gap or the end of the trace
    """

    days: float
    vcpu_share: float
    memory_share: float
    vcpus: float
    memory_mb: float
    unmet_cpu: float
    unmet_memory: float
    kills: float
    changes: float
    flaps: float
    undone: float
    waits: array[float]


@dataclass(slots=True)
class _Resource:
    """Adds up the figures of one resource of a machine while it is scored.

    :ivar seconds: for how long the demand was known
    :ivar had: the sum of size times seconds
    :ivar share: the sum of the size's share of the maximum times seconds
    :ivar unmet: the sum of what was wanted above the size times seconds
    :ivar waits: as in :class:`Score`, of this resource
    """

    seconds: float = 0.0
    had: float = 0.0
    share: float = 0.0
    unmet: float = 0.0
    waits: array[float] = field(default_factory=lambda: array("d"))
    _short_since: float | None = None
    _size_before: int = 0

    def lasts(self, begin: float, end: float, wanted: float, size: int, most: int) -> None:
        """Count a time from ``begin`` to ``end`` in which neither demand nor size changes.

        :param wanted: the demand; NaN: not known, and the time is not counted
        :param size: what the machine has
        :param most: the machine's maximum; 0: not known, and the time is not counted
        """
        if not most or wanted != wanted:
            self.interrupt()
            return
        length = end - begin
        self.seconds += length
        self.had += size * length
        self.share += size / most * length
        if wanted > size:
            self.unmet += (wanted - size) * length
            if self._short_since is None:
                self._short_since = begin
        elif self._short_since is not None:
            waited = begin - self._short_since
            if size > self._size_before or waited >= SHORTEST_WAIT:
                self.waits.append(waited)
            self._short_since = None
        self._size_before = size

    def interrupt(self) -> None:
        """Drop a need that lasts: the demand is not known from now on, so its end is not seen."""
        self._short_since = None

    def mean(self, total: float) -> float:
        """Return ``total`` per second of known demand; NaN if the demand was never known.

        :param total: one of the sums over time
        """
        return total / self.seconds if self.seconds else math.nan

    def a_day(self, total: float) -> float:
        """Return ``total`` per day of known demand; NaN if the demand was never known."""
        return self.mean(total) * DAY


def score(demand: Demand, played: Played) -> Score:
    """Return the score of a policy that has done ``played`` with the machine of ``demand``."""
    cpu, memory, starvation = _Resource(), _Resource(), Starvation()
    seconds = 0.0
    for begin, end, piece, step in _pieces(demand, played.steps):
        if demand.row[piece] < 0:
            cpu.interrupt()
            memory.interrupt()
            continue
        wanted, most = demand.memory[piece], demand.max_memory[piece]
        seconds += end - begin
        cpu.lasts(begin, end, demand.cpu[piece], step.vcpus, demand.max_vcpus[piece])
        memory.lasts(begin, end, wanted, step.memory_mb, most)
        missing = wanted - step.memory_mb
        starvation.lasts(missing if missing > 0 else 0.0, step.memory_mb, end - begin)
    days = seconds / DAY
    changes = [c for c in played.changes if c.at >= demand.begin + WARM_UP]
    flaps, undone = _reversals(changes)
    return Score(
        days=days,
        vcpu_share=cpu.mean(cpu.share),
        memory_share=memory.mean(memory.share),
        vcpus=cpu.mean(cpu.had),
        memory_mb=memory.mean(memory.had),
        unmet_cpu=cpu.a_day(cpu.unmet),
        unmet_memory=memory.a_day(memory.unmet),
        kills=memory.a_day(starvation.kills),
        changes=_by(len(changes), days),
        flaps=_by(flaps, days),
        undone=_by(undone, days),
        waits=cpu.waits + memory.waits,
    )


def _by(count: int, days: float) -> float:
    return count / days if days else math.nan


def _pieces(demand: Demand, steps: Sequence[Step]) -> Iterator[tuple[float, float, int, Step]]:
    """Yield the times in which neither demand nor size changes, in order.

    Each has its begin and end in seconds, the index of the piece of demand, and the size that the
    machine has. The first ``WARM_UP`` seconds of a machine, and those after a resize, are left out.
    """
    following = iter(steps)
    step, upcoming = next(following), next(following, None)
    edges = demand.edges
    from_ = demand.begin + WARM_UP
    for piece in range(len(demand.cpu)):
        if piece and _is_resized(demand, piece):
            from_ = edges[piece] + WARM_UP
        begin, end = max(edges[piece], from_), edges[piece + 1]
        while begin < end:
            while upcoming is not None and upcoming.at <= begin:
                step, upcoming = upcoming, next(following, None)
            until = end if upcoming is None else min(end, upcoming.at)
            yield begin, until, piece, step
            begin = until


def _is_resized(demand: Demand, piece: int) -> bool:
    """Return whether the machine is resized when ``piece`` begins.

    That is if the maximum of vCPUs changes, or the maximum of memory by more than 1 %.
    """
    before, after = demand.max_memory[piece - 1], demand.max_memory[piece]
    return (
        demand.max_vcpus[piece] != demand.max_vcpus[piece - 1]
        or abs(after - before) > RESIZED_SHARE * before
    )


def _reversals(changes: Sequence[Change]) -> tuple[int, int]:
    """Return how many growths a shrink soon followed, and how many shrinks growth soon followed.

    Each resource counts on its own. Only the next change of the resource counts, and only if it
    comes within 600 s (``FLAP_SECONDS``).
    """
    flaps = undone = 0
    for amounts in ([(c.at, c.vcpus) for c in changes], [(c.at, c.memory_mb) for c in changes]):
        moves = [(at, amount) for at, amount in amounts if amount]
        for (before, was), (after, now) in pairwise(moves):
            if after - before <= FLAP_SECONDS:
                flaps += was > 0 > now
                undone += was < 0 < now
    return flaps, undone
