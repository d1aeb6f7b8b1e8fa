# SPDX-License-Identifier: Apache-2.0
"""The policy's advice for a guest becomes its claimant, which arbitration reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.autoscaling.contest import Claimant, Stake, claimant, stake_of
from nova_xloud.core.autoscaling.history import EMPTY
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.recommendation import Advice
from nova_xloud.core.autoscaling.settings import Range
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import RANGES, TUNING, Guest, settled

BIG = Size(4, 4096)


def _claimant(guest: Guest) -> Claimant:
    """The guest as it is now, after one more sample."""
    guest.obeys = False
    advice = guest.step()
    return claimant(
        "a", advice, guest.ranges, reserved=guest.size, held=guest.size, desired=guest.size
    )


def _stake(code: str, wanted: int, floor: int | None = 512, **changes: object) -> Stake:
    advice = Advice(wanted, 300.0, floor, code, "")
    bounds = Range(256, 4096)
    if "vetoes" in changes:
        advice = replace(advice, vetoes=("distress",))
    if "not_smaller" in changes:
        bounds = replace(bounds, not_smaller="boot_vcpus")
    return stake_of(advice, bounds, reserved=1024, held=1024, desired=1024)


@pytest.mark.parametrize(
    ("code", "wanted", "recommended", "lowest"),
    [
        ("grow.usable_low", 2048, 2048, 1024),
        ("grow.usable_low", 512, 1024, 1024),
        ("shrink.window", 900, 900, 512),
        ("shrink.window", 2048, 1024, 512),
        ("hold.needed", 1024, 1024, 512),
        ("hold.needed", 256, 1024, 512),
        ("hold.no_sample", 256, 1024, 1024),
        ("hold.window", 1024, 1024, 1024),
        ("hold.probation", 1024, 1024, 1024),
        ("hold.stale", 1024, 1024, 1024),
        ("hold.distress", 1024, 1024, 1024),
        ("hold.blocked", 1024, 1024, 1024),
    ],
)
def test_what_a_guest_wants_and_could_give(
    code: str, wanted: int, recommended: int, lowest: int
) -> None:
    stake = _stake(code, wanted)
    assert (stake.recommended, stake.lowest) == (recommended, lowest)


@pytest.mark.parametrize("against", ["vetoes", "not_smaller"])
def test_guest_gives_nothing_while_something_speaks_against_it(against: str) -> None:
    assert _stake("shrink.window", 900, **{against: True}).lowest == 1024


def test_guest_gives_nothing_if_its_floor_is_not_known() -> None:
    assert _stake("hold.needed", 1024, None).lowest == 1024


def test_guest_that_was_never_read_wants_and_gives_nothing() -> None:
    advice = recommend(EMPTY, RANGES, TUNING, 5.0)
    one = claimant("a", advice, RANGES, reserved=BIG, held=BIG, desired=BIG)
    assert (one.vcpus.recommended, one.vcpus.lowest) == (4, 4)
    assert (one.memory_mb.recommended, one.memory_mb.lowest) == (4096, 4096)


def test_guest_gives_nothing_before_a_whole_window_has_passed() -> None:
    guest = Guest(size=BIG)
    guest.run(TUNING.window * 0.9)
    assert _claimant(guest).memory_mb.lowest == 4096
    assert _claimant(guest).vcpus.lowest == 4


def test_guest_gives_what_is_in_its_dead_band() -> None:
    guest = settled(need=300.0)
    guest.need = 270.0
    guest.run(2 * TUNING.window)
    one = _claimant(guest).memory_mb
    assert one.recommended == one.desired
    assert guest.need < one.lowest < one.desired


def test_guest_whose_last_shrink_is_watched_gives_nothing() -> None:
    guest = Guest(size=BIG)
    guest.until(lambda advice: advice.memory_mb.code == "shrink.window", 1000)
    one = _claimant(guest).memory_mb
    assert one.lowest == one.desired


def test_guest_in_distress_wants_more_and_gives_nothing() -> None:
    guest = settled(need=300.0)
    guest.need = 600.0
    guest.swapped_out_mb = 500.0
    one = _claimant(guest)
    assert one.is_urgent
    assert one.memory_mb.recommended > one.memory_mb.desired == one.memory_mb.lowest
