# SPDX-License-Identifier: Apache-2.0
"""The maximum of a trailing window, in bounded memory.

The window is cut into :data:`BUCKETS` buckets. Of each bucket only its maximum is kept, and only if
no later bucket has a larger one: the first bucket that is kept has the maximum of the window. The
window may be up to one bucket longer than asked for, never shorter.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

BUCKETS = 32


@dataclass(frozen=True, slots=True)
class Peaks:
    """The highest values of the last so many seconds, the window.

    :ivar width: how many seconds a bucket covers; 0 before the first :meth:`rebucketed`
    :ivar indexes: the buckets that are kept, oldest first; a bucket starts at index times width
    :ivar values: the maximum of each of these buckets; each is larger than those that follow
    """

    width: float = 0.0
    indexes: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def added(self, at: float, value: float) -> Peaks:
        """Return the peaks with ``value``, which was measured at ``at`` (seconds).

        A value from before the newest bucket counts as one of that bucket. The peaks must have a
        width: call :meth:`rebucketed` first.
        """
        indexes, values = self.indexes, self.values
        index = int(at // self.width)
        kept = len(indexes)
        if kept and index <= indexes[-1]:
            if value <= values[-1]:
                return self
            index = indexes[-1]
        while kept and values[kept - 1] <= value:
            kept -= 1
        first = 0
        oldest = index - BUCKETS
        while first < kept and indexes[first] < oldest:
            first += 1
        return Peaks(self.width, (*indexes[first:kept], index), (*values[first:kept], value))

    def highest(self, now: float) -> float | None:
        """Return the highest value of the window that ends at ``now``; None if it has none."""
        values = self.within(now).values
        return values[0] if values else None

    def within(self, now: float) -> Peaks:
        """Return the peaks without the buckets that are not in the window that ends at ``now``."""
        oldest = int(now // self.width) - BUCKETS if self.width else 0
        if not self.indexes or self.indexes[0] >= oldest:
            return self
        first = bisect_left(self.indexes, oldest)
        return Peaks(self.width, self.indexes[first:], self.values[first:])

    def rebucketed(self, window: float) -> Peaks:
        """Return the peaks for a window of another length (seconds).

        A shorter window forgets what is older than it is; a longer one begins with what is known.
        """
        peaks = Peaks(window / BUCKETS)
        for index, value in zip(self.indexes, self.values, strict=True):
            # The end of the old bucket: the value may have been measured as late as that.
            peaks = peaks.added((index + 1) * self.width, value)
        return peaks

    def restarted(self, at: float) -> Peaks:
        """Return the peaks with the highest value only, as if it had been measured at ``at``.

        It is the highest value that is kept, in the window or not: see :meth:`within`.
        """
        peaks = Peaks(self.width)
        return peaks.added(at, self.values[0]) if self.values else peaks


NO_PEAKS = Peaks()
"""No value, and no window yet."""
