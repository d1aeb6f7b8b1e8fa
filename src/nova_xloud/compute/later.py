# SPDX-License-Identifier: Apache-2.0
"""A timer that makes calls after a delay, all of them in one thread."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Later:
    """Makes each call when its delay has passed, in a thread that ends when no call is left.

    A call has to be short, because the other calls wait for it. An error that a call raises is
    logged, and the other calls are made all the same.

    :param now: returns monotonic seconds
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._calls: list[tuple[float, int, Callable[[], object], str]] = []
        self._came = 0
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def call(
        self, seconds: float, call: Callable[[], object], purpose: str = "do something later"
    ) -> None:
        """Have ``call`` made after ``seconds`` seconds in the thread, and return at once.

        :param purpose: what the call is to do, for the log if the call fails
        :raises RuntimeError: no thread could be started. ``call`` is made all the same if this
            method is called again and can start the thread
        """
        with self._changed:
            self._came += 1
            heapq.heappush(self._calls, (self._now() + seconds, self._came, call, purpose))
            if self._thread is None:
                thread = threading.Thread(target=self._make_calls, name="xloud-later", daemon=True)
                # If it cannot start, the next call starts one, which makes this call too.
                thread.start()
                self._thread = thread
            elif self._calls[0][1] == self._came:
                self._changed.notify()

    def forget(self) -> None:
        """Drop all calls that were not made yet."""
        with self._changed:
            self._calls.clear()
            self._changed.notify()

    def _make_calls(self) -> None:
        while True:
            with self._changed:
                if not self._calls:
                    self._thread = None
                    return
                left = self._calls[0][0] - self._now()
                if left > 0:
                    self._changed.wait(left)
                    continue
                _, _, call, purpose = heapq.heappop(self._calls)
            try:
                call()
            except Exception:
                LOG.exception(
                    "Failed to %s. This is not tried again before nova-compute is restarted, so "
                    "restart it. Nothing else is affected.",
                    purpose,
                )
