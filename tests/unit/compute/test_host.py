# SPDX-License-Identifier: Apache-2.0
"""What RPC may ask of a compute host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from lab.patience import LIMIT
from nova_xloud.clock import Clock
from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.converge import Outcome, converge
from nova_xloud.compute.deadline import Deadline, HostClock
from nova_xloud.compute.host import READINGS, Host
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import (
    GuestRefused,
    HostUnavailable,
    NoCapacity,
    NotFound,
    OutOfBounds,
    PlacementUnavailable,
)
from nova_xloud.testing import Behaviour
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.rig import NOW, OPTIONS, Rig, at_once


def _in_the_rigs_time(
    rig: Rig, instance: Instance, options: EngineOptions, clock: Clock
) -> Outcome:
    its = Clock(rig.clock.now, closing=clock.closing, date=rig.date)
    return rig.carry_out(converge(instance, options, its))


class Watched(Worker):
    """The real worker, in the test's time.

    :ivar submitted: the action of each submission
    :ivar hold: the runs begin when it is set
    """

    def __init__(self, rig: Rig) -> None:
        def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
            assert self.hold.wait(LIMIT)
            return _in_the_rigs_time(rig, instance, options, clock)

        super().__init__(rig.options, at_once(run))
        self.hold = threading.Event()
        self.hold.set()
        self.submitted: list[str | None] = []
        self.futures: list[Future[Outcome]] = []

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> Future[Outcome]:
        future = super().submit(instance, action, urgency, shrinks=shrinks)
        self.submitted.append(action)
        self.futures.append(future)
        return future


def host_of(rig: Rig, facts: HostFacts | None = None) -> tuple[Host, Watched]:
    def opens(context: Any, nova_instance: Any) -> Instance:
        assert (context, nova_instance) == ("context", "instance")
        return rig.instance

    worker = Watched(rig)
    host_instances = FakeHostInstances([rig.instance])
    host = Host(opens, host_instances, facts or HostFacts(), rig.options, rig.boot_grace, worker)
    return host, worker


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


@pytest.mark.parametrize("count", [6, 2])
def test_hotplug_answers_when_the_guest_is_done(count: int) -> None:
    rig = Rig()
    host, _ = host_of(rig)
    host.hotplug_vcpus("context", "instance", count)
    assert rig.size == rig.claims.size == Size(count, NOW.memory_mb)
    assert rig.record.desired.persisted.vcpus == count
    assert rig.actions.started == ["hotplug_vcpus"]
    assert [e.name for e in rig.actions.events] == ["compute_hotplug_vcpus"]
    assert rig.actions.notified == ["hotplug_vcpus.start", "hotplug_vcpus.end"]


def test_hotplug_above_the_flavor_is_refused() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    with pytest.raises(OutOfBounds):
        host.hotplug_vcpus("context", "instance", 9)
    assert rig.effects == []


def test_hotplug_tells_that_the_guest_refused() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    host, _ = host_of(rig)
    with pytest.raises(GuestRefused, match="down to 2"):
        host.hotplug_vcpus("context", "instance", 2)


def test_hotplug_does_not_wait_longer_than_its_timeout_and_it_is_done_all_the_same() -> None:
    rig = Rig(options=replace(OPTIONS, hotplug_timeout=0.01))
    host, worker = host_of(rig)
    worker.hold.clear()
    with pytest.raises(GuestRefused, match="being worked on") as refusal:
        host.hotplug_vcpus("context", "instance", 6)
    assert refusal.value.code == "xloud.guest_refused.not_in_time"
    worker.hold.set()
    assert worker.futures[0].result(LIMIT).converged
    assert rig.size.vcpus == 6


def test_hotplug_that_had_to_stand_back_is_not_told_as_done() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    host, _ = host_of(rig)
    with pytest.raises(GuestRefused, match="paused") as refusal:
        host.hotplug_vcpus("context", "instance", 2)
    assert refusal.value.code == "xloud.guest_refused.not_in_time"


def test_hotplug_whose_run_finds_placement_away_was_admitted_all_the_same() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    # The admission only writes; the claim is released after the removal.
    rig.before["set_vcpus"] = lambda: setattr(rig.claims, "unreachable", True)
    with pytest.raises(GuestRefused, match=r"admitted.*placement_unavailable") as refusal:
        host.hotplug_vcpus("context", "instance", 2)
    assert refusal.value.code == "xloud.guest_refused.not_in_time"
    assert rig.record.desired.target.vcpus == 2


def test_hotplug_that_waits_for_a_worker_when_the_service_ends_is_told_so() -> None:
    rig = Rig(options=replace(OPTIONS, converge_workers=1))
    host, worker = host_of(rig)
    worker.hold.clear()
    worker.submit(Rig(uuid="other").instance)

    def ends() -> None:
        while len(worker.submitted) < 2:
            time.sleep(0.001)
        host.close()

    ending = threading.Thread(target=ends)
    ending.start()
    with pytest.raises(HostUnavailable, match="nova-compute is stopping"):
        host.hotplug_vcpus("context", "instance", 6)
    ending.join(LIMIT)
    worker.hold.set()
    # It is written, and found by whoever starts next.
    assert rig.record.desired.target.vcpus == 6
    assert rig.size == NOW


def test_hotplug_that_runs_when_the_service_ends_is_told_so() -> None:
    rig = Rig(behaviour=Behaviour.NO_ONLINE, agent=True)
    rig.guest.set_online = lambda count: None  # type: ignore[method-assign]
    host, _ = host_of(rig)
    rig.once_before("sleep", host.close)
    with pytest.raises(GuestRefused, match="nova-compute is stopping"):
        host.hotplug_vcpus("context", "instance", 6)
    # A run that ends so writes nothing: it is as if it had been killed.
    assert rig.end == ("admitted", "xloud.admitted")


def test_next_pass_releases_a_surplus_claim_without_an_event() -> None:
    rig = Rig()
    rig.claims.size = Size(8, 4096)
    host, worker = host_of(rig)
    host.reconcile().join(LIMIT)
    assert worker.futures[0].result(LIMIT).converged
    assert worker.submitted == [None]
    assert rig.claims.size == NOW
    assert rig.actions.events == []


def test_an_adjustment_that_was_deferred_has_its_answer_from_the_pass_that_ends_it() -> None:
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


def test_a_run_that_outlives_the_operation_it_stood_back_for_is_followed_by_a_pass() -> None:
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


def test_an_action_that_cannot_be_recorded_does_not_leave_the_admitted_undone() -> None:
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


# --- plan ------------------------------------------------------------------------------------


def untouched(rig: Rig) -> bool:
    return (rig.effects, rig.actions.started, rig.actions.notified, rig.actions.events) == (
        [],
        [],
        [],
        [],
    )


def test_a_plan_has_the_steps_and_changes_nothing() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    assert host.plan("context", "instance", AdjustRequest(6, 3072)) == {
        "admitted": True,
        "refusal": None,
        "desired": {"vcpus": 6, "memory_mb": 3072},
        "claim": {"vcpus": 6, "memory_mb": 3072},
        "steps": [
            {"step": "claim", "vcpus": 6, "memory_mb": 3072},
            {"step": "set_definition", "vcpus": 6, "memory_mb": 3072},
            {"step": "set_memory", "mib": 3072},
            {"step": "set_vcpus", "count": 6},
        ],
        "blockers": [],
    }
    assert untouched(rig)
    assert worker.submitted == []


def test_a_plan_and_a_status_are_told_though_an_operation_has_the_instance() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    rig.held_for = 600
    assert host.plan("context", "instance", AdjustRequest(6, 3072))["admitted"]
    assert host.status("context", "instance")["vcpus"]["actuated"] == NOW.vcpus
    assert rig.clock.now() == 0


def test_a_plan_of_what_it_has_is_empty() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(NOW.vcpus, NOW.memory_mb))
    assert (told["admitted"], told["steps"]) == (True, [])
    assert told["desired"] == told["claim"] == {"vcpus": 4, "memory_mb": 2048}


def test_a_plan_that_is_refused_says_why_and_what_blocks() -> None:
    rig = Rig()
    host, _ = host_of(rig, HostFacts(balloon_device=False))
    told = host.plan("context", "instance", AdjustRequest(None, 3072))
    assert told["admitted"] is False
    assert told["refusal"]["code"] == "xloud.blocked.no_balloon"
    assert "mem_stats_period_seconds" in told["refusal"]["message"]
    assert [b["code"] for b in told["blockers"]] == ["xloud.blocked.no_balloon"]
    assert (told["desired"], told["claim"], told["steps"]) == (None, None, [])


def test_a_plan_for_which_the_host_has_no_room_is_refused_with_its_steps() -> None:
    rig = Rig(capacity=Size(5, 4096))
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(6, None))
    assert told["admitted"] is False
    assert told["refusal"]["code"] == "xloud.no_capacity"
    assert told["claim"] == {"vcpus": 6, "memory_mb": 2048}
    steps = [step["step"] for step in told["steps"]]
    assert steps == ["claim", "set_definition", "set_memory", "set_vcpus"]
    assert untouched(rig)


def test_a_plan_of_a_busy_instance_is_refused() -> None:
    rig = Rig()
    rig.record.task_state = "rebooting"
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(6, None))
    assert told["refusal"]["code"] == "xloud.invalid_state"
    assert told["admitted"] is False


def test_a_plan_is_of_the_operators_limits() -> None:
    rig = Rig()
    rig.options = replace(OPTIONS, limits=replace(OPTIONS.limits, step_mb=600))
    host, _ = host_of(rig)
    told = host.plan("context", "instance", AdjustRequest(None, 1024, force=True))
    assert [step.get("mib") for step in told["steps"]] == [None, 1448, 1024, None]


@pytest.mark.parametrize("error", [NotFound, PlacementUnavailable])
def test_a_plan_of_what_cannot_be_read_is_refused_outright(error: type[Exception]) -> None:
    rig = Rig()
    rig.record.deleted = error is NotFound
    rig.claims.unreachable = error is PlacementUnavailable
    host, _ = host_of(rig)
    with pytest.raises(error):
        host.plan("context", "instance", AdjustRequest(6, None))


# --- passes ----------------------------------------------------------------------------------


def _left_behind(rig: Rig) -> None:
    """What a service that was killed after an admission leaves."""
    rig.request_id = "req-1"
    rig.admit(6, 3072)


def _wait(worker: Watched, count: int = 1) -> None:
    for _ in range(1000 * LIMIT):
        if len(worker.futures) >= count:
            return
        time.sleep(0.001)
    raise AssertionError("nothing was submitted")


def test_service_start_finishes_an_adjustment_that_was_left() -> None:
    rig = Rig()
    _left_behind(rig)
    host, worker = host_of(rig)
    host.service_starts()
    _wait(worker)
    assert worker.futures[0].result(LIMIT).converged
    assert rig.size == rig.claims.size == Size(6, 3072)
    assert worker.submitted == ["xloud_adjust"]
    assert [(e.name, e.result) for e in rig.actions.events] == [
        ("compute_xloud_adjust", "Success"),
    ]


def test_the_start_of_the_service_does_not_wait_for_the_pass() -> None:
    rig = Rig()
    _left_behind(rig)
    host, worker = host_of(rig)
    gate = threading.Event()
    taken = rig.record.refresh

    def slow() -> Any:
        assert gate.wait(LIMIT)
        return taken()

    rig.record.refresh = slow  # type: ignore[method-assign]
    host.service_starts()
    assert worker.submitted == []
    gate.set()
    _wait(worker)
    worker.futures[0].result(LIMIT)


def test_what_runs_when_the_service_starts_is_not_booting() -> None:
    rig = Rig(grace=120)
    host, worker = host_of(rig)
    host.service_starts()
    assert not rig.boot_grace.booting(rig.uuid, rig.guest.boot_id)
    worker.close()


def test_a_pass_submits_what_has_drifted() -> None:
    rig = Rig()
    rig.adjust(6, 3072)
    rig.claims.size = Size(8, 4096)
    host, worker = host_of(rig)
    host.reconcile().join(LIMIT)
    assert worker.submitted == [None]
    assert worker.futures[0].result(LIMIT).converged
    assert rig.claims.size == Size(6, 3072)


def test_a_pass_leaves_alone_what_converges() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    host.adjust("context", "instance", AdjustRequest(6, None))
    host.reconcile().join(LIMIT)
    assert worker.submitted == ["xloud_adjust"]
    worker.hold.set()
    worker.futures[0].result(LIMIT)


def test_by_itself_a_host_has_a_worker_of_its_own() -> None:
    rig = Rig(running=False)
    rig.record.desired = Desired(
        Size(2, 1024), generation=1, progress=Progress(Phase.ADMITTED, "xloud.admitted")
    )
    host = Host(
        lambda context, instance: rig.instance,
        FakeHostInstances([rig.instance]),
        HostFacts(),
        OPTIONS,
        rig.boot_grace,
    )
    host.reconcile()
    for _ in range(1000 * LIMIT):
        if rig.end == ("converged", "xloud.converged"):
            break
        time.sleep(0.001)
    assert rig.claims.size == Size(2, 1024)
    host.close()


# --- a guest whose QEMU hangs ----------------------------------------------------------------

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


def test_guests_that_are_slow_to_read_do_not_keep_all_of_the_others_waiting(
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
