# SPDX-License-Identifier: Apache-2.0
"""How a run ended, as it is written: phase, code, conditions, and what came back."""

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


def test_refused_removal_keeps_no_memory_from_being_released() -> None:
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


def test_guest_that_keeps_all_has_the_condition_of_its_balloon_at_once() -> None:
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


def test_memory_on_its_way_to_the_size_of_an_earlier_run_stays_reserved() -> None:
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
    assert rig.claims.size == Size(4, 4096)
    rig.clock.advance(3600)
    rig.check_invariant()
    rig.guest.set_memory = tell  # type: ignore[method-assign]
    assert rig.converge().converged
    assert rig.claims.size == rig.size == NOW


def test_run_that_ends_as_the_last_writes_nothing_without_give_up_after() -> None:
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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PlacementUnavailable("away"), "not all that ends it was done"),
        (ClaimConflict("somebody else"), "because another operation has begun"),
    ],
)
def test_how_it_ended_hides_nothing_when_it_cannot_be_written(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    rig.guest.keeps_kib = 1536 * 1024

    def fails() -> None:
        raise error

    rig.before["claim"] = fails
    with caplog.at_level(logging.INFO), pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert said in caplog.text
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
    assert rig.claims.size == Size(6, 2048)


def test_a_service_that_ends_writes_nothing_of_the_runs_that_end_with_it() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    rig.effects.clear()
    closing = replace(rig.engine_clock, closing=lambda: True)
    outcome = rig.carry_out(converge(rig.instance, OPTIONS, closing))
    assert outcome.deferred == "nova-compute is stopping"
    assert rig.effects == []
    assert rig.end == ("admitted", "xloud.admitted")


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
    assert "not all that ends it was done" in said.getMessage()
