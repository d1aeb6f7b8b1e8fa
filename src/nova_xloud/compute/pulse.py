# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's QEMU answers, found out without being kept by one that does not.

A libvirt call that asks a QEMU that hangs waits for as long (measured). Under an instance's lock it
would keep all other operations from it, those that could end it among them. So before the lock is
taken QEMU is asked something in a thread that may be left behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

LOG = logging.getLogger(__name__)

# More than libvirt's own 5 s for an unplug that the guest does not answer, which others wait for.
SECONDS = 10.0


class Pulse:
    """Asks, and remembers whom nobody has had an answer from.

    :param seconds: how long an answer may take
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._asking: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def beats(self, uuid: str, ask: Callable[[], object]) -> bool:
        """Whether ``ask`` comes back in time, with an answer or an error.

        Who asks while another asks waits for the same answer, and no new thread is begun for one
        that hangs.
        """
        with self._lock:
            asking = self._asking.get(uuid)
            if asking is None or not asking.is_alive():
                asking = threading.Thread(target=_ask, args=(ask,), name="xloud-pulse", daemon=True)
                self._asking[uuid] = asking
                asking.start()
        asking.join(self._seconds)
        if asking.is_alive():
            LOG.warning("Instance %s: its QEMU does not answer.", uuid)
            return False
        with self._lock:
            if self._asking.get(uuid) is asking:
                del self._asking[uuid]
        return True


def _ask(ask: Callable[[], object]) -> None:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - any answer is one
        # An answer too; whoever reads next gets it himself.
        LOG.debug("Asked, and answered with an error: %s", error)
