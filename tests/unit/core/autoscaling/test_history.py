# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a guest: enough, not too much, and the same after a restart."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.history import EMPTY, observed
from nova_xloud.core.autoscaling.peaks import BUCKETS, Peaks
from nova_xloud.core.autoscaling.settings import Profile
from nova_xloud.core.autoscaling.tuning import TUNINGS, Tuning
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import PERIOD, TUNING, Guest, shrinks


def deep_size(value: Any, seen: set[int]) -> int:
    """Bytes of a value with all that it refers to, each object once."""
    if id(value) in seen or value is None or isinstance(value, bool | type):
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, tuple):
        return size + sum(deep_size(item, seen) for item in value)
    if dataclasses.is_dataclass(value):
        items = (getattr(value, f.name) for f in dataclasses.fields(value))
        return size + sum(deep_size(item, seen) for item in items)
    return size


LOADS: dict[str, Callable[[int], float]] = {
    "constant": lambda _: 500.0,
    "random": lambda step: random.Random(step).uniform(100, 3000),
    "falling, the worst case": lambda step: 3500 - step / 6,
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
@pytest.mark.parametrize("profile", Profile, ids=str)
def test_a_history_takes_a_few_kib(profile: Profile, load: Callable[[int], float]) -> None:
    tuning = TUNINGS[profile]
    guest = Guest(tuning=tuning, obeys=False)
    largest = 0
    for step in range(300):
        guest.need, guest.cpu = load(60 * step), load(60 * step) / 1000
        guest.desired = Size(1 + step % 2, 1024)
        guest.step(tuning.window / 250)
        largest = max(largest, deep_size(guest.history, set()))
    # 5.5 KiB were measured in the worst case, and 2.5 KiB of a constant load.
    assert largest < 8 * 1024
    assert len(guest.history.memory.track.peaks.values) <= BUCKETS + 1


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 1000)), min_size=1, max_size=200),
    st.floats(0, 300),
)
def test_the_highest_value_is_that_of_the_window(
    steps: list[tuple[float, float]], later: float
) -> None:
    window = 320.0
    peaks, at, values = Peaks(window / BUCKETS), 1e9, []
    for pause, value in steps:
        at += pause
        peaks = peaks.added(at, value)
        values.append((at, value))
        assert list(peaks.values) == sorted(set(peaks.values), reverse=True)
    now = at + later
    highest = peaks.highest(now)
    within = [value for when, value in values if now - when <= window]
    nearly = [value for when, value in values if now - when <= window + peaks.width]
    assert highest is None or highest in nearly
    if within:
        assert highest is not None
        assert max(within) <= highest <= max(nearly)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 1000)), min_size=1, max_size=60))
def test_a_longer_window_forgets_nothing(steps: list[tuple[float, float]]) -> None:
    peaks, at = Peaks(320.0 / BUCKETS), 1e9
    for pause, value in steps:
        at += pause
        peaks = peaks.added(at, value)
    for window in (320.0, 321.0, 5000.0):
        again = peaks.rebucketed(window)
        assert again.width == window / BUCKETS
        assert again.highest(at) == peaks.highest(at)
    shorter = peaks.rebucketed(100.0).highest(at)
    assert shorter is not None
    assert shorter >= steps[-1][1]


def test_no_window_has_no_highest_value() -> None:
    assert Peaks().highest(1e9) is None
    assert Peaks(10.0).highest(1e9) is None


def test_a_longer_window_is_covered_from_what_is_remembered_on() -> None:
    guest = Guest(tuning=TUNING)
    guest.run(5 * TUNING.window)
    guest.tuning = Tuning()
    guest.step()
    since = guest.history.memory.track.since
    assert since == guest.now - TUNING.window
    assert guest.history.memory.track.peaks.width == Tuning().window / BUCKETS


def test_a_shorter_window_stays_covered() -> None:
    guest = Guest(size=Size(4, 4096), tuning=TUNING)
    guest.run(TUNING.window)
    guest.tuning = TUNING.shortened(120.0)
    guest.step()
    assert guest.size == Size(3, 4096 - 409)


def test_an_older_sample_changes_nothing() -> None:
    guest = Guest()
    guest.run(60)
    for at in (guest.now, guest.now - 1, guest.now - 59, float("nan"), float("inf"), -1.0):
        assert observed(guest.history, guest.sample(at=at), TUNING) is guest.history


def test_a_clock_that_was_set_back_starts_the_window_again() -> None:
    guest = Guest(size=Size(4, 4096), need=1500.0)
    guest.run(TUNING.window)
    guest.now -= 86400.0
    guest.need = 300.0
    began = guest.now
    guest.step()
    assert guest.history.memory.track.peaks.highest(guest.now) == 1520
    guest.until(shrinks)
    assert guest.now - began >= TUNING.window
    guest.run(3 * TUNING.window)
    assert guest.size.vcpus == 1


def test_a_clock_that_was_set_back_forgets_no_learned_floor() -> None:
    guest = Guest(size=Size(4, 4096))
    guest.until(shrinks)
    guest.step()
    guest.swapped_out_mb = 100.0
    guest.step()
    guest.step()
    assert guest.history.memory.track.learned == 4096
    guest.now -= 86400.0
    guest.step()
    assert guest.history.memory.track.learned == 4096
    assert guest.history.memory.track.learned_at <= guest.now
    assert guest.history.changes
    assert max(guest.history.changes) <= guest.now


def test_a_clock_of_nonsense_heals() -> None:
    guest = Guest(size=Size(4, 4096))
    guest.run(60)
    sane = guest.now
    guest.now = 1e11
    guest.step()
    guest.now = sane
    guest.run(4 * TUNING.window)
    assert guest.size == Size(1, 640)


@given(st.integers(0, 2**32), st.integers(0, 300))
def test_the_same_samples_make_the_same_history(seed: int, cut: int) -> None:
    chance, guest, read = random.Random(seed), Guest(tuning=TUNING.shortened(100.0)), []
    for _ in range(60):
        guest.need, guest.cpu = chance.uniform(50, 3500), chance.uniform(0, 5)
        guest.boot_id += chance.random() < 0.05
        guest.step(chance.choice([PERIOD, PERIOD, 40.0]))
        read.append(guest.history.last)
    history = EMPTY
    for sample in read:
        assert sample is not None
        history = observed(history, sample, guest.tuning)
    assert history == guest.history


def test_changes_that_are_remembered_are_few() -> None:
    guest = Guest(obeys=False)
    for step in range(100):
        guest.desired = Size(1 + step % 2, 1024)
        guest.step()
    assert len(guest.history.changes) == 32
    assert max(tuning.changes for tuning in TUNINGS.values()) <= 32


@pytest.mark.parametrize("window", [20.0, 60.0, 600.0, 1e6])
def test_shorter_times_keep_the_rules(window: float) -> None:
    usual = Tuning()
    short = usual.shortened(window)
    assert short.window == window
    for name in ("between", "settle", "probation", "veto", "half_life", "boot_settle"):
        assert 0 < getattr(short, name) <= getattr(usual, name)
    assert replace(
        short,
        **{
            name: getattr(usual, name)
            for name in (
                "window", "between", "settle", "probation", "veto", "half_life", "boot_settle",
                "changes_period",
            )
        },
    ) == usual  # fmt: skip
