# SPDX-License-Identifier: Apache-2.0
"""The order in which the runs that can go on now get a thread."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Urgency(enum.IntEnum):
    """Why a run was queued; the smaller value goes first."""

    OWED = 0
    """The guest holds more than is reserved, or would start with more."""
    ASKED = 1
    """A user has asked for an adjustment, and may be waiting."""
    AGAIN = 2
    """A pass has found a drift, or an earlier run is retried."""


# The smaller rank goes first.
Rank = tuple[Urgency, bool]


def rank(urgency: Urgency, *, shrinks: bool, room_is_short: bool) -> Rank:
    """Return the rank of a run, by its urgency and then by whether its guest grows or shrinks.

    Among equally urgent runs one that grows a guest goes before one that shrinks a guest, because
    somebody waits for what a guest gets. While the host is full it is the other way round.

    :param shrinks: the run gives its guest nothing more
    :param room_is_short: Placement lately had no capacity on this host for a claim, so a run that
        releases some goes first
    """
    return urgency, shrinks is not room_is_short


class Lane(enum.Enum):
    """A kind of work that has threads of its own, so that other work cannot occupy them."""

    OWED = "owed"
    """Runs of :attr:`Urgency.OWED`, as long as no call of theirs is slow."""
    QUICK = "quick"
    """Calls that libvirt, Placement and the database answer at once."""
    SLOW = "slow"
    """Calls in which libvirt waits for the guest."""


class Agenda(Generic[T]):
    """A priority queue for each lane: by rank, and first come, first served within a rank."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[Rank, int, T]]] = {lane: [] for lane in Lane}
        self._came = 0

    def add(self, one: T, lane: Lane, rank: Rank) -> None:
        """Add ``one``, which can go on now, to the queue of ``lane``."""
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
