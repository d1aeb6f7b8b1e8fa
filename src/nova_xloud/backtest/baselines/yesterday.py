# SPDX-License-Identifier: Apache-2.0
"""The cheap predictor: a machine has what it needed at most in the last 24 hours.

In its first 24 hours a machine has its maximum. A need that is higher than all of the 24 hours
before is met at once. The need is what the machine wants: cores, and the memory that is used or
swapped out. What it uses would not do, since a machine that is too small cannot use more than it
has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from nova_xloud.backtest.policy import Seen, Wanted

WINDOW = 24 * 3600.0
# Needs are kept as the highest of so many seconds.
KEPT = 300.0


class Need(NamedTuple):
    """The highest need of 5 minutes (``KEPT``).

    :ivar begin: when the 5 minutes began, seconds
    :ivar amount: the need, cores or MiB
    """

    begin: float
    amount: float


class State(NamedTuple):
    """What the policy remembers of a machine.

    :ivar since: when the machine was first seen, seconds; None if it was not yet
    :ivar cpu: the needs of cores in the last 24 h, in the form of :func:`with_need`
    :ivar memory: the needs of memory in the last 24 h, MiB, in the same form
    """

    since: float | None = None
    cpu: tuple[Need, ...] = ()
    memory: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Yesterday:
    """Gives a machine its highest need of the last 24 hours, and its maximum before that."""

    name: str = "yesterday-max"
    starts_large: bool = True
    period: float = 5.0

    def begin(self) -> State:
        return State()

    def decide(self, state: State, seen: Seen) -> tuple[State, Wanted]:
        since = seen.at if state.since is None else state.since
        memory = None
        if seen.memory is not None:
            memory = seen.memory + seen.swapped_out - seen.swapped_in
        state = State(
            since,
            with_need(state.cpu, seen.at, seen.load),
            with_need(state.memory, seen.at, memory),
        )
        if seen.at - since < WINDOW:
            return state, Wanted(seen.max_vcpus, seen.max_memory_mb, KEPT)
        vcpus = math.ceil(state.cpu[0].amount - 1e-9) if state.cpu else seen.vcpus
        mib = math.ceil(state.memory[0].amount) if state.memory else seen.memory_mb
        return state, Wanted(vcpus, mib, KEPT)


def with_need(needs: tuple[Need, ...], at: float, amount: float | None) -> tuple[Need, ...]:
    """Return ``needs`` with one more need, without those of more than 24 h ago.

    Needs that are followed by one that is as high or higher are dropped, so the first is always the
    highest. Of the needs in the same 5 minutes (``KEPT``) the highest is kept.

    :param at: the time now, seconds
    :param amount: what is needed now, cores or MiB; None if that is not known, so none is added
    """
    while needs and needs[0].begin < at - WINDOW:
        needs = needs[1:]
    if amount is None:
        return needs
    begin = at - at % KEPT
    while needs and needs[-1].amount <= amount:
        needs = needs[:-1]
    if needs and needs[-1].begin == begin:
        return needs
    return (*needs, Need(begin, amount))
