# SPDX-License-Identifier: Apache-2.0
"""Guests that do not follow their balloon: refused, and what they have stays claimed.

That no less is reserved than the guest has is checked by the rig, after every effect and sleep.
"""

from __future__ import annotations

import pytest

from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused
from nova_xloud.testing import Behaviour, Timing
from tests.unit.compute.rig import NOW, OPTIONS, Rig


def test_guest_that_keeps_its_memory_has_refused_and_stays_claimed() -> None:
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


def test_guest_that_gives_half_has_refused_and_is_claimed_for_what_it_has() -> None:
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


def test_a_guest_that_comes_round_is_followed_by_a_later_run() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    rig.guest.behaviour = Behaviour.COOPERATIVE
    assert rig.converge().converged
    assert rig.claims.size == rig.size == Size(4, 1024)


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


def test_guest_that_moved_on_during_a_wait_for_the_lock_has_not_refused() -> None:
    rig = Rig(timing=Timing(balloon_rate=10))
    rig.admit(memory_mb=1024)

    def another_holds_the_lock() -> None:
        rig.clock.advance(OPTIONS.step_timeout + 1)

    rig.once_before("sleep", lambda: rig.once_before("lock", another_holds_the_lock))
    assert rig.converge().converged
