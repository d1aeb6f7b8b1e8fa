# SPDX-License-Identifier: Apache-2.0
"""Remember what was just claimed for a request, while nova-api checks the quota a second time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nova_xloud.compute.admit import Reserved

# Seconds for which a request may be admitted by the reading that its reservation was made by. The
# second check of a quota takes far less; after that everything is read again.
GOOD_FOR = 10.0


class Promises:
    """Remembers what :func:`~.admit.reserve` claimed last for each instance, for 10 s.

    A claim that is forgotten sooner costs no more than another reading of the instance.

    :param now: returns monotonic seconds
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, Reserved]] = {}

    def put(self, uuid: str, reserved: Reserved) -> None:
        """Remember ``reserved`` for the instance, and forget all that is older than 10 s."""
        with self._lock:
            now = self._now()
            self._made = {
                other: made for other, made in self._made.items() if now - made[0] <= GOOD_FOR
            }
            self._made[uuid] = (now, reserved)

    def take(self, uuid: str) -> Reserved | None:
        """Return what is remembered for the instance, and forget it.

        :returns: None if nothing is remembered, or it is older than 10 s
        """
        with self._lock:
            when, reserved = self._made.pop(uuid, (0.0, None))
            return reserved if self._now() - when <= GOOD_FOR else None
