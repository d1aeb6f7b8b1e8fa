# SPDX-License-Identifier: Apache-2.0
"""Clocks for the fakes: one with real time, and one that the test advances."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, wall-clock seconds, and sleep."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def wall(self) -> float:
        """Return wall-clock seconds since 1970, which somebody may set forward or back."""

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""


# 2001-09-09; far from 0, which is libvirt's value for never.
EPOCH = 1_000_000_000.0


class RealClock:
    """A clock with the real time of the machine."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until :meth:`advance` or :meth:`sleep` is called."""

    def __init__(self) -> None:
        self._now = 0.0
        self._stepped = 0.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return EPOCH + self._now + self._stepped

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back if ``seconds`` is negative; ``now()`` stays."""
        self._stepped += seconds

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
