# SPDX-License-Identifier: Apache-2.0
"""The size that a balloon is set to when a run ends and the guest has not followed."""

from __future__ import annotations

import pytest

from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused
from nova_xloud.testing import Behaviour, Timing
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.rig import NOW, Rig


def test_guest_that_cooperates_later_is_not_squeezed_to_the_refused_size() -> None:
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
    assert "not all that ends it was done" in caplog.text
    assert rig.claims.size == NOW
