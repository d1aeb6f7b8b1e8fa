# SPDX-License-Identifier: Apache-2.0
"""Decides in which order the runs that can go on now get a thread."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Urgency(enum.IntEnum):
    """Why a run was queued; of two runs in a lane, the one with the smaller value goes first."""

    OWED = 0
    """The guest holds more than is reserved, or would start with more."""
    ASKED = 1
    """A request came: an adjustment, for which a user may be waiting, or a release of a claim."""
    AGAIN = 2
    """A pass has found a drift, or an earlier run is retried."""
    AUTOMATIC = 3
    """Automatic growth has asked: nobody waits for it."""


# The smaller rank goes first.
Rank = tuple[Urgency, bool]


def rank(urgency: Urgency, *, shrinks: bool, room_is_short: bool) -> Rank:
    """Return the rank of a run; the run with the smallest rank goes first.

    The more urgent of two runs goes first. Of equally urgent runs one that may grow its guest goes
    before one that only shrinks its guest, because somebody waits for what a guest gets. While room
    is short the one that shrinks goes first.

    :param shrinks: the run is expected to give its guest nothing more
    :param room_is_short: a run on this host has lately ended because the host had no room for a
        claim, so runs that release some should go first
    """
    return urgency, shrinks is not room_is_short


class Lane(enum.Enum):
    """A kind of work that has threads which slower or less urgent work cannot occupy.

    The threads of ``QUICK`` also take work of ``OWED``, and take it first.
    """

    OWED = "owed"
    """Runs of :attr:`Urgency.OWED`, unless their next call belongs to ``SLOW``."""
    QUICK = "quick"
    """All other runs. Most calls are answered at once; a guest's agent may take some seconds."""
    SLOW = "slow"
    """Runs of any urgency in whose next call libvirt may wait for the guest to give vCPUs back."""


class Agenda(Generic[T]):
    """A priority queue for each lane: the smallest rank first, and the oldest within a rank."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[Rank, int, T]]] = {lane: [] for lane in Lane}
        self._came = 0

    def add(self, one: T, lane: Lane, rank: Rank) -> None:
        """Add the item ``one`` to the queue of ``lane``.

        :param rank: the place of ``one`` in the queue: a smaller rank is taken first
        """
        self._came += 1
        heapq.heappush(self._lanes[lane], (rank, self._came, one))

    def take(self, lanes: Iterable[Lane]) -> T | None:
        """Take the next item from the first of ``lanes`` that is not empty; None if all are empty.

        :param lanes: the lanes to take from, in this order
        """
        for lane in lanes:
            if self._lanes[lane]:
                return heapq.heappop(self._lanes[lane])[2]
        return None
