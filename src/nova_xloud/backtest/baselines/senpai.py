# SPDX-License-Identifier: Apache-2.0
"""A limit that is lowered until tasks wait for memory, as Meta's senpai does with cgroups.

The limit is the memory that the machine has. Constants of facebookincubator/senpai c51e8e2
(``senpai.py``): the target is that tasks wait for 10 ms of each 6 s. If they wait for longer, the
limit is raised at once by ``(waited / 10 ms / 20)^2`` of itself, at most by 100 %. Otherwise the
limit is lowered by at most 1 % every 6 s. The time that tasks wait is modelled
(``nova_xloud.backtest.model``): no trace has it. Memory only: vCPUs stay at the maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nova_xloud.backtest.policy import Seen, Wanted

INTERVAL = 6.0
TARGET_SECONDS = 0.010
MOST_UP, COEFFICIENT_UP = 1.0, 20.0
MOST_DOWN, COEFFICIENT_DOWN = 0.01, 10.0
# Far from what is used, steps are taken together. Within this share of it, each is taken alone.
NEAR = 1.15


@dataclass(frozen=True, slots=True)
class Senpai:
    """Lowers a machine's memory by at most 1 % every 6 s, and raises it when tasks wait for it."""

    name: str = "senpai"
    starts_large: bool = True
    period: float = INTERVAL

    def begin(self) -> None:
        return None

    def decide(self, state: None, seen: Seen) -> tuple[None, Wanted]:
        if seen.memory is None or not seen.elapsed:
            return None, Wanted(seen.max_vcpus, seen.memory_mb, INTERVAL)
        factor = change(seen.pressure * INTERVAL)
        steps = 1.0 if factor > 1 else max(1.0, seen.elapsed / INTERVAL)
        wanted = seen.memory_mb * factor**steps
        # No step of several goes below what was used.
        if steps > 1:
            wanted = max(wanted, min(seen.memory_mb, seen.memory))
        again = INTERVAL if seen.memory * NEAR > wanted > seen.min_memory_mb else 0.0
        mib = math.ceil(wanted) if factor > 1 else math.floor(wanted)
        return None, Wanted(seen.max_vcpus, mib, again)


def change(pressure_seconds: float) -> float:
    """Return the factor by which the limit is multiplied, 0.99 to 2.

    :param pressure_seconds: for how long tasks have waited for memory in the last 6 s
    """
    if pressure_seconds > TARGET_SECONDS:
        excess = pressure_seconds / TARGET_SECONDS
        return 1 + min((excess / COEFFICIENT_UP) ** 2, MOST_UP)
    room = TARGET_SECONDS / max(pressure_seconds, 1e-9)
    return 1 - min((room / COEFFICIENT_DOWN) ** 2 * MOST_DOWN, MOST_DOWN)
