# SPDX-License-Identifier: Apache-2.0
"""How a run ended, as it is written: phase, conditions, what came back, and the alarm."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from nova_xloud.compute.converge import converge
from nova_xloud.compute.ports import ClaimConflict, Reservation
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import NEVER_ADJUSTED, Phase
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    DomainCallFailed,
    DomainNotFound,
    GuestRefused,
    NoAllocation,
    NoCapacity,
    PlacementUnavailable,
)
from nova_xloud.testing import Behaviour, Timing
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.rig import NOW, OPTIONS, Rig

# No room for what the guest takes on its own.
FULL = Size(4, 3000)
ALL = Size(4, 4096)


def taker() -> Rig:
    """On a host that is nearly full, and its balloon driver has gone: it has all of its memory."""
    rig = Rig(behaviour=Behaviour.NO_BALLOON_DRIVER, capacity=FULL)
    rig.takes_memory = True
    rig.clock.advance(60)
    return rig


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def test_what_is_not_reserved_and_cannot_be_is_an_alarm_that_an_operator_can_find(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = taker()
    seen: list[tuple[list[str], list[str]]] = []
    rig.before["sleep"] = lambda: seen.append((errors(caplog), rig.recorded_conditions))
    with pytest.raises(GuestRefused):
        rig.converge()
    (said,) = errors(caplog)
    for part in (rig.uuid, "holds 4 vCPUs, 4096 MiB", "only 4 vCPUs, 2048 MiB are reserved"):
        assert part in said
    assert "xloud.reserved_too_little" in said
    # At once, and not when the guest has been waited for.
    assert seen[0] == ([said], ["BalloonNotEffective", "ReservedTooLittle"])
    assert rig.end == ("guest_refused", "xloud.guest_refused.no_statistics")
    assert rig.recorded_conditions == ["BalloonNotEffective", "ReservedTooLittle"]


def test_the_alarm_is_noted_before_the_guest_is_waited_for_and_since_then() -> None:
    # It uses all of its memory, and takes it back from its balloon.
    rig = Rig(autodeflate=True, capacity=FULL)
    rig.guest.uses_kib = 4096 * 1024
    rig.takes_memory = True
    rig.clock.advance(60)
    began = rig.date()
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.end == ("guest_refused", "xloud.guest_refused.memory_floor")
    (alarm,) = [
        one for one in rig.record.desired.recorded_conditions if one.type == "ReservedTooLittle"
    ]
    assert alarm.since == began < rig.date()


def test_as_long_as_it_is_so_it_is_said_again_by_each_run_and_since_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = taker()
    after: list[Desired] = []
    for runs in (1, 2):
        with pytest.raises(GuestRefused):
            rig.converge()
        assert len(errors(caplog)) == runs
        after.append(rig.record.desired)
        rig.clock.advance(3600)
    assert after[0] == after[1]


def test_the_alarm_ends_when_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    rig = taker()
    with pytest.raises(GuestRefused):
        rig.converge()
    caplog.clear()
    rig.claims.capacity = Size(100, 100_000)
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.claims.size == rig.record.recorded == ALL
    assert (errors(caplog), rig.recorded_conditions) == ([], ["BalloonNotEffective"])
    rig.takes_memory = False
    rig.check_invariant()


def test_the_alarm_ends_when_the_guest_gives_it_back(caplog: pytest.LogCaptureFixture) -> None:
    rig = taker()
    with pytest.raises(GuestRefused):
        rig.converge()
    rig.guest.behaviour = Behaviour.COOPERATIVE
    assert rig.converge().converged
    assert rig.size == rig.claims.size == NOW
    assert (rig.recorded_conditions, rig.end[0]) == ([], "converged")
    rig.takes_memory = False
    rig.check_invariant()


def test_what_it_should_have_and_has_and_is_not_reserved_is_an_alarm_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Its claim was lost on its way: to another host, say.
    rig = Rig(now=ALL, capacity=FULL)
    rig.record.desired = Desired(ALL, generation=1)
    rig.claims.size = NOW
    rig.takes_memory = rig.defined_by_hand = True
    with pytest.raises(NoCapacity):
        rig.converge()
    assert len(errors(caplog)) == 1
    assert rig.end == ("failed", "xloud.no_capacity")
    assert rig.recorded_conditions == ["ReservedTooLittle"]
    assert rig.size == ALL


def test_a_task_that_begins_when_the_alarm_is_noted_goes_first() -> None:
    rig = taker()
    rig.once_before("record", lambda: setattr(rig.record, "task_state", "rebooting"))
    assert "another operation goes first" in str(rig.converge().deferred)


def test_what_is_only_desired_and_has_no_room_is_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(capacity=Size(5, 4096))
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    with pytest.raises(NoCapacity):
        rig.converge()
    assert rig.end == ("failed", "xloud.no_capacity")
    assert (errors(caplog), rig.recorded_conditions) == ([], [])


def test_full_host_with_an_agent_is_no_capacity_and_not_guest_refused() -> None:
    rig = Rig(capacity=Size(5, 4096), agent=True)
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    with pytest.raises(NoCapacity):
        rig.converge()
    assert rig.clock.now() < OPTIONS.step_timeout
    assert "set_vcpus_online" not in rig.effects


def test_without_room_for_one_the_other_is_still_made_smaller() -> None:
    rig = Rig(capacity=Size(5, 4096))
    rig.record.desired = Desired(Size(6, 1024), generation=1)
    with pytest.raises(NoCapacity):
        rig.converge()
    assert rig.size == Size(4, 1024)
    # What it wants it does not get, and what it gave back is not kept from others.
    assert rig.claims.size.memory_mb == 1024
    assert "set_vcpus" not in rig.effects


def test_a_refused_removal_keeps_no_memory_from_being_given_back_and_released() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(2, 1024)
    assert refusal.value.code == "xloud.guest_refused.vcpus_not_removed"
    assert rig.size == rig.claims.size == rig.record.recorded == Size(4, 1024)
    assert rig.end == ("guest_refused", "xloud.guest_refused.vcpus_not_removed")


def test_partly_returned_memory_is_released_and_recorded_with_the_outcome() -> None:
    rig = Rig()
    rig.guest.keeps_kib = 1536 * 1024
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024)
    assert rig.claims.written == [Size(4, 1536)]
    assert rig.record.recorded == Size(4, 1536)
    assert rig.end == ("guest_refused", refusal.value.code)
    assert rig.recorded_conditions == ["BalloonNotEffective"]


def test_a_guest_that_keeps_all_is_told_at_once_that_its_balloon_is_not_effective() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    (condition,) = rig.record.desired.recorded_conditions
    assert (condition.type, condition.reason) == (
        "BalloonNotEffective",
        "xloud.balloon.holds_more",
    )
    assert (condition.since, condition.status) == (rig.date(), True)
    assert "2048 MiB and should be 1024" in condition.message


def test_memory_on_its_way_to_a_size_that_an_earlier_run_told_stays_reserved() -> None:
    # It was told 4096 by a run that died; the next one fails before it has told it anything.
    rig = Rig(timing=Timing(balloon_rate=20))
    rig.admit(4, 4096)
    rig.guest.set_memory(4096 * 1024, live=True, config=False)
    rig.admit(4, 2048)

    def fails(*args: object, **kwargs: object) -> None:
        raise Rejected("VIR_ERR_SYSTEM_ERROR", "monitor")

    tell, rig.guest.set_memory = rig.guest.set_memory, fails  # type: ignore[method-assign]
    with pytest.raises(DomainCallFailed):
        rig.converge()
    assert rig.claims.size == ALL
    rig.clock.advance(3600)
    rig.check_invariant()
    rig.guest.set_memory = tell  # type: ignore[method-assign]
    assert rig.converge().converged
    assert rig.claims.size == rig.size == NOW


def test_a_run_that_ends_as_the_last_one_did_writes_nothing_where_none_are_counted() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=replace(OPTIONS, give_up_after=0))
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    before = rig.record.desired
    rig.effects.clear()
    rig.clock.advance(3600)
    with pytest.raises(GuestRefused):
        rig.converge()
    assert "record" not in rig.effects
    assert rig.record.desired is before


def test_returned_memory_is_recorded_although_the_outcome_is_the_same() -> None:
    rig = Rig()
    rig.guest.keeps_kib = 1536 * 1024
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    before = rig.record.desired
    rig.guest.keeps_kib = 1280 * 1024
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.record.desired == before
    assert rig.claims.size == rig.record.recorded == Size(4, 1280)


def test_a_run_that_ends_with_another_code_is_written_with_when() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    rig.guest.uses_kib = 2048 * 1024
    rig.clock.advance(3600)
    with pytest.raises(GuestRefused) as refusal:
        rig.converge()
    progress = rig.record.desired.progress
    assert refusal.value.code == progress.code == "xloud.guest_refused.memory_floor"
    assert progress.since == rig.date()


def test_one_that_was_never_adjusted_and_is_well_stays_without_a_record() -> None:
    rig = Rig()
    assert rig.converge().converged
    assert rig.record.written == []
    assert rig.record.desired == Desired(NOW, progress=NEVER_ADJUSTED)


def test_never_adjusted_instance_gets_a_record_for_a_condition() -> None:
    rig = taker()
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.desired == Desired(NOW)
    assert "ReservedTooLittle" in rig.recorded_conditions


def test_outcome_keeps_the_request_id() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    rig.request_id = "req-1"
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert rig.record.desired.progress.request_id == "req-1"


def test_how_it_ended_is_not_written_into_another_operation() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    rig.admit(memory_mb=1024)
    # The lock is taken for the last time to write how it ended.
    asked = 0

    def at_the_end() -> None:
        nonlocal asked
        asked += 1
        if rig.clock.now() > OPTIONS.step_timeout + 1:
            rig.record.task_state = "rebooting"

    rig.before["lock"] = at_the_end
    rig.converge()
    assert rig.end == ("admitted", "xloud.admitted")
    assert asked


@pytest.mark.parametrize("error", [PlacementUnavailable("away"), ClaimConflict("somebody else")])
def test_how_it_ended_hides_nothing_when_it_cannot_be_written(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    rig.guest.keeps_kib = 1536 * 1024

    def fails() -> None:
        raise error

    rig.before["claim"] = fails
    with caplog.at_level(logging.INFO), pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert "was not recorded" in caplog.text
    assert rig.claims.size == NOW
    assert not rig.record.desired.progress.finished


def test_a_domain_that_has_gone_is_a_failure_and_written() -> None:
    rig = Rig()

    def gone() -> None:
        rig.guest.undefine()
        rig.guest.stop()

    rig.admit(6)
    rig.once_before("set_vcpus", gone)
    with pytest.raises(DomainNotFound):
        rig.converge()
    progress = rig.record.desired.progress
    assert (progress.phase, progress.code) == (Phase.FAILED, "xloud.failed")
    assert "VIR_ERR_NO_DOMAIN" in progress.message


def test_a_service_that_ends_writes_nothing_of_the_runs_that_end_with_it() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    rig.effects.clear()
    closing = replace(rig.engine_clock, closing=lambda: True)
    outcome = rig.carry_out(converge(rig.instance, OPTIONS, closing))
    assert outcome.deferred == "nova-compute is stopping"
    assert rig.effects == []
    assert rig.end == ("admitted", "xloud.admitted")


# --- the balloon that has not followed -------------------------------------------------------


def test_a_guest_that_comes_round_later_is_not_squeezed_by_what_it_once_refused() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.guest.uses_kib = 2000 * 1024
    rig.clock.advance(3600)
    assert (rig.guest.oom_kills, rig.size) == (0, NOW)
    rig.check_invariant()


def test_step_interrupted_by_an_operation_is_not_resumed() -> None:
    rig = Rig(timing=Timing(balloon_rate=50))
    rig.admit(memory_mb=1024)

    def pauses() -> None:
        if rig.size.memory_mb < 1800:
            rig.guest.pause()
            rig.record.vm_state = "paused"

    rig.before["sleep"] = pauses
    assert "paused" in str(rig.converge().deferred)
    half_way = rig.size
    assert 1024 < half_way.memory_mb < 1800
    rig.guest.uses_kib = 1500 * 1024
    rig.guest.resume()
    rig.clock.advance(3600)
    assert (rig.guest.oom_kills, rig.size) == (0, half_way)
    rig.check_invariant()


def test_by_force_it_is_left_to_follow_when_it_can() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024, force=True)
    assert rig.told("set_memory") == [1024]
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.clock.advance(60)
    assert rig.size == Size(4, 1024)
    assert rig.converge().converged
    assert rig.claims.size == Size(4, 1024)


def test_to_stay_is_not_written_into_the_configuration() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert rig.guest.config.memory_kib == 1024 * 1024


def test_a_growth_that_was_given_up_is_left_to_go_on() -> None:
    # It is claimed, and what is on its way there harms nobody.
    rig = Rig(timing=Timing(balloon_rate=0.0))
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=3072)
    assert rig.told("set_memory") == [3072]
    assert rig.claims.size == Size(4, 3072)


def test_a_guest_that_cannot_be_told_to_stay_does_not_hide_how_it_ended(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    tell = rig.guest.set_memory

    def only_down(kib: int, *, live: bool, config: bool) -> None:
        if rig.told("set_memory") == [2048, 1024, 2048]:
            raise Rejected("VIR_ERR_OPERATION_TIMEOUT", "monitor")
        tell(kib, live=live, config=config)

    monkeypatch.setattr(rig.guest, "set_memory", only_down)
    with pytest.raises(GuestRefused, match="memory becomes 1024"):
        rig.adjust(memory_mb=1024)
    assert "was not recorded" in caplog.text
    assert rig.claims.size == NOW


# --- Placement has lost it -------------------------------------------------------------------


def _lost(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the adapter of Placement says it: there is nothing, and nothing is put there."""
    rig.claims.size = Size(0, 0)
    rig.takes_memory = rig.defined_by_hand = True

    def refused(current: Reservation, size: Size) -> Reservation:
        raise NoAllocation("Placement has no allocation for the instance on this host")

    monkeypatch.setattr(rig.claims, "write", refused)


def test_lost_allocation_fails_the_run_and_keeps_the_recorded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A size that is off is the only one that breaks no rule of the rig meanwhile.
    rig = Rig(running=False)
    rig.admit(6, 3072)
    held = rig.record.recorded
    _lost(rig, monkeypatch)
    with pytest.raises(NoAllocation):
        rig.converge()
    assert rig.end == ("failed", "xloud.no_allocation")
    assert rig.record.recorded == held == Size(6, 3072)
    assert rig.claims.size == Size(0, 0)


def test_a_fault_of_ours_while_it_is_written_does_not_hide_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    rig.admit(memory_mb=1024)

    def broken(desired: Desired, held: Size) -> None:
        raise ConnectionError("the conductor is away")

    monkeypatch.setattr(rig.record, "write", broken)
    with pytest.raises(GuestRefused):
        rig.converge()
    (said,) = [r for r in caplog.records if r.exc_info]
    assert "the outcome of the run was not recorded" in said.getMessage()
