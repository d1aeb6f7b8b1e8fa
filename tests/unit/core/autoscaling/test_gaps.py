# SPDX-License-Identifier: Apache-2.0
"""For how long the need must be known before an instance is made smaller."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.history import History
from nova_xloud.core.autoscaling.journal import Checkpoint, decode, encode
from nova_xloud.core.autoscaling.track import UNKNOWN_SHARE
from nova_xloud.core.autoscaling.tuning import Tuning
from tests.unit.core.autoscaling.guests import (
    LARGE,
    PERIOD,
    TUNING,
    Guest,
    about_to_shrink,
    settled,
    shrinks,
)

SILENT = {"usable_mb": None, "cpu_seconds": None}


@pytest.mark.parametrize("days", [1, 30])
def test_a_gap_starts_the_window_again(days: int) -> None:
    guest = about_to_shrink()
    guest.now += days * 86400
    began = guest.now
    guest.step()
    guest.until(shrinks)
    assert guest.now - began >= TUNING.window


def test_a_short_gap_does_not() -> None:
    guest = about_to_shrink()
    guest.now += TUNING.window / 10
    guest.run(2 * PERIOD)
    assert guest.changes


def test_few_samples_with_figures_are_no_whole_window() -> None:
    guest, tuning = Guest(size=LARGE), TUNING
    every = int(tuning.window * UNKNOWN_SHARE / PERIOD)
    for number in range(4 * int(tuning.window / PERIOD)):
        assert not shrinks(guest.step(**({} if number % every == 0 else SILENT)))


def test_samples_that_come_seldom_are_no_whole_window() -> None:
    guest = Guest(size=LARGE, tuning=Tuning())
    for _ in range(40):
        assert not shrinks(guest.step(guest.tuning.window * UNKNOWN_SHARE))


def test_samples_at_the_longest_interval_of_the_option_cover_a_window() -> None:
    guest = Guest(size=LARGE, tuning=Tuning(interval=300.0))
    assert any(shrinks(guest.step(300.0)) for _ in range(100))


@pytest.mark.parametrize(
    ("interval", "window"), [(60.0, 300.0), (60.0, 480.0), (120.0, 900.0), (300.0, 1800.0)]
)
def test_window_of_a_few_intervals_is_covered_by_samples_in_time(
    interval: float, window: float
) -> None:
    tuning = replace(Tuning(), interval=interval).with_options(window, 12)
    guest = Guest(size=LARGE, tuning=tuning)
    began = guest.now
    for _ in range(200):
        guest.step(interval)
        if guest.changes:
            break
    assert guest.changes, guest.step(interval).memory_mb.reason
    assert guest.changes[0][0] - began >= window


def test_sample_that_is_missing_starts_a_window_of_a_few_intervals_again() -> None:
    tuning = replace(Tuning(), interval=60.0).with_options(300.0, 12)
    guest = Guest(size=LARGE, tuning=tuning)
    for _ in range(4):
        guest.step(60.0)
    guest.step(60.0, **SILENT)
    began = guest.now
    for _ in range(4):
        guest.step(60.0)
    assert guest.history.memory.track.since is not None
    assert guest.history.memory.track.since > began


def test_known_time_makes_up_for_a_gap() -> None:
    guest, gap = settled(size=LARGE), TUNING.window / 10
    since = guest.history.memory.track.since
    for _ in range(5):
        guest.run(gap, **SILENT)
        guest.run(gap / UNKNOWN_SHARE)
        assert guest.history.memory.track.since == since


def test_gaps_one_soon_after_the_other_start_the_window_again() -> None:
    guest, gap = settled(size=LARGE), TUNING.window / 10
    since = guest.history.memory.track.since
    assert since is not None
    for _ in range(2):
        guest.run(gap, **SILENT)
        guest.run(2 * PERIOD)
    began = guest.history.memory.track.since
    assert began is not None
    assert began > since
    assert guest.history.memory.track.unknown_for == 0


def test_a_checkpoint_of_before_gaps_were_summed_is_read() -> None:
    history = about_to_shrink().history
    line = encode(Checkpoint("one", history))
    assert "unknown_for" not in line
    assert decode(line) == Checkpoint("one", history)


def test_a_checkpoint_has_the_time_that_was_unknown() -> None:
    guest = settled(size=LARGE)
    guest.run(6 * PERIOD, **SILENT)
    read = decode(encode(Checkpoint("one", guest.history)))
    assert isinstance(read, Checkpoint)
    assert _unknown_for(read.history) == _unknown_for(guest.history) == 6 * PERIOD


def _unknown_for(history: History) -> float:
    return history.memory.track.unknown_for


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 40)), min_size=1, max_size=30))
def test_nothing_shrinks_if_much_of_the_window_is_unknown(spans: list[tuple[int, int]]) -> None:
    """Of the window before a shrink no more than two ninths are unknown: see UNKNOWN_SHARE."""
    guest, known = Guest(size=LARGE, obeys=False), list[bool]()
    steps = int(TUNING.window / PERIOD)
    for unknown_steps, known_steps in spans:
        for is_known in [False] * unknown_steps + [True] * known_steps:
            decision = guest.step(**({} if is_known else SILENT))
            known.append(is_known)
            if decision.memory_mb.code.startswith("shrink"):
                assert known[-steps:].count(False) <= 2 * steps / 9 + 1
