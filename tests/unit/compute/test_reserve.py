# SPDX-License-Identifier: Apache-2.0
"""Reserving before a quota is checked again, and admitting by what was read then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.compute.admit import Admission, Reserved, admit, reserve
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import HostUnavailable, InvalidState, Refused
from tests.unit.compute.operations import deleted, full, moved, task_starts, unreachable
from tests.unit.compute.rig import NOW, Rig


def test_what_is_reserved_is_claimed_and_recorded_and_nothing_is_desired() -> None:
    rig = Rig()
    rig.reserve(6, 3072)
    assert rig.effects == ["claim", "record"]
    assert rig.claims.size == rig.record.recorded == Size(6, 3072)
    assert rig.record.desired == Desired(NOW)
    assert rig.size == NOW


def test_reserving_what_it_has_or_less_claims_nothing() -> None:
    rig = Rig()
    rig.reserve(NOW.vcpus, NOW.memory_mb)
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
    for prepare in (task_starts, moved, full, unreachable):
        rig = Rig()
        prepare(rig)
        with pytest.raises(Refused):
            rig.reserve(6, 3072)
        rig.check_unchanged()


def test_when_a_task_starts_after_it_is_reserved_it_is_given_back() -> None:
    rig = Rig()
    rig.once_before("record", lambda: task_starts(rig))
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


@pytest.mark.parametrize("begin", [task_starts, moved, deleted])
def test_what_was_reserved_is_not_admitted_where_an_operation_has_begun(
    begin: Callable[[Rig], None],
) -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    begin(rig)
    with pytest.raises(Refused):
        _admitted_by(rig, reserved, asked)
    assert rig.record.desired == Desired(NOW)


def test_operation_goes_first_when_it_begins_just_before_the_record() -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    rig.once_before("record", lambda: task_starts(rig))
    with pytest.raises(InvalidState):
        _admitted_by(rig, reserved, asked)
    assert rig.record.desired == Desired(NOW)


def test_what_was_reserved_is_not_admitted_when_nobody_waits_any_more() -> None:
    rig, asked = Rig(), AdjustRequest(6, 3072)
    reserved = _reserved(rig, asked)
    with pytest.raises(HostUnavailable, match="nothing was changed"):
        _admitted_by(rig, reserved, asked, too_late=lambda: True)
    assert rig.record.desired == Desired(NOW)
