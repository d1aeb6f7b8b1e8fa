# SPDX-License-Identifier: Apache-2.0
"""Admission: decide, claim, write desired; or change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import InvalidState, PlacementUnavailable, Refused
from nova_xloud.testing.fake_ports import FakeActions, FakeEvent
from tests.unit.compute.operations import deleted, full, moved, task_starts, unreachable
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


def test_force_is_recorded_and_ends_with_the_next_request() -> None:
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
    admission = rig.admit(NOW.vcpus, NOW.memory_mb)
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
        pytest.param(task_starts, "xloud.invalid_state", 409, "rebooting", id="busy"),
        pytest.param(moved, "xloud.not_found", 404, "left this host", id="moved"),
        pytest.param(deleted, "xloud.not_found", 404, "deleted", id="deleted"),
        pytest.param(full, "xloud.no_capacity", 409, "VCPU: asked 6, free 5", id="full"),
        pytest.param(unreachable, "xloud.placement_unavailable", 503, "", id="unreachable"),
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
    rig.check_unchanged()


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
    rig.check_unchanged()


def test_hanging_placement_refuses_the_request_before_the_lock_is_taken() -> None:
    rig = Rig()
    rig.placement_answers = False
    locked: list[bool] = []
    rig.before["lock"] = lambda: locked.append(True)
    with pytest.raises(PlacementUnavailable, match="does not answer"):
        rig.admit(6, 3072)
    assert locked == []
    rig.check_unchanged()


def test_hanging_qemu_refuses_the_request_before_the_lock_is_taken() -> None:
    rig = Rig()
    rig.answers = False
    locked: list[bool] = []
    rig.before["lock"] = lambda: locked.append(True)
    with pytest.raises(Refused) as refusal:
        rig.admit(6, 3072)
    assert (refusal.value.reason_code, refusal.value.status) == ("xloud.host_unavailable", 409)
    assert locked == []
    rig.check_unchanged()


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
    rig.check_unchanged()


def test_a_full_host_still_admits_what_needs_no_more() -> None:
    rig = Rig(capacity=NOW)
    rig.admit(2, 1024)
    assert rig.record.desired.target == Size(2, 1024)


def test_the_last_room_can_be_had() -> None:
    rig = Rig(capacity=Size(6, 2048))
    rig.admit(6)
    assert rig.claims.size == rig.claims.capacity


def test_unpersisted_size_of_a_stopped_instance_is_refused_or_kept() -> None:
    rig = Rig(running=False)
    try:
        rig.admit(6, persist=False)
    except Refused:
        return
    rig.converge()
    assert rig.record.desired.target == Size(6, 2048)


def _ask_eight_times(rig: Rig) -> None:
    for number in range(8):
        rig.request_id = f"req-{number}"
        rig.actions.events.append(FakeEvent("compute_xloud_adjust", request_id=rig.request_id))
        rig.admit(5 + number % 2)


def test_request_that_the_record_drops_ends_as_superseded_before_the_record_is_written() -> None:
    rig = Rig()
    at_the_write: list[list[str | None]] = []
    rig.before["record"] = lambda: at_the_write.append([e.result for e in rig.actions.events])
    _ask_eight_times(rig)
    assert at_the_write[-2:] == [[None] * 7, ["Error", *[None] * 7]]
    assert "other sizes were asked for" in str(rig.actions.events[0].error)


def test_dropped_request_that_cannot_be_ended_keeps_no_other_from_its_admission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeActions, "end_superseded", lambda actions, request_id: 1 / 0)
    rig = Rig()
    _ask_eight_times(rig)
    assert rig.record.desired.progress.request_id == "req-7"
