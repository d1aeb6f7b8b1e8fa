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
from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.converge import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Pause, Waits
from nova_xloud.compute.worker import Converging, Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.size import Size
from nova_xloud.errors import AdjustmentDeferred, GuestRefused, NoCapacity
from nova_xloud.testing.fake_ports import FakeEvent
from tests.unit.compute.rig import Rig, at_once

DONE = Outcome(True)
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


def test_a_run_that_was_deferred_has_not_ended_so_nobody_is_told_that_it_has(
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
    while not asked:
        time.sleep(0.001)
    pool.close()
    assert all(future.cancelled() for future in waiting)
    assert running.result(LIMIT).deferred == "stopping"
    # Whoever comes after that is told the same.
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


def test_an_instance_that_waits_for_itself_does_not_keep_others_from_the_pool() -> None:
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
    until = time.monotonic() + LIMIT
    while not called and time.monotonic() < until:
        time.sleep(0.001)
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
    until = time.monotonic() + LIMIT
    while not busy and time.monotonic() < until:
        time.sleep(0.001)
    assert busy == [False]


# --- runs that wait --------------------------------------------------------------------------


def waiting(seconds: float, *, may_wait: bool = False) -> Converging:
    """A run that pauses once, and ends when it goes on."""

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        woken = yield Pause(seconds, may_wait=may_wait)
        return Outcome(True, "woken" if woken else None)

    return run


def test_any_number_of_runs_wait_and_hold_no_thread() -> None:
    before = threading.active_count()
    pool = Worker(EngineOptions(converge_workers=1), waiting(60))
    futures = [pool.submit(Rig(uuid=f"instance-{n}").instance) for n in range(200)]
    # They do not keep one that has nothing to wait for.
    most = before
    while not all(future.running() for future in futures):
        most = max(most, threading.active_count())
        time.sleep(0.001)
    # One of the pool, and the one that lets them go on.
    assert most - before <= 2
    assert not any(future.done() for future in futures)
    pool.close()
    assert all(future.exception(LIMIT) is None for future in futures)


def test_a_run_goes_on_when_its_time_has_come() -> None:
    pool = Worker(EngineOptions(converge_workers=1), waiting(0.02))
    assert pool.submit(Rig().instance).result(LIMIT) == Outcome(True, None)


def test_a_run_that_waits_is_woken_by_who_asks_for_something_new() -> None:
    pool = Worker(EngineOptions(converge_workers=1), waiting(60))
    instance = Rig().instance
    first = pool.submit(instance)
    while not pool.is_busy(instance.uuid) or not first.running():
        time.sleep(0.001)
    second = pool.submit(instance)
    assert first.result(LIMIT) == Outcome(True, "woken")
    pool.close()
    assert second.result(LIMIT).converged


def test_one_that_libvirt_keeps_waiting_keeps_only_those_that_it_would_keep_too() -> None:
    gate = threading.Event()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        if instance.uuid.startswith("slow"):
            yield Pause(0, may_wait=True)
            assert gate.wait(LIMIT)
        yield Pause(0)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), run)
    slow = [pool.submit(Rig(uuid=f"slow-{n}").instance) for n in range(5)]
    assert pool.submit(Rig(uuid="quick").instance).result(LIMIT) == DONE
    assert not any(future.done() for future in slow)
    gate.set()
    assert [future.result(LIMIT) for future in slow] == [DONE] * 5


def test_a_claim_that_is_owed_is_not_kept_by_anything() -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        yield Pause(0, may_wait=instance.uuid.startswith("slow"))
        if instance.uuid != "owed":
            begun.release()
            assert gate.wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), run)
    others = [pool.submit(Rig(uuid=uuid).instance) for uuid in ("slow", "quick", "quick too")]
    for _ in range(2):
        assert begun.acquire(timeout=LIMIT)
    owed = pool.submit(Rig(uuid="owed").instance, urgency=Urgency.OWED)
    assert owed.result(LIMIT) == DONE
    assert not any(future.done() for future in others)
    gate.set()
    assert [future.result(LIMIT) for future in others] == [DONE] * 3


def test_who_has_asked_goes_before_what_a_pass_has_found() -> None:
    gate, order = threading.Event(), []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        assert gate.wait(LIMIT)
        order.append(instance.uuid)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    first = pool.submit(Rig(uuid="first").instance)
    while not first.running():
        time.sleep(0.001)
    futures = [
        pool.submit(Rig(uuid=urgency.name).instance, urgency=urgency)
        for urgency in (Urgency.AGAIN, Urgency.ASKED)
    ]
    gate.set()
    for future in futures:
        future.result(LIMIT)
    assert order == ["first", "ASKED", "AGAIN"]


def test_a_run_that_is_found_to_be_owed_becomes_it() -> None:
    gate, begun = threading.Event(), threading.Event()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        if instance.uuid == "other":
            begun.set()
            assert gate.wait(LIMIT)
        woken = yield Pause(60)
        return Outcome(True, "woken" if woken else None)

    pool = Worker(EngineOptions(converge_workers=1), run)
    instance = Rig(uuid="one").instance
    run_of_a_pass = pool.submit(instance, urgency=Urgency.AGAIN)
    while not run_of_a_pass.running():
        time.sleep(0.001)
    pool.submit(Rig(uuid="other").instance)
    assert begun.wait(LIMIT)
    pool.submit(instance, urgency=Urgency.OWED)
    assert run_of_a_pass.result(LIMIT) == Outcome(True, "woken")
    gate.set()
    pool.close()


@pytest.mark.parametrize("urgency", [Urgency.ASKED, Urgency.OWED])
def test_a_run_that_becomes_more_urgent_while_it_waits_for_a_thread_goes_first(
    urgency: Urgency,
) -> None:
    gates = {name: threading.Event() for name in ("first", "owed")}
    order: list[str] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        if instance.uuid in gates:
            assert gates[instance.uuid].wait(LIMIT)
        order.append(instance.uuid)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))
    # Every thread that might take it is busy.
    for name, its_urgency in (("first", Urgency.ASKED), ("owed", Urgency.OWED)):
        busy = pool.submit(Rig(uuid=name).instance, urgency=its_urgency)
        while not busy.running():
            time.sleep(0.001)
    futures = [
        pool.submit(Rig(uuid="asked").instance, urgency=Urgency.ASKED),
        pool.submit(Rig(uuid="risen").instance, urgency=Urgency.AGAIN, shrinks=True),
        pool.submit(Rig(uuid="again").instance, urgency=Urgency.AGAIN),
        pool.submit(Rig(uuid="risen").instance, urgency=urgency),
    ]
    gates["first"].set()
    try:
        for future in futures:
            future.result(LIMIT)
    finally:
        gates["owed"].set()
    wanted = ["asked", "risen"] if urgency is Urgency.ASKED else ["risen", "asked"]
    assert list(dict.fromkeys(order))[1:] == [*wanted, "again"]
    assert order.count("risen") == 2


def test_no_thread_that_must_not_wait_takes_it_at_the_place_that_it_has_left() -> None:
    gates = {name: threading.Event() for name in ("slow", "first", "owed")}
    begun = {name: threading.Event() for name in (*gates, "risen")}
    took: list[str] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        gate = gates.get(instance.uuid)
        if instance.uuid != "first":
            took.append(threading.current_thread().name)
        if instance.uuid in ("slow", "risen"):
            if gate is None:
                begun[instance.uuid].set()
            yield Pause(0, may_wait=True)
            took.append(threading.current_thread().name)
        if gate is not None:
            begun[instance.uuid].set()
            assert gate.wait(LIMIT)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), run)
    for name, urgency in (
        ("slow", Urgency.ASKED),
        ("first", Urgency.ASKED),
        ("owed", Urgency.OWED),
    ):
        pool.submit(Rig(uuid=name).instance, urgency=urgency)
        assert begun[name].wait(LIMIT)
    took.clear()
    risen = pool.submit(Rig(uuid="risen").instance, urgency=Urgency.AGAIN)
    pool.submit(Rig(uuid="risen").instance, urgency=Urgency.OWED)
    gates["owed"].set()
    assert begun["risen"].wait(LIMIT)
    last = pool.submit(Rig(uuid="last").instance, urgency=Urgency.AGAIN)
    gates["first"].set()
    # It is behind the place that was left.
    last.result(LIMIT)
    gates["slow"].set()
    risen.result(LIMIT)
    pool.close()
    lanes = [name.split("xloud-converge-")[1].split("_")[0] for name in took]
    assert lanes[:3] == ["owed", "quick", "slow"]


def test_waiting_runs_end_when_the_service_ends() -> None:
    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        while not clock.closing():
            yield Pause(60)
        return Outcome(False, "stopping")

    pool = Worker(EngineOptions(converge_workers=1), run)
    futures = [pool.submit(Rig(uuid=f"instance-{n}").instance) for n in range(5)]
    while not all(future.running() for future in futures):
        time.sleep(0.001)
    pool.close()
    assert [future.result(LIMIT).deferred for future in futures] == ["stopping"] * 5


def test_held_instances_and_hanging_guests_do_not_delay_others() -> None:
    pool = Worker(EngineOptions(converge_workers=1))
    stuck = []
    for number in range(6):
        rig = Rig(uuid=f"stuck-{number}")
        rig.admit(6)
        if number % 2:
            rig.held_for = 1e9
        else:
            rig.answers = False
        stuck.append(pool.submit(rig.instance))
    free = Rig(uuid="free", running=False)
    free.admit(2, 1024)
    assert pool.submit(free.instance).result(LIMIT).converged
    assert free.claims.size == Size(2, 1024)
    assert not any(future.done() for future in stuck)
    pool.close()
    deferred = [future.result(LIMIT).deferred or "" for future in stuck]
    assert all("another operation" in why or "does not answer" in why for why in deferred), deferred


def test_growth_goes_first_until_a_full_host_puts_releases_first() -> None:
    gates = {"first": threading.Event(), "second": threading.Event()}
    order: list[str] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        if instance.uuid in gates:
            assert gates[instance.uuid].wait(LIMIT)
        elif instance.uuid == "owed":
            raise NoCapacity("no room")
        else:
            order.append(instance.uuid)
        return DONE

    pool = Worker(EngineOptions(converge_workers=1), at_once(run))

    def while_busy(gate: str) -> list[str]:
        order.clear()
        pool.submit(Rig(uuid=gate).instance)
        waiting = [
            pool.submit(Rig(uuid="shrinks").instance, shrinks=True),
            pool.submit(Rig(uuid="grows").instance),
        ]
        gates[gate].set()
        for future in waiting:
            future.result(LIMIT)
        return list(order)

    assert while_busy("first") == ["grows", "shrinks"]
    owed = pool.submit(Rig(uuid="owed").instance, urgency=Urgency.OWED)
    assert isinstance(owed.exception(LIMIT), NoCapacity)
    assert while_busy("second") == ["shrinks", "grows"]


def test_a_run_that_may_wait_for_its_guest_keeps_its_thread_over_a_pause() -> None:
    """Else an unplug, in which libvirt waits for 5 s, would be made by a thread for quick steps."""
    names: list[str] = []

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Waits[Outcome]:
        for pause in (Pause(0.0, may_wait=True), Pause(0.01, may_wait=True), Pause(0.01)):
            yield pause
            names.append(threading.current_thread().name)
        return DONE

    Worker(EngineOptions(converge_workers=1), run).submit(Rig().instance).result(LIMIT)
    assert ["slow" in name for name in names] == [True, True, False]
