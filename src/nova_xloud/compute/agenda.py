# SPDX-License-Identifier: Apache-2.0
"""The order in which the runs that can go on now get a thread."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Urgency(enum.IntEnum):
    """Why a run was queued; of two runs, the one with the smaller value goes first."""

    OWED = 0
    """The guest holds more than is reserved, or would start with more."""
    ASKED = 1
    """A request came: an adjustment, for which a user may be waiting, or a release of a claim."""
    AGAIN = 2
    """A pass has found a drift, or an earlier run is retried."""


# The smaller rank goes first.
Rank = tuple[Urgency, bool]


def rank(urgency: Urgency, *, shrinks: bool, room_is_short: bool) -> Rank:
    """Return the rank of a run, by its urgency and then by whether its guest grows or shrinks.

    Among equally urgent runs one that grows a guest goes before one that shrinks a guest, because
    somebody waits for what a guest gets. While the host is full it is the other way round.

    :param shrinks: the run gives its guest nothing more
    :param room_is_short: a run on this host has lately ended because the host had no room for a
        claim, so a run that releases some goes first
    :returns: sorts before the rank of a run that goes later
    """
    return urgency, shrinks is not room_is_short


class Lane(enum.Enum):
    """A kind of work that has threads of its own, which slower or less urgent work cannot occupy.

    The threads of ``QUICK`` also take work of ``OWED``, and take it first.
    """

    OWED = "owed"
    """Runs of :attr:`Urgency.OWED`, while their next call is not one for ``SLOW``."""
    QUICK = "quick"
    """All other calls. All but those to a guest's agent are answered at once."""
    SLOW = "slow"
    """Calls in which libvirt waits for the guest to give vCPUs back, whatever the run's urgency."""


class Agenda(Generic[T]):
    """A priority queue for each lane: by rank, and first come, first served within a rank."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[Rank, int, T]]] = {lane: [] for lane in Lane}
        self._came = 0

    def add(self, one: T, lane: Lane, rank: Rank) -> None:
        """Add ``one``, which can go on now, to the queue of ``lane``.

        :param rank: its place in the queue, the smaller first; see :func:`rank`
        """
        self._came += 1
        heapq.heappush(self._lanes[lane], (rank, self._came, one))

    def take(self, lanes: Iterable[Lane]) -> T | None:
        """Remove and return the next item of the first of ``lanes`` that has one; None if none has.

        :param lanes: the lanes to look into, the first one first
        """
        for lane in lanes:
            if self._lanes[lane]:
                return heapq.heappop(self._lanes[lane])[2]
        return None
