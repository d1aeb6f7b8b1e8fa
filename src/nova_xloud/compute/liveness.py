# SPDX-License-Identifier: Apache-2.0
"""Find out whether a guest's QEMU, or Placement, answers within some seconds.

A libvirt call to a QEMU that hangs waits for as long as QEMU hangs (measured). Under an instance's
lock such a call would keep other operations waiting, also those that could end the hang. So before
the lock is taken, QEMU is asked something in a thread that can be abandoned. The same is done with
Placement.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LOG = logging.getLogger(__name__)

# Seconds; more than the 5 s for which libvirt itself waits for an unplug that the guest does not
# answer, because other calls to that guest wait as long.
PROBE_SECONDS = 10.0


# Seconds for which an answer is valid that came when nobody waited for it any more.
_FRESH = 1.0


def _log_silent(uuid: str) -> None:
    LOG.warning(
        "Instance %s: its QEMU does not answer libvirt for more than %g s. Until it does, "
        "adjustments of the instance are refused and its runs deferred. Check the host's storage "
        "and the QEMU process.",
        uuid,
        PROBE_SECONDS,
    )


@dataclass(slots=True)
class _Question:
    """A call to one QEMU or to Placement, in a thread of its own, and when it came back.

    :ivar since: when the call was made, in monotonic seconds
    :ivar answered: when the call came back, in monotonic seconds; None if it has not yet
    :ivar logged: whether it was logged that the call does not come back
    """

    thread: threading.Thread
    since: float
    answered: float | None = None
    logged: bool = False


class LivenessProbe:
    """Asks QEMUs or Placement whether they answer, and remembers which have not answered yet.

    :param log_silent: called with the ``uuid`` of :meth:`answers`, at most once for each call, when
        :meth:`answers` finds that the call has not come back for more than :data:`PROBE_SECONDS`
        seconds
    :param now: returns monotonic seconds
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
        """Call ``ask`` in a thread, and return whether it comes back within ``within`` seconds.

        An error of ``ask`` is an answer too. If an earlier call for the same ``uuid`` has not come
        back, ``ask`` is not called, and that call is waited for. If that call came back less than a
        second ago, after its caller had stopped waiting, the result is True at once.

        :param uuid: the UUID of the instance whose QEMU is asked, or a name for what else is asked
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
        """Forget the answers that are a second old or older, so that none is kept for ever.

        For an instance that is gone nobody calls :meth:`answers` again.
        """
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
        # An error is an answer too. Whoever calls next gets the error for himself.
        LOG.debug("A probe of QEMU or Placement was answered with an error: %s", error)
