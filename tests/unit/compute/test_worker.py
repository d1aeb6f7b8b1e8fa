# SPDX-License-Identifier: Apache-2.0
"""The pool in which instances converge."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from nova_xloud.compute.converge import Clock, Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.errors import GuestRefused, NoCapacity
from tests.unit.compute.rig import Rig

DONE = Outcome(True)
PATIENCE = 10


class Runs:
    """Stands for converging: answers, or raises, what is next in line."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self._answers = list(answers)
        self.seen: list[Instance] = []

    def __call__(self, instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        self.seen.append(instance)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def worker(*answers: Outcome | Exception) -> Worker:
    return Worker(EngineOptions(converge_workers=1), Runs(*answers))


def test_the_outcome_is_in_the_future() -> None:
    deferred = Outcome(False, "paused")
    assert worker(deferred).submit(Rig().instance).result(PATIENCE) == deferred


def test_it_converges_with_the_operators_options() -> None:
    options = EngineOptions(step_timeout=7)
    given: list[EngineOptions] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        given.append(options)
        return DONE

    Worker(options, run).submit(Rig().instance).result(PATIENCE)
    assert given == [options]


def test_by_itself_it_converges_for_real() -> None:
    rig = Rig(running=False)
    rig.admit(2, 1024)
    Worker(EngineOptions()).submit(rig.instance).result(PATIENCE)
    assert rig.claims.size == rig.record.desired.target


def test_a_run_that_was_asked_for_is_an_event_that_succeeds() -> None:
    rig = Rig()
    worker(DONE).submit(rig.instance, "compute_xloud_adjust").result(PATIENCE)
    assert [(e.name, e.result) for e in rig.actions.events] == [
        ("compute_xloud_adjust", "Success"),
    ]


@pytest.mark.parametrize("error", [GuestRefused("no"), NoCapacity("full"), RuntimeError("bug")])
def test_a_run_that_fails_is_an_event_with_its_error(error: Exception) -> None:
    rig = Rig()
    future = worker(error).submit(rig.instance, "compute_xloud_adjust")
    assert future.exception(PATIENCE) is error
    (event,) = rig.actions.events
    assert (event.result, event.error) == ("Error", error)


def test_a_run_that_nobody_asked_for_is_no_event() -> None:
    rig = Rig()
    worker(DONE).submit(rig.instance).result(PATIENCE)
    assert rig.actions.events == []


@pytest.mark.parametrize("error", [GuestRefused("no"), RuntimeError("bug")])
def test_an_error_does_not_end_the_worker(error: Exception) -> None:
    pool = worker(error, DONE)
    first, second = pool.submit(Rig().instance), pool.submit(Rig().instance)
    assert first.exception(PATIENCE) is error
    assert second.result(PATIENCE) == DONE


@pytest.mark.parametrize(
    ("error", "level", "traceback"),
    [(GuestRefused("no"), "WARNING", False), (RuntimeError("bug"), "ERROR", True)],
)
def test_only_a_fault_of_ours_is_logged_with_its_traceback(
    error: Exception, level: str, traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Rig().instance
    worker(error).submit(instance).exception(PATIENCE)
    (record,) = [r for r in caplog.records if r.name == "nova_xloud.compute.worker"]
    assert (record.levelname, bool(record.exc_info)) == (level, traceback)
    assert instance.uuid in record.getMessage()


@pytest.mark.parametrize(
    ("outcome", "text"),
    [(DONE, "has reached its desired size"), (Outcome(False, "it is paused"), "it is paused")],
)
def test_the_outcome_is_logged(
    outcome: Outcome, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker(outcome).submit(Rig().instance).result(PATIENCE)
    assert text in caplog.text


def test_no_more_instances_than_the_operator_allows_converge_at_once() -> None:
    gate, begun, lock = threading.Event(), threading.Semaphore(0), threading.Lock()
    now, most = 0, 0

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        begun.release()
        assert gate.wait(PATIENCE)
        with lock:
            now -= 1
        return DONE

    pool = Worker(EngineOptions(converge_workers=2), run)
    futures = [pool.submit(Rig().instance) for _ in range(6)]
    assert begun.acquire(timeout=PATIENCE)
    assert begun.acquire(timeout=PATIENCE)
    gate.set()
    assert [future.result(PATIENCE) for future in futures] == [DONE] * 6
    assert most == 2


def test_when_the_service_ends_nobody_is_waited_for() -> None:
    asked: list[Clock] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        asked.append(clock)
        while not clock.closing():
            clock.sleep(PATIENCE)
        return Outcome(False, "stopping")

    pool = Worker(EngineOptions(converge_workers=1), run)
    running, waiting = pool.submit(Rig().instance), pool.submit(Rig().instance)
    while not asked:
        time.sleep(0.001)
    pool.close()
    assert running.result(PATIENCE).deferred == "stopping"
    assert waiting.cancelled()
