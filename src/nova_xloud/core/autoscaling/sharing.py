# SPDX-License-Identifier: Apache-2.0
"""Share what is free among the guests that need more, and decide which guests give what is missing.

All amounts are whole numbers: vCPUs or MiB. The results do not depend on the order of the inputs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HOLD_BACK_AFTER = 60.0
"""Seconds after which room is kept for a guest that waits for a step larger than what is free."""

_DOUBLES_EVERY = 120.0
_MOST_DOUBLINGS = 64.0
_FRACTION = 1024
_IDLE_TAX = 0.75
_SHARE_OF_ONE_STEP = 0.10


@dataclass(frozen=True, slots=True)
class Ask:
    """What one guest asks for.

    :ivar base: what it has, or gets without a part of what is shared
    :ivar wanted: what it wants: more than ``base``
    :ivar grain: if it gets only a part of what it wants, its value is a multiple of this
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

    The method is D'Hondt's highest averages: each step goes to the guest with the largest quotient
    of its claim and what it would have got with that step. A step that does not fit is passed over,
    unless its guest has waited for :data:`HOLD_BACK_AFTER` seconds: then the rest is kept, so that
    there is enough for the step later.

    :param reachable: the most that could ever be free for one guest; for a step that is larger
        nothing is kept
    :returns: the new value of each guest by UUID, which is ``base`` if it gets nothing; and what is
        left over for others, 0 if the rest is kept
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
        """A number by which guests are compared: the one with the largest charge gives first.

        It is the share of the value that the guest needs, plus four times the share that is idle
        (VMware ESX's idle tax of 75 %), divided by the weight.
        """
        idle = (self.value - self.lowest) / self.value
        return ((1 - idle) + idle / (1 - _IDLE_TAX)) / self.weight

    def given(self, needed: int) -> int:
        """Return the value after the guest has given one step.

        A step is ``needed`` or 10 % of the value, whichever is less, rounded up to the grain. It
        ends at ``lowest``.
        """
        amount = min(needed, max(1, int(self.value * _SHARE_OF_ONE_STEP)))
        value = self.value - amount
        return max(self.lowest, value - value % self.grain)


def given(needed: int, offers: Iterable[Offer]) -> dict[str, int]:
    """Return the smaller values of the guests that give, by UUID, to free ``needed`` in all.

    Each gives one step at most, the guest with the largest charge first. So less than ``needed``
    may be freed, or a little more where steps are rounded.
    """
    values: dict[str, int] = {}
    for offer in sorted(offers, key=lambda offer: (-offer.charge, offer.uuid)):
        if needed <= 0:
            break
        values[offer.uuid] = offer.given(needed)
        needed -= offer.value - values[offer.uuid]
    return values
