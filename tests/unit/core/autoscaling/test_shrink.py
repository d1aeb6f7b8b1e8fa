# SPDX-License-Identifier: Apache-2.0
"""When an instance is made smaller, how far, and when that is taken back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import (
    KERNEL_MB,
    LARGE,
    PERIOD,
    RANGES,
    TUNING,
    Guest,
    about_to_shrink,
    settled,
    shrinks,
)

IDLE = Size(1, 640)
"""What a guest that needs 300 MiB and no CPU comes to: its need, its kernel's, and the reserve."""


def test_idle_guest_comes_to_its_need_and_stays() -> None:
    guest = Guest(size=LARGE)
    guest.run(3 * TUNING.window)
    assert guest.size == IDLE
    changes = len(guest.changes)
    guest.run(5 * TUNING.window)
    assert len(guest.changes) == changes


def test_nothing_shrinks_before_a_whole_window() -> None:
    guest = about_to_shrink()
    since = guest.history.memory.track.since
    assert since is not None
    decision = guest.step()
    assert guest.now - since == TUNING.window
    assert guest.size == Size(3, 4096 - 409)
    assert decision.memory_mb.code == "shrink.window"
    assert decision.vcpus.code == "shrink.window"


def test_one_shrink_at_a_time_and_none_too_soon() -> None:
    guest = Guest(size=LARGE)
    guest.run(3 * TUNING.window)
    times = [at for at, _ in guest.changes]
    pauses = [after - before for before, after in pairwise(times)]
    assert min(pauses) >= max(TUNING.between, TUNING.probation)


def test_a_step_is_a_vcpu_or_a_tenth_of_the_largest_memory() -> None:
    guest = Guest(size=LARGE)
    guest.run(3 * TUNING.window)
    sizes = [LARGE, *(size for _, size in guest.changes)]
    for before, after in pairwise(sizes):
        assert before.vcpus - after.vcpus in (0, 1)
        assert before.memory_mb - after.memory_mb <= 410


@pytest.mark.parametrize(
    ("cache", "taken"),
    [(100.0, 409), (450.0, 409), (480.0, 404), (500.0, 400), (9000.0, 400), (None, 400)],
    ids=["little cache", "some", "much", "all usable is cache", "more than usable", "unknown"],
)
def test_a_step_leaves_a_fifth_of_the_page_cache(cache: float | None, taken: int) -> None:
    """A guest of 2048 MiB of which 500 are usable, and that needs no reserve."""
    tuning = replace(TUNING, reserve_base_mb=0.0, reserve_share=0.0, memory_fill=1.0)
    guest = about_to_shrink(size=Size(1, 2048), need=1528.0, tuning=tuning)
    decision = guest.step(cache_mb=cache)
    assert 2048 - decision.memory_mb.wanted == taken


def test_the_highest_need_of_the_window_counts() -> None:
    guest = settled(size=LARGE)
    assert guest.size == IDLE
    guest.cpu = 1.4
    while guest.need < 2000:
        # Slowly, so that no more is projected than what fits the need.
        guest.need += 100.0
        guest.step()
    guest.run(60)
    guest.need, guest.cpu, began = 300.0, 0.1, guest.now
    while guest.size != IDLE:
        decision = guest.step()
        highest = guest.history.memory.track.peaks.highest(guest.now)
        assert highest in (2020, 320)
        assert decision.memory_mb.floor == (2525 if highest == 2020 else 640)
        assert decision.memory_mb.wanted >= decision.memory_mb.floor
    assert guest.now - began >= TUNING.window


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        ({"usable_mb": None}, "hold.unknown"),
        ({"available_mb": None}, "hold.unknown"),
        ({"swapped_out_mb": None}, "hold.unknown"),
        ({"usable_mb": float("nan")}, "hold.unknown"),
        ({"usable_mb": -1.0}, "hold.unknown"),
        ({"usable_mb": 1e30}, "hold.unknown"),
        ({"usable_mb": 4090.0, "available_mb": 4000.0}, "hold.unknown"),
        ({"reported_at": None}, "hold.unknown"),
        ({"reported_at": 0.0}, "hold.stale"),
        ({"report_period": 0.0, "reported_at": 1.0}, "hold.stale"),
        ({"report_period": float("nan")}, "hold.stale"),
        ({"reported_at": 2e9}, "hold.stale"),
    ],
    ids=str,
)
def test_memory_does_not_shrink_on_figures_that_are_not_there(
    figures: dict[str, float], code: str
) -> None:
    guest = about_to_shrink()
    decision = guest.step(**figures)
    assert (decision.memory_mb.code, decision.memory_mb.wanted) == (code, 4096)
    assert (decision.vcpus.code, decision.vcpus.wanted) == ("shrink.window", 3)


@pytest.mark.parametrize(
    "figures",
    [
        {"cpu_seconds": None},
        {"delay_seconds": None},
        {"cpu_seconds": float("inf")},
        {"cpu_seconds": 0.0},
        {"delay_seconds": 0.0},
        {"cpu_seconds": -5.0},
        {"cpu_seconds": 1e9},
    ],
    ids=str,
)
def test_vcpus_do_not_shrink_on_figures_that_are_not_there(figures: dict[str, float]) -> None:
    guest = about_to_shrink()
    decision = guest.step(**figures)
    assert (decision.vcpus.code, decision.vcpus.wanted) == ("hold.unknown", 4)
    assert decision.memory_mb.code == "shrink.window"


@pytest.mark.parametrize(("age", "code"), [(10.9, "shrink.window"), (11.1, "hold.stale")])
def test_a_report_is_too_old_after_two_periods_and_a_second(age: float, code: str) -> None:
    guest = about_to_shrink()
    decision = guest.step(reported_at=guest.now + PERIOD - age)
    # A report that is older than the one before is new all the same: its figures are other ones.
    assert decision.memory_mb.code in (code, "hold.unknown")
    assert (decision.memory_mb.code == "hold.stale") is (code == "hold.stale")


def test_figures_grow_old_when_nobody_reads() -> None:
    guest = about_to_shrink(obeys=False)
    assert shrinks(guest.step())
    for seconds, code in ((10, "shrink.window"), (12, "hold.stale")):
        decision = recommend(guest.history, guest.ranges, guest.tuning, guest.now + seconds)
        assert (decision.memory_mb.code, decision.vcpus.code) == (code, code)


def test_a_guest_that_has_booted_is_left_alone_for_a_while() -> None:
    guest = about_to_shrink()
    guest.boot_id, guest.cpu_seconds, guest.delay_seconds = 2, 1.0, 0.0
    guest.major_faults = 5
    assert guest.step().vcpus.code == "hold.boot"
    assert guest.step().memory_mb.code == "hold.boot"
    began = guest.now
    guest.until(shrinks)
    assert guest.now - began >= TUNING.boot_settle - 2 * PERIOD


def test_a_guest_that_resets_itself_has_booted() -> None:
    guest = about_to_shrink()
    guest.major_faults = 5
    assert not shrinks(guest.step())
    assert guest.history.booted_at == guest.now


def test_vcpus_that_are_busy_during_boot_do_not_count() -> None:
    guest = Guest(cpu=4.0)
    guest.run(PERIOD)
    guest.boot_id, guest.cpu_seconds, guest.delay_seconds = 2, 0.0, 0.0
    guest.run(25)
    assert guest.size.vcpus == 1
    guest.run(15)
    assert guest.size.vcpus > 1


@pytest.mark.parametrize(
    "figures",
    [
        {"swapped_out_mb": 6.0},
        {"stalls": 1},
        {"oom_kills": 1},
        {"major_faults": 2000, "usable_mb": 700.0, "available_mb": 4076.0},
    ],
    ids=["swap_out", "stalls", "oom_kill", "major_faults"],
)
def test_each_sign_of_distress_vetoes_for_a_while(figures: dict[str, float]) -> None:
    guest = about_to_shrink(obeys=False, need=200.0)
    counters = {k: v for k, v in figures.items() if k not in ("usable_mb", "available_mb")}
    assert guest.step(**figures).memory_mb.code.startswith(("hold", "grow"))
    began = guest.now
    while guest.now - began < TUNING.veto - 2 * PERIOD:
        assert guest.step(**counters).memory_mb.wanted == 4096
        assert guest.step(**counters).memory_mb.vetoes
    assert TUNING.veto >= 60


def test_busy_vcpus_veto_for_a_while_and_do_not_keep_memory() -> None:
    guest = about_to_shrink(obeys=False)
    guest.cpu = 4.0
    decision = guest.step()
    assert "cpu_busy" in decision.vcpus.vetoes
    assert decision.memory_mb.code == "shrink.window"


@pytest.mark.parametrize("resource", ["vcpus", "memory_mb"])
def test_what_cannot_be_made_smaller_stays(resource: str) -> None:
    ranges = replace(RANGES, **{resource: replace(getattr(RANGES, resource), not_smaller="boot")})
    guest = Guest(size=LARGE, ranges=ranges)
    decision = guest.run(3 * TUNING.window)
    assert getattr(decision, resource).code == "hold.not_smaller"
    assert getattr(guest.size, resource) == getattr(LARGE, resource)
    assert guest.size != LARGE


def test_nothing_shrinks_below_what_a_person_has_asked_for() -> None:
    ranges = Ranges(Range(1, 4, held=3), Range(512, 4096, held=2000))
    guest = Guest(size=LARGE, ranges=ranges)
    decision = guest.run(3 * TUNING.window)
    assert guest.size.vcpus == 3
    assert 2000 <= guest.size.memory_mb <= 2200
    assert (decision.vcpus.code, decision.memory_mb.code) == ("hold.person", "hold.person")


def test_a_hold_below_the_need_does_not_matter() -> None:
    ranges = Ranges(Range(1, 4, held=1), Range(512, 4096, held=600))
    guest = Guest(size=LARGE, ranges=ranges)
    assert guest.run(3 * TUNING.window).memory_mb.code == "hold.needed"


def test_a_guest_that_does_not_give_is_asked_for_no_more() -> None:
    guest = about_to_shrink(obeys=False)
    decision = guest.step()
    guest.desired = decision.size
    for _ in range(200):
        decision = guest.step()
        assert decision.memory_mb.wanted == guest.desired.memory_mb
    assert decision.memory_mb.code == "hold.resizing"


def test_nothing_shrinks_soon_after_it_has_grown() -> None:
    guest = settled()
    guest.need = 2500.0
    guest.run(2 * PERIOD)
    grown = guest.now
    guest.need = 300.0
    guest.history = replace(
        guest.history,
        memory=replace(
            guest.history.memory,
            track=replace(guest.history.memory.track, peaks=guest.history.cpu.track.peaks),
        ),
    )
    decision = guest.step()
    assert decision.memory_mb.code == "hold.interval"
    decision = guest.run(TUNING.between)
    assert decision.memory_mb.code == "hold.settling"
    guest.until(shrinks)
    assert guest.now - grown >= TUNING.settle


def test_a_gap_within_the_dead_band_is_left() -> None:
    guest = Guest(size=Size(1, 700))
    decision = guest.run(3 * TUNING.window)
    assert guest.size == Size(1, 700)
    assert (decision.memory_mb.code, decision.memory_mb.floor) == ("hold.needed", 640)


def test_vcpus_that_wait_for_the_host_are_not_taken_away() -> None:
    guest = about_to_shrink(obeys=False)
    guest.delay_seconds += 0.5 * PERIOD
    assert guest.step().vcpus.code == "hold.cpu_delay"


def test_observing_recommends_the_same_step_again() -> None:
    guest = Guest(size=LARGE, obeys=False)
    guest.run(2 * TUNING.window)
    for _ in range(10):
        decision = guest.step()
        assert decision.size == Size(3, 4096 - 409)
        assert (decision.vcpus.floor, decision.memory_mb.floor) == (1, 640)


def test_need_includes_what_the_kernel_keeps() -> None:
    guest = Guest(size=LARGE)
    assert guest.step().memory_mb.need == 300 + KERNEL_MB
