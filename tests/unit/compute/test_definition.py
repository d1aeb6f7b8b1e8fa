# SPDX-License-Identifier: Apache-2.0
"""What libvirt would start a guest with: read, counted, and set on its own before a release."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from nova_xloud.compute.finish import finish
from nova_xloud.compute.observe import ReservationSpent, observe
from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.errors import Blocked, DomainError, GuestRefused, InvalidState, NoAllocation
from nova_xloud.testing import Behaviour
from nova_xloud.testing.behaviour import Rejected, Timing
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.inline_worker import InlineWorker
from tests.unit.compute.rig import MAXIMUM, NOW, Rig

SMALL = Size(2, 1024)


def passed(rig: Rig) -> list[tuple[str, str | None]]:
    """What one pass over the host had converge."""
    worker = InlineWorker(rig)
    Reconciler(
        FakeHostInstances([rig.instance]), rig.boot_grace, worker, rig.options, rig.clock.now
    ).run()
    return worker.submitted


# --- the definition --------------------------------------------------------------------------


def test_what_is_persisted_after_it_was_live_is_what_it_starts_with() -> None:
    rig = Rig()
    rig.admit(2, 1024, persist=False)
    assert rig.converge().converged
    assert rig.definition == NOW
    rig.admit(2, 1024)
    assert rig.converge().converged
    assert rig.claims.size == rig.definition == SMALL
    # A soft reboot: libvirt starts what it has, with a balloon that is on its way.
    rig.takes_memory = True
    rig.guest.stop()
    rig.guest.start()
    rig.check_invariant()
    assert rig.size.vcpus == 2


def test_what_is_asked_until_the_guest_stops_is_not_what_it_starts_with() -> None:
    rig = Rig()
    rig.admit(8, 4096, persist=False)
    assert rig.converge().converged
    assert (rig.size, rig.definition) == (MAXIMUM, NOW)


def test_definition_made_by_a_live_migration_becomes_the_persisted_size() -> None:
    rig = Rig()
    rig.admit(8, 4096, persist=False)
    rig.converge()
    rig.define(MAXIMUM)
    rig.effects.clear()
    assert passed(rig) == [(rig.uuid, None)]
    assert (rig.size, rig.definition, rig.claims.size) == (MAXIMUM, NOW, MAXIMUM)
    assert passed(rig) == []


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("size", [MAXIMUM, Size(8, 1024), Size(2, 4096)], ids=str)
def test_definition_above_the_claim_is_lowered_without_a_claim(running: bool, size: Size) -> None:
    # There would be no room to claim it.
    rig = Rig(running=running, capacity=NOW)
    rig.record.desired = Desired(NOW, generation=1)
    rig.define(size)
    assert passed(rig) == [(rig.uuid, None)]
    assert rig.definition == rig.claims.size == NOW
    assert "claim" not in rig.effects


def test_nothing_is_released_below_what_libvirt_would_start() -> None:
    rig = Rig()
    rig.admit(2, 1024)

    def refuses(*args: object, config: bool, **kwargs: object) -> None:
        if config:
            raise Rejected("VIR_ERR_SYSTEM_ERROR", "disk full")
        set_vcpus(*args, config=config, **kwargs)  # type: ignore[arg-type]

    set_vcpus, rig.guest.set_vcpus = rig.guest.set_vcpus, refuses  # type: ignore[method-assign]
    with pytest.raises(GuestRefused, match="disk full") as refused:
        rig.converge()
    assert refused.value.code == "xloud.guest_refused.definition_not_set"
    # The guest is small all the same.
    assert rig.size == SMALL
    assert rig.claims.size.covers(rig.definition)
    rig.guest.set_vcpus = set_vcpus  # type: ignore[method-assign]
    assert rig.converge().converged
    assert rig.claims.size == rig.definition == SMALL


def test_a_libvirt_that_says_yes_and_does_nothing_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    rig.admit(2)
    monkeypatch.setattr(type(rig.guest), "set_memory", lambda *a, **k: None)
    rig.define(Size(4, 2048))
    rig.record.desired = replace(rig.record.desired, persisted=Size(2, 1024))
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.effects.count("set_definition") == 1
    assert rig.claims.size.covers(rig.definition)


def test_after_a_removal_that_the_guest_refused_it_starts_with_fewer() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert (rig.size.vcpus, rig.definition.vcpus, rig.claims.size.vcpus) == (4, 2, 4)


def test_a_transient_domain_has_none() -> None:
    rig = Rig()
    rig.guest.persistent = False
    assert rig.adjust(2, 1024).converged
    assert "set_definition" not in rig.effects


# --- the claim, after a call to the guest ------------------------------------------------------


def test_claim_read_before_the_guest_was_called_cannot_be_written() -> None:
    rig = Rig()
    seen = observe(rig.instance)
    assert seen.reservation.size == NOW
    seen.guest()
    with pytest.raises(ReservationSpent):
        _ = seen.reservation


def test_live_migration_during_the_finish_keeps_its_targets_claim() -> None:
    """The guest gave back a part, which is released, and its balloon is set to what it kept."""
    rig = Rig()
    rig.admit(4, 1024)
    rig.define(Size(4, 1024))
    rig.guest.keeps_kib = 1500 * 1024
    rig.guest.set_memory(1024 * 1024, live=True, config=False)
    rig.clock.advance(60)

    def migrates(*args: object, **kwargs: object) -> None:
        rig.record.task_state = "migrating"
        rig.claims.move_away()
        rig.claims.claim_elsewhere()
        rig.defined_by_hand = True
        rig.guest.stop()

    rig.guest.set_memory = migrates  # type: ignore[method-assign]
    with rig.lock(2.0), contextlib.suppress(DomainError, InvalidState):
        seen = observe(rig.instance)
        finish(rig.instance, seen, RunState(balloon_target_mb=1024), seen.view.desired)
    assert rig.claims.elsewhere
    assert rig.claims.written[-1] == Size(4, 1500)
    assert rig.effects[-1] == "set_memory"


# --- pinned memory -----------------------------------------------------------------------------


def pinned(**options: object) -> Rig:
    """At half of its memory, and a device is passed through to it from now on."""
    rig = Rig(**options)  # type: ignore[arg-type]
    rig.record.desired = Desired(NOW, generation=1)
    rig.guest.pinned = ("vfio",)
    rig.takes_memory = True
    return rig


def test_pinned_memory_is_claimed_whatever_the_balloon_says() -> None:
    rig = pinned()
    assert passed(rig) == [(rig.uuid, None)]
    assert rig.claims.size == Size(4, 4096)
    assert rig.end == ("guest_refused", "xloud.guest_refused.memory_pinned")
    assert rig.recorded_conditions == ["BalloonNotEffective"]
    assert rig.told("set_memory") == []


def test_pinned_memory_without_room_is_an_alarm() -> None:
    rig = pinned(capacity=NOW)
    passed(rig)
    assert "ReservedTooLittle" in rig.recorded_conditions


def test_pinned_memory_has_no_grace_to_boot() -> None:
    rig = pinned(running=False, grace=100)
    rig.boot()
    assert passed(rig) == [(rig.uuid, None)]
    assert rig.claims.size.memory_mb == 4096


def test_pinned_memory_is_blocked_and_may_become_the_maximum() -> None:
    rig = pinned()
    passed(rig)
    for memory_mb in (1024, 3072):
        with pytest.raises(Blocked) as refused:
            rig.admit(memory_mb=memory_mb)
        assert refused.value.reason_code == "xloud.blocked.vfio"
    assert rig.adjust(memory_mb=4096).converged
    assert rig.adjust(6).converged


# --- other vm_states ---------------------------------------------------------------------------


@pytest.mark.parametrize("vm_state", ["error", "suspended", "building"])
def test_a_guest_that_runs_is_followed_whatever_its_vm_state_is(vm_state: str) -> None:
    rig = Rig(autodeflate=True)
    rig.guest.uses_kib = 3000 * 1024
    rig.takes_memory = True
    rig.clock.advance(60)
    rig.record.vm_state = vm_state
    assert passed(rig) == [(rig.uuid, None)]
    assert rig.claims.size == rig.record.recorded == Size(4, 3000)
    assert {"set_memory", "set_vcpus", "set_definition"}.isdisjoint(rig.effects)
    assert passed(rig) == []
    # Nothing is released while it is not driven.
    rig.guest.uses_kib = 100 * 1024
    rig.guest.set_memory(2048 * 1024, live=True, config=False)
    rig.clock.advance(60)
    assert passed(rig) == []
    assert not rig.converge().converged
    assert rig.claims.size == Size(4, 3000)


def test_in_error_without_room_it_is_an_alarm_that_goes_when_it_is_over() -> None:
    rig = Rig(capacity=NOW)
    rig.record.vm_state = "error"
    rig.takes_memory = True
    rig.guest.set_vcpus(6, live=True, config=False, hotpluggable=True)
    rig.before["record"] = rig.before["sleep"] = lambda: None
    worker = InlineWorker(rig)
    rig.check_invariant = lambda: None  # type: ignore[method-assign]
    Reconciler(
        FakeHostInstances([rig.instance]), rig.boot_grace, worker, rig.options, rig.clock.now
    ).run()
    assert rig.recorded_conditions == ["ReservedTooLittle"]
    rig.guest.set_vcpus(4, live=True, config=False, hotpluggable=True)
    rig.clock.advance(3600)
    passed(rig)
    assert rig.recorded_conditions == []


def test_in_error_with_its_claim_on_another_host_it_is_an_alarm() -> None:
    rig = Rig()
    rig.record.vm_state = "error"
    rig.takes_memory = rig.defined_by_hand = True
    rig.check_invariant = lambda: None  # type: ignore[method-assign]
    rig.claims.move_away()
    rig.claims.claim_elsewhere()
    with pytest.raises(NoAllocation):
        rig.converge()
    assert rig.recorded_conditions == ["ReservedTooLittle"]
    assert rig.record.recorded == NOW
    assert rig.claims.elsewhere


def test_a_suspended_guest_that_is_off_is_left_alone() -> None:
    rig = Rig()
    rig.admit(8, 4096, persist=False)
    rig.converge()
    rig.guest.stop(save=True)
    rig.record.vm_state = "suspended"
    assert passed(rig) == []
    assert not rig.converge().converged
    # Its live size comes back with it.
    assert rig.claims.size == MAXIMUM


def test_a_run_that_a_suspend_came_between_is_found_by_the_pass_after_it() -> None:
    # Its guest has taken memory by itself, and is suspended while its balloon takes it back.
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.claims.size = Size(4, 4096)
    rig.guest.set_memory(3584 * 1024, live=True, config=False)
    rig.clock.advance(60)
    rig.guest.stop(save=True)
    rig.record.vm_state = "suspended"
    before = rig.record.desired
    assert not rig.converge().converged
    assert (rig.record.recorded, rig.record.desired) == (NOW, before)
    rig.guest.start()
    rig.record.vm_state = "active"
    rig.boot_grace.arrived_by_migration(rig.uuid, rig.guest.boot_id)
    assert passed(rig) == [(rig.uuid, None)]
    assert rig.size == rig.claims.size == rig.record.recorded == NOW


def test_run_of_an_instance_in_error_records_its_claim_and_no_outcome() -> None:
    rig = Rig()
    rig.admit(6)
    progress = rig.record.desired.progress
    rig.record.vm_state = "error"
    rig.record.recorded = Size(1, 1)
    assert not rig.converge().converged
    assert rig.record.recorded == rig.claims.size
    assert rig.record.desired.progress == progress


def test_an_adjustment_of_one_that_is_in_error_waits() -> None:
    rig = Rig()
    rig.admit(6)
    rig.record.vm_state = "error"
    assert not rig.converge().converged
    assert rig.record.desired.progress == Progress(Phase.ADMITTED, "xloud.admitted", "", rig.date())
