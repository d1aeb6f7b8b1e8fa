# SPDX-License-Identifier: Apache-2.0
"""Hyper-V Dynamic Memory: a machine gets what its guest demands, and a buffer of 20 % more.

The buffer is Hyper-V's default (5 to 200 % can be set). Hyper-V's agent in the guest knows what is
committed, so memory that is swapped out is demanded too. Memory only: vCPUs stay at the maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nova_xloud.backtest.policy import Seen, Wanted

BUFFER = 0.2


@dataclass(frozen=True, slots=True)
class HyperV:
    """Sets the memory to the guest's demand and 20 % more, at each tick."""

    name: str = "hyper-v"
    starts_large: bool = False
    period: float = 5.0

    def begin(self) -> None:
        return None

    def decide(self, state: None, seen: Seen) -> tuple[None, Wanted]:
        if seen.memory is None:
            return None, Wanted(seen.max_vcpus, seen.memory_mb)
        return None, Wanted(seen.max_vcpus, with_buffer(seen))


def with_buffer(seen: Seen) -> int:
    """Return the guest's demand and the buffer of 20 %, MiB.

    The demand is the memory that is used and the memory that is swapped out.
    """
    demand = (seen.memory or 0.0) + seen.swapped_out - seen.swapped_in
    return math.ceil(demand * (1 + BUFFER) - 1e-9)
