# SPDX-License-Identifier: Apache-2.0
"""Take Nova's own lock of an instance, and stop waiting for it after a time limit.

Attaching and detaching a volume, a soft reboot and other operations of Nova may hold the lock for
minutes. Attaching and detaching a volume set no ``task_state``, so nova-xloud learns from the lock
that they are going on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from oslo_concurrency import lockutils

from nova_xloud.errors import InvalidState


class InstanceLocks:
    """Takes the locks of instances that Nova takes with ``@nova.utils.synchronized(uuid)``.

    It remembers which locks nova-xloud holds itself, because the time limit does not count for
    these: see :meth:`hold`.
    """

    def __init__(self) -> None:
        self._ours: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, uuid: str, within: float) -> Iterator[None]:
        """Hold the lock of an instance while the block runs.

        :param within: seconds to wait for an operation of Nova that holds the lock. While
            nova-xloud itself holds the lock, the wait goes on without a limit. 0: do not wait
        :raises InvalidState: an operation of Nova still holds the lock after ``within`` seconds;
            with 0, nova-xloud or an operation of Nova holds it
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
