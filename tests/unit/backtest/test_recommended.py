# SPDX-License-Identifier: Apache-2.0
"""What the report says that a server should have, beside what the server gets to in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nova_xloud.backtest.recommended import ServerReport, reports
from nova_xloud.core.autoscaling.journal import Entry
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.settings import Mode, Profile, Range, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import Guest

LARGEST = 8192
RANGES = Ranges(Range(1, 8), Range(512, LARGEST))
DENSE = TUNINGS[Profile.DENSE]


def report_of(guest: Guest, decision: Recommendation) -> ServerReport:
    """What is reported of a journal with one decision only: the last one."""
    sample = guest.history.last
    assert sample is not None
    entry = Entry("a", Mode.OBSERVE, Profile.DENSE, guest.ranges, sample, decision)
    (told,) = reports([entry])
    return told


def guest_of(memory_mb: int, **other: Any) -> Guest:
    return Guest(size=Size(8, memory_mb), ranges=RANGES, tuning=DENSE, **other)


def both_shrink(decision: Recommendation) -> bool:
    return all(one.code.startswith("shrink") for one in (decision.vcpus, decision.memory_mb))


@pytest.mark.parametrize("need", [300.0, 1500.0, 2900.0, 4000.0, 5600.0])
@pytest.mark.parametrize("cache", [0.0, 2000.0])
def test_server_that_shrinks_ends_with_what_the_report_says(need: float, cache: float) -> None:
    guest = guest_of(LARGEST, need=need, cache=cache, obeys=False)
    told = report_of(guest, guest.until(both_shrink, 2000))
    guest.obeys = True
    guest.run(3 * DENSE.window)
    has = guest.size
    assert (told.vcpus.should_have, told.memory_mb.should_have) == (has.vcpus, has.memory_mb)


@pytest.mark.parametrize("memory_mb", [3900, 4000])
def test_what_is_inside_the_dead_band_frees_nothing(memory_mb: int) -> None:
    guest = guest_of(memory_mb, need=2900.0, obeys=False)
    decision = guest.run(2 * DENSE.window)
    assert decision.memory_mb.code == "hold.needed"
    assert decision.memory_mb.floor is not None
    assert decision.memory_mb.floor < memory_mb
    assert report_of(guest, decision).frees.memory_mb == 0


def test_guest_that_swaps_at_its_largest_size_frees_nothing() -> None:
    guest = guest_of(LARGEST, need=4200.0, cache=100.0, obeys=False)
    for _ in range(60):
        guest.swapped_out_mb += 15
        decision = guest.step()
    assert decision.memory_mb.code == "hold.largest"
    assert report_of(guest, decision).frees.memory_mb == 0


def test_idle_guest_that_reached_the_cap_frees_what_it_can_give_later() -> None:
    guest = guest_of(LARGEST, need=300.0)
    guest.tuning = replace(DENSE, changes=1, changes_period=2 * DENSE.window)
    decision = guest.until(lambda one: one.memory_mb.code == one.vcpus.code == "hold.cap", 2000)
    told = report_of(guest, decision)
    guest.tuning = DENSE
    guest.run(3 * DENSE.window)
    has = guest.size
    assert (told.vcpus.should_have, told.memory_mb.should_have) == (has.vcpus, has.memory_mb)


def test_guest_that_reached_the_cap_and_wants_more_frees_nothing() -> None:
    guest = guest_of(2048, need=300.0)
    guest.tuning = replace(DENSE, changes=1)
    guest.run(60)
    for _ in range(2):
        guest.need = guest.size.memory_mb * 0.93
        decision = guest.run(30)
    assert decision.memory_mb.code == "hold.cap"
    assert report_of(guest, decision).frees.memory_mb == 0
