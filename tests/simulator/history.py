# SPDX-License-Identifier: Apache-2.0
"""One history: from its seed to its verdict."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

from nova_xloud.errors import XloudError
from tests.simulator import outside
from tests.simulator.checks import RESTLESS, Checks
from tests.simulator.compute import Compute, simulated_threads
from tests.simulator.generator import make
from tests.simulator.placement import Provider
from tests.simulator.ports import MessagingTimeout
from tests.simulator.scenario import LENGTH, Faults, Scenario
from tests.simulator.schedule import Actor, Process, Schedule, Violation
from tests.simulator.server import Server

# Operations end, nova-compute comes back; then what refused is tried again.
ENDING = 120.0
SETTLING = 180.0
# The longest that a run is waited for at the end.
RUNNING = 120.0


class World:
    """Everything there is in one history.

    :ivar scenario: what was decided before it began
    :ivar trace: what happened, line by line; None: nobody wants to read it
    :ivar counts: what happened, by kind
    """

    def __init__(self, scenario: Scenario, trace: list[str] | None = None) -> None:
        self.scenario = scenario
        self.trace = trace
        self.counts: Counter[str] = Counter()
        self.rng = Random(f"history {scenario.seed}")
        self.schedule = Schedule(self.rng)
        self.provider = Provider(scenario.capacity, strict=scenario.faults.strict)
        self.servers = [
            Server(f"s{number}", plan, self.provider, self.schedule)
            for number, plan in enumerate(scenario.guests)
        ]
        self.checks = Checks(self)
        self.compute = Compute(self)
        self._outside = Process()

    @property
    def actor(self) -> Actor:
        assert self.schedule.current is not None
        return self.schedule.current

    def server(self, uuid: str) -> Server:
        return next(one for one in self.servers if one.uuid == uuid)

    def spawn(
        self,
        name: str,
        run: Callable[[], object],
        *,
        after: float = 0.0,
        process: Process | None = None,
    ) -> Actor:
        """Begin a thread, of nobody who can be killed unless ``process`` is given."""
        return self.schedule.spawn(name, run, process or self._outside, after)

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def note(self, what: str, server: Server | None = None, error: object = None) -> None:
        """A line of the trace."""
        if self.trace is None:
            return
        actor = self.schedule.current
        line = f"{self.schedule.now():9.3f}  {actor.name if actor else '-':<16} "
        if server is None:
            self.trace.append(line + what)
            return
        refused = f" -> {type(error).__name__}: {error}" if error else ""
        self.trace.append(
            f"{line}{server.name} {what}{refused}   [{server.record.vm_state}"
            f"{' ' + server.record.task_state if server.record.task_state else ''}, "
            f"reserved {_short(server.reserved)}, held {_short(server.held)}, "
            f"balloon {server.told_mb}]"
        )

    def run(self) -> None:
        """Live it.

        :raises Violation: a rule was broken
        """
        try:
            self.compute.start()
            outside.begin(self)
            self.schedule.run(LENGTH)
            self._calm_down()
            self._come_to_rest()
            self.checks.at_the_end()
        finally:
            self.schedule.close()

    def _come_to_rest(self) -> None:
        end = LENGTH + ENDING + SETTLING
        self.schedule.run(end)
        # What a run that is on its way has begun, it ends; that of a restless guest never does.
        calm = [one for one in self.servers if one.guest.behaviour not in RESTLESS]
        while end < LENGTH + ENDING + SETTLING + RUNNING and any(one.runs for one in calm):
            end += 1.0
            self.schedule.run(end)

    def _calm_down(self) -> None:
        self.note("no more faults")
        self.compute.wire.calm_down(Faults())
        self.provider.unreachable = False
        for server in self.servers:
            if not server.plan.stays_stuck:
                outside.cooperates(server)


def _short(size: object) -> str:
    return f"{size.vcpus}/{size.memory_mb}"  # type: ignore[attr-defined]


@contextlib.contextmanager
def _log_is_read(world: World) -> Iterator[None]:
    """What the engine logs goes to the trace; an error that nobody expected ends the history."""
    logger = logging.getLogger("nova_xloud")
    before = (logger.level, logger.propagate)
    handler = _Reader(world)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if world.trace is None else logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.level, logger.propagate = before
        logger.removeHandler(handler)


class _Reader(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self._world.note(f"log: {message}")
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception) and not isinstance(error, XloudError | MessagingTimeout):
            self._world.schedule.end(Violation(f"{message} {error!r}"))


def live(seed: int, trace: list[str] | None = None) -> World:
    """Live the history of ``seed``.

    :raises Violation: a rule was broken
    """
    world = World(make(seed), trace)
    with simulated_threads(world), _log_is_read(world):
        world.run()
    return world
