# SPDX-License-Identifier: Apache-2.0
"""nova-compute: the real ``Host`` with the real ``Worker``, killed and started again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from nova_xloud.clock import Clock
from nova_xloud.compute import host, reconcile, worker
from nova_xloud.compute.agenda import Lane
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.converge import converge
from nova_xloud.compute.deadline import HostClock
from nova_xloud.compute.host import Host
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Waits
from nova_xloud.compute.watch import Watch
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.sizing.bounds import HostFacts
from tests.simulator.ports import SimHostInstances, Wire, open_instance
from tests.simulator.scenario import RECONCILE_EVERY
from tests.simulator.schedule import Actor, Lock, Process, Schedule
from tests.simulator.server import Server

if TYPE_CHECKING:
    from tests.simulator.history import World

FACTS = HostFacts()


class Compute:
    """The service on the host, over all of its lives.

    :ivar process: of its present life; a dead one while it is down
    :ivar host: of its present life
    :ivar ran_already: the guests that ran when it began, with their boot ids
    :ivar crashes_left: how often it may still be killed
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.wire = Wire(world)
        self.crashes_left = world.scenario.faults.crashes
        self.process = Process()
        self.process.alive = False
        self.host: Host
        # What came while it was down: the broker keeps it.
        self._waiting: list[Callable[[], None]] = []

    def start(self) -> None:
        """A new life: nothing is known but what is written."""
        world, schedule = self._world, self._world.schedule
        self.process = Process()
        for server in world.servers:
            server.runs, server.quiet_since = 0, schedule.now()
        self._locks: dict[str, Lock] = {}
        self._boot_grace = BootGrace(schedule.now, world.scenario.options.boot_grace)
        self._watch = Watch(schedule.now)
        self._worker = _Worker(world, self.process)
        self.ran_already = {
            one.uuid: one.guest.boot_id for one in world.servers if one.guest.active
        }
        self.host = Host(
            lambda context, server: self.open(server),
            SimHostInstances(self.wire, world, self.open),
            FACTS,
            world.scenario.options,
            self._boot_grace,
            self._worker,
            watch=self._watch,
        )
        # Whoever it answered before has named another's time.
        self.host.clock = HostClock(schedule.now, f"life {schedule.turns}")
        self._spawn("periodic tasks", self._live)
        for deliver in self._waiting:
            deliver()
        self._waiting = []

    def crash(self) -> None:
        """Killed, here and now, if the actor is one of its threads."""
        world = self._world
        actor = world.schedule.current
        mine = actor is not None and actor.process is self.process
        if not self.crashes_left or not mine or not self.process.alive:
            return
        self.crashes_left -= 1
        world.count("nova-compute is killed")
        world.note("nova-compute is killed")
        world.schedule.kill(self.process)
        back = world.rng.choice((0.5, 5.0, 30.0))
        world.spawn("operator", self.start, after=back)

    def is_held(self, server: Server) -> bool:
        """Whether an operation of a user has its lock: nobody else may do anything to it."""
        return self.lock(server).is_a_users

    def has_arrived(self, server: Server) -> None:
        """What our seam does at the end of a live migration to this host."""
        if server.guest.active:
            self._boot_grace.arrived_by_migration(server.uuid, server.guest.boot_id)

    @property
    def is_busy(self) -> bool:
        """All of its threads are: who comes now has to wait."""
        return self._worker.is_full

    def open(self, server: Server) -> Instance:
        """The ports of one instance."""
        return open_instance(
            self._world, self.wire, self._boot_grace, self._watch, self.lock, server
        )

    def lock(self, server: Server) -> Lock:
        lock = self._locks.get(server.uuid)
        if lock is None:
            lock = self._locks[server.uuid] = Lock(self._world.schedule, self._world.rng)
        return lock

    def deliver(self, name: str, run: Callable[[], object], expires: float = float("inf")) -> None:
        """A message: run in a thread of it, when it is up; not once it has expired."""

        def begin() -> None:
            if self._world.schedule.now() < expires:
                self._spawn(name, run)

        if self.process.alive:
            begin()
        else:
            self._waiting.append(begin)

    def _spawn(self, name: str, run: Callable[[], object]) -> None:
        self._world.spawn(name, run, process=self.process)

    def _live(self) -> None:
        """What nova-compute does by itself: finish users' operations, then a pass now and again."""
        world = self._world
        world.note("nova-compute starts")
        for server in world.servers:
            if server.work is not None and server.work.on_host:
                self._spawn(f"again: {server.work}", server.work.run)
        self.host.service_starts()
        while True:
            world.schedule.sleep(RECONCILE_EVERY)
            world.count("reconcile pass")
            world.note("reconcile")
            self.host.reconcile()


class _Worker(Worker):
    """The real one, with threads of the simulation and its time."""

    def __init__(self, world: World, process: Process) -> None:
        super().__init__(world.scenario.options, self._observed_run)
        self._world = world
        schedule = world.schedule
        pools = {
            lane: _Pool(schedule, process, pool._max_workers) for lane, pool in self._pools.items()
        }
        self._sim_pools = pools
        self._pools = pools  # type: ignore[assignment]
        self._later = _Later(schedule, process)  # type: ignore[assignment]
        self._clock = Clock(
            now=schedule.now,
            closing=self._closing.is_set,
            date=lambda: f"{schedule.now():.3f}",
        )

    @property
    def is_full(self) -> bool:
        return self._sim_pools[Lane.QUICK].is_busy

    def _observed_run(
        self, instance: Instance, options: EngineOptions, clock: Clock
    ) -> Waits[Outcome]:
        server = self._world.server(instance.uuid)
        began = self._world.schedule.now()
        self._world.checks.run_begins(server)
        try:
            outcome = yield from converge(instance, options, clock)
        except Exception as error:
            self._world.checks.run_ended(server, began, error)
            raise
        self._world.checks.run_ended(server, began, outcome)
        return outcome


class _Later:
    """As the real one, in virtual time, and gone with its process."""

    def __init__(self, schedule: Schedule, process: Process) -> None:
        self._schedule, self._process = schedule, process

    def call(self, seconds: float, call: Callable[[], object], purpose: str = "") -> None:
        """See :class:`nova_xloud.compute.later.Later`."""
        self._schedule.spawn("later", call, self._process, after=seconds)


class _Future(Future[Any]):
    """One that is waited for in virtual time."""

    schedule: Schedule

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            if timeout is not None and timeout <= 0:
                raise FutureTimeoutError
            self.schedule.sleep(0.5)
            timeout = None if timeout is None else timeout - 0.5
        return super().result(0)


class _Threads:
    """``threading``, as far as ``Reconciler`` uses it."""

    Lock = staticmethod(threading.Lock)

    def __init__(self, world: World) -> None:
        self._world = world
        self._of_actors: dict[Actor, _Thread] = {}

    def Thread(self, target: Callable[[], object], name: str, daemon: bool) -> _Thread:
        """Not begun yet."""
        return _Thread(self, target, name)

    def current_thread(self) -> _Thread | None:
        """The current actor's."""
        return self._of_actors.get(self._world.actor)

    def begin(self, thread: _Thread) -> None:
        """Have an actor for it."""
        world = self._world
        actor = world.spawn(thread.name, thread.run, process=world.compute.process)
        self._of_actors[actor] = thread


class _Thread:
    def __init__(self, threads: _Threads, target: Callable[[], object], name: str) -> None:
        self._threads = threads
        self._target = target
        self._alive = False
        self.name = name

    def start(self) -> None:
        self._alive = True
        self._threads.begin(self)

    def is_alive(self) -> bool:
        return self._alive

    def run(self) -> None:
        self._target()
        self._alive = False


@contextlib.contextmanager
def simulated_threads(world: World) -> Iterator[None]:
    """The engine's time is virtual, and its threads are actors."""
    schedule = world.schedule
    future = type("Future", (_Future,), {"schedule": schedule})
    time = SimpleNamespace(monotonic=schedule.now, sleep=schedule.sleep)
    with (
        mock.patch.object(host, "time", time),
        mock.patch.object(worker, "Future", future),
        mock.patch.object(reconcile, "threading", _Threads(world)),
    ):
        yield


class _Pool:
    """A bounded pool of threads, as far as ``Worker`` uses one."""

    def __init__(self, schedule: Schedule, process: Process, workers: int) -> None:
        self._schedule = schedule
        self._process = process
        self._idle = workers
        self._jobs: list[Callable[[], object]] = []

    @property
    def is_busy(self) -> bool:
        return not self._idle

    def submit(self, function: Callable[..., object], *arguments: Any) -> None:
        self._jobs.append(lambda: function(*arguments))
        if self._idle:
            self._idle -= 1
            self._schedule.spawn("worker", self._work, self._process)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """The simulated service is only ever killed."""

    def _work(self) -> None:
        while self._jobs:
            self._jobs.pop(0)()
        self._idle += 1
