"""The threads of the load: one for each seat and one that reads; they pause and end together."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab import contents
from lab.chaos.checks import NOT_ANSWERED
from lab.cloud import Cloud
from lab.errors import LabError
from lab.layout import Layout
from lab.soak import plan
from lab.soak.asking import Asking
from lab.soak.plan import Step
from lab.soak.reader import Reader
from lab.soak.seat import Place, Seat
from lab.soak.tally import Tally

# In this time each thread comes to the end of its step.
PAUSE_SECONDS = 400.0


class Gate:
    """Threads pass it between two steps; while it is closed they wait there."""

    def __init__(self, threads: int) -> None:
        self._condition = threading.Condition()
        self._threads = threads
        self._waiting = 0
        self._closed = False
        self._ended = False

    def passed(self) -> bool:
        """Wait while the gate is closed; return False when the load ends."""
        with self._condition:
            self._waiting += 1
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._closed or self._ended)
            self._waiting -= 1
            return not self._ended

    def close(self, seconds: float = PAUSE_SECONDS) -> None:
        """Close the gate, and wait until all threads wait at it.

        :raises LabError: one of them does not come
        """
        with self._condition:
            self._closed = True
            if not self._condition.wait_for(lambda: self._waiting == self._threads, seconds):
                raise LabError(f"a thread of the load does not come to an end in {seconds:.0f} s")

    def open(self) -> None:
        """Let the threads go on."""
        with self._condition:
            self._closed = False
            self._condition.notify_all()

    def end(self) -> None:
        """Have the threads end at their next pass."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()


class Load:
    """The load on one cloud.

    :ivar tally: what it has done
    """

    def __init__(self, layout: Layout, seed: int) -> None:
        self.tally = Tally()
        one, other = (compute.hostname for compute in layout.computes[:2])
        demo, stock = contents.DEMO.name, "stock.small"
        scaled = Place(contents.SOAK.name, one, image=contents.LOAD_IMAGE)
        places = [
            (Place(demo, one), plan.ELASTIC, plan.MEMORY_MB),
            (Place(demo, other), plan.ELASTIC, plan.MEMORY_MB),
            (Place(demo, None, lambda: _tenant(layout)), plan.TENANT, plan.MEMORY_MB),
            (Place(stock, other), plan.STOCK, plan.STOCK_MEMORY_MB),
            (scaled, plan.SCALED, plan.MEMORY_MB),
        ]
        self.seats = [Seat(place, Asking(Cloud(layout), self.tally)) for place, _, _ in places]
        steps = [
            plan.steps(seed, number, weights, memory_mb)
            for number, (_, weights, memory_mb) in enumerate(places)
        ]
        reader = Reader(seed, Cloud(layout), self.tally, self.servers)
        turns = [reader.play, *map(_turn, self.seats, steps)]
        self._gate = Gate(len(turns))
        self._threads = [threading.Thread(target=self._loop, args=(turn,)) for turn in turns]

    def servers(self) -> list[str]:
        """Return the ids of the servers that there are now."""
        return [seat.server for seat in self.seats if seat.server is not None]

    def delete_servers(self) -> None:
        """Delete the servers of all seats; one that cannot be deleted is a failure."""
        for seat in self.seats:
            try:
                seat.empty()
            except NOT_ANSWERED as error:
                self.tally.fail(f"not deleted: {type(error).__name__}: {error}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the load go on while the block lasts; when it ends the servers still run."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._gate.end()
            for thread in self._threads:
                thread.join(PAUSE_SECONDS)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have the load stand still while the block lasts; no operation is under way then."""
        self._gate.close()
        try:
            yield
        finally:
            self._gate.open()

    def _loop(self, turn: Callable[[], object]) -> None:
        while self._gate.passed():
            try:
                turn()
            except NOT_ANSWERED as error:
                self.tally.fail(f"no answer: {type(error).__name__}: {error}")
                time.sleep(1)
            except Exception as error:  # noqa: BLE001 - a thread that ends would be no load
                self.tally.fail(f"the load itself: {type(error).__name__}: {error}")
                time.sleep(1)


def _turn(seat: Seat, steps: Iterator[Step]) -> Callable[[], None]:
    return lambda: seat.play(next(steps))


def _tenant(layout: Layout) -> Cloud:
    return Cloud(layout, "demo", "demo")
