# SPDX-License-Identifier: Apache-2.0
"""Time limits for polling, which are longer on a machine that is busy with other work.

A limit in seconds of the clock is too short on a loaded machine, where both the program that waits
and the program that it waits for get little CPU time. So each poll counts as at most ``LOOK``
seconds, however long it took: where polls take longer, the limit is reached later.
"""

import time
from collections.abc import Callable

# The most seconds that one poll counts, however long it took.
LOOK = 0.5

# Seconds of the clock for waits without polling (for a thread, a future, or the end of a process).
LIMIT = 180

# A wait may last so many times its seconds on the clock, in case a single poll hangs.
SLOWEST = 10


class Patience:
    """A time limit for a loop that polls; call :meth:`is_over` once per poll.

    It is reached after ``seconds`` on an idle machine, and at the latest after ``SLOWEST`` times as
    many.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = seconds
        self._clock = clock
        self._last = clock()
        self._end = self._last + SLOWEST * seconds

    def is_over(self) -> bool:
        """Count one poll, and return whether the time limit is reached."""
        now = self._clock()
        self._left -= min(now - self._last, LOOK)
        self._last = now
        return self._left < 0 or now > self._end
