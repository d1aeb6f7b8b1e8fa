# SPDX-License-Identifier: Apache-2.0
"""How long a wait may last that ends as soon as what it waits for is there.

A limit in seconds of the clock says nothing on a machine that other work loads: the one who waits
and the one who is waited for both get little of it. So time is counted by the looks that were
taken, which come as rarely as the machine is slow.
"""

import time
from collections.abc import Callable

# Seconds that one look counts at the most, however long it was until the next.
LOOK = 0.5

# Seconds for what answers by itself (a thread, a future, a process that ends): no looks are taken.
LIMIT = 180

# So many times its seconds a wait may last on the clock, for looks that hang.
SLOWEST = 10


class Patience:
    """Seconds of waiting; call :meth:`is_over` once a look."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = seconds
        self._clock = clock
        self._last = clock()
        self._end = self._last + SLOWEST * seconds

    def is_over(self) -> bool:
        now = self._clock()
        self._left -= min(now - self._last, LOOK)
        self._last = now
        return self._left < 0 or now > self._end
