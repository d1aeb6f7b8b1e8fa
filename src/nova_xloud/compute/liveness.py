# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's QEMU, or Placement, answers; found out without being kept by one that does not.

A libvirt call that asks a QEMU that hangs waits for as long (measured). Under an instance's lock it
would keep all other operations from it, those that could end it among them. So before the lock is
taken QEMU is asked something in a thread that may be left behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LOG = logging.getLogger(__name__)

# More than libvirt's own 5 s for an unplug that the guest does not answer, which others wait for.
SECONDS = 10.0


# Seconds for which an answer counts that came when nobody waited for it.
_FRESH = 1.0


def _say(uuid: str) -> None:
    LOG.warning("Instance %s: its QEMU does not answer.", uuid)


@dataclass(slots=True)
class _Asked:
    thread: threading.Thread
    since: float
    answered: float | None = None
    told: bool = False


class LivenessProbe:
    """Asks guests' QEMUs, or Placement, and remembers those that have not answered yet.

    :param say: logs once of each, by its UUID, that it does not answer
    """

    def __init__(
        self,
        say: Callable[[str], None] = _say,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._now = now
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()

    def answers(self, uuid: str, ask: Callable[[], object], within: float) -> bool:
        """Whether ``ask`` comes back within so many seconds, with an answer or an error.

        Who asks while another asks waits for the same answer, and no new thread is begun for one
        that hangs. Who asks again and again has the answer that has come between.
        """
        with self._lock:
            self._forget_old_answers()
            asked = self._asked.get(uuid)
            if asked is not None and asked.answered is not None:
                del self._asked[uuid]
                return True
            if asked is None:
                asked = self._asked[uuid] = self._begin(ask)
        asked.thread.join(within)
        if not asked.thread.is_alive():
            with self._lock:
                if self._asked.get(uuid) is asked:
                    del self._asked[uuid]
            return True
        if not asked.told and self._now() - asked.since > SECONDS:
            asked.told = True
            self._say(uuid)
        return False

    def _forget_old_answers(self) -> None:
        """Of whomever they are: nobody may ever ask again for one that is gone."""
        now = self._now()
        for uuid, asked in list(self._asked.items()):
            if asked.answered is not None and now - asked.answered >= _FRESH:
                del self._asked[uuid]

    def _begin(self, ask: Callable[[], object]) -> _Asked:
        def run() -> None:
            _ask(ask)
            asked.answered = self._now()

        asked = _Asked(
            threading.Thread(target=run, name="xloud-liveness", daemon=True), self._now()
        )
        asked.thread.start()
        return asked


def _ask(ask: Callable[[], object]) -> None:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - any answer is one
        # An answer too; whoever reads next gets it himself.
        LOG.debug("Asked, and answered with an error: %s", error)
