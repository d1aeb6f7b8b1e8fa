# SPDX-License-Identifier: Apache-2.0
"""Wait for what another thread does."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.patience import LIMIT


def wait_until(met: Callable[[], object]) -> None:
    """Return once ``met`` returns something true.

    :raises AssertionError: that has not happened within ``LIMIT`` seconds
    """
    until = time.monotonic() + LIMIT
    while not met():
        assert time.monotonic() < until, f"waited for {LIMIT} s"
        time.sleep(0.001)
