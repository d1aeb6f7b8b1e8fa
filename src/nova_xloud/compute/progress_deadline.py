# SPDX-License-Identifier: Apache-2.0
"""Decides after which time a run stops waiting for its guest."""

from __future__ import annotations

import math

from nova_xloud.clock import Clock
from nova_xloud.core.convergence import steps

# A run reads its guest again after a tenth of the time that it has waited for the guest so far: so
# a late change is seen a little later, and many slow guests cost little. Seconds, at most:
MAX_PAUSE = 2.0
_SHARE = 0.1
# How long one step may take, in step_timeout, even if the guest comes nearer all the time.
MAX_STEP_IN_TIMEOUTS = 5


class ProgressDeadline:
    """Decides when a run stops waiting for its guest in one step.

    A guest makes progress when it comes nearer to the step's goal than it has been before. To move
    to and fro is no progress. The wait ends after ``timeout`` seconds without progress, or after
    the step's own ``within`` seconds if that is less. It also ends after
    :data:`MAX_STEP_IN_TIMEOUTS` times ``timeout`` in all, even if the guest still makes progress.

    :param timeout: the option ``step_timeout``, in seconds
    """

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._nearest: int | None = None
        self._since = self._begun = 0.0

    def reset(self) -> None:
        """Forget the step that was waited for; the next call of :meth:`passed` begins another."""
        self._nearest = None

    def passed(self, step: steps.Await) -> bool:
        """Return whether the run has waited too long for the guest in ``step``.

        The time starts with the first call after :meth:`reset`. Each call notes how near the guest
        has come (``step.left``).
        """
        now = self._clock.now()
        if self._nearest is None:
            self._begun = now
        if self._nearest is None or step.left < self._nearest:
            self._nearest, self._since = step.left, now
        timeout = min(self._timeout, step.within or math.inf)
        too_slow = now - self._begun > self._timeout * MAX_STEP_IN_TIMEOUTS
        return too_slow or now - self._since > timeout

    def pause(self, shortest: float) -> float:
        """Return how many seconds to wait before the next reading of the guest.

        That is a tenth of the time since the first call of :meth:`passed` for the step, but at most
        :data:`MAX_PAUSE`.

        :param shortest: the least number of seconds to return, even above :data:`MAX_PAUSE`
        """
        waited = self._clock.now() - self._begun
        return max(shortest, min(MAX_PAUSE, waited * _SHARE))
