# SPDX-License-Identifier: Apache-2.0
"""How far a need that rises is projected: not much further than it has been seen to rise."""

from __future__ import annotations

import pytest

from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import KERNEL_MB, Guest

USUAL = Tuning()
OF_16_GIB = Ranges(Range(1, 8), Range(816, 16384))
OF_8_GIB = Ranges(Range(1, 4), Range(512, 8192))
# MiB that stay usable in guests of that maximum.
RESERVE_16, RESERVE_8 = 1088, 576


@pytest.mark.parametrize(
    ("reports", "ahead"),
    [(1, 10), (2, 15), (3, 15)],
    ids=["seen once", "seen twice", "no more than the horizon"],
)
def test_a_rise_is_projected_as_long_as_it_lasts(reports: int, ahead: int) -> None:
    need = 6000.0 - 1000 * reports
    guest = Guest(size=Size(1, 8000), need=need, ranges=OF_16_GIB, tuning=USUAL, obeys=False)
    guest.run(60)
    for _ in range(reports):
        guest.need += 1000.0
        decision = guest.step()
    assert decision.memory_mb.votes == ("rising",)
    assert decision.memory_mb.wanted == 6000 + KERNEL_MB + 200 * ahead + RESERVE_16


def test_a_jump_within_the_reserve_is_no_growth() -> None:
    """The need of a real machine, whose size was fit for its highest need (google-2011-gcd)."""
    guest = Guest(size=Size(1, 3294), need=1820.0, ranges=OF_16_GIB, tuning=USUAL)
    guest.run(60)
    guest.need = 2206.0 - KERNEL_MB
    assert guest.step().memory_mb.votes == ()
    guest.run(60)
    assert guest.size == Size(1, 3294)


def test_a_rise_that_stops_is_projected_anew() -> None:
    guest = Guest(size=Size(1, 16384), need=1800.0, ranges=OF_16_GIB, tuning=USUAL)
    for more, seconds in ((0, 0), (500, 5), (500, 10), (0, 0), (500, 5), (-500, 0)):
        guest.need += more
        guest.step()
        figures = guest.history.memory.figures
        assert figures is not None
        assert figures.rising_for == seconds


def test_report_that_comes_too_early_does_not_end_a_rise() -> None:
    guest = Guest(size=Size(1, 16384), need=1800.0, ranges=OF_16_GIB, tuning=USUAL)
    guest.step()
    guest.need += 500
    guest.step()
    guest.step(0.1)
    figures = guest.history.memory.figures
    assert figures is not None
    assert figures.rising_for == 5


@pytest.mark.parametrize("delay", [1, 2])
@pytest.mark.parametrize("peak", [423.0, 1400.0], ids=["never higher", "past the highest"])
def test_200_mib_a_second_are_there_in_time(delay: int, peak: float) -> None:
    """As in the lab: a report and a round each second, and a growth takes some of them.

    :param peak: what the guest has needed before, for which its size is fit
    """
    size = Size(1, round(peak) + 20 + RESERVE_8)
    guest = Guest(size=size, need=peak, ranges=OF_8_GIB, tuning=USUAL, obeys=False)
    for need in (peak, 423.0):
        guest.need = need
        for _ in range(60):
            guest.step(1.0)
    end, growths = guest.need + 3000.0, 0
    on_its_way: tuple[int, int] | None = None
    for second in range(60):
        guest.need = min(end, guest.need + 200.0)
        if on_its_way and second >= on_its_way[0]:
            guest.size, on_its_way, guest.desired = Size(1, on_its_way[1]), None, None
        assert guest.need + KERNEL_MB <= guest.size.memory_mb
        decision = guest.step(1.0)
        if on_its_way is None and decision.memory_mb.wanted > guest.size.memory_mb:
            on_its_way = (second + delay, decision.memory_mb.wanted)
            guest.desired = Size(1, decision.memory_mb.wanted)
            growths += 1
    # Not all that there is: the rise ends before it has reached what was projected.
    assert guest.size.memory_mb <= end + 3000 + RESERVE_8
    assert growths <= 8


def test_rise_within_what_was_needed_before_is_projected_little_beyond_that() -> None:
    guest = Guest(size=Size(1, 3600), need=3000.0, ranges=OF_8_GIB, tuning=USUAL, obeys=False)
    guest.run(60)
    guest.need = 1000.0
    guest.run(60)
    for _ in range(4):
        guest.need += 500.0
        decision = guest.step()
    assert decision.memory_mb.votes == ("rising",)
    assert decision.memory_mb.wanted == 3020 + 100 * USUAL.headroom + RESERVE_8


def test_rise_past_what_was_needed_before_is_projected_as_any() -> None:
    guest = Guest(size=Size(1, 4300), need=3000.0, ranges=OF_8_GIB, tuning=USUAL, obeys=False)
    guest.run(60)
    guest.need = 1100.0
    guest.run(60)
    for _ in range(4):
        guest.need += 500.0
        decision = guest.step()
    assert decision.memory_mb.votes == ("rising",)
    assert decision.memory_mb.wanted == 3120 + 100 * USUAL.horizon + RESERVE_8


@pytest.mark.parametrize("other", ["clock set back", "longer window"])
def test_projection_that_has_left_the_window_does_not_come_back(other: str) -> None:
    guest = Guest(size=Size(1, 8192), need=1000.0, ranges=OF_8_GIB, tuning=Tuning(window=3600.0))
    guest.run(60)
    for _ in range(4):
        guest.need += 500.0
        guest.step()
    guest.need = 1000.0
    guest.run(2 * 3600)
    before = guest.step().memory_mb.floor
    if other == "clock set back":
        guest.now -= 60.0 + 5.0
    else:
        guest.tuning = Tuning(window=86400.0)
    assert guest.step().memory_mb.floor == before


def test_memory_is_not_shrunk_below_what_was_projected() -> None:
    guest = Guest(size=Size(1, 8192), need=1000.0, ranges=OF_8_GIB, tuning=Tuning(window=3600.0))
    guest.run(60)
    for _ in range(4):
        guest.need += 500.0
        guest.step()
    guest.need = 1000.0
    guest.run(3000)
    decision = guest.step()
    assert decision.memory_mb.floor == 3020 + 100 * USUAL.headroom
    decision = guest.until(lambda one: one.memory_mb.code == "shrink.window")
    assert decision.memory_mb.reason.endswith("no more than 4020 may be of use again")
    assert decision.vcpus.reason.endswith("1 were lately of use")
    guest.run(3600)
    assert guest.size.memory_mb < 3020
