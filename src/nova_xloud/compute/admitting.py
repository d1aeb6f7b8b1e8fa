# SPDX-License-Identifier: Apache-2.0
"""Tell passes which instances have a request that is being admitted by this process."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator


class Admitting:
    """Knows which instances have a request between its admission and its run.

    The record has the request already then, and the request has no instance action yet. A pass that
    queued a run for it would create the action a second time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def of(self, uuid: str) -> Iterator[None]:
        """Count the instance as one whose request is being admitted, for as long as the block."""
        with self._lock:
            self._counts[uuid] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[uuid] -= 1
                self._counts += Counter()

    def __contains__(self, uuid: object) -> bool:
        with self._lock:
            return uuid in self._counts
