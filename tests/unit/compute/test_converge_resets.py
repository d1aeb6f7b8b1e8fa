# SPDX-License-Identifier: Apache-2.0
"""Guests that restart themselves, die, or crash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused
from nova_xloud.testing import Behaviour, FakeDomain, Timing
from tests.unit.compute.rig import MAXIMUM, NOW, Rig

BOOTS = Timing(driver_seconds=20, balloon_rate=1e9, stats_seconds=10)


def test_a_guest_that_resets_itself_has_a_grace_of_its_own() -> None:
    rig = Rig(timing=BOOTS, grace=120)
    rig.clock.advance(300)
    rig.converge()
    rig.guest.reset()
    rig.clock.advance(1)
    # QEMU says what it had before, and it has everything.
    seen = FakeDomain(rig.guest).read()
    assert (seen.memory_mb, seen.held.memory_mb) == (NOW.memory_mb, MAXIMUM.memory_mb)
    assert rig.converge().converged
    assert (rig.claims.size, rig.recorded_conditions) == (NOW, [])
    assert rig.visible_conditions() == ["Booting"]
    rig.clock.advance(60)
    assert rig.visible_conditions() == []
    assert rig.claims.size == NOW


def test_guest_reset_into_a_driverless_system_is_claimed_after_the_grace() -> None:
    rig = Rig(timing=BOOTS, grace=120)
    rig.clock.advance(300)
    rig.converge()
    rig.guest.reset()
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.clock.advance(1)
    rig.converge()
    assert rig.claims.size == NOW
    rig.clock.advance(120)
    rig.takes_memory = True
    rig.converge()
    assert rig.claims.size == Size(NOW.vcpus, MAXIMUM.memory_mb)


def watched(rig: Rig, seconds: float) -> None:
    """Somebody reads it each 5 s for so long."""
    until = rig.clock.now() + seconds
    while rig.clock.now() < until:
        rig.clock.advance(5)
        rig.visible_conditions()


def test_a_guest_that_died_at_its_boot_size_says_so() -> None:
    rig = Rig(timing=replace(BOOTS, driver_seconds=3), grace=120, running=False)
    rig.boot()
    rig.clock.advance(5)
    # Its kernel panics when the balloon has taken what it was told to.
    assert rig.size == NOW
    rig.guest.memory.dead = True
    watched(rig, 100)
    assert rig.visible_conditions() == []
    watched(rig, 100)
    assert rig.visible_conditions() == ["GuestSilent"]
    assert rig.converge().converged
    assert rig.recorded_reasons == ["xloud.guest_silent.low_memory"]
    (said,) = rig.record.desired.recorded_conditions
    for part in (f"{NOW.memory_mb} MiB", "console", "hard reboot it", "minimum"):
        assert part in said.message
    # It can be made larger all the same: claimed, desired, and there with the hard reboot.
    rig.admit(memory_mb=3072)
    assert rig.claims.size == Size(4, 3072)
    with pytest.raises(GuestRefused):
        rig.converge()
    rig.guest.stop()
    rig.boot()
    rig.clock.advance(5)
    assert rig.converge().converged
    assert (rig.size.memory_mb, rig.recorded_conditions) == (3072, [])


def test_a_guest_that_crashed_says_so_and_is_waited_for_by_nobody() -> None:
    rig = Rig()
    rig.guest.crash()
    assert rig.visible_conditions() == ["GuestSilent"]
    rig.admit(memory_mb=3072)
    assert rig.converge().deferred
    assert rig.recorded_reasons == ["xloud.guest_silent.crashed"]
    rig.guest.stop()
    rig.boot()
    rig.clock.advance(10)
    assert rig.converge().converged
    assert rig.recorded_conditions == []


@pytest.mark.parametrize("behaviour", [Behaviour.SILENT_DRIVER, Behaviour.COOPERATIVE])
def test_a_guest_that_lives_is_not_said_to_have_died(behaviour: Behaviour) -> None:
    rig = Rig(timing=replace(BOOTS, driver_seconds=3), grace=120, running=False)
    rig.boot()
    rig.guest.behaviour = behaviour
    watched(rig, 400)
    assert "GuestSilent" not in rig.visible_conditions()
