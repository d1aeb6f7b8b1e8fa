# SPDX-License-Identifier: Apache-2.0
"""The time after which a run stops waiting for its guest."""

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

    That is when the guest has not come nearer to the goal than ever before for ``timeout`` seconds,
    or for the step's own ``within`` if that is less; or when the step takes longer than
    :data:`MAX_STEP_IN_TIMEOUTS` time-outs, even if the guest comes nearer all the time. So a run
    ends also with a guest that only wavers, or is too slow.

    :param timeout: seconds: ``step_timeout``
    """

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._nearest: int | None = None
        self._since = self._begun = 0.0

    def reset(self) -> None:
        """Have the next call of :meth:`passed` start the time of another step."""
        self._nearest = None

    def passed(self, step: steps.Await) -> bool:
        """Return whether the run has waited too long for the guest in ``step``.

        The time starts with the first call after :meth:`reset`. Each call notes how near the guest
        has come.
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

        That is a tenth of the time since the step's first :meth:`passed`, at most
        :data:`MAX_PAUSE`.

        :param shortest: the least number of seconds, also if it is more than :data:`MAX_PAUSE`
        """
        waited = self._clock.now() - self._begun
        return max(shortest, min(MAX_PAUSE, waited * _SHARE))
