# SPDX-License-Identifier: Apache-2.0
"""Driving one instance to its desired size: what is done, when it stands back, how it gives up.

That no less is reserved than the guest has is checked by the rig, after every effect and sleep.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.compute.converge import MAX_RUN_IN_TIMEOUTS, REREAD_AFTER
from nova_xloud.compute.progress_deadline import MAX_STEP_IN_TIMEOUTS
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    DomainCallFailed,
    DomainNotFound,
    GuestRefused,
    NoCapacity,
    PlacementUnavailable,
)
from nova_xloud.testing import Behaviour, Timing
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.rig import NOW, OPTIONS, Rig

SIZES = [Size(6, 3072), Size(2, 1024), Size(6, 1024), Size(2, 3072), Size(8, 4096), Size(4, 1024)]


@pytest.mark.parametrize("agent", [False, True], ids=["no agent", "agent"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_guest_becomes_what_was_asked_for_and_that_is_claimed(size: Size, agent: bool) -> None:
    rig = Rig(agent=agent)
    assert rig.adjust(size.vcpus, size.memory_mb).converged
    assert rig.size == rig.claims.size == rig.record.recorded == size
    assert rig.desired == Desired(size, generation=1)
    assert rig.end == ("converged", "xloud.converged")
    assert (rig.record.desired.progress.since, rig.recorded_conditions) == (rig.date(), [])


# Before a balloon is made larger it is told the size that it has; see core/convergence/balloon.py.
SHRINK = ["set_memory", "set_memory"]


@pytest.mark.parametrize(
    ("size", "effects"),
    [
        (Size(6, 3072), ["set_memory", "set_vcpus", "record"]),
        (Size(2, 1024), ["record", "set_vcpus", "record", *SHRINK, "claim", "record"]),
        (Size(6, 1024), ["set_vcpus", *SHRINK, "claim", "record"]),
        (Size(2, 3072), ["set_memory", "record", "set_vcpus", "record", "claim", "record"]),
    ],
    ids=["grow", "shrink", "vCPUs grow, memory shrinks", "memory grows, vCPUs shrink"],
)
def test_the_order_of_effects(size: Size, effects: list[str]) -> None:
    rig = Rig()
    rig.admit(size.vcpus, size.memory_mb)
    rig.effects.clear()
    rig.converge()
    # What it starts with next comes before anything else.
    assert rig.effects == ["set_definition", *effects]


def test_run_with_nothing_to_do_only_sets_the_balloon() -> None:
    rig = Rig()
    assert rig.converge().converged
    assert rig.effects == ["set_memory"]
    assert rig.clock.now() == 0


def test_a_stopped_instance_with_nothing_to_do_has_nothing_done() -> None:
    rig = Rig(running=False)
    assert rig.converge().converged
    assert rig.effects == []


def test_a_removal_is_written_down_before_it_is_begun_and_after_it_is_seen() -> None:
    rig = Rig()
    rig.adjust(2)
    pending = [desired.removal_pending for desired in rig.record.written]
    assert pending[:3] == [None, 2, None]
    assert rig.effects.index("set_vcpus") == rig.effects.index("record", 2) + 1


def test_what_was_persisted_is_also_in_the_configuration() -> None:
    rig = Rig()
    rig.adjust(6, 3072)
    assert (rig.guest.config.vcpus, rig.guest.config.memory_kib) == (6, 3072 * 1024)


def test_what_was_not_persisted_is_not_in_the_configuration() -> None:
    rig = Rig()
    rig.admit(6, 3072, persist=False)
    assert rig.converge().converged
    assert rig.size == Size(6, 3072)
    assert (rig.guest.config.vcpus, rig.guest.config.memory_kib) == (4, 2048 * 1024)


def test_a_vcpu_is_awaited_until_the_guest_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(agent=True, timing=Timing(online_seconds=7))
    monkeypatch.setattr(rig.guest, "set_online", lambda count: None)
    assert rig.adjust(6).converged
    assert rig.guest.online() == 6
    assert rig.clock.now() >= 7
    assert rig.effects.count("set_vcpus_online") == 1


def test_the_agent_brings_online_what_the_guest_does_not() -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    assert rig.adjust(6).converged
    assert rig.guest.online() == 6
    assert rig.told("set_vcpus_online") == [6]
    assert rig.end == ("converged", "xloud.converged")


def _agent_answers_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(count: int) -> None:
        raise Rejected("VIR_ERR_AGENT_UNRESPONSIVE", "Guest agent is not responding")

    monkeypatch.setattr(rig.guest, "set_online", silent)


def test_memory_is_released_when_the_balloon_has_it_and_not_before() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.adjust(memory_mb=1024)
    assert rig.clock.now() >= 10
    assert rig.claims.written == [Size(4, 1024)]


def test_each_size_is_set_once_a_run() -> None:
    rig = Rig(timing=Timing(balloon_rate=10))
    rig.adjust(6, 1024)
    assert rig.told("set_memory") == [2048, 1024]
    assert rig.told("set_vcpus") == [6]


def test_a_vcpu_that_does_not_come_is_asked_for_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    monkeypatch.setattr(rig.guest, "set_vcpus", lambda *args, **kwargs: None)
    with pytest.raises(GuestRefused):
        rig.adjust(6)
    assert rig.effects.count("set_vcpus") == 1
    assert rig.claims.size == Size(6, 2048)


def test_a_claim_that_fell_short_is_made_before_the_guest_is_told() -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    assert rig.converge().converged
    assert rig.effects == ["claim", "set_definition", "set_memory", "set_vcpus", "record"]
    assert rig.record.recorded == Size(6, 3072)


def test_guest_is_not_called_when_the_host_is_full() -> None:
    rig = Rig(capacity=Size(5, 4096))
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    with pytest.raises(NoCapacity):
        rig.converge()
    assert rig.size == rig.claims.size == NOW
    assert "set_memory" not in rig.effects


def test_a_conflict_while_releasing_is_tried_again() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    rig.claims.conflicts = 2
    assert rig.converge().converged
    assert rig.claims.size == Size(2, 1024)


def test_conflicts_that_do_not_follow_each_other_are_not_added_up() -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(6, 1024), generation=1)
    rig.claims.conflicts = OPTIONS.claim_attempts - 1
    rig.before["set_vcpus"] = lambda: setattr(rig.claims, "conflicts", OPTIONS.claim_attempts - 1)
    assert rig.converge().converged
    assert rig.claims.written == [Size(6, 2048), Size(6, 1024)]


def test_conflicts_without_end_are_given_up_and_nothing_is_released() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    rig.claims.conflicts = 100
    with pytest.raises(PlacementUnavailable, match="3 conflicts"):
        rig.converge()
    assert rig.claims.size == NOW
    # As often as the operator says, and once when it is written how the run ended.
    assert rig.effects.count("claim") == OPTIONS.claim_attempts + 1
    assert not rig.record.desired.progress.finished


def test_when_placement_is_away_nothing_is_released_and_a_later_run_does_it() -> None:
    rig = Rig()
    rig.admit(2, 1024)

    def away() -> None:
        rig.claims.unreachable = True

    rig.once_before("claim", away)
    with pytest.raises(PlacementUnavailable):
        rig.converge()
    assert rig.claims.size == NOW
    assert not rig.record.desired.progress.finished
    rig.claims.unreachable = False
    assert rig.converge().converged
    assert rig.claims.size == Size(2, 1024)
    assert rig.end == ("converged", "xloud.converged")


def test_the_newest_desired_wins_while_converging() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(2, 1024)

    def somebody_changes_their_mind() -> None:
        rig.admit(8, 4096)

    rig.once_before("sleep", somebody_changes_their_mind)
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(8, 4096)
    assert rig.record.desired.generation == 2


def test_the_newest_desired_wins_when_it_is_smaller() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(8, 4096)
    rig.once_before("sleep", lambda: _admitted(rig, 2, 1024))
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(2, 1024)


def _admitted(rig: Rig, vcpus: int, memory_mb: int) -> None:
    rig.admit(vcpus, memory_mb)


def _task(rig: Rig) -> None:
    rig.record.task_state = "migrating"


def _moved(rig: Rig) -> None:
    rig.record.on_this_host = False


def _suspended(rig: Rig) -> None:
    rig.record.vm_state = "suspended"


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        (_task, "another operation goes first"),
        (_moved, "another operation goes first"),
        (_suspended, "vm_state is not one in which its size is changed"),
    ],
)
def test_it_stands_back_when_another_operation_comes_between(
    begin: Callable[[Rig], None], why: str
) -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(6, 1024)
    rig.effects.clear()

    def while_it_is_waited_for() -> None:
        if rig.told("set_memory")[-1:] == [1024]:
            begin(rig)

    rig.before["sleep"] = while_it_is_waited_for
    outcome = rig.converge()
    assert not outcome.converged
    assert outcome.deferred is not None
    assert why in outcome.deferred
    assert rig.effects == ["set_definition", "set_vcpus", *SHRINK]
    assert rig.claims.size == Size(6, 2048)
    assert rig.end == ("admitted", "xloud.admitted")


def test_deferral_names_the_task() -> None:
    rig = Rig()
    _task(rig)
    assert "migrating" in str(rig.converge().deferred)


def test_after_the_other_operation_it_goes_on() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(2, 1024)
    rig.once_before("sleep", lambda: _task(rig))
    rig.converge()
    rig.record.task_state = None
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(2, 1024)


def test_a_paused_guest_is_told_and_not_waited_for() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    outcome = rig.adjust(memory_mb=1024)
    assert "paused" in str(outcome.deferred)
    assert rig.clock.now() == 0
    assert rig.claims.size == NOW
    assert rig.end == ("deferred", "xloud.deferred")
    assert rig.record.desired.progress.message == outcome.deferred
    rig.guest.resume()
    assert rig.converge().converged
    assert rig.claims.size == Size(4, 1024)


def test_a_paused_guest_is_not_asked_for_vcpus_back_before_it_resumes() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    outcome = rig.adjust(2)
    assert "paused" in str(outcome.deferred)
    assert "set_vcpus" not in rig.effects
    assert rig.record.desired.removal_pending is None
    rig.guest.resume()
    assert rig.converge().converged
    assert rig.claims.size == rig.size == Size(2, 2048)


def test_a_paused_guest_gets_vcpus_at_once() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    rig.adjust(6)
    assert rig.size.vcpus == 6


def test_a_guest_that_keeps_its_memory_has_refused_and_what_it_has_stays_claimed() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    told_at: list[float] = []
    rig.before["set_memory"] = lambda: told_at.append(rig.clock.now())
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024)
    assert "1024 MiB (is 2048)" in str(refusal.value)
    assert refusal.value.code == "xloud.guest_refused.memory_not_reached"
    assert rig.claims.size == rig.size == NOW
    # To stay where it is, to shrink, and when that is given up to stay again.
    assert rig.told("set_memory") == [2048, 1024, 2048]
    assert told_at[2] - told_at[1] == pytest.approx(OPTIONS.step_timeout, abs=1)
    progress = rig.record.desired.progress
    assert (progress.phase, progress.code) == (Phase.GUEST_REFUSED, refusal.value.code)
    assert (progress.message, progress.since) == (refusal.value.message, rig.date())


def test_a_guest_that_gives_half_has_refused_and_the_claim_is_not_less_than_it_has() -> None:
    rig = Rig()
    rig.guest.keeps_kib = 1536 * 1024
    with pytest.raises(GuestRefused):
        rig.adjust(2, 1024)
    assert rig.size == Size(2, 1536)
    assert rig.claims.size.covers(rig.size)


def test_memory_given_back_before_a_refusal_is_released() -> None:
    rig = Rig()
    rig.guest.keeps_kib = 1536 * 1024
    with pytest.raises(GuestRefused):
        rig.adjust(2, 1024)
    assert rig.claims.size == rig.size == Size(2, 1536)


def test_a_hypervisor_that_cannot_add_is_not_a_guest_that_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise Rejected("VIR_ERR_SYSTEM_ERROR", "monitor")

    rig = Rig()
    monkeypatch.setattr(rig.guest, "set_vcpus", fails)
    with pytest.raises(DomainCallFailed):
        rig.adjust(6)
    assert rig.claims.size == Size(6, 2048)


def test_a_guest_that_comes_round_is_followed_by_a_later_run() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    rig.guest.behaviour = Behaviour.COOPERATIVE
    assert rig.converge().converged
    assert rig.claims.size == rig.size == Size(4, 1024)


def test_a_guest_that_leaves_new_cpus_offline_has_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    _agent_answers_nothing(rig, monkeypatch)
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(6)
    assert "6 vCPUs online (are 4)" in str(refusal.value)
    assert rig.told("set_vcpus_online") == [6]
    assert rig.claims.size == Size(6, 2048)
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_online")
    assert rig.recorded_conditions == ["CpusNotOnline"]


def test_a_guest_without_a_balloon_driver_has_refused() -> None:
    rig = Rig(now=Size(4, 4096), behaviour=Behaviour.NO_BALLOON_DRIVER)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert rig.claims.size == rig.size == Size(4, 4096)
    assert rig.end == ("guest_refused", "xloud.guest_refused.no_statistics")
    assert rig.recorded_conditions == ["BalloonNotEffective"]


def test_memory_taken_by_a_guest_without_balloon_driver_is_claimed() -> None:
    rig = Rig(behaviour=Behaviour.NO_BALLOON_DRIVER)
    rig.takes_memory = True
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert rig.claims.size == rig.size == rig.record.recorded == Size(4, 4096)
    rig.takes_memory = False
    rig.check_invariant()
    assert rig.recorded_conditions == ["BalloonNotEffective"]


def test_the_deadline_is_for_a_step_and_not_for_the_way() -> None:
    rig = Rig(timing=Timing(balloon_rate=5), agent=True)
    assert rig.adjust(6, 1024).converged
    assert rig.clock.now() > 2 * OPTIONS.step_timeout


def test_a_removal_that_times_out_is_recorded_as_unsettled_and_stays_claimed() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(2)
    assert "down to 2" in str(refusal.value)
    assert rig.desired == Desired(Size(2, 2048), generation=1, removal_pending=2)
    assert rig.claims.size == rig.record.recorded == NOW
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_removed")
    assert rig.recorded_conditions == ["RemovalUnsettled"]


def test_a_removal_that_settles_late_is_released_by_a_later_run() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(3)
    rig.guest.settle()
    assert rig.converge().converged
    assert rig.claims.size == rig.size == Size(3, 2048)
    assert rig.record.desired.removal_pending is None
    assert (rig.end, rig.recorded_conditions) == (("converged", "xloud.converged"), [])


def test_no_vcpu_is_added_while_a_removal_is_unsettled_whatever_is_desired() -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(6, 2048), removal_pending=2)
    with pytest.raises(GuestRefused, match="has not settled"):
        rig.converge()
    assert "set_vcpus" not in rig.effects


def test_a_restart_settles_a_removal() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    rig.guest.stop()
    rig.record.vm_state = "stopped"
    assert rig.converge().converged
    assert rig.desired == Desired(Size(2, 2048), generation=1)
    assert (rig.end, rig.recorded_conditions) == (("converged", "xloud.converged"), [])
    assert rig.claims.size == Size(2, 2048)


def test_a_boot_vcpu_stays_and_the_claim_with_it() -> None:
    rig = Rig()
    each = tuple(
        replace(v, hotpluggable=v.hotpluggable and i > 2)
        for i, v in enumerate(rig.guest.config.each)
    )
    rig.guest.stop()
    rig.guest.config = replace(rig.guest.config, each=each)
    rig.guest.start(arrived=True)
    rig.record.desired = Desired(Size(2, 2048))
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.claims.size == rig.size == NOW
    assert rig.record.desired.removal_pending is None


def test_what_was_asked_only_until_it_stops_is_forgotten_when_it_has() -> None:
    rig = Rig()
    rig.admit(6, 3072, persist=False)
    rig.converge()
    rig.guest.stop()
    rig.record.vm_state = "stopped"
    rig.effects.clear()
    assert rig.converge().converged
    assert rig.effects == ["record", "claim", "record"]
    assert rig.desired == Desired(NOW, generation=1)
    assert (rig.end, rig.recorded_conditions) == (("converged", "xloud.converged"), [])
    assert rig.claims.size == rig.record.recorded == NOW


@pytest.mark.parametrize("undefined", [False, True])
def test_a_stopped_instance_releases_down_to_what_it_starts_with(undefined: bool) -> None:
    rig = Rig(running=False)
    if undefined:
        rig.guest.undefine()
    assert rig.adjust(2, 1024).converged
    assert rig.claims.size == rig.record.recorded == Size(2, 1024)


def test_domain_lost_during_a_call_ends_the_run_with_its_claim_kept() -> None:
    rig = Rig()

    def gone() -> None:
        rig.guest.undefine()
        rig.guest.stop()

    rig.admit(6)
    rig.once_before("set_vcpus", gone)
    with pytest.raises(DomainNotFound):
        rig.converge()
    assert rig.claims.size == Size(6, 2048)


def idle_driver(seconds: float = 5) -> Rig:
    """Its balloon driver has worked, and does nothing for as many seconds from now on."""
    timing = Timing(intermittent_seconds=seconds, balloon_rate=1e9)
    rig = Rig(behaviour=Behaviour.INTERMITTENT, timing=timing, agent=True)
    assert rig.size == NOW
    rig.clock.advance(seconds + 0.5)
    return rig


def test_taking_a_growth_back_before_the_balloon_has_moved_leaves_the_guest_as_it_was() -> None:
    rig = idle_driver()
    rig.admit(memory_mb=4096)
    rig.once_before("sleep", lambda: _admitted(rig, *_numbers(NOW)))
    assert rig.converge().converged
    assert rig.told("set_memory") == [4096, 2048]
    rig.clock.advance(60)
    rig.check_invariant()
    assert rig.size == NOW


def test_taking_a_shrink_back_before_the_balloon_has_moved_leaves_the_guest_as_it_was() -> None:
    rig = idle_driver()
    rig.admit(memory_mb=1024, force=True)
    rig.once_before("sleep", lambda: _admitted(rig, *_numbers(NOW)))
    assert rig.converge().converged
    assert rig.told("set_memory") == [1024, 2048]
    rig.clock.advance(60)
    assert rig.size == NOW


def _numbers(size: Size) -> tuple[int, int]:
    return size.vcpus, size.memory_mb


def test_a_guest_that_left_new_cpus_offline_can_be_made_smaller_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(agent=True, behaviour=Behaviour.NO_ONLINE)
    _agent_answers_nothing(rig, monkeypatch)
    with pytest.raises(GuestRefused):
        rig.adjust(6)
    assert rig.adjust(4).converged
    assert rig.size == rig.claims.size == NOW


def test_waiting_for_the_lock_does_not_use_up_the_guests_time() -> None:
    rig = Rig()
    rig.admit(memory_mb=1024)
    rig.once_before("lock", lambda: rig.clock.advance(OPTIONS.step_timeout + 1))
    assert rig.converge().converged


def test_a_guest_that_came_further_while_the_lock_was_waited_for_has_not_refused() -> None:
    rig = Rig(timing=Timing(balloon_rate=10))
    rig.admit(memory_mb=1024)

    def another_holds_the_lock() -> None:
        rig.clock.advance(OPTIONS.step_timeout + 1)

    rig.once_before("sleep", lambda: rig.once_before("lock", another_holds_the_lock))
    assert rig.converge().converged


@pytest.mark.parametrize("effect", ["claim", "record"])
def test_it_stands_back_when_a_task_starts_before_it_has_written(effect: str) -> None:
    rig = Rig()
    rig.admit(2, 1024)
    rig.once_before(effect, lambda: _task(rig))
    assert "another operation goes first" in str(rig.converge().deferred)


def test_a_removal_that_times_out_is_marked_although_a_task_has_started_meanwhile() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    rig.admit(3)
    rig.once_before("set_vcpus", lambda: _task(rig))
    assert "another operation goes first" in str(rig.converge().deferred)
    rig.record.task_state = None
    assert rig.guest.unsettled
    assert rig.record.desired.removal_pending == 3


def test_a_conflict_while_releasing_has_the_record_read_again_before_anything_is_written() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    theirs = Size(4, 2049)

    def a_migration_begins() -> None:
        rig.record.task_state = "migrating"
        rig.claims.somebody_else_writes(theirs)

    rig.once_before("claim", a_migration_begins)
    try:
        rig.converge()
    finally:
        assert rig.claims.size == theirs


def test_a_guest_that_rejects_a_removal_has_refused() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert rig.claims.size == NOW
    # Said at once: the number of vCPUs is known, and there is nothing unsettled.
    assert (rig.record.desired.removal_pending, rig.recorded_conditions) == (None, [])
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_removed")


OFFLINE = replace(OPTIONS, limits=replace(OPTIONS.limits, offline_vcpus=True))
REMOVAL_FAILS = [Behaviour.REMOVAL_TIMES_OUT, Behaviour.REFUSES]


@pytest.mark.parametrize("behaviour", REMOVAL_FAILS)
def test_vcpus_that_cannot_be_removed_are_taken_offline_and_stay_claimed(
    behaviour: Behaviour,
) -> None:
    rig = Rig(agent=True, behaviour=Behaviour.COOPERATIVE, options=OFFLINE)

    def no_removal(*args: object, **kwargs: object) -> None:
        rig.clock.sleep(5 if behaviour is Behaviour.REMOVAL_TIMES_OUT else 0)
        timeout = behaviour is Behaviour.REMOVAL_TIMES_OUT
        raise Rejected(
            "VIR_ERR_OPERATION_TIMEOUT" if timeout else "VIR_ERR_OPERATION_FAILED", "unplug"
        )

    rig.guest.set_vcpus = no_removal  # type: ignore[method-assign]
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(2)
    assert refusal.value.code == "xloud.guest_refused.vcpus_not_removed"
    assert "2 of its 4 vCPUs are online, all stay claimed" in refusal.value.message
    assert rig.told("set_vcpus_online") == [2]
    assert rig.guest.online() == 2
    # Nothing keeps the guest from using them again.
    assert rig.claims.size == rig.record.recorded == rig.size == NOW


@pytest.mark.parametrize("behaviour", REMOVAL_FAILS)
def test_without_the_option_no_vcpu_is_taken_offline(behaviour: Behaviour) -> None:
    rig = Rig(agent=True, behaviour=behaviour)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert "set_vcpus_online" not in rig.effects
    assert rig.claims.size == NOW


def test_without_an_agent_no_vcpu_is_taken_offline() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=OFFLINE)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert "set_vcpus_online" not in rig.effects


def test_cpus_that_were_taken_offline_come_back_with_the_next_growth() -> None:
    rig = Rig(agent=True, behaviour=Behaviour.REFUSES, options=OFFLINE)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert rig.guest.online() == 2
    assert rig.adjust(4).converged
    assert rig.guest.online() == 4
    assert rig.recorded_conditions == []


def test_what_was_waited_for_before_does_not_use_up_the_time_of_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One MiB is waited for 50 s, and then one CPU for as long.
    rig = idle_driver(50)
    rig.guest.set_online(3)
    bring = rig.guest.set_online
    monkeypatch.setattr(rig.guest, "set_online", lambda count: None)

    def late() -> None:
        if rig.clock.now() > 150:
            bring(4)

    rig.before["sleep"] = late
    assert rig.adjust(4, 2049).converged
    assert rig.told("set_vcpus_online") == [4]


def test_a_cpu_that_goes_offline_on_its_own_is_brought_back_by_the_next_look() -> None:
    rig = Rig(agent=True)
    rig.guest.set_online(3)
    assert rig.converge().converged
    assert rig.guest.online() == 4
    assert rig.told("set_vcpus_online") == [4]


# --- a guest that takes its time -------------------------------------------------------------


def test_a_step_that_comes_nearer_too_slowly_is_given_up() -> None:
    rig = Rig(timing=Timing(balloon_rate=0.2))
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024)
    assert refusal.value.code == "xloud.guest_refused.memory_not_reached"
    longest = MAX_STEP_IN_TIMEOUTS * OPTIONS.step_timeout
    assert longest < rig.clock.now() < longest + REREAD_AFTER + 5
    # What came back until then is given back.
    assert rig.size == rig.claims.size
    assert rig.size.memory_mb < NOW.memory_mb


def test_a_run_that_takes_long_lets_others_go_first_and_goes_on_later() -> None:
    limits = replace(OPTIONS.limits, step_mb=16)
    options = replace(OPTIONS, limits=limits, poll_interval=2.0)
    rig = Rig(timing=Timing(balloon_rate=1), options=options)
    outcome = rig.adjust(memory_mb=1024)
    assert "others go first" in str(outcome.deferred)
    longest = MAX_RUN_IN_TIMEOUTS * OPTIONS.step_timeout
    assert longest < rig.clock.now() < longest + REREAD_AFTER + 5
    half_way = rig.size.memory_mb
    assert 1024 < half_way < 2000
    assert rig.claims.size == rig.size
    assert rig.end == ("deferred", "xloud.deferred")
    runs = 1
    while not rig.converge().converged:
        assert rig.size.memory_mb < half_way
        half_way, runs = rig.size.memory_mb, runs + 1
        assert runs < 9
    assert rig.size == rig.claims.size == Size(4, 1024)


def test_vcpus_are_plugged_while_memory_is_on_its_way() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    had: list[int] = []
    rig.before["set_vcpus"] = lambda: had.append(rig.size.memory_mb)
    assert rig.adjust(6, 3072).converged
    assert had[0] < 3072
    order = [effect for effect in rig.effects if effect.startswith("set_")]
    assert order == ["set_definition", "set_memory", "set_vcpus"]


# --- a guest whose QEMU hangs ----------------------------------------------------------------


def _hangs(rig: Rig) -> None:
    rig.answers = False

    def never() -> None:
        raise AssertionError("it was locked")

    rig.before["lock"] = never


def test_one_whose_qemu_hangs_is_not_locked_and_nothing_is_written() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    _hangs(rig)
    rig.effects.clear()
    assert "does not answer" in str(rig.converge().deferred)
    assert rig.effects == []
    assert rig.end == ("admitted", "xloud.admitted")


def test_while_placement_hangs_no_instance_is_locked_and_it_goes_on_after() -> None:
    """Else a user's stop or reboot would wait for Placement."""
    rig = Rig()
    rig.admit(6, 3072)
    _hangs(rig)
    rig.answers, rig.placement_answers = True, False
    assert "Placement does not answer" in str(rig.converge().deferred)
    assert rig.end == ("admitted", "xloud.admitted")
    rig.placement_answers = True
    rig.before.clear()
    assert rig.converge().converged


def test_one_whose_qemu_begins_to_hang_while_it_is_waited_for_is_left() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(memory_mb=1024)

    def hangs_half_way() -> None:
        if rig.size.memory_mb < 1500:
            _hangs(rig)

    rig.before["sleep"] = hangs_half_way
    assert "does not answer" in str(rig.converge().deferred)
    assert rig.end == ("admitted", "xloud.admitted")
    assert rig.claims.size == NOW
    rig.answers = True
    rig.before.clear()
    assert rig.converge().converged
    assert rig.claims.size == Size(4, 1024)


def test_run_is_deferred_while_another_operation_holds_the_instance() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    rig.held_for = 200.0
    began = rig.clock.now()
    outcome = rig.converge()
    assert outcome.deferred is not None
    assert "another operation" in outcome.deferred
    assert rig.clock.now() - began < 30
    rig.held_for = 0.0
    assert rig.converge().converged


# --- waiting costs nothing -------------------------------------------------------------------


def _counted(rig: Rig, *names: str) -> dict[str, int]:
    counts = dict.fromkeys(names, 0)

    def count(name: str) -> None:
        counts[name] += 1

    for name in names:
        rig.before[name] = functools.partial(count, name)
    return counts


@pytest.mark.parametrize("slowly", [10.0, 40.0])
def test_while_a_guest_is_waited_for_it_alone_is_asked(slowly: float) -> None:
    rig = Rig(timing=Timing(balloon_rate=slowly))
    rig.admit(memory_mb=4096)
    counts = _counted(rig, "lock", "read", "sleep")
    assert rig.converge().converged
    waited = counts["sleep"]
    assert counts["read"] >= waited > 40
    # Each look under the lock reads record and claim: there is one a step, and one in ten seconds.
    assert counts["lock"] <= 6 + rig.clock.now() / REREAD_AFTER


def test_an_operation_that_begins_while_a_guest_is_waited_for_is_seen_in_seconds() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    rig.admit(memory_mb=4096)
    rig.once_before("sleep", lambda: _task(rig))
    assert "another operation goes first" in str(rig.converge().deferred)
    assert rig.clock.now() < REREAD_AFTER + 2


def test_memory_that_a_guest_takes_while_it_is_waited_for_is_claimed_at_once() -> None:
    rig = Rig(timing=Timing(balloon_rate=20))
    rig.takes_memory = True
    rig.admit(memory_mb=1024, force=True)
    claimed: list[float] = []
    rig.before["claim"] = lambda: claimed.append(rig.clock.now())

    def takes_more() -> None:
        rig.guest.memory.actual_kib = 3000 * 1024

    rig.once_before("sleep", takes_more)
    with contextlib.suppress(GuestRefused):
        rig.converge()
    assert claimed[0] < REREAD_AFTER / 2
    assert 2900 < rig.told("claim")[0].memory_mb <= 3000
