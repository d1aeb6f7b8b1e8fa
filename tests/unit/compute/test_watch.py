# SPDX-License-Identifier: Apache-2.0
"""Which balloon drivers report: judged by who has watched, and never by the host's calendar."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.compute.watch import Watch
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, ManualClock, Timing

NAME = "b1a5"
# One reading each 5 s of a driver that is asked each 10 s: 40 s of silence are too long.
READING = DomainReading(True, False, 8, 4, 2, 4096, 2048, boot_id=7, stats_period=10, stats_at=1000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def watch(clock: ManualClock) -> Watch:
    return Watch(clock.now)


def watched(
    watch: Watch, clock: ManualClock, seconds: float, reading: DomainReading = READING
) -> bool | None:
    """What is known after reading it each 5 s for so long."""
    known = watch.judged(NAME, reading).balloon_driver
    for _ in range(int(seconds / 5)):
        clock.advance(5)
        known = watch.judged(NAME, reading).balloon_driver
    return known


@pytest.mark.parametrize("first", [True, None])
def test_one_reading_says_what_it_says_and_never_no(watch: Watch, first: bool | None) -> None:
    assert watch.judged(NAME, replace(READING, balloon_driver=first)).balloon_driver is first


@pytest.mark.parametrize("stats_at", [None, 1000])
def test_driver_that_is_silent_for_long_enough_does_not_report(
    watch: Watch, clock: ManualClock, stats_at: int | None
) -> None:
    reading = replace(READING, stats_at=stats_at)
    assert watched(watch, clock, 35, reading) is None
    assert watched(watch, clock, 5, reading) is False
    # Whatever the host's clock makes of what it said before.
    assert watched(watch, clock, 5, replace(reading, balloon_driver=True)) is False


@pytest.mark.parametrize("at", [1010, 1001, 5, 2_000_000_000], ids=str)
def test_a_report_is_one_whatever_the_hosts_clock_was_set_to(
    watch: Watch, clock: ManualClock, at: int
) -> None:
    watched(watch, clock, 60)
    assert watch.judged(NAME, replace(READING, stats_at=at)).balloon_driver is True
    assert watched(watch, clock, 35, replace(READING, stats_at=at)) is True


@pytest.mark.parametrize(
    "change",
    [{"boot_id": 8}, {"stats_at": None}, {"paused": True}],
    ids=["started anew", "reset itself", "paused"],
)
def test_after_a_change_it_is_watched_anew(
    watch: Watch, clock: ManualClock, change: dict[str, object]
) -> None:
    assert watched(watch, clock, 60) is False
    changed = replace(READING, **change)  # type: ignore[arg-type]
    assert watch.judged(NAME, changed).balloon_driver is not False
    if not changed.paused:
        assert watched(watch, clock, 30, changed) is None
    assert watched(watch, clock, 30, replace(changed, paused=False)) in (None, False)


def test_a_guest_that_goes_on_has_time_for_its_first_report(
    watch: Watch, clock: ManualClock
) -> None:
    watch.judged(NAME, READING)
    for _ in range(60):
        clock.advance(5)
        assert watch.judged(NAME, replace(READING, paused=True)).balloon_driver is True
    assert watched(watch, clock, 35) is None


def test_what_nova_has_done_to_it_begins_anew(watch: Watch, clock: ManualClock) -> None:
    assert watched(watch, clock, 60) is False
    watch.changed(NAME)
    assert watched(watch, clock, 35) is None


def test_between_two_readings_far_apart_it_was_not_watched(
    watch: Watch, clock: ManualClock
) -> None:
    # Somebody beside Nova may have paused it and let it go on just now.
    watch.judged(NAME, READING)
    clock.advance(3600)
    assert watch.judged(NAME, READING).balloon_driver is None
    clock.advance(3600)
    assert watch.judged(NAME, READING).balloon_driver is False


def test_driver_without_a_statistics_period_is_not_judged(watch: Watch, clock: ManualClock) -> None:
    reading = replace(READING, stats_period=0, stats_at=None)
    assert watched(watch, clock, 600, reading) is None


def test_who_has_left_is_forgotten(watch: Watch, clock: ManualClock) -> None:
    assert watched(watch, clock, 60) is False
    watch.forget_others({"another"})
    assert watched(watch, clock, 5) is None


def test_silence_is_of_one_that_has_reported_before(watch: Watch, clock: ManualClock) -> None:
    spoke = DomainStats(True, 4, 2048, 7, max_memory_mb=4096, stats_at=1000)
    never = replace(spoke, memory_confirmed=False, stats_at=None)
    for stats, silence in ((spoke, 120.0), (never, 0.0), (replace(spoke, paused=True), 0.0)):
        watch.changed(NAME)
        for _ in range(5):
            seconds = watch.silence(NAME, stats)
            clock.advance(30)
        assert seconds == silence
    # A busy domain says nothing of it.
    watch.changed(NAME)
    watch.silence(NAME, spoke)
    clock.advance(30)
    assert watch.silence(NAME, replace(spoke, stats_at=None)) == 0
    clock.advance(30)
    assert watch.silence(NAME, spoke) == 30


@pytest.mark.parametrize("step", [-7200, -1, 1, 7200])
def test_a_guest_that_reports_while_the_clock_of_its_host_steps(
    watch: Watch, clock: ManualClock, step: float
) -> None:
    timing = Timing(stats_seconds=10)
    guest = FakeGuest(FakeGuest.size(8, 2, 4096, 1024), timing=timing, clock=clock)
    guest.start()
    known = set()
    for second in range(0, 300, 5):
        if second == 100:
            clock.step(step)
        clock.advance(5)
        known.add(watch.judged(NAME, FakeDomain(guest).read()).balloon_driver)
    assert False not in known
    guest.behaviour = Behaviour.NO_BALLOON_DRIVER
    for _ in range(12):
        clock.advance(5)
        last = watch.judged(NAME, FakeDomain(guest).read()).balloon_driver
    assert last is False
