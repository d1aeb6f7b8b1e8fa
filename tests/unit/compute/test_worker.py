# SPDX-License-Identifier: Apache-2.0
"""The pool in which instances converge."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from lab.patience import LIMIT
from nova_xloud.clock import Clock
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.errors import AdjustmentDeferred, GuestRefused, NoCapacity
from nova_xloud.testing.fake_ports import FakeEvent
from tests.unit.compute.rig import Rig, at_once
from tests.unit.compute.worker_rig import DONE
from tests.unit.waiting import wait_until

REFUSED = GuestRefused("xloud.guest_refused.memory_not_reached", "no")


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
    return Worker(EngineOptions(converge_workers=1), at_once(Runs(*answers)))


def test_the_outcome_is_in_the_future() -> None:
    deferred = Outcome(False, "paused")
    assert worker(deferred).submit(Rig().instance).result(LIMIT) == deferred


def test_it_converges_with_the_operators_options() -> None:
    options = EngineOptions(step_timeout=7)
    given: list[EngineOptions] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        given.append(options)
        return DONE

    Worker(options, at_once(run)).submit(Rig().instance).result(LIMIT)
    assert given == [options]


def test_by_itself_it_converges_for_real() -> None:
    rig = Rig(running=False)
    rig.admit(2, 1024)
    Worker(EngineOptions()).submit(rig.instance).result(LIMIT)
    assert rig.claims.size == rig.record.desired.target


def test_a_run_that_was_asked_for_is_an_event_that_succeeds() -> None:
    rig = Rig()
    worker(DONE).submit(rig.instance, "xloud_adjust").result(LIMIT)
    assert [(e.name, e.result) for e in rig.actions.events] == [
        ("compute_xloud_adjust", "Success"),
    ]
    assert rig.actions.notified == ["xloud_adjust.end"]


@pytest.mark.parametrize("error", [REFUSED, NoCapacity("full"), RuntimeError("bug")])
def test_a_run_that_fails_is_an_event_with_its_error(error: Exception) -> None:
    rig = Rig()
    future = worker(error).submit(rig.instance, "xloud_adjust")
    assert future.exception(LIMIT) is error
    (event,) = rig.actions.events
    assert (event.result, event.error) == ("Error", error)
    assert rig.actions.notified == ["xloud_adjust.error"]


def test_the_notification_of_a_failure_has_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    told: list[tuple[str, Exception | None]] = []
    monkeypatch.setattr(rig.actions, "notify", lambda name, error=None: told.append((name, error)))
    worker(REFUSED).submit(rig.instance, "hotplug_vcpus").exception(LIMIT)
    assert told == [("hotplug_vcpus.error", REFUSED)]


def test_deferred_run_ends_no_event_and_sends_no_notification(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    left: list[BaseException] = []
    event = rig.actions.event

    @contextlib.contextmanager
    def watched(name: str) -> Iterator[FakeEvent]:
        with event(name) as one:
            try:
                yield one
            except BaseException as error:
                left.append(error)
                raise

    monkeypatch.setattr(rig.actions, "event", watched)
    outcome = Outcome(False, "the guest is paused")
    pool = worker(outcome, DONE)
    assert pool.submit(rig.instance, "xloud_adjust").result(LIMIT) == outcome
    assert rig.actions.notified == []
    # By this the event knows that it is to stay open.
    assert [type(error) for error in left] == [AdjustmentDeferred]
    assert "the guest is paused" in str(left[0])
    assert [one.result for one in rig.actions.events] == [None]
    assert pool.submit(rig.instance, "xloud_adjust").result(LIMIT) == DONE
    assert [one.result for one in rig.actions.events] == ["Success"]
    assert rig.actions.notified == ["xloud_adjust.end"]


def test_a_run_that_nobody_asked_for_is_no_event() -> None:
    rig = Rig()
    worker(DONE).submit(rig.instance).result(LIMIT)
    worker(Outcome(False, "paused")).submit(rig.instance).result(LIMIT)
    worker(REFUSED).submit(rig.instance).exception(LIMIT)
    assert rig.actions.events == []
    assert rig.actions.notified == []


@pytest.mark.parametrize("error", [REFUSED, RuntimeError("bug")])
def test_an_error_does_not_end_the_worker(error: Exception) -> None:
    pool = worker(error, DONE)
    first, second = pool.submit(Rig().instance), pool.submit(Rig().instance)
    assert first.exception(LIMIT) is error
    assert second.result(LIMIT) == DONE


@pytest.mark.parametrize(
    ("error", "level", "traceback"),
    [(REFUSED, "WARNING", False), (RuntimeError("bug"), "ERROR", True)],
)
def test_only_a_fault_of_ours_is_logged_with_its_traceback(
    error: Exception, level: str, traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Rig().instance
    worker(error).submit(instance).exception(LIMIT)
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
    worker(outcome).submit(Rig().instance).result(LIMIT)
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
        assert gate.wait(LIMIT)
        with lock:
            now -= 1
        return DONE

    pool = Worker(EngineOptions(converge_workers=2), at_once(run))
    futures = [pool.submit(Rig(uuid=f"instance-{n}").instance) for n in range(6)]
    assert begun.acquire(timeout=LIMIT)
    assert begun.acquire(timeout=LIMIT)
    gate.set()
    assert [future.result(LIMIT) for future in futures] == [DONE] * 6
    assert most == 2


def test_when_the_service_ends_nobody_is_waited_for() -> None:
    asked: list[Clock] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        asked.append(clock)
        while not clock.closing():
            time.sleep(0.001)
        return Outcome(False, "stopping")

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    one, other = Rig(uuid="one").instance, Rig(uuid="other").instance
    running = pool.submit(one)
    waiting = [pool.submit(one), pool.submit(other), pool.submit(other)]
    wait_until(lambda: asked)
    pool.close()
    assert all(future.cancelled() for future in waiting)
    assert running.result(LIMIT).deferred == "stopping"
    # A run that is submitted after the close is cancelled too.
    assert pool.submit(Rig(uuid="third").instance).cancelled()
    assert len(asked) == 1


@pytest.mark.parametrize("error", [None, REFUSED, RuntimeError("bug")])
def test_runs_of_one_instance_follow_each_other(
    error: Exception | None,
) -> None:
    running: list[int] = []
    order: list[int] = []
    lock = threading.Lock()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        number = int(instance.request_id)
        with lock:
            running.append(number)
            order.append(number)
            assert running == [number], "two runs of one instance at a time"
        time.sleep(0.002)
        with lock:
            running.remove(number)
        if error is not None:
            raise error
        return DONE

    pool = Worker(EngineOptions(converge_workers=4), at_once(run))
    rig, futures = Rig(), []
    for number in range(8):
        rig.request_id = str(number)
        futures.append(pool.submit(rig.instance))
    assert [future.exception(LIMIT) for future in futures] == [error] * 8
    assert order == list(range(8))


def test_instance_that_waits_for_itself_takes_no_thread_from_others() -> None:
    gate = threading.Event()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        assert instance.uuid != "slow" or gate.wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=2), at_once(run))
    slow = [pool.submit(Rig(uuid="slow").instance) for _ in range(3)]
    assert pool.submit(Rig(uuid="quick").instance).result(LIMIT) == DONE
    gate.set()
    assert [future.result(LIMIT) for future in slow] == [DONE] * 3


def test_a_run_that_nobody_waits_for_any_more_is_not_begun_and_the_next_is() -> None:
    gate = threading.Event()
    seen: list[str] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        seen.append(instance.request_id)
        assert gate.wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    rig, futures = Rig(), []
    for name in ("first", "second", "third"):
        rig.request_id = name
        futures.append(pool.submit(rig.instance))
    assert futures[1].cancel()
    gate.set()
    assert futures[2].result(LIMIT) == DONE
    assert seen == ["first", "third"]
    assert not pool.is_busy(rig.uuid)


def test_an_instance_is_busy_while_a_run_of_it_waits_or_is_on_its_way() -> None:
    gate = threading.Event()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        assert gate.wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    one, other = Rig(uuid="one").instance, Rig(uuid="other").instance
    assert not pool.is_busy("one")
    futures = [pool.submit(one), pool.submit(other), pool.submit(other)]
    assert pool.is_busy("one")
    assert pool.is_busy("other")
    assert not pool.is_busy("third")
    gate.set()
    for future in futures:
        future.result(LIMIT)
    assert not pool.is_busy("one")
    assert not pool.is_busy("other")


def test_an_instance_with_two_runs_is_busy_until_both_have_ended() -> None:
    gates = [threading.Event(), threading.Event()]
    waiting = iter(gates)

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        assert next(waiting).wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    instance = Rig().instance
    first, second = pool.submit(instance), pool.submit(instance)
    gates[0].set()
    first.result(LIMIT)
    assert pool.is_busy(instance.uuid)
    gates[1].set()
    second.result(LIMIT)
    assert not pool.is_busy(instance.uuid)


def test_idle_callback_is_called_once_after_the_last_run_of_an_instance() -> None:
    gates = [threading.Event(), threading.Event()]
    waiting = iter(gates)

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        assert next(waiting).wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    instance = Rig().instance
    called: list[bool] = []

    def then() -> None:
        called.append(pool.is_busy(instance.uuid))

    assert not pool.on_idle(instance.uuid, then)
    first, second = pool.submit(instance), pool.submit(instance)
    assert pool.on_idle(instance.uuid, then)
    assert pool.on_idle(instance.uuid, then)
    gates[0].set()
    first.result(LIMIT)
    assert called == []
    gates[1].set()
    second.result(LIMIT)
    wait_until(lambda: called)
    assert called == [False]


def test_who_waits_for_an_instance_is_not_called_when_the_service_ends() -> None:
    begun, gate = threading.Event(), threading.Event()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        begun.set()
        assert gate.wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    instance = Rig().instance
    called: list[str] = []
    future = pool.submit(instance)
    assert begun.wait(LIMIT)
    assert pool.on_idle(instance.uuid, lambda: called.append("after the end"))
    pool.close()
    gate.set()
    future.result(LIMIT)
    assert not pool.is_busy(instance.uuid)
    assert called == []


@pytest.mark.parametrize("answer", [DONE, REFUSED, RuntimeError("bug")])
def test_whoever_has_waited_for_a_run_finds_the_instance_free(answer: Outcome | Exception) -> None:
    instance = Rig().instance
    busy: list[bool] = []
    held = threading.Event()

    def run(*_: object) -> Outcome:
        assert held.wait(LIMIT)
        return Runs(answer)(instance, EngineOptions(), Clock())

    pool = Worker(EngineOptions(), at_once(run))
    future = pool.submit(instance)
    future.add_done_callback(lambda _: busy.append(pool.is_busy(instance.uuid)))
    held.set()
    future.exception(LIMIT)
    wait_until(lambda: busy)
    assert busy == [False]
