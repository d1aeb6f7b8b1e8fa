# SPDX-License-Identifier: Apache-2.0
"""What was reserved a moment ago for requests whose quota is being looked at once more."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nova_xloud.compute.admit import Reserved

# Seconds for which the reading that a reservation was made by is good enough to admit by it. The
# second look at a quota takes far less; after that all is read again.
GOOD_FOR = 10.0


class Promises:
    """By instance what was reserved last. Losing one costs a reading and nothing else.

    :param now: monotonic seconds
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, Reserved]] = {}

    def put(self, uuid: str, reserved: Reserved) -> None:
        """Remember it; what is too old is forgotten, of all instances."""
        with self._lock:
            now = self._now()
            self._made = {
                other: made for other, made in self._made.items() if now - made[0] <= GOOD_FOR
            }
            self._made[uuid] = (now, reserved)

    def take(self, uuid: str) -> Reserved | None:
        """What was reserved for this instance, once; None: nothing, or too long ago."""
        with self._lock:
            when, reserved = self._made.pop(uuid, (0.0, None))
            return reserved if self._now() - when <= GOOD_FOR else None
