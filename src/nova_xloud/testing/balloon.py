# SPDX-License-Identifier: Apache-2.0
"""The balloon of a fake guest: a target at once, an actual size in time."""

from __future__ import annotations

import math
import threading

from nova_xloud.libvirt.guest_xml import KIB


class Balloon:
    """Moves the actual size to the target at a rate, while the guest's driver works.

    :ivar actual_kib: as of the last :meth:`advance`
    :ivar target_kib: what was asked for
    """

    def __init__(self, maximum_kib: int, mib_per_second: float) -> None:
        self.actual_kib = self.target_kib = maximum_kib
        self._kib_per_second = mib_per_second * KIB
        self._at = 0.0
        # Services and tests read from different threads; each step is to count once.
        self._lock = threading.Lock()

    def advance(self, now: float, *, works_from: float | None, at_least_kib: float) -> None:
        """Bring the actual size up to ``now``.

        :param works_from: when the driver began to work; None: it does not
        :param at_least_kib: the guest gives nothing below this back
        """
        with self._lock:
            since = self._at if works_from is None else max(self._at, works_from)
            elapsed, self._at = now - since, now
            if works_from is None or elapsed <= 0:
                return
            goal = max(self.target_kib, min(at_least_kib, self.actual_kib))
            # An infinite rate is allowed: there in no time, but not in the moment of the call.
            step = min(self._kib_per_second * elapsed, math.inf)
            if step >= abs(goal - self.actual_kib):
                self.actual_kib = math.ceil(goal)
            else:
                self.actual_kib += math.ceil(math.copysign(step, goal - self.actual_kib))
