# SPDX-License-Identifier: Apache-2.0
"""virtui's balloon loop: 30 % more memory from 65 % used on, 10 % less up to 55 % used.

Constants of mvysny/virtui 71e0b2e (``lib/virt/ballooning_vm.rb``, ``ideas``): the loop runs every
2 s, or at the ticks of the model if these are further apart. A machine does not shrink for 10 s
after it has shrunk. It does not change in the first 20 s after its boot, or while its last report
is older than 12 s. Swapping out 1 MiB/s is a reason to grow, and not to shrink for 60 s. Memory
only: vCPUs stay at the maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from nova_xloud.backtest.policy import NEVER, Seen, Wanted

HIGH, LOW = 0.65, 0.55
GROW, SHRINK = 1.3, 0.9
QUIET = 10.0
BOOT_GRACE = 20.0
OLDEST = 12.0
SWAP_RATE, SWAP_VETO = 1.0, 60.0


class State(NamedTuple):
    """What the policy remembers of a machine; times are seconds.

    :ivar booted: when the machine was first seen; None if it was not yet
    :ivar quiet_until: until when the machine does not shrink
    :ivar swapped_out: MiB swapped out since the machine's start, by its last usable report
    :ivar reported_at: when that report was made
    """

    booted: float | None = None
    quiet_until: float = -math.inf
    swapped_out: float = 0.0
    reported_at: float = -math.inf


@dataclass(frozen=True, slots=True)
class Virtui:
    """Grows and shrinks a machine so that its guest uses 55 % to 65 % of the memory."""

    name: str = "virtui"
    starts_large: bool = True
    period: float = 2.0

    def begin(self) -> State:
        return State()

    def decide(self, state: State, seen: Seen) -> tuple[State, Wanted]:
        booted = seen.at if state.booted is None else state.booted
        state = state._replace(booted=booted)
        keep = Wanted(seen.max_vcpus, seen.memory_mb, 0.0)
        if seen.memory is None or seen.at - seen.reported_at > OLDEST or not seen.memory_mb:
            return state, keep
        swaps = _swap_rate(state, seen) >= SWAP_RATE
        quiet = max(state.quiet_until, seen.at + SWAP_VETO) if swaps else state.quiet_until
        state = State(booted, quiet, seen.swapped_out, seen.reported_at)
        if seen.at - booted < BOOT_GRACE:
            return state, keep._replace(again=self.period)
        share = seen.memory / seen.memory_mb
        if swaps or share >= HIGH:
            return state, Wanted(seen.max_vcpus, math.ceil(seen.memory_mb * GROW), 0.0)
        if share > LOW:
            return state, keep._replace(again=NEVER)
        if seen.at < quiet:
            return state, keep._replace(again=quiet - seen.at)
        shrunk = max(seen.min_memory_mb, math.floor(seen.memory_mb * SHRINK))
        again = NEVER if shrunk == seen.memory_mb else QUIET
        return state._replace(quiet_until=seen.at + QUIET), Wanted(seen.max_vcpus, shrunk, again)


def _swap_rate(state: State, seen: Seen) -> float:
    elapsed = seen.reported_at - state.reported_at
    if not 0 < elapsed < math.inf:
        return 0.0
    return (seen.swapped_out - state.swapped_out) / elapsed
