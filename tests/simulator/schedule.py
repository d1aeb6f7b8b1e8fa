# SPDX-License-Identifier: Apache-2.0
"""Actors in virtual time, one at a time, switched only where they sleep or wait.

An actor is plain synchronous code in a greenlet. So the engine runs as it is, and whoever else is
due comes between any two of its calls.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
from collections.abc import Callable, Iterator
from random import Random
from types import TracebackType
from typing import NoReturn

from greenlet import getcurrent, greenlet

from nova_xloud.errors import InvalidState
from nova_xloud.testing.clock import EPOCH

# More turns than any history takes.
ENDLESS = 10_000
# Seconds that nova-xloud may wait for an operation of a user that has the lock.
PATIENCE = 25.0


class Killed(BaseException):
    """The process has ended: nothing of ours may catch it."""


class Violation(AssertionError):
    """A history is not as every history has to be."""


class Process:
    """What actors die with.

    :ivar alive: False once it was killed
    """

    def __init__(self) -> None:
        self.alive = True


class Actor:
    """One thread of one process.

    :ivar shielded: libvirtd or Placement is at work for it, and goes on when it is killed
    """

    __slots__ = ("name", "process", "shielded", "thread")

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.shielded = False
        self.thread: greenlet

    @property
    def doomed(self) -> bool:
        return not self.process.alive and not self.shielded


class Schedule:
    """Whose turn it is, and what time.

    It is a clock for the fakes too: ``now()`` and ``sleep()``.

    :ivar turns: how often somebody slept or waited
    :ivar current: the actor whose turn it is; None outside of :meth:`run`
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._now = 0.0
        self._until = 0.0
        self.turns = 0
        self._queue: list[tuple[float, int, Actor]] = []
        self._unfinished: dict[Actor, None] = {}
        self._main = getcurrent()
        self._end: Exception | None = None
        self.current: Actor | None = None

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self._now

    def spawn(
        self, name: str, run: Callable[[], object], process: Process, after: float = 0.0
    ) -> Actor:
        """Have ``run`` called in a thread of ``process``, ``after`` seconds from now."""
        actor = Actor(name, process)

        def thread() -> None:
            try:
                if not actor.doomed:
                    run()
            except Killed:
                pass
            finally:
                del self._unfinished[actor]

        actor.thread = greenlet(thread, self._main)
        self._unfinished[actor] = None
        self._push(actor, after)
        return actor

    def run(self, until: float) -> None:
        """Let everybody act who is due before ``until``; whatever an actor raises is raised."""
        self._until = until
        while self._queue and self._queue[0][0] <= until:
            self._now, _, self.current = heapq.heappop(self._queue)
            self.current.thread.switch()
            if self._end is not None:
                raise self._end
        self.current = None
        self._now = max(self._now, until)

    def end(self, why: Exception) -> NoReturn:
        """The history ends here: whoever acts does not go on, and :meth:`run` raises ``why``."""
        if self.current is None:
            raise why
        self._end = why
        self._main.switch()
        raise Killed

    def sleep(self, seconds: float) -> None:
        """The current actor's turn is over for that long."""
        actor = self.current
        assert actor is not None
        at = self._now + seconds
        if at > self._until or (self._queue and self._queue[0][0] <= at):
            self._push(actor, seconds)
            self.wait()
        else:
            # Nobody else is due before: the way through the queue would lead back here.
            self._now = at
            self._count_turn()
        if actor.doomed:
            raise Killed

    def wait(self) -> None:
        """Until somebody calls :meth:`wake`."""
        self._main.switch()
        assert self.current is not None
        if self.current.doomed:
            raise Killed

    def wake(self, actor: Actor) -> None:
        self._push(actor, 0.0)

    def kill(self, process: Process) -> None:
        """End it. Its threads end where they wait, each when its turn comes."""
        process.alive = False

    def bury(self, process: Process) -> None:
        """Wake the threads of a killed process that wait for what will not come."""
        queued = {id(actor) for _, _, actor in self._queue}
        for actor in self._unfinished:
            dead = actor.process is process and actor is not self.current
            if dead and id(actor) not in queued:
                self._push(actor, 0.0)

    def close(self) -> None:
        """The history is over: end every thread where it stands."""
        self.turns = 0
        for actor in list(self._unfinished):
            actor.process.alive = False
            actor.shielded = False
        for actor in list(self._unfinished):
            self.current = actor
            actor.thread.switch()
        self.current = None

    def _count_turn(self) -> None:
        self.turns += 1
        if self.turns > ENDLESS:
            self.end(Violation("somebody goes round in circles"))

    def _push(self, actor: Actor, after: float) -> None:
        self._count_turn()
        heapq.heappush(self._queue, (self._now + after, self.turns, actor))


class Lock:
    """Held by one actor; of those who wait, any one is next.

    :ivar is_a_users: an operation of a user has it
    """

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self._schedule = schedule
        self._rng = rng
        self._holder: Actor | None = None
        self._waiting: list[Actor] = []
        # From when to when somebody's operation had it.
        self._users: list[tuple[float, float]] = []
        self.is_a_users, self._users_since = False, 0.0
        # Of who waits for so long only, what tells this time from another.
        self._tickets: dict[Actor, object] = {}

    @contextlib.contextmanager
    def of_a_user(self) -> Iterator[None]:
        """Held by an operation of a user, and not by nova-xloud."""
        with self:
            self._users_since, self.is_a_users = self._schedule.now(), True
            try:
                yield
            finally:
                self.is_a_users = False
                self._users.append((self._users_since, self._schedule.now()))

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Held by nova-xloud; as :class:`nova_xloud.compute.ports.InstanceLock`."""
        me = self._schedule.current
        assert me is not None
        if self._holder is not None and not seconds:
            raise InvalidState("another operation holds the instance")
        if self._holder is not None:
            ticket = self._tickets[me] = object()
            give_up = functools.partial(self._give_up, me, ticket, seconds)
            self._schedule.spawn("lock", give_up, me.process, seconds)
        begun = self._schedule.now()
        with self:
            self._tickets.pop(me, None)
            waited = self.users_had_it(since=begun)
            if waited > PATIENCE:
                self._schedule.end(Violation(f"kept waiting by an operation for {waited:.0f} s"))
            if self._holder is not me:
                raise InvalidState(f"another operation has held the instance for {seconds:g} s")
            yield

    def _give_up(self, actor: Actor, ticket: object, seconds: float) -> None:
        """It waits no longer, if an operation of a user has the lock."""
        while self._tickets.get(actor) is ticket and not self.is_a_users:
            self._schedule.sleep(seconds)
        if self._tickets.get(actor) is ticket and actor in self._waiting:
            self._waiting.remove(actor)
            self._schedule.wake(actor)

    def users_had_it(self, since: float) -> float:
        """For how many seconds since then operations of users had it."""
        intervals = self._users
        if self.is_a_users:
            intervals = [*intervals, (self._users_since, self._schedule.now())]
        return sum(max(0.0, end - max(begun, since)) for begun, end in intervals)

    @property
    def mine(self) -> bool:
        """Whether the current actor has it."""
        return self._holder is self._schedule.current

    def __enter__(self) -> None:
        me = self._schedule.current
        assert me is not None
        if me.doomed:
            raise Killed
        assert self._holder is not me, "taken twice"
        if self._holder is None:
            self._holder = me
            return
        self._waiting.append(me)
        self._schedule.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._holder is not self._schedule.current:
            # It was not had: see within().
            return
        self._holder = None
        if self._waiting and kind is not Killed:
            self._holder = self._waiting.pop(self._rng.randrange(len(self._waiting)))
            self._schedule.wake(self._holder)
