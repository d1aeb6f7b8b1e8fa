# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is among those who can go on now."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Urgency(enum.IntEnum):
    """Why a run is there; the smaller goes first."""

    OWED = 0
    """Its guest holds, or would start with, more than is reserved."""
    ASKED = 1
    """Somebody has asked for it, and may be waiting."""
    AGAIN = 2
    """A pass has found it, or it is tried again."""


# The smaller goes first.
Rank = tuple[Urgency, bool]


def rank(urgency: Urgency, *, shrinks: bool, room_is_short: bool) -> Rank:
    """Among equally urgent ones a guest that grows goes before one that shrinks, as somebody waits
    for what it gets.

    :param shrinks: it gets nothing more
    :param room_is_short: the host has none for what another guest holds: whoever makes room goes
        first
    """
    return urgency, shrinks is not room_is_short


class Lane(enum.Enum):
    """Who has threads of their own, so that no others keep these from them."""

    OWED = "owed"
    QUICK = "quick"
    """What libvirt, Placement and the database answer at once."""
    SLOW = "slow"
    """Calls in which libvirt waits for the guest."""


class Agenda(Generic[T]):
    """Those who can go on now: of each lane by rank, and among equals who came first."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[Rank, int, T]]] = {lane: [] for lane in Lane}
        self._came = 0

    def add(self, one: T, lane: Lane, rank: Rank) -> None:
        """``one`` can go on."""
        self._came += 1
        heapq.heappush(self._lanes[lane], (rank, self._came, one))

    def take(self, lanes: Iterable[Lane]) -> T | None:
        """Who goes on next, of the first of ``lanes`` that has any; None: none of them has."""
        for lane in lanes:
            if self._lanes[lane]:
                return heapq.heappop(self._lanes[lane])[2]
        return None
