# SPDX-License-Identifier: Apache-2.0
"""Nova's own lock of each instance, waited for no longer than its user wants to be kept waiting.

Attaching and detaching a volume, a soft reboot and others keep it for minutes, the first two
without a ``task_state`` by which anybody could know.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from oslo_concurrency import lockutils

from nova_xloud.errors import InvalidState


class InstanceLocks:
    """The locks that ``@nova.utils.synchronized(uuid)`` takes, and which of them are ours now."""

    def __init__(self) -> None:
        self._ours: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, uuid: str, within: float) -> Iterator[None]:
        """Have the lock of an instance.

        :param within: seconds that an operation of Nova's may keep it from us. What nova-xloud
            itself does under it takes seconds, and is waited for. 0: nobody is waited for
        :raises InvalidState: another operation has kept it for longer
        """
        semaphore = lockutils.internal_lock(uuid)
        while not semaphore.acquire(timeout=within):
            if not within or not self._is_ours(uuid):
                since = (
                    f"has held the instance for {within:g} s" if within else "holds the instance"
                )
                raise InvalidState(
                    f"another operation {since}, such as attaching or detaching a volume; try "
                    f"again when it is done"
                )
        try:
            with self._lock:
                self._ours.add(uuid)
            yield
        finally:
            with self._lock:
                self._ours.discard(uuid)
            semaphore.release()

    def _is_ours(self, uuid: str) -> bool:
        with self._lock:
            return uuid in self._ours
