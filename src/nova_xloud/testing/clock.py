# SPDX-License-Identifier: Apache-2.0
"""Time for the fakes: real, or moved by the test."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, those of the host's calendar, and a way to wait."""

    def now(self) -> float: ...
    def wall(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float) -> None: ...


# 2001-09-09; far from 0, which libvirt tells for never.
EPOCH = 1_000_000_000.0


class RealClock:
    """Time as it passes."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """Time stands still until the test advances it; who sleeps on it advances it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._stepped = 0.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return EPOCH + self._now + self._stepped

    def step(self, seconds: float) -> None:
        """Somebody sets the calendar's clock, forward or back."""
        self._stepped += seconds

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
