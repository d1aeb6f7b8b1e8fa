# SPDX-License-Identifier: Apache-2.0
"""Share what is free on a host among the guests that want more; choose guests that give the rest.

:func:`shared` does the first, :func:`given` the second. All amounts are whole numbers, of vCPUs or
of MiB. The results do not depend on the order of the inputs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HOLD_BACK_AFTER = 60.0
"""After so many seconds of waiting, what is free is kept for a guest whose next step is larger."""

_DOUBLES_EVERY = 120.0
_MOST_DOUBLINGS = 64.0
_FRACTION = 1024
_IDLE_TAX = 0.75
_SHARE_OF_ONE_STEP = 0.10


@dataclass(frozen=True, slots=True)
class Ask:
    """What one guest asks for, of what is shared: vCPUs (a count) or memory (MiB).

    :ivar uuid: the instance's UUID
    :ivar base: the value that the guest has without a part of what is shared
    :ivar wanted: the value that the guest wants: more than ``base``
    :ivar grain: if the guest gets only a part of what it wants, its value is a multiple of this
    :ivar weight: 1 to 1000: a larger weight gets more
    :ivar waited: for how long the guest has waited without getting any growth, in seconds
    """

    uuid: str
    base: int
    wanted: int
    grain: int
    weight: int
    waited: float = 0.0

    @property
    def missing(self) -> int:
        """How much more than ``base`` the guest wants."""
        return self.wanted - self.base

    @property
    def claim(self) -> int:
        """A number by which guests are compared: what is free is shared in proportion to it.

        Twice the missing amount, twice the weight and two more minutes of waiting count the same,
        so nobody waits for ever: a weight of 1 comes before one of 1000 after 20 minutes.
        """
        doublings = min(_MOST_DOUBLINGS, max(0.0, self.waited) / _DOUBLES_EVERY)
        return self.missing * self.weight * int(_FRACTION * 2.0**doublings)

    def after(self, value: int) -> int:
        """Return the next value above ``value``: a multiple of the grain, or ``wanted``."""
        return min(self.wanted, (value // self.grain + 1) * self.grain)


def shared(room: int, asks: Sequence[Ask], *, reachable: int) -> tuple[dict[str, int], int]:
    """Share ``room`` in whole steps, in proportion to :attr:`Ask.claim`.

    No guest gets more than it wants. The method is D'Hondt's highest averages: each step goes to
    the guest with the largest quotient of its claim and what it would have got with that step. A
    step that is larger than what is left is passed over, unless its guest has waited for
    :data:`HOLD_BACK_AFTER` seconds: then the rest is kept, so that there is enough for the step
    later.

    :param room: the amount that is shared; none if it is below 0
    :param reachable: the most that could become free; for a step that is larger nothing is kept
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
    """Return by what the guests are sorted for the next step: the smallest number comes first.

    It is the claim divided by what the guest would have got with its next step, negated.

    :param values: the value that each guest has so far, by UUID
    """
    return -ask.claim / (ask.after(values[ask.uuid]) - ask.base)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one guest could give to others: vCPUs (a count) or memory (MiB).

    :ivar uuid: the instance's UUID
    :ivar value: the value that the guest has
    :ivar lowest: the value that the guest must keep: less than ``value``
    :ivar grain: the guest is made smaller to a multiple of this, or to ``lowest``
    :ivar weight: 1 to 1000: a guest with a larger weight gives later
    """

    uuid: str
    value: int
    lowest: int
    grain: int
    weight: int

    @property
    def charge(self) -> float:
        """A number by which guests are compared: the one with the largest charge gives first.

        It is the share of ``value`` that the guest must keep, plus four times the rest, which is
        idle (VMware ESX's idle tax of 75 %), divided by the weight.
        """
        idle = (self.value - self.lowest) / self.value
        return ((1 - idle) + idle / (1 - _IDLE_TAX)) / self.weight

    def given(self, needed: int) -> int:
        """Return the value that the guest has after it has given one step.

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
