# SPDX-License-Identifier: Apache-2.0
"""Carries out the runs of any number of instances in a few threads.

A run that waits for a time, a lock or its guest has no thread meanwhile. Only a call that itself
waits keeps a thread, such as a call to a guest's agent for some seconds, or a call to libvirt that
removes vCPUs. Runs that are about to remove vCPUs have threads of their own.
"""

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
from nova_xloud.compute.converge import converge
from nova_xloud.compute.later import Later
from nova_xloud.compute.meter import Meter, NoMeter, ending
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Pause, Waits
from nova_xloud.conf import EngineOptions
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.errors import AdjustmentDeferred, NoCapacity, XloudError
from nova_xloud.fault_points import reached

LOG = logging.getLogger(__name__)


# Threads that do nothing but claim what is held and not reserved, so that nothing delays that.
OWED_THREADS = 1

# The lanes that the threads of each pool serve, the first one first.
_SERVES = {
    Lane.OWED: (Lane.OWED,),
    Lane.QUICK: (Lane.OWED, Lane.QUICK),
    Lane.SLOW: (Lane.SLOW,),
}

Converging = Callable[[Instance, EngineOptions, Clock], Waits[Outcome]]


@dataclass(slots=True, eq=False)
class _QueuedRun:
    """One run from its submission to its end.

    :ivar action: the instance action that the run is an event of; None if of no action
    :ivar urgency: why the run was queued; or the urgency of a run that was submitted while this one
        was the first of the instance, if that is more urgent
    :ivar shrinks: whether this run, and each that was submitted while this one was the first of
        the instance, is expected to give the guest nothing more
    :ivar future: gets the outcome or the error
    :ivar steps: the generator that makes the run; None if the run has not begun
    :ivar pauses: how often the run has paused, so that a wake-up for an earlier pause is ignored
    :ivar is_paused: whether the run waits until it is woken
    :ivar is_due: whether the run waits for a thread
    :ivar place: the number of the run's newest place in the agenda; older places are ignored
    :ivar may_wait: whether libvirt may wait for the guest in the run's next call
    :ivar news: whether another run was submitted for the instance since this one last continued
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
    """Carries out :func:`converge` for many instances in a few threads.

    A run that pauses keeps no thread, so other runs go on while a guest is waited for. Runs get
    threads in the order of :mod:`nova_xloud.compute.agenda`. The threads start with the first
    submission, so a worker may be made before a service forks.

    :param run: makes the generator of a run; by default :func:`converge`
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
        # By UUID: the run that is going on, and the runs that follow it.
        self._runs: dict[str, deque[_QueuedRun]] = {}
        # By UUID: what is called when the instance has no run any more.
        self._then: dict[str, Callable[[], object]] = {}
        # Each run with its place as it was when the run was added.
        self._agenda: Agenda[tuple[_QueuedRun, int]] = Agenda()
        self._later = Later()
        # Until when runs that make room go before runs that need room.
        self._room_is_short_until = -math.inf
        # Reentrant: cancelling a future under the lock may call back into this worker.
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
        """Queue a run for ``instance``; its outcome or error goes to the future and to the log.

        Runs of one instance never overlap: libvirt reports a balloon's size but not its target, so
        only the run that set the target knows it. If a run of the instance is queued or going on,
        the new run follows it. The earlier run is woken, and does what is desired by then. It takes
        over the urgency of the new run if that is higher. If the new run may give the guest more,
        the earlier run counts as one that may, too. The new run usually finds little left to do.

        :param action: the name of the instance action in which the run is recorded as an event, and
            of the notifications; None: neither
        :param urgency: why the run is queued
        :param shrinks: whether the run is expected to give its guest nothing more
        :returns: the future of the outcome; cancelled if nova-compute stops before the run begins
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
        """Return whether a run of this instance is queued or going on."""
        with self._lock:
            return uuid in self._runs

    def on_idle(self, uuid: str, then: Callable[[], object]) -> bool:
        """Call ``then`` once all runs of this instance that are queued or going on have ended.

        ``then`` replaces that of an earlier call for the instance. It is not called if nova-compute
        stops before.

        :returns: whether a run is queued or going on now; if not, ``then`` is not called
        """
        with self._lock:
            if uuid not in self._runs:
                return False
            self._then[uuid] = then
            return True

    def close(self) -> None:
        """Stop all runs before their next step, and return without waiting for that.

        The future of a run that has not begun is cancelled. A run that has begun ends as deferred,
        unless its present step ends it or it is ending already. The first pass of the next
        nova-compute resumes what is left to do.
        """
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
        """Queue ``run`` for a thread, if it is still in its pause number ``pause``."""
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
            # A closed pool takes no more work.
            run.future.cancel()

    def _serve(self, lanes: Iterable[Lane]) -> None:
        with self._lock:
            taken = self._agenda.take(lanes)
            if taken is None:
                # A thread that serves two lanes was quicker.
                return
            run, place = taken
            if place != run.place:
                return
            run.is_due = False
        end = self._with_future(run)
        if end is not None:
            self._finish(run, end)

    def _with_future(self, run: _QueuedRun) -> Callable[[], None] | None:
        """Carry on ``run`` until it pauses or ends.

        :returns: None if the run has paused; if it has ended, a function that sets its future. The
            function does nothing if the future was cancelled before the run began
        """
        if run.steps is None and not run.future.set_running_or_notify_cancel():
            return lambda: None
        try:
            with run.instance.logged():
                pause = self._next_pause(run)
                while not self._put_aside(run, pause):
                    pause = self._next_pause(run)
        except StopIteration as end:
            return functools.partial(run.future.set_result, end.value)
        except BaseException as error:  # noqa: BLE001 - the future raises it
            return functools.partial(run.future.set_exception, error)
        return None

    def _next_pause(self, run: _QueuedRun) -> Pause:
        """Carry on ``run`` up to its next pause, and return the pause.

        The error with which the run ends is raised.

        :raises StopIteration: the run has ended without an error; its ``value`` is the outcome
        """
        with self._lock:
            news, run.news = run.news, False
        if run.steps is None:
            run.steps = self._with_metrics(run.instance, run.action)
            return next(run.steps)
        return run.steps.send(news)

    def _put_aside(self, run: _QueuedRun, pause: Pause) -> bool:
        """Put ``run`` aside for ``pause`` to free this thread; return whether it was put aside.

        The run is queued again at once if the pause is 0 s long, or if another run was submitted
        for the instance. The run is not put aside if nova-compute is stopping: then it has to go on
        in this thread until it ends.
        """
        with self._lock:
            if self._closing.is_set():
                return False
            run.pauses += 1
            run.may_wait = pause.may_wait
            if not pause.seconds or run.news:
                self._queue(run)
            else:
                run.is_paused = True
                self._later.call(
                    pause.seconds,
                    functools.partial(self._wake, run, run.pauses),
                    f"resume the run of instance {run.instance.uuid} after its pause",
                )
        return True

    def _finish(self, run: _QueuedRun, set_future: Callable[[], None]) -> None:
        with self._lock:
            # Nothing wakes it any more, not even a pause for which no timer could be started.
            run.is_paused = False
            waiting = self._runs[run.instance.uuid]
            waiting.popleft()
            then = None
            if waiting:
                self._queue(waiting[0])
            else:
                del self._runs[run.instance.uuid]
                then = self._then.pop(run.instance.uuid, None)
        # The future is set last, so that whoever waits for it finds the instance free.
        set_future()
        if then is not None and not self._closing.is_set():
            then()

    def _with_metrics(self, instance: Instance, action: str | None) -> Waits[Outcome]:
        asked = action is not None
        try:
            outcome = yield from self._with_log(instance, action)
        except Exception as error:
            if isinstance(error, NoCapacity):
                # The run is retried by then at the latest.
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
                    # An event of Nova ends with Success or Error only, and this is no success.
                    raise AdjustmentDeferred(outcome.deferred)
        except AdjustmentDeferred as deferred:
            LOG.info(
                "Instance %s: the run to its desired size is deferred: %s.", instance.uuid, deferred
            )
            return outcome
        except XloudError as error:
            # What a guest or a full host did is not a fault of this service: no traceback.
            LOG.warning("Instance %s: the run to its desired size failed: %s", instance.uuid, error)
            raise
        except Exception:
            LOG.exception(
                "Instance %s: the run to its desired size failed with an unexpected error. What is "
                "reserved in Placement stays reserved, and a later reconcile pass queues another "
                "run if one is needed.",
                instance.uuid,
            )
            raise
        if outcome.deferred:
            LOG.info(
                "Instance %s: the run to its desired size is deferred: %s.",
                instance.uuid,
                outcome.deferred,
            )
        else:
            LOG.info(
                "Instance %s has reached its desired size, or is off and will start with it.",
                instance.uuid,
            )
        return outcome


@contextlib.contextmanager
def _with_action_event(instance: Instance, action: str | None) -> Iterator[None]:
    """Record the run as an event of its instance action, and notify of its end or error.

    After :class:`AdjustmentDeferred` no notification is sent and the event stays open, because the
    adjustment has not ended.

    :param action: the name of the instance action; None: nothing is recorded or sent
    """
    if action is None:
        yield
        return
    try:
        with instance.actions.event(f"compute_{action}"):
            yield
            reached("run.ended")
    except AdjustmentDeferred:
        raise
    except Exception as error:
        instance.actions.notify(f"{action}.error", error)
        raise
    instance.actions.notify(f"{action}.end")
