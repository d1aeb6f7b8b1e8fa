# SPDX-License-Identifier: Apache-2.0
"""How long a guest is waited for."""

from __future__ import annotations

import math

from nova_xloud.clock import Clock
from nova_xloud.core.convergence import steps

# Between two readings of a guest a tenth of the time passes that it has been waited for: what comes
# late is seen little later, and many that are slow cost little. Seconds, at the most:
LONGEST_PAUSE = 2.0
_SHARE = 0.1
# In step_timeouts: how long one step may take though it comes nearer all the time.
LONGEST_STEP = 5


class Patience:
    """How long the guest has been waited for without coming nearer than it ever was, and at all.

    So a run ends: a guest that only wavers is given up, and one that comes nearer too slowly.
    """

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._nearest: int | None = None
        self._since = self._begun = 0.0

    def anew(self) -> None:
        """Something else was begun."""
        self._nearest = None

    def is_over(self, step: steps.Await) -> bool:
        """Whether it has been waited for too long."""
        now = self._clock.now()
        if self._nearest is None:
            self._begun = now
        if self._nearest is None or step.left < self._nearest:
            self._nearest, self._since = step.left, now
        timeout = min(self._timeout, step.within or math.inf)
        too_slow = now - self._begun > self._timeout * LONGEST_STEP
        return too_slow or now - self._since > timeout

    def pause(self, shortest: float) -> float:
        """Seconds until it is worth to look again."""
        waited = self._clock.now() - self._begun
        return max(shortest, min(LONGEST_PAUSE, waited * _SHARE))
