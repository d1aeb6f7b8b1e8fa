# SPDX-License-Identifier: Apache-2.0
"""The cheap predictor: a machine has what it needed at most in the last 24 hours.

Until a day has passed it has its maximum. A need that is larger than all of the day before is
served at once, by what is wanted then: without that, a limit that is too small would stay so.
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
    """The highest need of a time that begins at ``begin``, and no later one was higher."""

    begin: float
    amount: float


class State(NamedTuple):
    """Since when it is known, and the needs of the window, of cores and of MiB."""

    since: float | None = None
    cpu: tuple[Need, ...] = ()
    memory: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Yesterday:
    """The highest need of the last 24 hours."""

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
    """Return the needs of the last 24 hours; the first one is the highest.

    A need that is followed by a higher one does not matter any more.
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
