# SPDX-License-Identifier: Apache-2.0
"""Runs that wait: for a thread, for their guest, and who goes first."""

from __future__ import annotations

import threading

import pytest

from lab.patience import LIMIT
from nova_xloud.clock import Clock
from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.later import Later
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.waits import Pause, Waits
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.size import Size
from nova_xloud.errors import NoCapacity
from tests.unit.compute.rig import Rig, at_once
from tests.unit.compute.worker_rig import DONE, waiting
from tests.unit.waiting import wait_until


def test_any_number_of_runs_wait_and_hold_no_thread() -> None:
    before = threading.active_count()
    pool = Worker(EngineOptions(converge_workers=1), waiting(60))
    futures = [pool.submit(Rig(uuid=f"instance-{n}").instance) for n in range(200)]
    # They do not keep one that has nothing to wait for.
    most = before

    def are_running() -> bool:
        nonlocal most
        most = max(most, threading.active_count())
        return all(future.running() for future in futures)

    wait_until(are_running)
    # One of the pool, and the one that lets them go on.
    assert most - before <= 2
    assert not any(future.done() for future in futures)
    pool.close()
    assert all(future.exception(LIMIT) is None for future in futures)


def test_a_run_goes_on_when_its_time_has_come() -> None:
    pool = Worker(EngineOptions(converge_workers=1), waiting(0.02))
    assert pool.submit(Rig().instance).result(LIMIT) == Outcome(True, None)


def test_run_whose_pause_cannot_be_timed_fails_and_is_not_woken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    pool, instance = Worker(EngineOptions(converge_workers=1), waiting(0.02)), Rig().instance
    with monkeypatch.context() as patched:
        patched.setattr(Later, "call", no_thread)
        first = pool.submit(instance)
        assert isinstance(first.exception(LIMIT), RuntimeError)
    assert pool.submit(instance).result(LIMIT).converged


def test_a_run_that_waits_is_woken_by_who_asks_for_something_new() -> None:
    pool = Worker(EngineOptions(converge_workers=1), waiting(60))
    instance = Rig().instance
    first = pool.submit(instance)
    wait_until(lambda: pool.is_busy(instance.uuid) and first.running())
    second = pool.submit(instance)
    assert first.result(LIMIT) == Outcome(True, "woken")
    pool.close()
    assert second.result(LIMIT).converged


def test_run_that_libvirt_keeps_waiting_delays_only_runs_that_may_wait() -> None:
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
    wait_until(first.running)
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
    wait_until(run_of_a_pass.running)
    pool.submit(Rig(uuid="other").instance)
    assert begun.wait(LIMIT)
    pool.submit(instance, urgency=Urgency.OWED)
    assert run_of_a_pass.result(LIMIT) == Outcome(True, "woken")
    gate.set()
    pool.close()


@pytest.mark.parametrize("urgency", [Urgency.ASKED, Urgency.OWED])
def test_run_that_becomes_more_urgent_while_it_is_queued_goes_first(
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
        wait_until(busy.running)
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


def test_run_that_has_left_its_place_is_not_taken_there_by_another_thread() -> None:
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
    wait_until(lambda: all(future.running() for future in futures))
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
