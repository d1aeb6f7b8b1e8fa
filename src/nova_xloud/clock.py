# SPDX-License-Identifier: Apache-2.0
"""Time, so that tests need not wait."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass


def utc_now() -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Clock:
    """What the time is, and whether there is any left.

    :ivar now: seconds that only grow
    :ivar closing: the service is about to end: stand back
    :ivar date: for people: ISO 8601, UTC
    """

    now: Callable[[], float] = time.monotonic
    closing: Callable[[], bool] = lambda: False
    date: Callable[[], str] = utc_now
