# SPDX-License-Identifier: Apache-2.0
"""What RPC may ask of a compute host."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from nova_xloud.compute.converge import Clock, Outcome, converge
from nova_xloud.compute.host import Host
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.envelope import HostFacts
from nova_xloud.core.plan import AdjustRequest
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused, HostUnavailable, NoCapacity, OutOfBounds
from nova_xloud.testing import Behaviour
from tests.unit.compute.rig import NOW, OPTIONS, Rig

PATIENCE = 10


class Watched(Worker):
    """The real worker, in the test's time.

    :ivar submitted: the event of each submission
    :ivar hold: the runs begin when it is set
    """

    def __init__(self, rig: Rig) -> None:
        def run(instance: Instance, options: EngineOptions, clock: Clock) -> Outcome:
            assert self.hold.wait(PATIENCE)
            return converge(instance, options, Clock(rig.clock.now, rig.sleep))

        super().__init__(rig.options, run)
        self.hold = threading.Event()
        self.hold.set()
        self.submitted: list[str | None] = []
        self.futures: list[Future[Outcome]] = []

    def submit(self, instance: Instance, event: str | None = None) -> Future[Outcome]:
        future = super().submit(instance, event)
        self.submitted.append(event)
        self.futures.append(future)
        return future


def host_of(rig: Rig, facts: HostFacts | None = None) -> tuple[Host, Watched]:
    def opens(context: Any, nova_instance: Any) -> Instance:
        assert (context, nova_instance) == ("context", "instance")
        return rig.instance

    worker = Watched(rig)
    return Host(opens, facts or HostFacts(), rig.options, worker), worker


def test_adjust_answers_before_the_guest_is_done() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    worker.hold.clear()
    admission = host.adjust("context", "instance", AdjustRequest(6, 3072))
    assert admission.generation == 1
    assert rig.size == NOW
    worker.hold.set()
    assert worker.futures[0].result(PATIENCE).converged
    assert rig.size == Size(6, 3072)


def test_adjust_is_an_action_with_one_event() -> None:
    rig = Rig()
    host, worker = host_of(rig)
    host.adjust("context", "instance", AdjustRequest(6, None))
    worker.futures[0].result(PATIENCE)
    assert rig.actions.started == ["xloud_adjust"]
    assert [(e.name, e.result) for e in rig.actions.events] == [
        ("compute_xloud_adjust", "Success"),
    ]


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


def test_a_guest_that_refuses_fails_the_event_and_not_the_answer() -> None:
    rig = Rig(behaviour=Behaviour.NO_BALLOON_DRIVER)
    host, worker = host_of(rig)
    host.adjust("context", "instance", AdjustRequest(None, 1024))
    assert isinstance(worker.futures[0].exception(PATIENCE), GuestRefused)
    assert rig.actions.events[0].result == "Error"


@pytest.mark.parametrize("count", [6, 2])
def test_hotplug_answers_when_the_guest_is_done(count: int) -> None:
    rig = Rig()
    host, _ = host_of(rig)
    host.hotplug_vcpus("context", "instance", count)
    assert rig.size == rig.claims.size == Size(count, NOW.memory_mb)
    assert rig.record.desired.persisted.vcpus == count
    assert rig.actions.started == ["hotplug_vcpus"]
    assert [e.name for e in rig.actions.events] == ["compute_hotplug_vcpus"]


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
    with pytest.raises(GuestRefused, match="being worked on"):
        host.hotplug_vcpus("context", "instance", 6)
    worker.hold.set()
    assert worker.futures[0].result(PATIENCE).converged
    assert rig.size.vcpus == 6


def test_hotplug_that_had_to_stand_back_is_not_told_as_done() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    host, _ = host_of(rig)
    with pytest.raises(GuestRefused, match="paused"):
        host.hotplug_vcpus("context", "instance", 2)


def test_settle_looks_again_without_an_event() -> None:
    rig = Rig()
    rig.claims.size = Size(8, 4096)
    host, worker = host_of(rig)
    host.settle("context", "instance")
    assert worker.futures[0].result(PATIENCE).converged
    assert worker.submitted == [None]
    assert rig.claims.size == NOW


def test_status_is_of_the_instance_on_this_host() -> None:
    rig = Rig()
    rig.admit(6)
    host, _ = host_of(rig, HostFacts(balloon_device=False))
    told = host.status("context", "instance")
    assert told["vcpus"] == {"desired": 6, "reserved": 6, "actuated": 4, "observed": 4}
    assert [b["code"] for b in told["blockers"]] == ["xloud.blocked.no_balloon"]


def test_an_action_that_cannot_be_recorded_does_not_leave_the_admitted_undone() -> None:
    rig = Rig()
    host, worker = host_of(rig)

    def broken(name: str) -> None:
        raise ConnectionError("the conductor is away")

    rig.actions.start = broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        host.adjust("context", "instance", AdjustRequest(6, None))
    assert worker.futures[-1].result(PATIENCE) == Outcome(True)
    assert rig.size.vcpus == 6


def test_nobody_waits_for_an_answer_that_comes_too_late_so_nothing_is_admitted() -> None:
    rig = Rig()
    host, _ = host_of(rig)
    with pytest.raises(HostUnavailable):
        host.adjust("context", "instance", AdjustRequest(6, None), answer_within=-1.0)
    assert rig.effects == []
