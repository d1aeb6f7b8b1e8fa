# SPDX-License-Identifier: Apache-2.0
"""Memory on its way: in bounded steps, never below what the guest uses, and after a start."""

from __future__ import annotations

import itertools

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused
from nova_xloud.testing import Behaviour, Timing
from tests.unit.compute.rig import MAXIMUM, OPTIONS, STEPS, Rig

LARGE = Size(4, 4096)


def large(**options: object) -> Rig:
    """It has 4096 MiB, gives at most 300 of them at a time, and uses 32."""
    return Rig(now=LARGE, options=STEPS, **options)  # type: ignore[arg-type]


def test_it_shrinks_by_steps_each_after_the_one_before_was_reached() -> None:
    rig = large(timing=Timing(balloon_rate=100))
    reached: list[int] = []
    rig.before["set_memory"] = lambda: reached.append(rig.size.memory_mb)
    assert rig.adjust(memory_mb=1024).converged
    assert rig.told("set_memory") == [4096, *range(3796, 1024, -300), 1024]
    assert reached == [4096, *rig.told("set_memory")[:-1]]
    assert rig.claims.written == [Size(4, 1024)]


@pytest.mark.parametrize("period", [0, 10])
def test_each_step_waits_for_statistics_of_where_the_guest_is(period: float) -> None:
    rig = large(timing=Timing(balloon_rate=1e9, stats_seconds=period))
    at: list[float] = []
    rig.before["set_memory"] = lambda: at.append(rig.clock.now())
    assert rig.adjust(memory_mb=3000).converged
    pauses = [after - before for before, after in itertools.pairwise(at)]
    # However rarely they come, while it shrinks they come every second.
    assert all(1 <= pause < 3 for pause in pauses[1:])
    assert len(pauses) == 4


def test_it_is_not_pushed_below_what_it_uses_and_its_reserve() -> None:
    rig = large()
    rig.guest.uses_kib = 2000 * 1024
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024)
    assert refusal.value.code == "xloud.guest_refused.memory_floor"
    assert rig.size == rig.claims.size == rig.record.recorded == Size(4, 2064)
    assert (rig.guest.oom_kills, min(rig.told("set_memory"))) == (0, 2064)
    assert rig.recorded_conditions == ["BalloonNotEffective"]


def test_what_it_begins_to_use_on_the_way_is_left_to_it() -> None:
    rig = large()

    def begins_to_use() -> None:
        if rig.size.memory_mb < 3000:
            rig.guest.uses_kib = 2500 * 1024

    rig.before["sleep"] = begins_to_use
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert rig.guest.oom_kills == 0
    assert rig.size == rig.claims.size == Size(4, 2564)


def test_a_guest_that_stops_using_it_is_pushed_on_by_a_later_run() -> None:
    rig = large()
    rig.guest.uses_kib = 2000 * 1024
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    rig.guest.uses_kib = 32 * 1024
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(4, 1024)
    assert rig.recorded_conditions == []


def test_a_guest_that_stops_using_it_in_time_is_pushed_on_at_once() -> None:
    rig = large()
    rig.guest.uses_kib = 2000 * 1024

    def later() -> None:
        if rig.clock.now() > 30:
            rig.guest.uses_kib = 32 * 1024

    rig.before["sleep"] = later
    assert rig.adjust(memory_mb=1024).converged


def test_force_goes_below_what_it_uses_and_is_written_so() -> None:
    rig = large(autodeflate=True)
    rig.guest.uses_kib = 1000 * 1024
    rig.guest.behaviour = Behaviour.COOPERATIVE
    assert rig.adjust(memory_mb=1024, force=True).converged
    # Without force the reserve would have been left to it.
    assert rig.size == rig.claims.size == Size(4, 1024)
    assert rig.record.desired.force
    assert rig.told("set_memory") == [*range(3796, 1024, -300), 1024]


def test_force_waits_for_no_statistics() -> None:
    rig = large(timing=Timing(balloon_rate=1e9))
    # It has reported once.
    assert rig.guest.statistics() is not None
    rig.guest.behaviour = Behaviour.SILENT_DRIVER
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024)
    assert refusal.value.code == "xloud.guest_refused.no_statistics"
    assert rig.size == LARGE
    assert rig.adjust(memory_mb=1024, force=True).converged
    assert rig.size == rig.claims.size == Size(4, 1024)


def test_guest_that_takes_back_what_force_took_has_refused_and_is_claimed() -> None:
    rig = large(autodeflate=True)
    rig.guest.uses_kib = 2000 * 1024
    rig.takes_memory = True
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024, force=True)
    assert refusal.value.code == "xloud.guest_refused.memory_not_reached"
    assert rig.guest.oom_kills == 0
    assert rig.size == rig.claims.size == Size(4, 2000)
    rig.takes_memory = False
    rig.check_invariant()


def test_a_guest_that_takes_memory_back_after_it_was_reached_is_followed() -> None:
    timing = Timing(takes_back_seconds=20, balloon_rate=1e9)
    rig = Rig(behaviour=Behaviour.TAKES_BACK, timing=timing, now=LARGE)
    rig.adjust(memory_mb=2048)
    assert (rig.size, rig.end[0]) == (Size(4, 2048), "converged")
    rig.takes_memory = True
    rig.clock.advance(60)
    assert rig.size == LARGE
    claimed: list[Size] = []
    rig.before["set_memory"] = lambda: claimed.append(rig.claims.size)
    rig.converge()
    # First it is claimed, and then the guest is asked for it again.
    assert claimed[0] == LARGE
    assert rig.claims.size.covers(rig.size)


def test_shrink_admitted_during_a_growth_stops_the_balloon_first() -> None:
    rig = Rig(timing=Timing(balloon_rate=50))
    rig.admit(memory_mb=4096)
    slept = 0

    def twice() -> None:
        nonlocal slept
        slept += 1
        if slept == 20:
            rig.admit(memory_mb=1024)

    rig.before["sleep"] = twice
    assert rig.converge().converged
    rig.clock.advance(600)
    rig.check_invariant()
    assert rig.size == rig.claims.size == Size(4, 1024)


def test_next_run_stops_the_balloon_that_a_killed_run_set() -> None:
    rig = Rig(timing=Timing(balloon_rate=50))
    rig.admit(memory_mb=4096)
    rig.guest.set_memory(4096 * 1024, live=True, config=False)
    # That run is gone; another size is admitted while the balloon is on its way up.
    rig.clock.advance(2)
    rig.admit(memory_mb=1024)
    assert rig.converge().converged
    assert rig.told("set_memory")[0] < 2200
    rig.clock.advance(600)
    rig.check_invariant()


# --- after a start ---------------------------------------------------------------------------

GRACE = 120.0
PERSISTED = Size(4, 1024)


def booted(**timing: float) -> Rig:
    """It has just been started with 1024 MiB, and its balloon is on the way from 4096."""
    rig = Rig(now=PERSISTED, running=False, timing=Timing(**timing), grace=GRACE)
    rig.boot()
    assert rig.size.memory_mb == MAXIMUM.memory_mb
    return rig


def test_booting_guest_is_waited_for_and_its_balloon_not_claimed() -> None:
    rig = booted(driver_seconds=20)
    assert rig.converge().converged
    assert rig.claims.written == []
    assert rig.size == PERSISTED


def test_booting_guest_is_awaited_for_a_step_timeout_and_has_not_refused() -> None:
    rig = booted(driver_seconds=1000)
    outcome = rig.converge()
    assert "has just started" in str(outcome.deferred)
    assert rig.clock.now() == pytest.approx(OPTIONS.step_timeout, abs=1)
    assert rig.claims.size == PERSISTED
    # It was never adjusted, but is recorded as deferred, so that a pass checks it again.
    assert rig.end == ("deferred", "xloud.deferred")
    assert rig.recorded_conditions == []


def test_guest_without_balloon_is_claimed_whole_after_the_boot_grace() -> None:
    rig = booted(driver_seconds=1000)
    rig.converge()
    rig.clock.advance(GRACE)
    rig.takes_memory = True
    with pytest.raises(GuestRefused):
        rig.converge()
    rig.takes_memory = False
    rig.check_invariant()
    assert rig.claims.size == rig.record.recorded == LARGE
    assert rig.recorded_conditions == ["BalloonNotEffective"]


def test_a_guest_whose_balloon_comes_late_has_its_claim_back_afterwards() -> None:
    rig = booted(driver_seconds=1000)
    rig.converge()
    rig.clock.advance(GRACE)
    rig.takes_memory = True
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.claims.size == LARGE
    rig.takes_memory = False
    rig.clock.advance(1000)
    assert rig.converge().converged
    assert rig.size == rig.claims.size == rig.record.recorded == PERSISTED


def test_surplus_claim_of_a_booting_guest_is_released_after_it_arrived() -> None:
    rig = booted(driver_seconds=20)
    rig.claims.size = rig.record.recorded = Size(4, 3000)
    released: list[int] = []
    rig.before["claim"] = lambda: released.append(rig.size.memory_mb)
    assert rig.converge().converged
    assert released == [1024]
    assert rig.claims.size == PERSISTED


def test_booting_guest_can_be_adjusted_and_is_claimed_for_what_was_asked() -> None:
    rig = booted(driver_seconds=20)
    rig.adjust(6, 2048)
    assert rig.claims.written == [Size(6, 2048)]
    assert rig.size == Size(6, 2048)
    assert rig.desired == Desired(Size(6, 2048), generation=1)
