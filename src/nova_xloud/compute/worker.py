# SPDX-License-Identifier: Apache-2.0
"""Carries out runs: a few threads serve any number of instances.

A run that waits for a time, a lock or its guest has no thread meanwhile. Only a call that itself
waits keeps a thread: one to a guest's agent, for some seconds, or the removal of vCPUs, for which
there are threads that do nothing else.
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
from nova_xloud.compute.converge import Outcome, converge
from nova_xloud.compute.later import Later
from nova_xloud.compute.meter import Meter, NoMeter, ending
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Pause, Waits
from nova_xloud.conf import EngineOptions
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.errors import AdjustmentDeferred, NoCapacity, XloudError

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

    :ivar action: the instance action that the run is an event of; None: of none
    :ivar urgency: why the run was queued, or a more urgent reason why a later run of the instance
        was, which waits for this one
    :ivar shrinks: neither this run nor a run that waits for it gives its guest anything more
    :ivar future: gets the outcome or the error
    :ivar steps: the generator that makes the run; None: the run has not begun
    :ivar pauses: how often the run has paused; a wake-up for an earlier pause is ignored by this
    :ivar is_paused: the run waits until it is woken
    :ivar is_due: the run waits for a thread
    :ivar place: the number of the run's newest place in the agenda; older places are ignored
    :ivar may_wait: libvirt may wait for the guest in the run's next call
    :ivar news: another run was submitted for the instance since the run last yielded
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

    A run that pauses gives its thread away until its pause is over, so no guest waits for another.
    Runs get threads in the order of :mod:`nova_xloud.compute.agenda`. The threads start with the
    first submission, so a worker may be made before a service forks.

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
        only the run that set the target knows it. A run that is going on is woken when another is
        submitted, and does what that was submitted for; the other follows it and finds little left
        to do. If the other is more urgent, or gives the guest more, that also counts for the place
        of the first one in the queue.

        :param action: the instance action that the run is recorded in and notified for; None: none
        :param urgency: why the run is queued
        :param shrinks: the run gives its guest nothing more
        :returns: the future; cancelled if nova-compute is stopping
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
        """Call ``then`` once no run of this instance is queued or going on any more.

        It replaces what an earlier call has set for the instance, and is not called if nova-compute
        stops before.

        :returns: False if there is no run now; ``then`` is not called in that case
        """
        with self._lock:
            if uuid not in self._runs:
                return False
            self._then[uuid] = then
            return True

    def close(self) -> None:
        """Stop all runs before their next step; the next nova-compute's first pass resumes them.

        The future of a run that has not begun is cancelled. A run that has begun ends as
        deferred, unless its present step ends it.
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
        """Queue the run, if it is still in its pause number ``pause``."""
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
        """Carry on the run until it pauses; if it has ended, return a call that sets its future.

        :returns: None if the run has paused; a call that does nothing if its future was cancelled
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
        """Carry on the run up to its next pause, and return the pause.

        :raises StopIteration: the run has ended, with its outcome. If it ends with an error, that
            is raised
        """
        with self._lock:
            news, run.news = run.news, False
        if run.steps is None:
            run.steps = self._with_metrics(run.instance, run.action)
            return next(run.steps)
        return run.steps.send(news)

    def _put_aside(self, run: _QueuedRun, pause: Pause) -> bool:
        """Put the run aside for ``pause``, and return True.

        The run is queued again at once if the pause has no length, or if another run was submitted.
        Return False if nova-compute is stopping: then the run goes on at once, to its end.
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
            LOG.info("Instance %s: %s.", instance.uuid, deferred)
            return outcome
        except XloudError as error:
            # What a guest or a full host did is not a fault of this service: no traceback.
            LOG.warning("Instance %s did not reach its desired size: %s", instance.uuid, error)
            raise
        except Exception:
            LOG.exception("Instance %s: the run failed with an unexpected error.", instance.uuid)
            raise
        LOG.info(
            "Instance %s: %s.", instance.uuid, outcome.deferred or "has reached its desired size"
        )
        return outcome


@contextlib.contextmanager
def _with_action_event(instance: Instance, action: str | None) -> Iterator[None]:
    """Record the run as an event of its instance action, and send ``.end`` or ``.error``.

    After :class:`AdjustmentDeferred` neither notification is sent and the event stays open, because
    the adjustment has not ended.

    :param action: None: the run belongs to no instance action, and nothing is recorded or sent
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
