"""Restarts daemons that have ended, as systemd does with ``Restart=always``."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab import processes
from lab.errors import LabError
from lab.layout import Layout
from lab.processes import Daemon

# As RestartSec= of the units in deploy/.
RESTART_SECONDS = 2.0
POLL_SECONDS = 0.2


class Supervisor:
    """Watches daemons in a thread, from :meth:`watching` on."""

    def __init__(self, layout: Layout, daemons: Mapping[str, Daemon]) -> None:
        self.layout = layout
        self.daemons = dict(daemons)
        self._left_down: set[str] = set()
        self._ended_at: dict[str, float] = {}
        self._lock = threading.RLock()
        self._end = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for as long as the block lasts."""
        thread = threading.Thread(target=self._watch, daemon=True, name="supervisor")
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stop a daemon for as long as the block lasts; afterwards the thread restarts it."""
        with self._lock:
            self._left_down.add(name)
        try:
            processes.stop(self.layout, [name])
            yield
        finally:
            with self._lock:
                self._left_down.discard(name)

    def missing(self) -> list[str]:
        """Return the names of the watched daemons that do not run."""
        return sorted(self.daemons.keys() - processes.running(self.layout).keys())

    def _watch(self) -> None:
        while not self._end.wait(POLL_SECONDS):
            for name in self.missing():
                self._restart(name)

    def _restart(self, name: str) -> None:
        now = time.monotonic()
        with self._lock:
            if name in self._left_down:
                self._ended_at.pop(name, None)
                return
        if now - self._ended_at.setdefault(name, now) < RESTART_SECONDS:
            return
        del self._ended_at[name]
        try:
            processes.start(self.layout, [self.daemons[name]])
        except LabError as error:
            print(f"     {name} could not be started, and is tried again: {error}")
