# SPDX-License-Identifier: Apache-2.0
"""What RPC may ask of a compute host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.patience import LIMIT
from nova_xloud.clock import Clock
from nova_xloud.compute.deadline import Deadline, HostClock
from nova_xloud.compute.host import READINGS, Host
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import (
    GuestRefused,
    HostUnavailable,
    NoCapacity,
    PlacementUnavailable,
)
from nova_xloud.testing import Behaviour
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.host_rig import _in_the_rigs_time, host_of, untouched
from tests.unit.compute.rig import NOW, Rig, at_once


def test_adjust_answers_before_the_guest_is_done() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    admission = host.adjust("context", "instance", AdjustRequest(6, 3072))
    assert admission.generation == 1
    assert rig.size == NOW
    worker.hold.set()
    assert worker.futures[0].result(LIMIT).converged
    assert rig.size == Size(6, 3072)


def test_adjust_is_an_action_with_one_event() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    host.adjust("context", "instance", AdjustRequest(6, None))
    worker.futures[0].result(LIMIT)
    assert rig.actions.started == ["xloud_adjust"]
    assert [(e.name, e.result) for e in rig.actions.events] == [
        ("compute_xloud_adjust", "Success"),
    ]
    assert rig.actions.notified == ["xloud_adjust.start", "xloud_adjust.end"]


def test_where_there_is_nothing_to_do_nothing_is_submitted() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    admission = host.adjust("context", "instance", AdjustRequest(NOW.vcpus, NOW.memory_mb))
    assert admission.nothing_to_do
    host.hotplug_vcpus("context", "instance", NOW.vcpus)
    assert worker.submitted == []
    assert rig.actions.started == []


def test_what_is_refused_is_not_submitted() -> None:
    rig = Rig(capacity=NOW)
    host, worker = host_of(rig)
    with pytest.raises(NoCapacity):
        host.adjust("context", "instance", AdjustRequest(6, None))
    with pytest.raises(NoCapacity):
        host.hotplug_vcpus("context", "instance", 6)
    assert worker.submitted == []


def test_reserve_starts_no_run_and_unreserve_writes_no_action() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    host.reserve("context", "instance", AdjustRequest(6, None))
    assert (rig.claims.size.vcpus, worker.submitted) == (6, [])
    host.unreserve("context", "instance")
    assert worker.futures[0].result(LIMIT).converged
    assert rig.claims.size == NOW
    assert (worker.submitted, rig.actions.started, rig.actions.notified) == ([None], [], [])


def test_what_was_reserved_is_admitted_by_the_same_reading() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    host.reserve("context", "instance", AdjustRequest(6, None))
    read: list[str] = []
    rig.before["read"] = lambda: read.append("guest")
    rig.before["claim_read"] = lambda: read.append("claim")
    host.adjust("context", "instance", AdjustRequest(6, None))
    assert read == ["claim"]
    rig.before.clear()
    worker.hold.set()
    assert worker.futures[0].result(LIMIT).converged
    assert rig.size.vcpus == rig.claims.size.vcpus == 6


@pytest.mark.parametrize("reserved", [False, True])
@pytest.mark.parametrize(("vcpus", "shrinks"), [(6, False), (2, True)])
def test_a_shrink_is_submitted_as_a_shrink(vcpus: int, reserved: bool, shrinks: bool) -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    request = AdjustRequest(vcpus, None)
    if reserved:
        host.reserve("context", "instance", request)
    host.adjust("context", "instance", request)
    assert worker.shrinking == [shrinks]
    worker.hold.set()
    assert worker.futures[0].result(LIMIT).converged


def test_what_was_given_back_is_read_again() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    host.reserve("context", "instance", AdjustRequest(6, None))
    host.unreserve("context", "instance")
    read: list[str] = []
    rig.before["claim_read"] = lambda: read.append("claim")
    host.adjust("context", "instance", AdjustRequest(6, None))
    assert read == ["claim"]
    worker.hold.set()
    for future in worker.futures:
        future.result(LIMIT)


def test_a_guest_that_refuses_fails_the_event_and_not_the_answer() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    host, worker = host_of(rig)
    host.adjust("context", "instance", AdjustRequest(None, 1024))
    assert isinstance(worker.futures[0].exception(LIMIT), GuestRefused)
    assert rig.actions.events[0].result == "Error"
    assert rig.actions.notified == ["xloud_adjust.start", "xloud_adjust.error"]
    assert rig.claims.size == NOW


def test_next_pass_releases_a_surplus_claim_without_an_event() -> None:
    rig = Rig()
    rig.claims.size = Size(8, 4096)
    host, worker = host_of(rig)
    host.reconcile().join(LIMIT)
    assert worker.futures[0].result(LIMIT).converged
    assert worker.submitted == [None]
    assert rig.claims.size == NOW
    assert rig.actions.events == []


def test_deferred_adjustment_gets_its_end_event_from_the_pass_that_ends_it() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    rig.request_id = "req-1"
    host, worker = host_of(rig)
    host.adjust("context", "instance", AdjustRequest(2, None))
    worker.futures[0].result(LIMIT)
    assert rig.end == ("deferred", "xloud.deferred")
    assert [event.result for event in rig.actions.events] == [None]
    rig.guest.resume()
    rig.record.vm_state = "active"
    for _ in range(2):
        host.reconcile().join(LIMIT)
        assert worker.futures[-1].result(LIMIT)
    # Once, in the event that has stayed open: then it has had its answer.
    assert worker.submitted == ["xloud_adjust", "xloud_adjust"]
    assert [event.result for event in rig.actions.events] == ["Success"]
    assert rig.actions.notified == ["xloud_adjust.start", "xloud_adjust.end"]


def test_run_that_yields_after_its_operation_ended_is_followed_by_a_pass() -> None:
    rig = Rig()
    stands_back, ended = threading.Event(), threading.Event()

    def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
        if not stands_back.is_set():
            assert ended.wait(LIMIT)
            stands_back.set()
            return Outcome(False, "another operation goes first")
        return _in_the_rigs_time(rig, instance, options, clock)

    host_instances = FakeHostInstances([rig.instance])
    worker = Worker(rig.options, at_once(run))
    host = Host(
        lambda *_: rig.instance, host_instances, HostFacts(), rig.options, rig.boot_grace, worker
    )
    host.adjust("context", "instance", AdjustRequest(6, 3072))
    # The operation is over, and its pass comes too early.
    host.reconcile().join(LIMIT)
    assert rig.size == NOW
    ended.set()
    until = time.monotonic() + LIMIT
    while rig.size != Size(6, 3072):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_status_is_of_the_instance_on_this_host() -> None:
    rig = Rig()
    rig.admit(6)
    host, _ = host_of(rig, HostFacts(balloon_device=False))
    told = host.status("context", "instance")
    assert told["vcpus"] == {"desired": 6, "reserved": 6, "actuated": 4, "observed": None}
    assert [b["code"] for b in told["blockers"]] == ["xloud.blocked.no_balloon"]


def test_adjustment_is_done_although_its_action_cannot_be_recorded() -> None:
    rig = Rig()
    host, worker = host_of(rig)

    def broken(name: str) -> None:
        raise ConnectionError("the conductor is away")

    rig.actions.start = broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        host.adjust("context", "instance", AdjustRequest(6, None))
    assert worker.futures[-1].result(LIMIT) == Outcome(True)
    assert rig.size.vcpus == 6
    assert (rig.actions.events, rig.actions.notified) == ([], [])


def test_request_is_not_admitted_after_its_deadline() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    with pytest.raises(HostUnavailable):
        host.adjust("context", "instance", AdjustRequest(6, None), answer_within=-1.0)
    assert rig.effects == []


CHANGES: dict[str, Any] = {
    "adjust": AdjustRequest(6, None),
    "reserve": AdjustRequest(6, None),
    "hotplug_vcpus": 6,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("late", ["within", "by", "another process"])
def test_what_changes_something_and_comes_too_late_changes_nothing(name: str, late: str) -> None:
    rig = Rig()
    host, worker = host_of(rig)
    until: dict[str, Any] = {
        "within": {"answer_within": -1.0},
        "by": {"answer_by": Deadline(host.clock.id, host.clock.seconds() - 1)},
        "another process": {"answer_by": Deadline("of another", host.clock.seconds() + 60)},
    }[late]
    with pytest.raises(HostUnavailable, match="nothing was changed"):
        getattr(host, name)("context", "instance", CHANGES[name], **until)
    assert (rig.effects, rig.claims.size, worker.submitted) == ([], NOW, [])


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("slow", ["lock", "guest"])
def test_what_waits_for_too_long_at_the_host_changes_nothing(name: str, slow: str) -> None:
    rig = Rig()
    host, worker = host_of(rig)
    host.clock = HostClock(rig.clock.now, "c1")
    if slow == "lock":
        rig.before["lock"] = lambda: rig.clock.advance(60)
    else:
        rig.before["read"] = lambda: rig.clock.advance(60)
    by = Deadline("c1", rig.clock.now() + 48)
    with pytest.raises(HostUnavailable, match="nothing was changed"):
        getattr(host, name)("context", "instance", CHANGES[name], answer_by=by)
    assert (rig.effects, rig.claims.size, worker.submitted) == ([], NOW, [])


@pytest.mark.parametrize("name", CHANGES)
def test_what_comes_in_time_is_done(name: str) -> None:
    rig = Rig()
    host, worker = host_of(rig)
    now = host.clock.now()
    by = Deadline(now.clock, now.seconds + 60)
    getattr(host, name)("context", "instance", CHANGES[name], answer_within=60.0, answer_by=by)
    for future in worker.futures:
        future.result(LIMIT)
    assert rig.claims.size.vcpus == 6


def conditions_of(told: dict[str, Any]) -> dict[str, Any]:
    return {one["type"]: one for one in told["conditions"]}


def test_status_says_that_it_converges_while_a_run_is_on_its_way() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    assert conditions_of(host.status("context", "instance"))["Converged"]["status"]
    worker.hold.clear()
    host.adjust("context", "instance", AdjustRequest(6, None))
    converged = conditions_of(host.status("context", "instance"))["Converged"]
    assert (converged["status"], converged["reason"]) == (False, "xloud.converging")
    worker.hold.set()
    worker.futures[0].result(LIMIT)
    assert rig.record.desired.progress.phase is Phase.CONVERGED


def test_status_of_one_that_nobody_works_on_says_where_the_last_run_ended() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    host, _ = host_of(rig)
    told = conditions_of(host.status("context", "instance"))
    assert set(told) == {"Converged", "GuestRefused", "RemovalUnsettled"}
    assert told["Converged"]["reason"] == "xloud.guest_refused.vcpus_not_removed"
    assert told["RemovalUnsettled"]["since"] == rig.date()


ASKS: dict[str, Callable[[Host], Any]] = {
    "adjust": lambda host: host.adjust("context", "instance", AdjustRequest(6, None)),
    "hotplug_vcpus": lambda host: host.hotplug_vcpus("context", "instance", 6),
    "plan": lambda host: host.plan("context", "instance", AdjustRequest(6, None)),
    "status": lambda host: host.status("context", "instance"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_one_whose_qemu_hangs_is_neither_locked_nor_read(ask: Callable[[Host], Any]) -> None:
    rig = Rig()
    host, worker = host_of(rig)
    rig.answers = False

    def never() -> None:
        raise AssertionError("it was locked, or read")

    rig.before["lock"] = never
    rig.guest.live = never  # type: ignore[assignment, method-assign]
    with pytest.raises(HostUnavailable, match="does not answer"):
        ask(host)
    assert untouched(rig)
    assert worker.submitted == []


def test_status_is_refused_while_too_many_guests_are_slow_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nova_xloud.compute.host.READING_WAITS", 0.01)
    rig = Rig()
    host, _ = host_of(rig)
    gate, inside = threading.Event(), threading.Semaphore(0)
    refresh = rig.record.refresh

    def slow() -> Any:
        inside.release()
        assert gate.wait(LIMIT)
        return refresh()

    rig.record.refresh = slow  # type: ignore[method-assign]
    readers = [
        threading.Thread(target=host.status, args=("context", "instance")) for _ in range(READINGS)
    ]
    for reader in readers:
        reader.start()
        assert inside.acquire(timeout=LIMIT)
    with pytest.raises(HostUnavailable, match="too many"):
        host.status("context", "instance")
    gate.set()
    for reader in readers:
        reader.join(LIMIT)
    assert host.status("context", "instance")["source"] == "host"


def test_a_reading_that_fails_makes_room_for_the_next() -> None:
    rig = Rig()
    rig.claims.unreachable = True
    host, _ = host_of(rig)
    for _ in range(READINGS + 1):
        with pytest.raises(PlacementUnavailable):
            host.status("context", "instance")
