# SPDX-License-Identifier: Apache-2.0
"""Records samples of a host, in a thread, for as long as a block lasts."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab.autoscale.reader import NOT_ANSWERED, Reader
from lab.autoscale.sample import Mark, Record, Sample
from lab.layout import Compute, Layout

# Between two samples. Each costs the lab's two CPUs some of what the guests could have.
SECONDS = 2.0
# In place of a server's name, in marks about the recording itself.
RECORDER = "recorder"


class Recorder:
    """The samples and marks of one scene, while it is played.

    :ivar servers: the ids of the servers that are recorded, by name
    """

    def __init__(self, scene: str, reader: Reader) -> None:
        self.scene = scene
        self.servers: dict[str, str] = {}
        self._reader = reader
        self._samples: list[Sample] = []
        self._marks: list[Mark] = []
        self._began = time.monotonic()
        self._ended = threading.Event()

    @property
    def now(self) -> float:
        """Seconds since the recording began."""
        return time.monotonic() - self._began

    @property
    def record(self) -> Record:
        """All that was recorded so far."""
        return Record(self.scene, tuple(self._samples), tuple(self._marks))

    @property
    def last(self) -> Sample | None:
        """The last sample; None before the first."""
        return self._samples[-1] if self._samples else None

    def mark(self, server: str, text: str) -> float:
        """Note that something is done now, and return when that is."""
        at = self.now
        self._marks.append(Mark(round(at, 2), server, text))
        return at

    def run(self) -> None:
        """Take samples until :meth:`end` is called; a service that does not answer is a gap."""
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                sample = self._reader.sample(round(self.now, 2), dict(self.servers))
                self._samples.append(sample)
            except NOT_ANSWERED as error:
                self._marks.append(Mark(round(self.now, 2), RECORDER, f"no sample: {error}"))
            self._ended.wait(max(0.05, began + SECONDS - time.monotonic()))

    def end(self) -> None:
        """Have :meth:`run` return after its present sample."""
        self._ended.set()


@contextmanager
def recorder(layout: Layout, compute: Compute, scene: str) -> Iterator[Recorder]:
    """Record a host for as long as the block lasts; what made the recording end is raised."""
    made = Recorder(scene, Reader(layout, compute))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(made.run)
        try:
            yield made
        finally:
            made.end()
        running.result()
