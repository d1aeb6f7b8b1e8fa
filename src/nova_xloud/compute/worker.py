# SPDX-License-Identifier: Apache-2.0
"""Who carries out runs: a few threads for any number of instances, and none waits for a guest."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from nova_xloud.clock import Clock
from nova_xloud.compute.agenda import Agenda, Lane, Urgency, rank
from nova_xloud.compute.converge import Outcome, converge
from nova_xloud.compute.later import Later
from nova_xloud.compute.meter import Meter, NoMeter, ending
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Pause, Waits
from nova_xloud.conf import EngineOptions
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.errors import AdjustmentDeferred, NoCapacity, XloudError

LOG = logging.getLogger(__name__)


# Threads for claims that are owed, which nothing else may keep waiting.
OWED_THREADS = 1

# What a thread of each pool takes, the first first.
_SERVES = {
    Lane.OWED: (Lane.OWED,),
    Lane.QUICK: (Lane.OWED, Lane.QUICK),
    Lane.SLOW: (Lane.SLOW,),
}

Converging = Callable[[Instance, EngineOptions, Clock], Waits[Outcome]]


@dataclass(slots=True, eq=False)
class _QueuedRun:
    """One run from its submission to its end.

    :ivar shrinks: its guest gets nothing more by it
    :ivar steps: what is left of it; None: it has not begun
    :ivar pauses: how often it has paused: by this a call that wakes it knows that it is too late
    :ivar is_paused: it waits until it is woken
    :ivar is_due: it waits for a thread
    :ivar place: the last of its places in the agenda; at one that it has left nobody takes it
    :ivar may_wait: in what it does next libvirt may wait for the guest
    :ivar news: somebody has asked for something since it was last read
    """

    instance: Instance
    action: str | None
    urgency: Urgency
    shrinks: bool
    future: Future[Outcome]
    steps: Waits[Outcome] | None = None
    pauses: int = 0
    is_paused: bool = False
    is_due: bool = False
    place: int = 0
    may_wait: bool = False
    news: bool = False


class Worker:
    """Carries out :func:`converge` for many instances: each for a moment, then the next.

    A run that waits is put aside until its time has come, so no guest waits for another. The
    threads are begun by the first submission, so it may be made before a service forks.
    """

    def __init__(
        self,
        options: EngineOptions,
        run: Converging = converge,
        meter: Meter | None = None,
    ) -> None:
        self._options = options
        self._meter = meter or NoMeter()
        self._closing = threading.Event()
        self._clock = Clock(closing=self._closing.is_set)
        self._run = run
        # Of each instance the run that is on its way, and those that follow it.
        self._runs: dict[str, deque[_QueuedRun]] = {}
        # Of each instance what is called when there is none of it any more.
        self._then: dict[str, Callable[[], object]] = {}
        # With the place of each, as it was when it was added.
        self._agenda: Agenda[tuple[_QueuedRun, int]] = Agenda()
        self._later = Later()
        # Until when whoever makes room goes first.
        self._room_is_short_until = -math.inf
        # Called back by the future of a run, that may be cancelled under it.
        self._lock = threading.RLock()
        threads = {
            Lane.OWED: OWED_THREADS,
            Lane.QUICK: options.converge_workers,
            Lane.SLOW: options.converge_workers,
        }
        self._pools = {
            lane: ThreadPoolExecutor(count, thread_name_prefix=f"xloud-converge-{lane.value}")
            for lane, count in threads.items()
        }

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> Future[Outcome]:
        """Queue a run for ``instance``; the result or error is in the future, and in the log.

        Runs of one instance never overlap: libvirt reports a balloon's size but not its target, so
        only the run that set the target knows it. A run that is on its way is woken for those that
        are submitted meanwhile, which follow it and find little left to do.

        :param action: record the run as the event of this instance action, and notify how it ended
        :param shrinks: its guest gets nothing more by it
        """
        run = _QueuedRun(instance, action, urgency, shrinks, Future())
        with self._lock:
            waiting = self._runs.setdefault(instance.uuid, deque())
            waiting.append(run)
            first = waiting[0]
            had = first.urgency, first.shrinks
            first.urgency = min(first.urgency, urgency)
            first.shrinks = first.shrinks and shrinks
            if first is run:
                self._queue(run)
            else:
                first.news = True
                if first.is_due and had != (first.urgency, first.shrinks):
                    self._queue(first)
                self._wake(first, first.pauses)
        return run.future

    def is_busy(self, uuid: str) -> bool:
        """Whether a run of this instance is waiting or on its way."""
        with self._lock:
            return uuid in self._runs

    def on_idle(self, uuid: str, then: Callable[[], object]) -> bool:
        """Have ``then`` called when no run of this instance is waiting or on its way any more.

        :returns: False, and nobody is called: there is none now
        """
        with self._lock:
            if uuid not in self._runs:
                return False
            self._then[uuid] = then
            return True

    def close(self) -> None:
        """Let runs end where they are; what is left is found by a pass of the next service."""
        self._closing.set()
        with self._lock:
            for waiting in self._runs.values():
                for run in waiting:
                    run.future.cancel()
                self._wake(waiting[0], waiting[0].pauses)
            self._later.forget()
        for pool in self._pools.values():
            pool.shutdown(wait=False)

    def _wake(self, run: _QueuedRun, pause: int) -> None:
        """Queue the run, if it still waits in that pause."""
        with self._lock:
            if run.is_paused and run.pauses == pause:
                run.is_paused = False
                self._queue(run)

    def _queue(self, run: _QueuedRun) -> None:
        run.is_due = True
        run.place += 1
        lane = Lane.QUICK
        if run.may_wait:
            lane = Lane.SLOW
        elif run.urgency is Urgency.OWED:
            lane = Lane.OWED
        room_is_short = self._clock.now() < self._room_is_short_until
        its_rank = rank(run.urgency, shrinks=run.shrinks, room_is_short=room_is_short)
        self._agenda.add((run, run.place), lane, its_rank)
        try:
            for pool, lanes in _SERVES.items():
                if lane in lanes:
                    self._pools[pool].submit(self._serve, lanes)
        except RuntimeError:
            # The pools take nobody when they are closed.
            run.future.cancel()

    def _serve(self, lanes: Iterable[Lane]) -> None:
        with self._lock:
            taken = self._agenda.take(lanes)
            if taken is None:
                # Who served two lanes was quicker.
                return
            run, place = taken
            if place != run.place:
                return
            run.is_due = False
        end = self._with_future(run)
        if end is not None:
            self._finish(run, end)

    def _with_future(self, run: _QueuedRun) -> Callable[[], None] | None:
        """Let the run go on until it waits; if it has ended, what sets its future."""
        if run.steps is None and not run.future.set_running_or_notify_cancel():
            return lambda: None
        try:
            with run.instance.logged():
                pause = self._next_pause(run)
                while not self._put_aside(run, pause):
                    pause = self._next_pause(run)
        except StopIteration as end:
            return functools.partial(run.future.set_result, end.value)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            return functools.partial(run.future.set_exception, error)
        return None

    def _next_pause(self, run: _QueuedRun) -> Pause:
        """:raises StopIteration: it has ended, with its outcome"""
        with self._lock:
            news, run.news = run.news, False
        if run.steps is None:
            run.steps = self._with_metrics(run.instance, run.action)
            return next(run.steps)
        return run.steps.send(news)

    def _put_aside(self, run: _QueuedRun, pause: Pause) -> bool:
        """False: the run goes on here and now, to its end, because the service ends."""
        with self._lock:
            if self._closing.is_set():
                return False
            run.pauses += 1
            run.may_wait = pause.may_wait
            if not pause.seconds or run.news:
                self._queue(run)
            else:
                run.is_paused = True
                self._later.call(pause.seconds, functools.partial(self._wake, run, run.pauses))
        return True

    def _finish(self, run: _QueuedRun, set_future: Callable[[], None]) -> None:
        with self._lock:
            waiting = self._runs[run.instance.uuid]
            waiting.popleft()
            then = None
            if waiting:
                self._queue(waiting[0])
            else:
                del self._runs[run.instance.uuid]
                then = self._then.pop(run.instance.uuid, None)
        # Last: whoever has waited for it finds the instance free.
        set_future()
        if then is not None and not self._closing.is_set():
            then()

    def _with_metrics(self, instance: Instance, action: str | None) -> Waits[Outcome]:
        asked = action is not None
        try:
            outcome = yield from self._with_log(instance, action)
        except Exception as error:
            if isinstance(error, NoCapacity):
                # It is tried again at the latest then.
                until = self._clock.now() + self._options.retry_max_interval
                self._room_is_short_until = until
            self._meter.ended(instance.uuid, *ending(error), asked=asked)
            raise
        phase = Phase.CONVERGED if outcome.converged else Phase.DEFERRED
        self._meter.ended(instance.uuid, phase, "", asked=asked)
        return outcome

    def _with_log(self, instance: Instance, action: str | None) -> Waits[Outcome]:
        try:
            with _with_action_event(instance, action):
                outcome = yield from self._run(instance, self._options, self._clock)
                if outcome.deferred and action:
                    # Nova knows Success and Error only, and a success this is not.
                    raise AdjustmentDeferred(outcome.deferred)
        except AdjustmentDeferred as deferred:
            LOG.info("Instance %s: %s.", instance.uuid, deferred)
            return outcome
        except XloudError as error:
            # What a guest or a full host did is not a fault of this service: no traceback.
            LOG.warning("Instance %s did not reach its desired size: %s", instance.uuid, error)
            raise
        except Exception:
            LOG.exception("Instance %s: converging failed.", instance.uuid)
            raise
        LOG.info(
            "Instance %s: %s.", instance.uuid, outcome.deferred or "has reached its desired size"
        )
        return outcome


@contextlib.contextmanager
def _with_action_event(instance: Instance, action: str | None) -> Iterator[None]:
    """Record the run as an event of its instance action, and send ``.end`` or ``.error``.

    A deferred run gets neither, because it has not ended.
    """
    if action is None:
        yield
        return
    try:
        with instance.actions.event(f"compute_{action}"):
            yield
    except AdjustmentDeferred:
        raise
    except Exception as error:
        instance.actions.notify(f"{action}.error", error)
        raise
    instance.actions.notify(f"{action}.end")
