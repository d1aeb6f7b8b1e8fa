# SPDX-License-Identifier: Apache-2.0
"""Says when a guest that wants more memory than it has loses a process, alike for all policies.

It is a model. Memory that does not fit is swapped out. A process is killed as soon as more is
missing than the swap of 1 GiB, or when more than a trifle was missing for a minute. While more than
a trifle is missing, one more is killed every five minutes. A trifle is 16 MiB or 1 % of the guest's
memory, whichever is more.
"""

from __future__ import annotations

import math

# MiB of swap that a guest has.
SWAP_MB = 1024.0
# Memory may be missing for so long before a process is killed, seconds.
BEARABLE_SECONDS = 60.0
# So much may be missing for ever: MiB, and share of what the guest has.
TRIFLE_MB, TRIFLE_SHARE = 16.0, 0.01
# After a kill, the next one comes so much later if memory is still missing, seconds.
AGAIN_AFTER = 300.0


class Starvation:
    """Counts for how long a guest is short of memory, and the processes that are killed for that.

    :ivar kills: processes killed up to now
    """

    __slots__ = ("_killed_at", "_lasted", "kills")

    def __init__(self) -> None:
        self.kills = 0
        self._lasted = 0.0
        self._killed_at = -math.inf

    def lasts(self, missing_mb: float, memory_mb: float, seconds: float) -> None:
        """Let ``seconds`` pass in which a guest with ``memory_mb`` MiB lacks ``missing_mb`` MiB.

        Processes that are killed in that time are added to ``kills``. If no more than a trifle is
        missing, the shortage has ended, and the next one begins anew.
        """
        if missing_mb <= TRIFLE_MB or missing_mb <= TRIFLE_SHARE * memory_mb:
            if self._lasted:
                self._lasted, self._killed_at = 0.0, -math.inf
            return
        end = self._lasted + seconds
        due = 0.0 if missing_mb > SWAP_MB else BEARABLE_SECONDS
        kill = max(self._lasted, due, self._killed_at + AGAIN_AFTER)
        while kill < end:
            self.kills += 1
            self._killed_at = kill
            kill += AGAIN_AFTER
        self._lasted = end
