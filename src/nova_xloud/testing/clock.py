# SPDX-License-Identifier: Apache-2.0
"""Clocks for the fakes: one with real time, and one that the test advances."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the fakes need of a clock: monotonic seconds, wall-clock seconds, and a sleep."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def wall(self) -> float:
        """Return wall-clock seconds since 1970, which may jump forward or back."""

    def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` have passed on this clock.

        A manual clock does not wait, but moves itself forward.
        """


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
    """A clock that moves only when :meth:`advance`, :meth:`sleep` or :meth:`step` is called."""

    def __init__(self) -> None:
        self._now = 0.0
        self._stepped = 0.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return EPOCH + self._now + self._stepped

    def step(self, seconds: float) -> None:
        """Move ``wall()`` forward by ``seconds``, or back if negative; ``now()`` stays."""
        self._stepped += seconds

    def advance(self, seconds: float) -> None:
        """Move both ``now()`` and ``wall()`` forward by ``seconds``."""
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
