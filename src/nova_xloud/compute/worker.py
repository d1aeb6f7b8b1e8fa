# SPDX-License-Identifier: Apache-2.0
"""The bounded pool in which instances converge, so that no RPC thread waits for a guest."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from nova_xloud.compute.clock import Clock
from nova_xloud.compute.converge import Outcome, converge
from nova_xloud.compute.meter import Meter, NoMeter, ending
from nova_xloud.compute.ports import Instance
from nova_xloud.conf import EngineOptions
from nova_xloud.core.lifecycle import Phase
from nova_xloud.errors import AdjustmentDeferred, XloudError

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Submitted:
    instance: Instance
    action: str | None
    future: Future[Outcome]


class Worker:
    """Runs :func:`converge` for many instances, a few at a time.

    Its threads are begun by the first submission, so it may be made before a service forks.
    """

    def __init__(
        self,
        options: EngineOptions,
        run: Callable[[Instance, EngineOptions, Clock], Outcome] = converge,
        meter: Meter | None = None,
    ) -> None:
        self._options = options
        self._meter = meter or NoMeter()
        self._closing = threading.Event()
        self._clock = Clock(sleep=self._closing.wait, closing=self._closing.is_set)
        self._run = run
        # Of each instance the run that is on its way, and those that follow it.
        self._runs: dict[str, deque[_Submitted]] = {}
        # Of each instance what is called when there is none of it any more.
        self._then: dict[str, Callable[[], object]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(
            max_workers=options.converge_workers, thread_name_prefix="xloud-converge"
        )

    def submit(self, instance: Instance, action: str | None = None) -> Future[Outcome]:
        """Converge ``instance``; the result or error is in the future, and in the log.

        Of one instance one run goes at a time, because what its balloon was told is known to the
        run that told it. Those that come meanwhile follow, and find little left to do.

        :param action: record the run as the event of this instance action, and notify how it ended
        """
        run = _Submitted(instance, action, Future())
        with self._lock:
            waiting = self._runs.setdefault(instance.uuid, deque())
            waiting.append(run)
            if len(waiting) == 1:
                self._begin(run)
        return run.future

    def is_busy(self, uuid: str) -> bool:
        """Whether a run of this instance is waiting or on its way."""
        with self._lock:
            return uuid in self._runs

    def when_free(self, uuid: str, then: Callable[[], object]) -> bool:
        """Have ``then`` called when no run of this instance is waiting or on its way any more.

        :returns: False, and nobody is called: there is none now
        """
        with self._lock:
            if uuid not in self._runs:
                return False
            self._then[uuid] = then
            return True

    def close(self) -> None:
        """Let runs end where they are; what is left is found by whoever looks next."""
        self._closing.set()
        with self._lock:
            for waiting in self._runs.values():
                for run in waiting:
                    run.future.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, run: _Submitted) -> None:
        with contextlib.suppress(RuntimeError):
            # The pool takes none when it is closed.
            self._pool.submit(self._run_one, run)
            return
        run.future.cancel()

    def _run_one(self, run: _Submitted) -> None:
        tell = self._run_for(run)
        then = self._ended(run.instance.uuid)
        # Last: whoever has waited for it finds the instance free.
        tell()
        if then is not None and not self._closing.is_set():
            then()

    def _run_for(self, run: _Submitted) -> Callable[[], None]:
        if not run.future.set_running_or_notify_cancel():
            return lambda: None
        try:
            with run.instance.logged():
                return functools.partial(
                    run.future.set_result, self._counted(run.instance, run.action)
                )
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            return functools.partial(run.future.set_exception, error)

    def _ended(self, uuid: str) -> Callable[[], object] | None:
        with self._lock:
            waiting = self._runs[uuid]
            waiting.popleft()
            if waiting:
                self._begin(waiting[0])
                return None
            del self._runs[uuid]
            return self._then.pop(uuid, None)

    def _counted(self, instance: Instance, action: str | None) -> Outcome:
        asked = action is not None
        try:
            outcome = self._converge(instance, action)
        except Exception as error:
            self._meter.ended(instance.uuid, *ending(error), asked=asked)
            raise
        phase = Phase.CONVERGED if outcome.converged else Phase.DEFERRED
        self._meter.ended(instance.uuid, phase, "", asked=asked)
        return outcome

    def _converge(self, instance: Instance, action: str | None) -> Outcome:
        try:
            with _told_of(instance, action):
                outcome = self._run(instance, self._options, self._clock)
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
def _told_of(instance: Instance, action: str | None) -> Iterator[None]:
    """Everybody is told how it ended: by an event of the action, and by a notification.

    Not of one that was deferred: it has not ended.
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
