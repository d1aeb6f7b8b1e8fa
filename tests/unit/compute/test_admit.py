# SPDX-License-Identifier: Apache-2.0
"""Admission: decide, claim, write desired; or change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.compute.admit import Admission, Reserved, admit, reserve
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import HostUnavailable, InvalidState, PlacementUnavailable, Refused
from tests.unit.compute.rig import NOW, Rig


def test_it_claims_then_writes_what_is_desired() -> None:
    rig = Rig()
    rig.admit(6, 3072)
    assert rig.effects == ["claim", "record"]


def test_growing_is_claimed_and_desired_and_the_guest_is_told_nothing() -> None:
    rig = Rig()
    admission = rig.admit(6, 3072)
    assert (admission.generation, admission.nothing_to_do) == (1, False)
    assert rig.claims.size == rig.record.recorded == Size(6, 3072)
    assert rig.record.desired.target == Size(6, 3072)
    assert rig.size == NOW


def test_what_is_admitted_says_since_when_and_for_which_request() -> None:
    rig = Rig()
    rig.request_id = "req-1"
    rig.clock.advance(7)
    rig.admit(6, 3072)
    assert rig.record.desired.progress == Progress(
        Phase.ADMITTED, "xloud.admitted", "", rig.date(), "req-1"
    )


def test_force_is_written_with_what_is_desired_and_ends_with_the_next_request() -> None:
    rig = Rig()
    rig.admit(memory_mb=1024, force=True)
    assert rig.desired == Desired(Size(4, 1024), generation=1, force=True)
    rig.admit(memory_mb=1024)
    assert rig.desired == Desired(Size(4, 1024), generation=2, force=False)


def test_asking_again_for_what_is_on_its_way_is_admitted_as_the_same() -> None:
    rig = Rig()
    rig.request_id = "req-1"
    rig.admit(6, 3072)
    rig.request_id = "req-2"
    admission = rig.admit(6, 3072)
    assert (admission.generation, admission.nothing_to_do) == (1, False)
    assert rig.record.desired.progress.request_id == "req-2"


def test_shrinking_claims_nothing_and_releases_nothing() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    assert rig.effects == ["record"]
    assert rig.claims.size == rig.record.recorded == NOW
    assert rig.record.desired.target == Size(2, 1024)


def test_one_resource_leaves_the_other_as_it_is_desired() -> None:
    rig = Rig()
    rig.admit(vcpus=6)
    rig.admit(memory_mb=3072)
    assert rig.record.desired.target == Size(6, 3072)
    assert rig.record.desired.generation == 2


def test_asking_for_what_it_has_changes_nothing() -> None:
    rig = Rig()
    admission = rig.admit(*_numbers(NOW))
    assert (admission.generation, admission.nothing_to_do) == (0, True)
    assert rig.effects == []


def test_not_to_persist_is_written_as_such() -> None:
    rig = Rig()
    rig.admit(6, 1024, persist=False)
    assert rig.desired == Desired(NOW, live=Size(6, 1024), generation=1)
    assert rig.claims.size == Size(6, 2048)


def test_a_stopped_instance_is_admitted_and_claimed() -> None:
    rig = Rig(running=False)
    rig.admit(6, 1024)
    assert rig.record.desired.target == Size(6, 1024)
    assert rig.claims.size == Size(6, 2048)


def test_an_instance_without_a_domain_is_admitted() -> None:
    rig = Rig(running=False)
    rig.guest.undefine()
    rig.admit(6)
    assert rig.claims.size == Size(6, 2048)


def test_a_paused_instance_is_admitted() -> None:
    rig = Rig()
    rig.guest.pause()
    rig.record.vm_state = "paused"
    assert rig.admit(6).generation == 1


def _numbers(size: Size) -> tuple[int, int]:
    return size.vcpus, size.memory_mb


def _busy(rig: Rig) -> None:
    rig.record.task_state = "rebooting"


def _moved(rig: Rig) -> None:
    rig.record.on_this_host = False


def _deleted(rig: Rig) -> None:
    rig.record.deleted = True


def _full(rig: Rig) -> None:
    rig.claims.others = Size(95, 0)


def _unreachable(rig: Rig) -> None:
    rig.claims.unreachable = True


def _conflicts(rig: Rig) -> None:
    rig.claims.conflicts = rig.options.claim_attempts


def _in_state(vm_state: str) -> Callable[[Rig], None]:
    def prepare(rig: Rig) -> None:
        rig.record.vm_state = vm_state

    return prepare


WRONG_STATES = [
    "building",
    "suspended",
    "rescued",
    "resized",
    "soft-delete",
    "deleted",
    "error",
    "shelved",
    "shelved_offloaded",
]


@pytest.mark.parametrize(
    ("prepare", "code", "status", "named"),
    [
        pytest.param(_busy, "xloud.invalid_state", 409, "rebooting", id="busy"),
        pytest.param(_moved, "xloud.not_found", 404, "left this host", id="moved"),
        pytest.param(_deleted, "xloud.not_found", 404, "deleted", id="deleted"),
        pytest.param(_full, "xloud.no_capacity", 409, "VCPU: asked 6, free 5", id="full"),
        pytest.param(_unreachable, "xloud.placement_unavailable", 503, "", id="unreachable"),
        pytest.param(_conflicts, "xloud.placement_unavailable", 503, "3 attempts", id="conflicts"),
        *[
            pytest.param(_in_state(state), "xloud.invalid_state", 409, state, id=state)
            for state in WRONG_STATES
        ],
    ],
)
def test_a_refusal_changes_nothing(
    prepare: Callable[[Rig], None], code: str, status: int, named: str
) -> None:
    rig = Rig()
    prepare(rig)
    with pytest.raises(Refused) as refusal:
        rig.admit(6, 3072)
    assert (refusal.value.reason_code, refusal.value.status) == (code, status)
    assert named in refusal.value.message
    _check_unchanged(rig)


@pytest.mark.parametrize(
    ("vcpus", "memory_mb", "host", "code"),
    [
        (9, 3072, HostFacts(), "xloud.out_of_bounds"),
        (6, 4097, HostFacts(), "xloud.out_of_bounds"),
        (1, None, HostFacts(), "xloud.out_of_bounds"),
        (6, 3072, HostFacts(balloon_device=False), "xloud.blocked.no_balloon"),
        (6, 3072, HostFacts(virt_type="lxc"), "xloud.blocked.hypervisor"),
    ],
)
def test_what_may_not_be_is_refused_with_its_code_and_changes_nothing(
    vcpus: int, memory_mb: int | None, host: HostFacts, code: str
) -> None:
    rig = Rig()
    with pytest.raises(Refused) as refusal:
        rig.admit(vcpus, memory_mb, host=host)
    assert refusal.value.reason_code == code
    assert rig.effects == []
    _check_unchanged(rig)


def _check_unchanged(rig: Rig) -> None:
    assert rig.claims.size == NOW
    assert rig.claims.written == []
    assert rig.record.desired == Desired(NOW)
    assert rig.record.written == []
    assert rig.actions.started == []
    assert rig.size == NOW


def test_hanging_placement_refuses_the_request_before_the_lock_is_taken() -> None:
    rig = Rig()
    rig.placement_answers = False
    locked: list[bool] = []
    rig.before["lock"] = lambda: locked.append(True)
    with pytest.raises(PlacementUnavailable, match="does not answer"):
        rig.admit(6, 3072)
    assert locked == []
    _check_unchanged(rig)


def test_hanging_qemu_refuses_the_request_before_the_lock_is_taken() -> None:
    rig = Rig()
    rig.answers = False
    locked: list[bool] = []
    rig.before["lock"] = lambda: locked.append(True)
    with pytest.raises(Refused) as refusal:
        rig.admit(6, 3072)
    assert (refusal.value.reason_code, refusal.value.status) == ("xloud.host_unavailable", 409)
    assert locked == []
    _check_unchanged(rig)


@pytest.mark.parametrize("ask", [Rig.admit, Rig.reserve])
def test_operation_without_a_task_refuses_the_request_within_2_s(
    ask: Callable[..., object],
) -> None:
    rig = Rig()
    # A volume that is detached.
    rig.held_for = 200.0
    asked = rig.clock.now()
    with pytest.raises(InvalidState, match="another operation"):
        ask(rig, 6, 3072)
    assert rig.clock.now() - asked <= 2.0
    _check_unchanged(rig)


@pytest.mark.parametrize("begin", [_busy, _moved, _deleted])
def test_after_a_conflict_it_is_asked_again_whether_it_may_be(begin: Callable[[Rig], None]) -> None:
    # Whoever changed the claim may have moved the instance.
    rig = Rig()

    def somebody_else() -> None:
        rig.claims.somebody_else_writes(NOW)
        begin(rig)

    rig.once_before("claim", somebody_else)
    with pytest.raises(Refused):
        rig.admit(6, 3072)
    assert rig.claims.written == []
    assert rig.record.desired == Desired(NOW)


@pytest.mark.parametrize("conflicts", [1, 2])
def test_a_conflict_is_tried_again(conflicts: int) -> None:
    rig = Rig()
    rig.claims.conflicts = conflicts
    rig.admit(6)
    assert rig.claims.written == [Size(6, 2048)]
    assert rig.record.desired.target == Size(6, 2048)


def test_after_a_conflict_nothing_of_what_the_other_claimed_is_lost() -> None:
    rig = Rig()
    rig.once_before("claim", lambda: rig.claims.somebody_else_writes(Size(5, 4096)))
    rig.admit(6, 3072)
    assert rig.claims.size == Size(6, 4096)


def test_after_a_conflict_that_left_enough_claimed_nothing_is_written() -> None:
    rig = Rig()
    rig.once_before("claim", lambda: rig.claims.somebody_else_writes(Size(8, 4096)))
    rig.admit(6, 3072)
    assert rig.claims.written == []
    assert rig.record.recorded == Size(8, 4096)


def test_a_full_host_still_admits_what_needs_no_more() -> None:
    rig = Rig(capacity=NOW)
    rig.admit(2, 1024)
    assert rig.record.desired.target == Size(2, 1024)


def test_the_last_room_can_be_had() -> None:
    rig = Rig(capacity=Size(6, 2048))
    rig.admit(6)
    assert rig.claims.size == rig.claims.capacity


def _a_task_starts(rig: Rig) -> None:
    rig.record.task_state = "image_snapshot"


def test_when_a_task_starts_after_the_claim_the_claim_is_given_back() -> None:
    rig = Rig()
    rig.once_before("record", lambda: _a_task_starts(rig))
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
    assert rig.claims.written == [Size(6, 3072), NOW]
    assert rig.record.desired == Desired(NOW)
    assert rig.record.written == []
    assert rig.actions.started == []


def test_when_the_instance_is_deleted_after_the_claim_the_claim_is_given_back() -> None:
    rig = Rig()
    rig.once_before("record", lambda: _deleted(rig))
    with pytest.raises(Refused) as refusal:
        rig.admit(6, 3072)
    assert refusal.value.reason_code == "xloud.not_found"
    assert rig.claims.size == NOW


def test_a_claim_that_cannot_be_given_back_stays_and_nothing_is_desired() -> None:
    rig = Rig()

    def both() -> None:
        _a_task_starts(rig)
        _unreachable(rig)

    rig.once_before("record", both)
    with pytest.raises(Refused):
        rig.admit(6, 3072)
    assert rig.claims.size == Size(6, 3072)
    assert rig.record.desired == Desired(NOW)


def test_the_next_look_gives_back_what_a_dead_admission_left_claimed() -> None:
    rig = Rig()
    rig.claims.size = Size(6, 3072)
    assert rig.converge().converged
    assert rig.claims.size == rig.record.recorded == NOW


def test_giving_back_leaves_what_the_other_operation_claimed_alone() -> None:
    rig = Rig()
    theirs = Size(4, 2049)

    def a_migration_moves_the_claim() -> None:
        rig.record.task_state = "migrating"
        rig.claims.somebody_else_writes(theirs)

    rig.once_before("record", a_migration_moves_the_claim)
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
    assert rig.claims.size == theirs


def test_giving_back_leaves_a_claim_alone_that_a_whole_move_has_made_meanwhile() -> None:
    rig = Rig()
    theirs = Size(4, 2049)

    def a_resize_while_the_database_is_slow() -> None:
        rig.record.task_state = "resize_prep"
        rig.claims.move_away()
        rig.claims.come_back(theirs)
        # Counted anew, it has the generation that our own claim had left.
        rig.claims.somebody_else_writes(theirs)

    rig.once_before("record", a_resize_while_the_database_is_slow)
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
    assert rig.claims.size == theirs


def test_a_claim_that_cannot_be_given_back_does_not_hide_why_it_was_refused() -> None:
    rig = Rig()

    def both() -> None:
        _a_task_starts(rig)
        _unreachable(rig)

    rig.once_before("record", both)
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)


def test_unpersisted_size_of_a_stopped_instance_is_refused_or_kept() -> None:
    rig = Rig(running=False)
    try:
        rig.admit(6, persist=False)
    except Refused:
        return
    rig.converge()
    assert rig.record.desired.target == Size(6, 2048)


# --- reserve ---------------------------------------------------------------------------------


def test_what_is_reserved_is_claimed_and_recorded_and_nothing_is_desired() -> None:
    rig = Rig()
    rig.reserve(6, 3072)
    assert rig.effects == ["claim", "record"]
    assert rig.claims.size == rig.record.recorded == Size(6, 3072)
    assert rig.record.desired == Desired(NOW)
    assert rig.size == NOW


def test_reserving_what_it_has_or_less_claims_nothing() -> None:
    rig = Rig()
    rig.reserve(*_numbers(NOW))
    rig.reserve(2, 1024)
    assert "claim" not in rig.effects
    assert rig.claims.size == rig.record.recorded == NOW


def test_what_is_admitted_after_it_was_reserved_claims_no_more() -> None:
    rig = Rig(capacity=Size(6, 3072))
    rig.reserve(6, 3072)
    rig.admit(6, 3072)
    assert rig.claims.written == [Size(6, 3072)]
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(6, 3072)


def test_a_reservation_that_is_refused_changes_nothing() -> None:
    for prepare in (_busy, _moved, _full, _unreachable):
        rig = Rig()
        prepare(rig)
        with pytest.raises(Refused):
            rig.reserve(6, 3072)
        _check_unchanged(rig)


def test_when_a_task_starts_after_it_is_reserved_it_is_given_back() -> None:
    rig = Rig()
    rig.once_before("record", lambda: _a_task_starts(rig))
    with pytest.raises(InvalidState):
        rig.reserve(6, 3072)
    assert rig.claims.size == NOW


def test_reservation_that_no_admission_follows_is_released() -> None:
    rig = Rig()
    rig.reserve(6, 3072)
    assert rig.converge().converged
    assert rig.claims.written == [Size(6, 3072), NOW]
    assert (rig.told("set_vcpus"), rig.told("set_memory")) == ([], [NOW.memory_mb])
    assert rig.claims.size == rig.record.recorded == NOW
    assert rig.record.desired == Desired(NOW)


# --- admitted by what was read when it was reserved ------------------------------------------


def _reserved(rig: Rig, asked: AdjustRequest) -> Reserved:
    reserved = reserve(rig.instance, asked, HostFacts(), rig.options, date=rig.date)
    assert reserved is not None
    return reserved


def _admitted_by(
    rig: Rig,
    reserved: Reserved,
    asked: AdjustRequest,
    too_late: Callable[[], bool] = lambda: False,
) -> Admission:
    return admit(
        rig.instance, asked, HostFacts(), rig.options, too_late, rig.date, reserved=reserved
    )


def _readings(rig: Rig) -> list[str]:
    """From now on what is read of guest and claim."""
    read: list[str] = []
    rig.before["read"] = lambda: read.append("guest")
    rig.before["claim_read"] = lambda: read.append("claim")
    return read


def test_what_was_reserved_is_admitted_without_reading_the_guest_again() -> None:
    asked = AdjustRequest(6, 3072)
    alike = Rig()
    alike.reserve(6, 3072)
    alike.admit(6, 3072)
    rig = Rig()
    reserved = _reserved(rig, asked)
    read = _readings(rig)
    admission = _admitted_by(rig, reserved, asked)
    assert read == ["claim"]
    assert (admission.generation, admission.nothing_to_do) == (1, False)
    assert rig.record.desired == alike.record.desired
    assert rig.effects == ["claim", "record", "record"]
    assert rig.claims.size == rig.record.recorded == Size(6, 3072)
    rig.before.clear()
    assert rig.converge().converged
    assert rig.size == Size(6, 3072)


def _released(rig: Rig) -> None:
    assert rig.converge().converged


def _asked_by_another(rig: Rig) -> None:
    rig.admit(5, 2048)


def _paused(rig: Rig) -> None:
    rig.record.vm_state = "paused"


def _rebuilt(rig: Rig) -> None:
    rig.record.facts = replace(rig.record.facts, maximum=Size(7, 4096))


def _released_and_not_recorded(rig: Rig) -> None:
    """Where a run is between two of its steps, or has ended there."""
    rig.claims.size = NOW


@pytest.mark.parametrize(
    "change", [_released, _released_and_not_recorded, _asked_by_another, _paused, _rebuilt]
)
def test_where_anything_was_written_in_between_all_is_read_again(
    change: Callable[[Rig], None],
) -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    change(rig)
    read = _readings(rig)
    _admitted_by(rig, reserved, asked)
    assert read == ["claim", "guest", "claim"]
    assert rig.claims.size == rig.record.recorded == Size(6, 3072)
    assert rig.record.desired.target == Size(6, 3072)


def test_for_another_request_all_is_read_again() -> None:
    for request_id, asked in (("req-1", AdjustRequest(5, 3072)), ("req-2", AdjustRequest(6, 3072))):
        rig = Rig()
        rig.request_id = "req-1"
        reserved = _reserved(rig, AdjustRequest(6, 3072))
        rig.request_id = request_id
        read = _readings(rig)
        _admitted_by(rig, reserved, asked)
        assert read == ["guest", "claim"]
        assert rig.record.desired.target.vcpus == asked.vcpus


@pytest.mark.parametrize("begin", [_busy, _moved, _deleted])
def test_what_was_reserved_is_not_admitted_where_an_operation_has_begun(
    begin: Callable[[Rig], None],
) -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    begin(rig)
    with pytest.raises(Refused):
        _admitted_by(rig, reserved, asked)
    assert rig.record.desired == Desired(NOW)


def test_an_operation_that_begins_just_before_the_record_is_written_goes_first() -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    rig.once_before("record", lambda: _a_task_starts(rig))
    with pytest.raises(InvalidState):
        _admitted_by(rig, reserved, asked)
    assert rig.record.desired == Desired(NOW)


def test_what_was_reserved_is_not_admitted_when_nobody_waits_any_more() -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    with pytest.raises(HostUnavailable, match="nothing was changed"):
        _admitted_by(rig, reserved, asked, too_late=lambda: True)
    assert rig.record.desired == Desired(NOW)
