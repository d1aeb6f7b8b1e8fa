# SPDX-License-Identifier: Apache-2.0
"""A size that a guest does not come to is given up after some tries; what it holds is desired."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.desired import flavor_key, from_metadata, to_metadata
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainBusy, DomainCallFailed, GuestRefused, XloudError
from nova_xloud.testing import Behaviour, Timing
from nova_xloud.testing.behaviour import Power
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.inline_worker import InlineWorker
from tests.unit.compute.rig import MAXIMUM, NOW, OPTIONS, Rig

TRIES = 3
FEW = replace(OPTIONS, give_up_after=TRIES)
LESS = Size(2, 1024)
MORE = Size(6, 3072)


def _fail(rig: Rig, times: int = 1) -> str:
    """Runs that do not get there; the last one's error."""
    said = ""
    for _ in range(times):
        rig.clock.advance(3600)
        with pytest.raises(XloudError) as error:
            rig.converge()
        said = str(error.value)
    return said


def _gave_up(rig: Rig) -> Condition | None:
    """The condition, as the status shows it."""
    found = conditions.judge(_state(rig), rig.record.desired.progress, rig.date())
    return next((one for one in found if one.type == conditions.GAVE_UP), None)


def _state(rig: Rig) -> object:
    from nova_xloud.compute.observe import observe

    return observe(rig.instance).state


def _cannot_plug(rig: Rig) -> None:
    def fails() -> None:
        raise DomainCallFailed("QEMU has no CPU left to add")

    rig.before["set_vcpus"] = fails


def test_a_run_yields_to_a_deletion_before_its_step() -> None:
    def deleted() -> None:
        rig.record.deleted = True

    rig = Rig(options=FEW)
    rig.admit(memory_mb=3072)
    rig.before["record"] = deleted
    outcome = rig.converge()
    assert outcome.deferred is not None
    assert "another operation goes first" in outcome.deferred


def test_a_busy_domain_counts_as_no_try() -> None:
    def busy() -> None:
        raise DomainBusy("a backup holds the domain")

    for effect in ("set_memory", "set_definition"):
        rig = Rig(options=FEW)
        rig.admit(memory_mb=3072)
        rig.before[effect] = busy
        for _ in range(TRIES + 1):
            rig.clock.advance(3600)
            rig.converge()
            assert rig.end[0] == "deferred"
        assert rig.record.desired.target == Size(NOW.vcpus, 3072)
        assert _gave_up(rig) is None


@pytest.mark.parametrize(
    ("asked", "kept", "what"),
    [
        (LESS, NOW, "memory_not_reached"),
        (Size(2, NOW.memory_mb), NOW, "vcpus_not_removed"),
        (Size(NOW.vcpus, 1024), NOW, "memory_not_reached"),
        # What could be done was done: each resource for itself.
        (Size(6, 1024), Size(6, NOW.memory_mb), "memory_not_reached"),
        (Size(2, 3072), Size(NOW.vcpus, 3072), "vcpus_not_removed"),
    ],
)
def test_shrink_that_the_guest_refuses_is_given_up_for_the_size_it_has(
    asked: Size, kept: Size, what: str
) -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(asked.vcpus, asked.memory_mb)
    _fail(rig, TRIES - 1)
    assert rig.record.desired.target == asked
    assert _gave_up(rig) is None
    _fail(rig)
    assert (rig.record.desired.persisted, rig.record.desired.live) == (kept, None)
    assert rig.claims.size == rig.record.recorded == rig.size == kept
    assert rig.end == ("converged", "xloud.converged")
    said = _gave_up(rig)
    assert said is not None
    assert said.reason == f"xloud.gave_up.{what}"
    assert str(asked) in said.message
    assert str(kept) in said.message
    assert "Ask again" in said.message
    # It starts with that again.
    rig.stop()
    rig.boot()
    assert rig.guest.config.vcpus == kept.vcpus
    assert rig.guest.config.memory_kib == kept.memory_mb * 1024


def test_until_then_it_is_said_with_what_it_starts_next() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(*(LESS.vcpus, LESS.memory_mb))
    said = _fail(rig)
    assert "the guest's next start has 2 vCPUs, 1024 MiB" in said
    assert len(said) <= 255
    assert "the guest's next start has 2 vCPUs, 1024 MiB" in rig.record.desired.progress.message
    said = _fail(rig, TRIES - 1)
    assert "the instance keeps 4 vCPUs, 2048 MiB" in said
    assert "next start" not in said


def test_giving_up_an_unpersisted_size_keeps_the_persisted_one() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(2, 1024, persist=False)
    said = _fail(rig, TRIES)
    assert "next start" not in said
    assert rig.desired.persisted == NOW
    assert rig.desired.live is None
    assert rig.claims.size == NOW


def test_growth_by_vcpus_that_cannot_be_is_given_up_and_released() -> None:
    rig = Rig(options=FEW)
    rig.admit(MORE.vcpus, MORE.memory_mb)
    _cannot_plug(rig)
    _fail(rig, TRIES - 1)
    assert rig.claims.size == MORE
    _fail(rig)
    assert rig.claims.size == rig.record.recorded == rig.size == Size(NOW.vcpus, MORE.memory_mb)
    assert rig.record.desired.persisted == rig.size
    said = _gave_up(rig)
    assert said is not None
    assert said.reason == "xloud.gave_up.failed"


def test_memory_growth_that_is_given_up_cannot_come_later() -> None:
    rig = Rig(options=FEW, timing=Timing(balloon_rate=0.001))
    rig.admit(NOW.vcpus, MORE.memory_mb)
    _fail(rig, TRIES)
    assert rig.claims.size == rig.record.desired.persisted == rig.size
    assert rig.size.memory_mb < MORE.memory_mb
    # Its balloon was told to stay before anything was released.
    rig.guest.timing = rig.guest.memory.timing = Timing()
    rig.clock.advance(600)
    rig.check_invariant()


def test_nothing_is_given_up_where_the_option_says_never() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=replace(OPTIONS, give_up_after=0))
    rig.admit(2, 1024)
    _fail(rig, 12)
    assert rig.record.desired.target == LESS
    assert _gave_up(rig) is None


def test_asking_again_begins_to_count_anew_and_ends_the_condition() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(2, 1024)
    _fail(rig, TRIES - 1)
    rig.admit(2, 1024)
    _fail(rig, TRIES - 1)
    assert _gave_up(rig) is None
    _fail(rig)
    assert _gave_up(rig) is not None
    # For what it has, too.
    rig.admit(NOW.vcpus, NOW.memory_mb)
    assert _gave_up(rig) is None
    assert rig.converge().converged
    rig.guest.behaviour = Behaviour.COOPERATIVE
    assert rig.adjust(2, 1024).converged
    assert rig.claims.size == LESS


def test_what_was_reached_and_is_lost_again_was_not_refused_to_who_asked() -> None:
    rig = Rig(options=FEW)
    assert rig.adjust(2, 1024).converged
    rig.claims.capacity = Size(100, 100_000)
    rig.takes_memory = True
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.clock.advance(60)
    _fail(rig, 2 * TRIES)
    assert rig.record.desired.target == LESS
    assert _gave_up(rig) is None


def test_what_the_guest_took_and_has_no_room_for_is_not_desired_for_that() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW, capacity=NOW)
    rig.admit(2, 1024)
    rig.takes_memory = True
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.clock.advance(60)
    _fail(rig, 2 * TRIES)
    assert rig.record.desired.target == LESS


def _paused(rig: Rig) -> None:
    rig.guest.power = Power.PAUSED


def _busy(rig: Rig) -> None:
    rig.record.task_state = "migrating"


def _away(rig: Rig) -> None:
    rig.claims.unreachable = True


def _hangs(rig: Rig) -> None:
    rig.answers = False


@pytest.mark.parametrize("why", [_paused, _busy, _away, _hangs])
def test_a_run_that_ends_for_somebody_elses_sake_is_no_try(why: object) -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(2, 1024)
    why(rig)  # type: ignore[operator]
    for _ in range(2 * TRIES):
        rig.clock.advance(3600)
        with contextlib.suppress(XloudError):
            rig.converge()
    assert (rig.record.desired.target, rig.record.desired.tries) == (LESS, 0)


def test_passes_alone_give_it_up_and_then_leave_it_alone() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(2, 1024)
    worker = InlineWorker(rig)
    passes = Reconciler(
        FakeHostInstances([rig.instance]), rig.boot_grace, worker, FEW, rig.clock.now
    )
    for _ in range(60):
        rig.clock.advance(60)
        passes.run()
    assert rig.record.desired.persisted == rig.claims.size == NOW
    assert rig.end[0] == "converged"
    seen = len(worker.submitted)
    assert seen <= TRIES + 1
    for _ in range(120):
        rig.clock.advance(60)
        passes.run()
    assert len(worker.submitted) == seen
    assert _gave_up(rig) is not None


def test_a_removal_that_was_given_up_and_happens_later_breaks_nothing() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT, options=FEW)
    rig.admit(2, NOW.memory_mb)
    _fail(rig, TRIES)
    assert rig.record.desired.persisted == NOW
    assert "RemovalUnsettled" in rig.recorded_conditions
    rig.guest.settle()
    with contextlib.suppress(GuestRefused):
        rig.converge()
    assert rig.claims.size.covers(rig.size)


def test_the_record_is_read_as_it_was_written_and_leniently() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES, options=FEW)
    rig.admit(2, 1024)
    key = flavor_key("name", MAXIMUM)
    assert to_metadata(rig.record.desired, key)["xloud_tries"] == "0"
    _fail(rig)
    stored = to_metadata(rig.record.desired, key)
    assert stored["xloud_tries"] == "1"
    assert from_metadata(stored, key, NOW).tries == 1
    assert from_metadata({**stored, "xloud_tries": "many"}, key, NOW).tries is None
    _fail(rig, TRIES - 1)
    stored = to_metadata(rig.record.desired, key)
    assert "xloud_tries" not in stored
    again = from_metadata(stored, key, NOW)
    assert again.given_up == rig.record.desired.given_up
    cut = from_metadata({**stored, "xloud_gave_up": "|"}, key, NOW)
    assert cut.given_up is not None
    assert cut.persisted == NOW
