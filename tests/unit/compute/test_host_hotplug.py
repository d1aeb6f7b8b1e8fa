# SPDX-License-Identifier: Apache-2.0
"""``hotplug_vcpus``: the one call that answers when the guest is done."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from lab.patience import LIMIT
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    GuestRefused,
    HostUnavailable,
    OutOfBounds,
)
from nova_xloud.testing import Behaviour
from tests.unit.compute.host_rig import host_of
from tests.unit.compute.rig import NOW, OPTIONS, Rig
from tests.unit.waiting import wait_until


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


def test_hotplug_waits_no_longer_than_its_timeout_and_is_done_all_the_same() -> None:
    rig = Rig(options=replace(OPTIONS, hotplug_timeout=0.01))
    host, worker = host_of(rig)
    worker.hold.clear()
    with pytest.raises(GuestRefused, match="the work on it goes on") as refusal:
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
        wait_until(lambda: len(worker.submitted) >= 2)
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
