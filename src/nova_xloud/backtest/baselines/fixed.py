# SPDX-License-Identifier: Apache-2.0
"""A machine that is never adjusted: it has its minimum, or its maximum, all the time."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.backtest.policy import Seen, Wanted


@dataclass(frozen=True, slots=True)
class Fixed:
    """Gives each machine its maximum, or each its minimum.

    :ivar name: the policy's name
    :ivar starts_large: True: the maximum; False: the minimum
    :ivar period: 0: the policy is asked at the ticks of the model
    """

    name: str
    starts_large: bool
    period: float = 0.0

    def begin(self) -> None:
        return None

    def decide(self, state: None, seen: Seen) -> tuple[None, Wanted]:
        if self.starts_large:
            return None, Wanted(seen.max_vcpus, seen.max_memory_mb)
        return None, Wanted(seen.min_vcpus, seen.min_memory_mb)


FIXED_MINIMUM = Fixed("fixed-min", starts_large=False)
FIXED_MAXIMUM = Fixed("fixed-max", starts_large=True)
