# SPDX-License-Identifier: Apache-2.0
"""A pass over a host's instances: what it costs, what it finds, what it leaves alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.compute.ports import Instance
from nova_xloud.compute.reconcile import EMPTY_FOR
from nova_xloud.conf import EngineOptions
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import Condition, Event, Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, ManualClock
from tests.unit.compute.floor import (
    Floor,
    balloon_moved,
    claimed_too_much,
    in_phase,
    recorded_too_little,
    reserved_too_much,
    settled,
    vcpu_missing,
)
from tests.unit.compute.rig import NOW, OPTIONS, Rig


def test_pass_without_drift_makes_three_calls_and_touches_nothing() -> None:
    rigs = [Rig(uuid=f"instance-{n}") for n in range(50)]
    rigs[7].adjust(6, 3072)
    rigs[8].stop()
    floor = Floor(*rigs)
    effects = [list(rig.effects) for rig in rigs]
    assert floor.run() == 0
    assert sorted(str(call) for call in floor.host_instances.calls) == [
        "allocations",
        "domain_stats",
        "records",
    ]
    assert floor.submitted == []
    assert [rig.effects for rig in rigs] == effects


def test_where_there_are_none_libvirt_and_placement_are_not_asked() -> None:
    floor = Floor()
    assert floor.run() == 0
    assert floor.host_instances.calls == ["records"]


def test_once_the_last_has_left_nothing_of_it_is_kept() -> None:
    rig = Rig()
    floor = Floor(rig, grace=30)
    recorded_too_little(rig)
    assert floor.run() == 1
    reconciler = floor.reconciler
    kept = (reconciler._attempts._last, reconciler._watch._watched, reconciler._boot_grace._starts)
    assert all(rig.uuid in one for one in kept)
    rig.record.deleted = True
    floor.run()
    # One that comes by live migration runs here before the database says that it is here.
    assert rig.uuid in reconciler._boot_grace._starts
    floor.clock.advance(EMPTY_FOR)
    floor.run()
    assert floor.host_instances.calls == ["records"]
    assert not any(
        (reconciler._attempts._last, reconciler._watch._watched, reconciler._boot_grace._starts)
    )


def test_a_host_that_was_empty_for_a_moment_forgets_nobody_for_that() -> None:
    rig = Rig()
    floor = Floor(rig, grace=30)
    for _ in range(3):
        rig.record.on_this_host = False
        floor.run()
        floor.clock.advance(EMPTY_FOR - 1)
        rig.record.on_this_host = True
        floor.run()
        floor.reconciler._boot_grace.arrived_by_migration("one that comes", 1)
        rig.record.on_this_host = False
        floor.run()
        assert "one that comes" in floor.reconciler._boot_grace._starts


def _stopped(rig: Rig) -> None:
    rig.record.desired = Desired(NOW, live=Size(2, 1024), generation=1)
    rig.claims.size = rig.record.recorded = NOW
    rig.define(NOW)
    rig.stop()


def _condition_recorded(rig: Rig) -> None:
    recorded_conditions = (Condition("CpusNotOnline", True, "xloud.cpus_not_online", "", ""),)
    rig.record.desired = replace(rig.record.desired, recorded_conditions=recorded_conditions)


REASONS = {
    "admitted": (in_phase(Phase.ADMITTED), "its adjustment is admitted"),
    "deferred": (in_phase(Phase.DEFERRED), "its adjustment is deferred"),
    "guest refused": (in_phase(Phase.GUEST_REFUSED), "its adjustment is guest_refused"),
    "failed": (in_phase(Phase.FAILED), "its adjustment is failed"),
    "stopped": (_stopped, "a size was asked for only until then"),
    "reserved": (reserved_too_much, "8 vCPUs, 4096 MiB are reserved"),
    "reserved and recorded": (claimed_too_much, "8 vCPUs, 4096 MiB are reserved and should be"),
    "recorded": (recorded_too_little, "1 vCPU, 512 MiB are recorded"),
    "condition recorded": (_condition_recorded, "the condition CpusNotOnline is recorded"),
    "vCPUs": (vcpu_missing, "the guest has 5 vCPUs"),
    "memory": (balloon_moved, "the guest has 2000 MiB"),
}


@pytest.mark.parametrize(("change", "why"), REASONS.values(), ids=REASONS)
def test_each_reason_is_submitted_once(
    change: Callable[[Rig], None], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nova_xloud.compute.reconcile")
    rig = settled()
    floor = Floor(rig, Rig(uuid="other", clock=rig.clock))
    change(rig)
    assert floor.run() == 1
    assert floor.submitted == [(rig.uuid, None)]
    # Others may have set other loggers to INFO too.
    ours = [r for r in caplog.records if r.name == "nova_xloud.compute.reconcile"]
    (said,) = [r.getMessage() for r in ours if r.levelno == logging.INFO]
    assert f"Instance {rig.uuid}: the pass queues a run, because " in said
    assert why in said
    assert floor.run() == 0
    assert len(floor.submitted) == 1


@pytest.mark.parametrize(("change", "why"), REASONS.values(), ids=REASONS)
def test_what_was_found_is_put_right_and_not_found_again(
    change: Callable[[Rig], None], why: str
) -> None:
    rig = settled()
    floor = Floor(rig, runs=True)
    change(rig)
    # A guest that takes what was not reserved for it can only be followed.
    rig.takes_memory = change is balloon_moved
    assert floor.run() == 1
    rig.clock.advance(OPTIONS.retry_max_interval)
    assert floor.run() == 0
    desired = rig.record.desired
    assert rig.claims.size == rig.record.recorded == desired.claim
    assert rig.size == (desired.target if rig.guest.active else Size(0, 0))


def test_each_drifted_instance_is_submitted() -> None:
    clock = ManualClock()
    rigs = [Rig(uuid=name, clock=clock) for name in ("one", "two", "three")]
    for rig in rigs[1:]:
        reserved_too_much(rig)
    floor = Floor(*rigs)
    assert floor.run() == 2
    assert floor.submitted == [("two", None), ("three", None)]


def test_busy_instance_is_left_alone_and_checked_afterwards() -> None:
    rig = settled()
    reserved_too_much(rig)
    floor = Floor(rig)
    floor.worker.busy.add(rig.uuid)
    assert floor.run() == 0
    floor.worker.busy.clear()
    # It was not checked, so another pass begins when its run has ended.
    assert floor.worker.then[rig.uuid] == floor.reconciler.begin
    assert floor.run() == 1


def test_busy_instance_with_a_task_begins_no_pass_at_the_end_of_its_run() -> None:
    rig = settled()
    reserved_too_much(rig)
    rig.record.task_state = "rebooting"
    floor = Floor(rig)
    floor.worker.busy.add(rig.uuid)
    assert floor.run() == 0
    assert not floor.worker.then


def test_instance_with_a_task_is_left_alone_and_checked_afterwards() -> None:
    rig = settled()
    reserved_too_much(rig)
    rig.record.task_state = "rebooting"
    floor = Floor(rig)
    assert floor.run() == 0
    assert not any(call[0] == "open" for call in floor.host_instances.calls)
    rig.record.task_state = None
    assert floor.run() == 1


def test_instance_deleted_during_the_pass_is_not_resumed() -> None:
    rig = settled()
    reserved_too_much(rig)
    floor = Floor(rig)
    records = floor.host_instances.records()
    floor.host_instances.records = lambda: records  # type: ignore[method-assign]
    rig.record.deleted = True
    assert floor.run() == 0
    assert floor.submitted == []


def _libvirt_away(floor: Floor, rig: Rig) -> None:
    floor.host_instances.libvirt_away = True


def _placement_away(floor: Floor, rig: Rig) -> None:
    rig.claims.unreachable = True


@pytest.mark.parametrize("away", [_libvirt_away, _placement_away])
def test_a_pass_without_libvirt_or_placement_is_left_out(
    away: Callable[[Floor, Rig], None], caplog: pytest.LogCaptureFixture
) -> None:
    rig = settled()
    reserved_too_much(rig)
    floor = Floor(rig)
    away(floor, rig)
    assert floor.run() == 0
    assert floor.submitted == []
    assert "Skipping this reconcile pass" in caplog.text
    floor.host_instances.libvirt_away = rig.claims.unreachable = False
    assert floor.run() == 1


def test_a_pass_that_was_left_out_forgets_nobody() -> None:
    rig = settled()
    reserved_too_much(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    floor.host_instances.libvirt_away = True
    floor.run()
    floor.host_instances.libvirt_away = False
    assert floor.run() == 0


def test_instance_that_cannot_be_checked_leaves_the_others_checked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    rigs = [Rig(uuid=name, clock=clock) for name in ("one", "two", "three")]
    for rig in rigs:
        reserved_too_much(rig)
    floor = Floor(*rigs)
    opens = floor.host_instances.open

    def broken(uuid: str, request_id: str) -> Instance:
        if uuid == "two":
            raise KeyError(uuid)
        return opens(uuid, request_id)

    floor.host_instances.open = broken  # type: ignore[method-assign]
    assert floor.run() == 2
    assert floor.submitted == [("one", None), ("three", None)]
    assert "Instance two could not be checked" in caplog.text


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        (Phase.ADMITTED, "xloud_adjust"),
        (Phase.CONVERGING, "xloud_adjust"),
        (Phase.DEFERRED, "xloud_adjust"),
        (Phase.GUEST_REFUSED, None),
        (Phase.FAILED, None),
    ],
)
def test_event_is_written_only_for_an_adjustment_that_has_not_ended(
    phase: Phase, action: str | None
) -> None:
    rig = settled()
    progress = Progress(phase, "xloud.whatever", request_id="req-1")
    rig.record.desired = replace(rig.record.desired, progress=progress)
    floor = Floor(rig)
    assert floor.run() == 1
    assert floor.submitted == [(rig.uuid, action)]
    assert ("open", rig.uuid, "req-1") in floor.host_instances.calls


def test_pass_writes_no_event_of_an_unrequested_run() -> None:
    rig = settled()
    progress = rig.record.desired.progress.after(Event.ADMIT, "now")
    rig.record.desired = replace(rig.record.desired, progress=progress)
    floor = Floor(rig)
    assert floor.run() == 1
    assert floor.submitted == [(rig.uuid, None)]


def test_drift_after_an_adjustment_is_no_event_of_it() -> None:
    rig = Rig()
    rig.request_id = "req-1"
    rig.adjust(6, 3072)
    reserved_too_much(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    assert floor.submitted == [(rig.uuid, None)]


def test_a_guest_that_refused_is_retried_until_it_comes_round() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=EngineOptions(step_timeout=5))
    floor = Floor(rig, runs=True)
    rig.admit(4, 1024)
    tries = 0
    while rig.end[0] != "converged":
        tries += floor.run()
        rig.clock.advance(OPTIONS.retry_interval)
        assert tries < 9
        if tries == 3:
            rig.guest.behaviour = Behaviour.COOPERATIVE
    assert tries == 4
    assert rig.size == rig.claims.size == Size(4, 1024)
    assert rig.recorded_conditions == []


def test_the_bare_domain_stats_are_enough() -> None:
    # A pass reads no domain one by one: it believes the survey.
    rig = settled()
    floor = Floor(rig)
    floor.host_instances.domain_stats = lambda uuids: {  # type: ignore[method-assign]
        rig.uuid: DomainStats(True, 7, 3072, 1)
    }
    assert floor.run() == 1


def test_driver_that_reported_lately_is_not_silent_with_a_boot_grace_of_0() -> None:
    rig = settled()
    floor = Floor(rig)
    reports, seconds_between = [1000, 1010, 1010, 1010, 1010], [0.0, 10.0, 5.0, 30.0, 30.0]
    reading = floor.host_instances.domain_stats
    floor.reconciler._options = replace(OPTIONS, boot_grace=0)
    submitted = []
    for stats_at, seconds in zip(reports, seconds_between, strict=True):
        rig.clock.advance(seconds)
        stats = {uuid: replace(one, stats_at=stats_at) for uuid, one in reading([]).items()}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(floor.host_instances, "domain_stats", lambda uuids, stats=stats: stats)
            floor.run()
        submitted.append(list(floor.submitted))
    assert submitted == [[], [], [], [], [(rig.uuid, None)]]
