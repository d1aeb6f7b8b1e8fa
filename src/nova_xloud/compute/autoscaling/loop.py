# SPDX-License-Identifier: Apache-2.0
"""The thread that makes the rounds of automatic growth, as long as an instance is scaled."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

LOG = logging.getLogger(__name__)

# Seconds after which a round counts as hanging; it usually takes a fraction of a second.
HANGS_AFTER = 60.0


class Rounds(Protocol):
    """What the thread calls: the part of :class:`~.autoscaler.Autoscaler` that makes rounds."""

    @property
    def has_work(self) -> bool:
        """Whether an instance is scaled, so that rounds are needed."""

    def run_round(self) -> None:
        """Make one round: read the guests, decide, and begin the requests."""


@dataclass(slots=True)
class _Run:
    """One thread that makes rounds.

    :ivar began: when its present round began, in monotonic seconds; None between rounds
    :ivar ended: set to have the thread end before its next round
    """

    thread: threading.Thread
    began: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class Loop:
    """Makes a round every ``interval`` seconds in a thread of its own, while there is work.

    There is work while an instance of the host is scaled. A round that takes longer than the
    interval is followed by the next one at once.

    :param rounds: what is called in the thread
    :param interval: seconds from the beginning of one round to that of the next
    :param now: returns monotonic seconds
    """

    def __init__(
        self, rounds: Rounds, interval: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rounds = rounds
        self._interval = interval
        self._now = now
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._is_closed = False

    def ensure(self) -> None:
        """Start the thread if there is work and it does not run; replace one that hangs.

        Without work, and after :meth:`close`, do nothing. A thread hangs if its round takes longer
        than :data:`HANGS_AFTER` seconds, for example because libvirt waits for a QEMU that hangs. A
        later call to libvirt is not kept waiting by that (both measured). The thread that hangs
        ends with its round, which has to notice by itself that another one has begun.
        """
        with self._lock:
            if self._is_closed or not self._rounds.has_work:
                return
            if self._run is not None:
                began = self._run.began
                if began is None or self._now() - began <= HANGS_AFTER:
                    return
                LOG.warning(
                    "The last round of automatic growth has not ended after %d s: most likely the "
                    "QEMU of a guest hangs, or the database or Placement is slow. Another begins.",
                    HANGS_AFTER,
                )
                self._run.ended.set()
            thread = threading.Thread(target=self._make_rounds, name="xloud-autoscale", daemon=True)
            self._run = _Run(thread)
            thread.start()

    def close(self) -> None:
        """Have the thread end before its next round, and start no other; return at once."""
        with self._lock:
            self._is_closed = True
            if self._run is not None:
                self._run.ended.set()

    def _make_rounds(self) -> None:
        with self._lock:
            run = self._run
        # Another thread may have been started at once, if this one was slow to begin.
        while run is not None and not run.ended.is_set():
            with self._lock:
                if not self._rounds.has_work:
                    if self._run is run:
                        self._run = None
                    return
                run.began = began = self._now()
            try:
                self._rounds.run_round()
            except Exception:
                LOG.exception("A round of automatic growth failed; the next one tries again.")
            run.began = None
            run.ended.wait(max(0.0, began + self._interval - self._now()))
