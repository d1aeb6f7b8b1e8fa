# SPDX-License-Identifier: Apache-2.0
"""How often the balloon driver reports is not believed if its reports say otherwise."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.mode import Scaling
from nova_xloud.core.autoscaling.settings import Mode
from tests.unit.compute.autoscale_rig import ScaledHost

USUAL = 10


def sets(host: ScaledHost) -> int:
    return host.rigs["a"].effects.count("set_statistics_period")


def switch(host: ScaledHost, mode: Mode) -> None:
    """A person asks for a mode."""
    host.rigs["a"].record.scaling = Scaling(mode)
    host.rounds.changed(host.instances.records()[0])


def wants_memory(host: ScaledHost) -> None:
    host.rigs["a"].guest.uses_kib = 950 * 1024
    host.until(lambda: host.desired.memory_mb > 1024, rounds=5)


@pytest.mark.parametrize("rounds", [0, 1, 20])
def test_memory_grows_after_the_mode_was_off_and_on(rounds: int) -> None:
    host = ScaledHost()
    host.round(20)
    switch(host, Mode.OFF)
    # A pass sets the usual period again.
    host.rigs["a"].guest.set_statistics_period(USUAL)
    host.clock.advance(3600.0)
    host.round(rounds)
    switch(host, Mode.ON)
    wants_memory(host)
    assert host.rigs["a"].guest.oom_kills == 0
    host.round(2)
    assert host.rigs["a"].guest.asked_every == 1


def test_period_that_somebody_has_set_by_hand_is_shortened_again() -> None:
    host = ScaledHost()
    host.round(20)
    host.rigs["a"].guest.set_statistics_period(USUAL)
    host.round(5)
    assert host.rigs["a"].guest.asked_every == 1
    wants_memory(host)


def test_period_of_a_driver_that_has_died_is_set_once_more_only() -> None:
    host = ScaledHost()
    host.round(20)
    before = sets(host)
    host.rigs["a"].guest.statistics_fail = True
    host.round(100)
    assert sets(host) <= before + 1


def test_guest_of_another_start_is_believed_to_report_as_usual() -> None:
    host = ScaledHost()
    host.round(20)
    rig = host.rigs["a"]
    rig.guest.stop()
    rig.guest.start(arrived=True)
    rig.held_for = 1.0
    host.clock.advance(USUAL)
    host.round(20)
    told = host.rounds._states["a"]
    assert told.sample is not None
    assert told.sample.report_period == USUAL
    assert told.history.memory.figures is not None
