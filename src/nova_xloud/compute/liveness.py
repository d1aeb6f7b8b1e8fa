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
PROBE_SECONDS = 10.0


# Seconds for which an answer counts that came when nobody waited for it.
_FRESH = 1.0


def _log_silent(uuid: str) -> None:
    LOG.warning("Instance %s: its QEMU does not answer.", uuid)


@dataclass(slots=True)
class _Question:
    """What somebody was asked, in a thread of its own, and when the answer came."""

    thread: threading.Thread
    since: float
    answered: float | None = None
    logged: bool = False


class LivenessProbe:
    """Asks guests' QEMUs, or Placement, and remembers those that have not answered yet.

    :param log_silent: logs once of each, by its UUID, that it does not answer
    """

    def __init__(
        self,
        log_silent: Callable[[str], None] = _log_silent,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log_silent = log_silent
        self._now = now
        self._questions: dict[str, _Question] = {}
        self._lock = threading.Lock()

    def answers(self, uuid: str, ask: Callable[[], object], within: float) -> bool:
        """Whether ``ask`` comes back within so many seconds, with an answer or an error.

        Who asks while another asks waits for the same answer, and no new thread is begun for one
        that hangs. Who asks again and again has the answer that has come between.
        """
        with self._lock:
            self._forget_old_answers()
            question = self._questions.get(uuid)
            if question is not None and question.answered is not None:
                del self._questions[uuid]
                return True
            if question is None:
                question = self._questions[uuid] = self._begin(ask)
        question.thread.join(within)
        if not question.thread.is_alive():
            with self._lock:
                if self._questions.get(uuid) is question:
                    del self._questions[uuid]
            return True
        if not question.logged and self._now() - question.since > PROBE_SECONDS:
            question.logged = True
            self._log_silent(uuid)
        return False

    def _forget_old_answers(self) -> None:
        """Of whomever they are: nobody may ever ask again for one that is gone."""
        now = self._now()
        for uuid, question in list(self._questions.items()):
            if question.answered is not None and now - question.answered >= _FRESH:
                del self._questions[uuid]

    def _begin(self, ask: Callable[[], object]) -> _Question:
        def run() -> None:
            _ask(ask)
            question.answered = self._now()

        question = _Question(
            threading.Thread(target=run, name="xloud-liveness", daemon=True), self._now()
        )
        question.thread.start()
        return question


def _ask(ask: Callable[[], object]) -> None:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - any answer is one
        # An answer too; whoever reads next gets it himself.
        LOG.debug("Asked, and answered with an error: %s", error)
