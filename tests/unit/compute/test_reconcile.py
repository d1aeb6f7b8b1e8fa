# SPDX-License-Identifier: Apache-2.0
"""A pass over a host's instances: what it costs, what it finds, how soon again."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.ports import Instance, ManagedInstance
from nova_xloud.compute.reconcile import EMPTY_FOR, HANGS_AFTER, REST, Reconciler
from nova_xloud.conf import EngineOptions
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import Condition, Event, Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, ManualClock, Timing
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.rig import NOW, OPTIONS, Inline, Rig

RETRY = OPTIONS.retry_interval
LONGEST = OPTIONS.retry_max_interval


class Floor:
    """One host with its instances.

    :ivar worker: takes down what is submitted, and runs it at once if it shall
    """

    def __init__(self, *rigs: Rig, runs: bool = False, grace: float = 0) -> None:
        self.clock = rigs[0].clock if rigs else ManualClock()
        boot_grace = BootGrace(self.clock.now, grace)
        boot_grace.assume_booted({})
        for rig in rigs:
            rig.boot_grace = boot_grace
        self.host_instances = FakeHostInstances([rig.instance for rig in rigs])
        self.worker = Inline(rigs[0] if rigs else Rig(), runs=runs)
        self.reconciler = Reconciler(
            self.host_instances, boot_grace, self.worker, OPTIONS, self.clock.now, sleep=self.rest
        )
        self.rested: list[float] = []
        self.while_resting: list[Callable[[], object]] = []

    def rest(self, seconds: float) -> None:
        """Of a pass, until it may begin."""
        self.rested.append(seconds)
        self.clock.advance(seconds)
        for do in self.while_resting:
            do()

    def run(self) -> int:
        """One pass; the calls before it are forgotten."""
        self.host_instances.calls.clear()
        return self.reconciler.run()

    @property
    def submitted(self) -> list[tuple[str, str | None]]:
        return self.worker.submitted


def settled() -> Rig:
    """Adjusted, and as it should be."""
    rig = Rig()
    rig.adjust(6, 3072)
    return rig


# --- what it costs ---------------------------------------------------------------------------


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
    _recorded(rig)
    assert floor.run() == 1
    reconciler = floor.reconciler
    kept = (reconciler._attempts, reconciler._watch._watched, reconciler._boot_grace._starts)
    assert all(rig.uuid in one for one in kept)
    rig.record.deleted = True
    floor.run()
    # One that comes by live migration runs here before the database says that it is here.
    assert rig.uuid in reconciler._boot_grace._starts
    floor.clock.advance(EMPTY_FOR)
    floor.run()
    assert floor.host_instances.calls == ["records"]
    assert not any(
        (reconciler._attempts, reconciler._watch._watched, reconciler._boot_grace._starts)
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


# --- what it finds ---------------------------------------------------------------------------


def _phase(phase: Phase) -> Callable[[Rig], None]:
    def change(rig: Rig) -> None:
        progress = Progress(phase, "xloud.whatever")
        rig.record.desired = replace(rig.record.desired, progress=progress)

    return change


def _stopped(rig: Rig) -> None:
    rig.record.desired = Desired(NOW, live=Size(2, 1024), generation=1)
    rig.claims.size = rig.record.recorded = NOW
    rig.define(NOW)
    rig.stop()


def _reserved(rig: Rig) -> None:
    rig.claims.size = Size(8, 4096)


def _claimed(rig: Rig) -> None:
    rig.claims.size = rig.record.recorded = Size(8, 4096)


def _recorded(rig: Rig) -> None:
    rig.record.recorded = Size(1, 512)


def _condition_recorded(rig: Rig) -> None:
    recorded_conditions = (Condition("CpusNotOnline", True, "xloud.cpus_not_online", "", ""),)
    rig.record.desired = replace(rig.record.desired, recorded_conditions=recorded_conditions)


def _vcpus(rig: Rig) -> None:
    rig.guest.set_vcpus(5, live=True, config=False, hotpluggable=True)


def _memory(rig: Rig) -> None:
    rig.guest.set_memory(2000 * 1024, live=True, config=False)
    rig.clock.advance(30)


REASONS = {
    "admitted": (_phase(Phase.ADMITTED), "its adjustment is admitted"),
    "deferred": (_phase(Phase.DEFERRED), "its adjustment is deferred"),
    "guest refused": (_phase(Phase.GUEST_REFUSED), "its adjustment is guest_refused"),
    "failed": (_phase(Phase.FAILED), "its adjustment is failed"),
    "stopped": (_stopped, "a size was asked for only until then"),
    "reserved": (_reserved, "8 vCPUs, 4096 MiB reserved"),
    "reserved and recorded": (_claimed, "8 vCPUs, 4096 MiB are reserved and should be"),
    "recorded": (_recorded, "1 vCPUs, 512 MiB are recorded"),
    "condition recorded": (_condition_recorded, "the condition CpusNotOnline is recorded"),
    "vCPUs": (_vcpus, "the guest has 5 vCPUs"),
    "memory": (_memory, "the guest has 2000 MiB"),
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
    assert f"Instance {rig.uuid}: resuming convergence: " in said
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
    rig.takes_memory = change is _memory
    assert floor.run() == 1
    rig.clock.advance(LONGEST)
    assert floor.run() == 0
    desired = rig.record.desired
    assert rig.claims.size == rig.record.recorded == desired.claim
    assert rig.size == (desired.target if rig.guest.active else Size(0, 0))


def test_each_drifted_instance_is_submitted() -> None:
    clock = ManualClock()
    rigs = [Rig(uuid=name, clock=clock) for name in ("one", "two", "three")]
    for rig in rigs[1:]:
        _reserved(rig)
    floor = Floor(*rigs)
    assert floor.run() == 2
    assert floor.submitted == [("two", None), ("three", None)]


# --- what it leaves alone --------------------------------------------------------------------


def test_one_that_is_busy_is_left_alone_and_looked_at_afterwards() -> None:
    rig = settled()
    _reserved(rig)
    floor = Floor(rig)
    floor.worker.busy.add(rig.uuid)
    assert floor.run() == 0
    floor.worker.busy.clear()
    # It was not looked at, so nothing says that it is to be left alone: when its run has ended,
    # another pass comes.
    assert floor.worker.then[rig.uuid] == floor.reconciler.begin
    assert floor.run() == 1


def test_instance_with_a_task_is_resumed_after_the_task() -> None:
    rig = settled()
    _reserved(rig)
    rig.record.task_state = "rebooting"
    floor = Floor(rig)
    floor.worker.busy.add(rig.uuid)
    assert floor.run() == 0
    assert not floor.worker.then


def test_one_with_a_task_is_left_alone_and_looked_at_afterwards() -> None:
    rig = settled()
    _reserved(rig)
    rig.record.task_state = "rebooting"
    floor = Floor(rig)
    assert floor.run() == 0
    assert not any(call[0] == "open" for call in floor.host_instances.calls)
    rig.record.task_state = None
    assert floor.run() == 1


def test_instance_deleted_during_the_pass_is_not_resumed() -> None:
    rig = settled()
    _reserved(rig)
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
    _reserved(rig)
    floor = Floor(rig)
    away(floor, rig)
    assert floor.run() == 0
    assert floor.submitted == []
    assert "Skipping this reconcile pass" in caplog.text
    floor.host_instances.libvirt_away = rig.claims.unreachable = False
    assert floor.run() == 1


def test_a_pass_that_was_left_out_forgets_nobody() -> None:
    rig = settled()
    _reserved(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    floor.host_instances.libvirt_away = True
    floor.run()
    floor.host_instances.libvirt_away = False
    assert floor.run() == 0


class Held:
    """The database, which answers when the test lets it.

    :ivar asked: how often it was asked
    """

    def __init__(self, floor: Floor) -> None:
        self._records = floor.host_instances.records
        self.gate = threading.Event()
        self.asked = 0
        floor.host_instances.records = self  # type: ignore[method-assign]

    def __call__(self) -> Sequence[ManagedInstance]:
        self.asked += 1
        assert self.gate.wait(LIMIT)
        return self._records()

    def wait_until_asked(self, times: int) -> None:
        until = time.monotonic() + LIMIT
        while self.asked < times:
            assert time.monotonic() < until
            time.sleep(0.001)


def test_a_pass_that_is_asked_for_while_one_goes_follows_it_and_only_one_does() -> None:
    floor = Floor(settled())
    held = Held(floor)
    first = floor.reconciler.begin()
    # The process may end while it hangs.
    assert first.daemon
    held.wait_until_asked(1)
    for _ in range(3):
        assert floor.reconciler.begin() is first
    held.gate.set()
    first.join(LIMIT)
    assert held.asked == 2
    second = floor.reconciler.begin()
    assert second is not first
    second.join(LIMIT)
    assert held.asked == 3


def test_requests_between_two_passes_begin_one_pass_after_the_rest() -> None:
    floor = Floor(settled())
    floor.reconciler.begin().join(LIMIT)
    assert floor.rested == []
    floor.while_resting += [floor.reconciler.begin] * 3
    floor.reconciler.begin().join(LIMIT)
    assert floor.rested == [REST]
    assert floor.host_instances.calls.count("records") == 2
    floor.clock.advance(REST)
    floor.reconciler.begin().join(LIMIT)
    assert floor.rested == [REST]


def test_what_happens_while_a_pass_goes_is_seen_by_the_one_that_follows() -> None:
    rig = settled()
    floor = Floor(rig)
    held = Held(floor)
    read = threading.Event()
    allocations = floor.host_instances.allocations

    def then(instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        found = allocations(instances)
        if not read.is_set():
            read.set()
            _reserved(rig)
            floor.reconciler.begin()
        return found

    floor.host_instances.allocations = then  # type: ignore[method-assign]
    held.gate.set()
    floor.reconciler.begin().join(LIMIT)
    assert floor.submitted == [(rig.uuid, None)]


def test_a_pass_that_hangs_with_a_guest_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    rig = settled()
    _reserved(rig)
    floor = Floor(rig)
    held = Held(floor)
    first = floor.reconciler.begin()
    held.wait_until_asked(1)
    rig.clock.advance(HANGS_AFTER)
    assert floor.reconciler.begin() is first
    rig.clock.advance(0.1)
    second = floor.reconciler.begin()
    assert second is not first
    assert "hangs" in caplog.text
    held.gate.set()
    for one in (first, second):
        one.join(LIMIT)
        assert not one.is_alive()
    # What was asked of the first was given to the second.
    assert held.asked == 2


def test_a_pass_that_is_asked_for_in_the_moment_in_which_one_ends_is_not_lost() -> None:
    floor = Floor(settled())
    first = floor.reconciler.begin()
    first.join(LIMIT)
    # It has looked for the last time whether one is to follow, and is not dead yet.
    first.is_alive = lambda: True  # type: ignore[method-assign]
    second = floor.reconciler.begin()
    second.join(LIMIT)
    assert floor.host_instances.calls.count("records") == 2


def test_one_that_cannot_be_looked_at_keeps_none_of_the_others_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    rigs = [Rig(uuid=name, clock=clock) for name in ("one", "two", "three")]
    for rig in rigs:
        _reserved(rig)
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


def test_a_pass_that_fails_is_logged_and_the_next_is_begun(
    caplog: pytest.LogCaptureFixture,
) -> None:
    floor = Floor(settled())
    records = floor.host_instances.records

    def broken() -> Sequence[ManagedInstance]:
        raise ConnectionError("the conductor is away")

    floor.host_instances.records = broken  # type: ignore[method-assign]
    floor.reconciler.begin().join(LIMIT)
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.exc_info
    floor.host_instances.records = records  # type: ignore[method-assign]
    floor.reconciler.begin().join(LIMIT)
    assert floor.host_instances.calls.count("records") == 1


# --- how soon again --------------------------------------------------------------------------


def test_pause_between_failed_attempts_doubles_up_to_the_longest() -> None:
    rig = settled()
    _phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    at: list[float] = []
    # As often as the periodic task runs, for half a day.
    for _ in range(720):
        if floor.run():
            at.append(rig.clock.now())
        rig.clock.advance(RETRY)
    pauses = [after - before for before, after in itertools.pairwise(at)]
    doubled = [RETRY * 2**n for n in range(6)]
    assert pauses[:6] == doubled
    assert set(pauses[6:]) == {LONGEST}
    assert len(at) < 20


def _generation(rig: Rig) -> None:
    rig.record.desired = replace(rig.record.desired, generation=9)


def _code(rig: Rig) -> None:
    progress = replace(rig.record.desired.progress, code="xloud.guest_refused.other")
    rig.record.desired = replace(rig.record.desired, progress=progress)


def _restarted(rig: Rig) -> None:
    rig.guest.stop()
    rig.guest.start(arrived=True)


@pytest.mark.parametrize(
    "change",
    [_generation, _phase(Phase.ADMITTED), _code, _restarted, _vcpus, Rig.stop, _claimed],
    ids=["another request", "phase", "code", "restarted", "vCPUs", "stopped", "claim"],
)
def test_it_is_tried_again_at_once_when_something_is_new(change: Callable[[Rig], None]) -> None:
    rig = settled()
    _phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    for _ in range(3):
        rig.clock.advance(LONGEST)
        assert floor.run() == 1
    assert floor.run() == 0
    change(rig)
    assert floor.run() == 1
    # And the pauses begin anew.
    rig.clock.advance(RETRY - 1)
    assert floor.run() == 0
    rig.clock.advance(1)
    assert floor.run() == 1


def test_every_pass_resumes_an_instance_above_its_claim() -> None:
    rig = settled()
    _phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    assert floor.run() == 0
    rig.takes_memory = True
    rig.guest.set_memory(4096 * 1024, live=True, config=False)
    rig.clock.advance(10)
    for _ in range(3):
        assert floor.run() == 1


def test_what_only_wavers_is_nothing_new() -> None:
    rig = settled()
    _phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    _memory(rig)
    assert floor.run() == 0


def test_one_that_was_well_in_between_begins_with_the_first_pause() -> None:
    rig = settled()
    floor = Floor(rig)
    for _ in range(3):
        _phase(Phase.GUEST_REFUSED)(rig)
        assert floor.run() == 1
        _phase(Phase.CONVERGED)(rig)
        assert floor.run() == 0


def test_instance_that_left_and_returned_is_resumed_at_once() -> None:
    rig = settled()
    other = Rig(uuid="other", clock=rig.clock)
    _phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig, other)
    assert floor.run() == 1
    rig.record.on_this_host = False
    assert floor.run() == 0
    rig.record.on_this_host = True
    assert floor.run() == 1


# --- booting ---------------------------------------------------------------------------------

GRACE = 120.0


def booted(**options: object) -> Rig:
    """It was stopped with what it has and started: its balloon has all of it to take back."""
    timing = Timing(driver_seconds=options.pop("driver_seconds", 5.0))  # type: ignore[arg-type]
    rig = Rig(running=False, timing=timing, **options)  # type: ignore[arg-type]
    rig.boot()
    return rig


def test_a_guest_that_boots_is_given_its_time_and_looked_at_after_it() -> None:
    rig = booted(driver_seconds=1000.0)
    floor = Floor(rig, grace=GRACE)
    assert floor.run() == 0
    rig.clock.advance(GRACE - 1)
    assert floor.run() == 0
    rig.clock.advance(1)
    assert floor.run() == 1


def test_instance_resumed_during_boot_is_resumed_again_after_the_grace() -> None:
    rig = booted(driver_seconds=1000.0)
    # All of it is reserved, so nothing is urgent.
    rig.claims.size = rig.record.recorded = Size(4, 4096)
    _phase(Phase.DEFERRED)(rig)
    floor = Floor(rig, grace=GRACE)
    at = []
    for _ in range(13):
        if floor.run():
            at.append(rig.clock.now())
        rig.clock.advance(10)
    # By the pauses alone: not before 180.
    assert at == [0, RETRY, GRACE]


def test_a_guest_whose_balloon_arrives_in_its_time_is_never_looked_at() -> None:
    rig = booted()
    floor = Floor(rig, grace=GRACE)
    for _ in range(10):
        assert floor.run() == 0
        rig.clock.advance(60)
    rig.check_invariant()


def test_what_runs_when_the_service_starts_has_had_its_time() -> None:
    rig = booted(driver_seconds=1000.0)
    floor = Floor(rig, grace=GRACE)
    floor.reconciler.service_starts()
    assert floor.run() == 1


def test_one_that_libvirt_left_out_for_once_has_not_started_anew() -> None:
    rig = settled()
    floor = Floor(rig, grace=GRACE)
    floor.reconciler.service_starts()
    assert floor.run() == 0
    floor.host_instances.left_out.add(rig.uuid)
    floor.run()
    floor.host_instances.left_out.clear()
    # It takes memory on its own.
    rig.takes_memory = True
    rig.guest.set_memory(4096 * 1024, live=True, config=False)
    rig.clock.advance(60)
    assert floor.run() == 1
    assert not rig.boot_grace.booting(rig.uuid, rig.guest.boot_id)


# --- the instance action ---------------------------------------------------------------------


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
def test_an_event_is_written_only_of_an_adjustment_that_has_not_had_its_answer(
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
    _reserved(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    assert floor.submitted == [(rig.uuid, None)]


# --- all of it -------------------------------------------------------------------------------


def test_a_guest_that_refused_is_retried_until_it_comes_round() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=EngineOptions(step_timeout=5))
    floor = Floor(rig, runs=True)
    rig.admit(4, 1024)
    tries = 0
    while rig.end[0] != "converged":
        tries += floor.run()
        rig.clock.advance(RETRY)
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
