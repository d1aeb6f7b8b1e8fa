# SPDX-License-Identifier: Apache-2.0
"""Until when a run waits for its guest."""

from __future__ import annotations

import math

from nova_xloud.clock import Clock
from nova_xloud.core.convergence import steps

# Between two readings of a guest a tenth of the time passes that it has been waited for: what comes
# late is seen little later, and many that are slow cost little. Seconds, at the most:
MAX_PAUSE = 2.0
_SHARE = 0.1
# How long one step may take though the guest comes nearer all the time.
MAX_STEP_IN_TIMEOUTS = 5


class ProgressDeadline:
    """When a guest is waited for no more: it has not come nearer than it ever was for a time-out,
    or one step takes :data:`MAX_STEP_IN_TIMEOUTS` though it comes nearer all the time.

    So a run ends: a guest that only wavers is given up, and one that comes nearer too slowly.
    """

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._nearest: int | None = None
        self._since = self._begun = 0.0

    def reset(self) -> None:
        """Another step was begun: its time begins now."""
        self._nearest = None

    def passed(self, step: steps.Await) -> bool:
        """Whether the guest has been waited for in ``step`` for too long."""
        now = self._clock.now()
        if self._nearest is None:
            self._begun = now
        if self._nearest is None or step.left < self._nearest:
            self._nearest, self._since = step.left, now
        timeout = min(self._timeout, step.within or math.inf)
        too_slow = now - self._begun > self._timeout * MAX_STEP_IN_TIMEOUTS
        return too_slow or now - self._since > timeout

    def pause(self, shortest: float) -> float:
        """Seconds until the next reading of the guest."""
        waited = self._clock.now() - self._begun
        return max(shortest, min(MAX_PAUSE, waited * _SHARE))
