"""What the load of a soak run has done so far, counted by all of its threads."""

import threading
from collections import Counter
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Done:
    """How much was done; what is under way counts as done.

    :ivar requests: all requests to Nova's API, and runs of the ``openstack`` command
    :ivar servers: servers created
    :ivar actions: accepted requests for which Nova itself records an instance action
    :ivar adjustments: accepted requests to adjust, without dry runs
    :ivar moves: accepted live migrations
    :ivar scrapes: of the metrics ports
    :ivar scaled: of the servers created, those that scale by themselves
    :ivar loads: changes of such a guest's load that the guest has begun
    """

    requests: int = 0
    servers: int = 0
    actions: int = 0
    adjustments: int = 0
    moves: int = 0
    scrapes: int = 0
    scaled: int = 0
    loads: int = 0


class Tally:
    """Counts, answers and failures of the load; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = Done()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._failures: list[str] = []

    @property
    def done(self) -> Done:
        """What was done so far."""
        with self._lock:
            return self._done

    @property
    def answers(self) -> dict[tuple[str, int], int]:
        """How often each kind of step had each HTTP status."""
        with self._lock:
            return dict(self._answers)

    @property
    def failures(self) -> list[str]:
        """What must not happen and did, in words, in the order in which it happened."""
        with self._lock:
            return list(self._failures)

    def add(self, **counts: int) -> None:
        """Add to the counts of :class:`Done`; a request that was refused is taken back by -1."""
        with self._lock:
            before = asdict(self._done)
            self._done = replace(
                self._done, **{name: before[name] + more for name, more in counts.items()}
            )

    def answered(self, kind: str, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self._answers[kind, status] += 1

    def fail(self, what: str) -> None:
        """Note something that must not happen, and print it."""
        with self._lock:
            self._failures.append(what)
        print(f"     FAILURE: {what}", flush=True)
