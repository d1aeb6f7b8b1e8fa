# SPDX-License-Identifier: Apache-2.0
"""Share what is free among those who ask for it, and find who gives what others need.

All amounts are whole numbers: vCPUs or MiB. The results do not depend on the order of the inputs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HOLD_BACK_AFTER = 60.0
"""Seconds after which room is kept for who waits for a step that is larger than what is free."""

_DOUBLES_EVERY = 120.0
_MOST_DOUBLINGS = 64.0
_FRACTION = 1024
_IDLE_TAX = 0.75
_SHARE_OF_ONE_STEP = 0.10


@dataclass(frozen=True, slots=True)
class Ask:
    """What one guest asks for.

    :ivar base: what it has, or will have without this
    :ivar wanted: what it wants: more than ``base``
    :ivar grain: a part of what it wants ends at a multiple of this
    :ivar waited: for how long it has waited without getting any, in seconds
    """

    uuid: str
    base: int
    wanted: int
    grain: int
    weight: int
    waited: float = 0.0

    @property
    def missing(self) -> int:
        """How much more it wants than it has."""
        return self.wanted - self.base

    @property
    def claim(self) -> int:
        """How strong its claim on what is free is, compared with those of others.

        Twice the missing amount, twice the weight and two more minutes of waiting count the same,
        so nobody waits for ever: a weight of 1 comes before one of 1000 after 20 minutes.
        """
        doublings = min(_MOST_DOUBLINGS, max(0.0, self.waited) / _DOUBLES_EVERY)
        return self.missing * self.weight * int(_FRACTION * 2.0**doublings)

    def after(self, value: int) -> int:
        """Return the next value above ``value`` that this guest can be given."""
        return min(self.wanted, (value // self.grain + 1) * self.grain)


def shared(room: int, asks: Sequence[Ask], *, reachable: int) -> tuple[dict[str, int], int]:
    """Share ``room`` in whole steps, in proportion to the claims, nobody above what it wants.

    The proportion is that of highest averages (D'Hondt): each next step goes to the largest claim
    divided by what its owner would have got then. A step that does not fit is passed over, unless
    its owner has waited for ``HOLD_BACK_AFTER``: then the rest is kept, so that it adds up.

    :param reachable: the most that could ever be free for one guest; for a step that is larger
        nothing is kept
    :returns: the value of each asker by UUID, ``base`` for who gets nothing; and what is left over
        for others, 0 if the rest is kept
    """
    left = max(0, room)
    if sum(ask.missing for ask in asks) <= left:
        return {ask.uuid: ask.wanted for ask in asks}, left - sum(ask.missing for ask in asks)
    values = {ask.uuid: ask.base for ask in asks}
    queue = [(_order(ask, values), ask.uuid, ask) for ask in asks]
    heapq.heapify(queue)
    while queue and left > 0:
        _, _, ask = heapq.heappop(queue)
        value = values[ask.uuid]
        step = ask.after(value) - value
        if step > left:
            if ask.waited >= HOLD_BACK_AFTER and step <= reachable:
                return values, 0
            continue
        values[ask.uuid] = value + step
        left -= step
        if values[ask.uuid] < ask.wanted:
            heapq.heappush(queue, (_order(ask, values), ask.uuid, ask))
    return values, left


def _order(ask: Ask, values: dict[str, int]) -> float:
    """Return the claim divided by what the guest would have got with its next step, negated."""
    return -ask.claim / (ask.after(values[ask.uuid]) - ask.base)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one guest could give.

    :ivar value: what it has
    :ivar lowest: what it keeps: less than ``value``
    :ivar grain: it is made smaller to a multiple of this, or to ``lowest``
    """

    uuid: str
    value: int
    lowest: int
    grain: int
    weight: int

    @property
    def charge(self) -> float:
        """Who has the largest charge gives first.

        It is the idle tax of 75 % of VMware ESX: what is idle counts four times, and a guest of
        twice the weight gives as if half as much of it were charged.
        """
        idle = (self.value - self.lowest) / self.value
        return ((1 - idle) + idle / (1 - _IDLE_TAX)) / self.weight

    def given(self, needed: int) -> int:
        """Return the value after one step of at most ``needed``, or 10 % if that is less.

        A step is rounded up to the grain.
        """
        amount = min(needed, max(1, int(self.value * _SHARE_OF_ONE_STEP)))
        value = self.value - amount
        return max(self.lowest, value - value % self.grain)


def given(needed: int, offers: Iterable[Offer]) -> dict[str, int]:
    """Return the smaller values of those who give, by UUID, so that ``needed`` comes together.

    Everybody gives one step at most, who has the largest charge first; so less than ``needed`` may
    come together.
    """
    values: dict[str, int] = {}
    for offer in sorted(offers, key=lambda offer: (-offer.charge, offer.uuid)):
        if needed <= 0:
            break
        values[offer.uuid] = offer.given(needed)
        needed -= offer.value - values[offer.uuid]
    return values
