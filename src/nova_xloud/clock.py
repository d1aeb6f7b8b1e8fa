# SPDX-License-Identifier: Apache-2.0
"""The clocks of a run, as functions that tests can replace so that they need not wait.

Other parts, such as the passes and the probes, have clocks of their own.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass


def utc_now() -> str:
    """Return the time now as ISO 8601 text in UTC, to the second: ``2026-01-31T12:00:00Z``."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Clock:
    """The two clocks of a run, and the sign that nova-compute is stopping.

    :ivar now: returns monotonic seconds
    :ivar closing: returns True once nova-compute is stopping; a run then ends before its next step
    :ivar date: returns the date and time, as :func:`utc_now` does
    """

    now: Callable[[], float] = time.monotonic
    closing: Callable[[], bool] = lambda: False
    date: Callable[[], str] = utc_now
