# SPDX-License-Identifier: Apache-2.0
"""Statistics of a balloon that come late, never, or cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused
from nova_xloud.testing import Behaviour, Timing
from tests.unit.compute.rig import MAXIMUM, NOW, STEPS, Rig

PERIOD = Timing(stats_seconds=10, balloon_rate=1e9)


def resumed(rig: Rig) -> None:
    rig.guest.pause()
    rig.clock.advance(120)
    rig.guest.resume()


def stepped(seconds: float) -> Callable[[Rig], None]:
    return lambda rig: rig.clock.step(seconds)


def forgotten(rig: Rig) -> None:
    rig.watch.changed(rig.uuid)
    rig.clock.advance(7)


@pytest.mark.parametrize(
    "change",
    [resumed, stepped(3600), stepped(-3600), forgotten],
    ids=["unpaused after two minutes", "clock forward", "clock back", "service restarted"],
)
def test_statistics_that_are_on_their_way_are_waited_for(change: Callable[[Rig], None]) -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.clock.advance(31)
    change(rig)
    assert rig.adjust(memory_mb=1100).converged
    assert (rig.size.memory_mb, rig.recorded_conditions) == (1100, [])


def test_a_clock_that_steps_back_in_the_middle_of_a_run() -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.admit(memory_mb=1100)
    rig.once_before("set_memory", lambda: rig.clock.step(-3600))
    assert rig.converge().converged


def test_a_driver_that_says_nothing_is_waited_for_so_long_and_refused_then() -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.takes_memory = True
    rig.clock.advance(60)
    began = rig.clock.now()
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1100)
    assert refusal.value.code == "xloud.guest_refused.no_statistics"
    assert 40 <= rig.clock.now() - began <= 45
    assert rig.recorded_reasons == ["xloud.balloon.no_driver"]
    # The next attempt knows, and keeps no worker for it.
    began = rig.clock.now()
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.clock.now() - began < 1
    # Until it is heard.
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.clock.advance(60)
    assert rig.converge().converged


def test_a_driver_that_is_loaded_while_it_is_waited_for() -> None:
    rig = Rig(timing=PERIOD, options=STEPS)
    rig.guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    rig.takes_memory = True
    rig.clock.advance(300)
    rig.admit(memory_mb=1100)
    until = rig.clock.now() + 15

    def load() -> None:
        if rig.clock.now() >= until:
            rig.guest.behaviour = Behaviour.COOPERATIVE

    rig.before["sleep"] = load
    assert rig.converge().converged


def silent(**options: object) -> Rig:
    rig = Rig(behaviour=Behaviour.SILENT_DRIVER, options=STEPS, **options)  # type: ignore[arg-type]
    # Nobody can tell what it has, so all is claimed.
    rig.claims.size = rig.record.recorded = Size(NOW.vcpus, MAXIMUM.memory_mb)
    return rig


def test_force_ends_where_it_was_asked_to_by_bounded_steps() -> None:
    rig = silent()
    assert rig.adjust(memory_mb=1100, force=True).converged
    assert rig.told("set_memory") == [1748, 1448, 1148, 1100]
    assert rig.size == Size(4, 1100)
    # What it takes when it resets itself is counted: QEMU would not say it.
    assert rig.claims.size == rig.record.recorded == Size(4, MAXIMUM.memory_mb)
    rig.clock.advance(1)
    rig.guest.reset()
    rig.clock.advance(20)
    rig.converge()
    assert (rig.end[0], rig.recorded_reasons) == ("converged", ["xloud.balloon.not_confirmed"])
    assert rig.visible_conditions() == ["BalloonNotEffective"]


def test_without_force_it_is_not_pushed() -> None:
    rig = silent()
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1100)
    assert refusal.value.code == "xloud.guest_refused.no_statistics"
    assert rig.size == NOW


def test_it_grows_and_what_is_known_is_said() -> None:
    rig = silent()
    assert rig.adjust(memory_mb=3072).converged
    assert rig.size == Size(4, 3072)
    assert rig.claims.size == Size(4, MAXIMUM.memory_mb)
    rig.clock.advance(20)
    rig.converge()
    assert rig.recorded_reasons == ["xloud.balloon.not_confirmed"]


def test_when_it_reports_at_last_the_rest_is_released() -> None:
    rig = silent()
    assert rig.adjust(memory_mb=1100, force=True).converged
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.clock.advance(5)
    assert rig.converge().converged
    assert (rig.claims.size, rig.recorded_conditions) == (Size(4, 1100), [])


def test_a_guest_whose_statistics_cannot_be_read_goes_on() -> None:
    rig = Rig(options=STEPS)
    rig.guest.statistics_fail = True
    rig.takes_memory = True
    assert rig.adjust(6, 3072).converged
    assert rig.size == Size(6, 3072)
    assert rig.claims.size == Size(6, MAXIMUM.memory_mb)
    rig.guest.statistics_fail = False
    assert rig.converge().converged
    assert rig.claims.size == Size(6, 3072)
