# SPDX-License-Identifier: Apache-2.0
"""What holds for every guest, whatever its figures are."""

from __future__ import annotations

import math
import random
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.recommendation import Advice
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling import guests
from tests.unit.core.autoscaling.guests import PERIOD, START, Guest

SHORT = Tuning().shortened(120.0)
TUNINGS = st.sampled_from([SHORT, Tuning(), Tuning(window=86400.0), Tuning().shortened(20.0)])
NUMBERS = st.none() | st.floats() | st.floats(0, 1e5) | st.integers(-(10**30), 10**30)
COUNTS = st.none() | st.integers(-10, 10**30) | st.integers(0, 50)


@st.composite
def samples(draw: st.DrawFn) -> GuestSample:
    """Any sample, or one of a guest whose figures are nearly in order."""
    size = st.integers(-5, 10**9) | st.integers(1, 8)
    memory = st.integers(-5, 10**12) | st.integers(256, 8192)
    near = st.floats(START, START + 3600)
    return GuestSample(
        at=draw(near | st.floats() | st.floats(0, 1e10)),
        boot_id=draw(st.none() | st.integers(0, 2)),
        size=Size(draw(size), draw(memory)),
        desired=Size(draw(size), draw(memory)),
        cpu_seconds=draw(NUMBERS),
        delay_seconds=draw(NUMBERS),
        available_mb=draw(NUMBERS),
        usable_mb=draw(NUMBERS),
        cache_mb=draw(NUMBERS),
        swapped_in_mb=draw(NUMBERS),
        swapped_out_mb=draw(NUMBERS),
        major_faults=draw(COUNTS),
        oom_kills=draw(COUNTS),
        stalls=draw(COUNTS),
        reported_at=draw(st.none() | near | st.floats()),
        report_period=draw(st.floats() | st.sampled_from([0.0, 5.0, 1e6])),
        asked=draw(st.sampled_from([(), ("vcpus",), ("memory_mb",), ("vcpus", "memory_mb")])),
    )


@st.composite
def any_range(draw: st.DrawFn, most: int) -> Range:
    smallest = draw(st.integers(1, most))
    largest = draw(st.integers(smallest, most))
    return Range(
        smallest,
        largest,
        draw(st.integers(1, 7)),
        draw(st.integers(0, most)),
        draw(st.sampled_from(["", "", "", "blocked"])),
        draw(st.sampled_from(["", "", "", "pinned"])),
    )


RANGES = st.builds(Ranges, any_range(16), any_range(65536))


def is_within(advice: Advice, allowed: Range, desired: int) -> bool:
    """Whether an advice keeps the bounds, the hold, and what cannot be changed."""
    wanted = advice.wanted
    if allowed.blocked:
        return wanted == desired
    if wanted < allowed.smallest or wanted > max(allowed.largest, desired):
        return False
    if wanted < desired and (allowed.not_smaller or wanted < min(allowed.held, allowed.largest)):
        return False
    is_whole = wanted % allowed.step == 0 or wanted in (allowed.smallest, allowed.largest)
    return is_whole or wanted == desired


@settings(max_examples=200)
@given(st.lists(samples(), min_size=1, max_size=8), RANGES, TUNINGS, st.floats())
def test_nonsense_raises_nothing_and_breaks_no_bound(
    read: list[GuestSample], ranges: Ranges, tuning: Tuning, now: float
) -> None:
    history = EMPTY
    for sample in read:
        history = observed(history, sample, tuning)
        for when in (now, sample.at):
            decision = recommend(history, ranges, tuning, when)
            last = history.last
            if last is None:
                assert decision.vcpus.code == decision.memory_mb.code == "hold.no_sample"
                continue
            assert is_within(decision.vcpus, ranges.vcpus, last.desired.vcpus)
            assert is_within(decision.memory_mb, ranges.memory_mb, last.desired.memory_mb)
            for advice in (decision.vcpus, decision.memory_mb):
                assert advice.reason
                assert advice.need is None or math.isfinite(advice.need)
                assert advice.code.startswith(("grow.", "shrink.", "hold."))


def before_a_shrink() -> History:
    """The history of an idle guest of 4 vCPUs and 4096 MiB that may shrink with its next sample."""
    guest = Guest(size=Size(4, 4096), tuning=SHORT)
    guest.step(usable_mb=None)
    guest.run(SHORT.window)
    assert not guest.changes
    return guest.history


BEFORE = before_a_shrink()
CPU_FIGURES = ["cpu_seconds", "delay_seconds"]
MEMORY_FIGURES = ["available_mb", "usable_mb", "swapped_out_mb", "reported_at"]


def next_sample(**other: Any) -> GuestSample:
    """The sample after which the guest of `BEFORE` shrinks, with other figures."""
    last = BEFORE.last
    assert last is not None
    assert last.cpu_seconds is not None
    later = {
        "at": last.at + PERIOD,
        "reported_at": last.at + PERIOD,
        "cpu_seconds": last.cpu_seconds + 0.5,
    }
    return replace(last, **{**later, **other})


def decided(history: History, sample: GuestSample) -> tuple[Advice, Advice]:
    decision = recommend(observed(history, sample, SHORT), guests.RANGES, SHORT, sample.at)
    return decision.vcpus, decision.memory_mb


def test_the_guest_of_these_tests_shrinks_otherwise() -> None:
    vcpus, memory = decided(BEFORE, next_sample())
    assert (vcpus.code, memory.code) == ("shrink.window", "shrink.window")


NONSENSE = st.sampled_from([None, math.nan, math.inf, -math.inf, -1.0, 1e300])


@given(st.dictionaries(st.sampled_from(MEMORY_FIGURES), NONSENSE, min_size=1))
def test_missing_figures_of_memory_shrink_no_memory(other: dict[str, Any]) -> None:
    vcpus, memory = decided(BEFORE, next_sample(**other))
    assert memory.wanted == 4096
    assert vcpus.code == "shrink.window"


@given(st.dictionaries(st.sampled_from(CPU_FIGURES), NONSENSE, min_size=1))
def test_missing_figures_of_cpu_shrink_no_vcpus(other: dict[str, Any]) -> None:
    vcpus, memory = decided(BEFORE, next_sample(**other))
    assert vcpus.wanted == 4
    assert memory.code == "shrink.window"


FIGURES = [f.name for f in fields(GuestSample) if f.default is None]


@given(st.lists(st.sampled_from(FIGURES), min_size=1))
def test_fewer_figures_never_mean_a_smaller_size(names: list[str]) -> None:
    whole = decided(BEFORE, next_sample())
    fewer = decided(BEFORE, next_sample(**dict.fromkeys(names)))
    for more, less in zip(fewer, whole, strict=True):
        assert more.wanted >= less.wanted


@given(
    st.floats(0, 4076), st.floats(0, 4076), st.floats(0, 20), st.floats(0, 20),
    st.floats(0, 500), st.floats(0, 500), st.sampled_from(["idle", "small"]),
)  # fmt: skip
def test_more_need_never_means_a_smaller_size(
    need: float, more_need: float, cpu: float, more_cpu: float, out: float, more_out: float,
    start: str,
) -> None:  # fmt: skip
    if start == "idle":
        history = BEFORE
    else:
        guest = Guest(size=Size(4, 4096), cpu=2.0, need=2800.0)
        guest.run(60)
        history = guest.history
    last = history.last
    assert last is not None
    assert last.cpu_seconds is not None

    def sample(need: float, cpu: float, out: float) -> GuestSample:
        at = last.at + PERIOD
        return replace(
            last, at=at, reported_at=at, usable_mb=4076 - need, cpu_seconds=last.cpu_seconds + cpu,
            cache_mb=0.0, swapped_out_mb=out,
        )  # fmt: skip

    low = decided(history, sample(min(need, more_need), min(cpu, more_cpu), min(out, more_out)))
    high = decided(history, sample(max(need, more_need), max(cpu, more_cpu), max(out, more_out)))
    for less, more in zip(low, high, strict=True):
        assert more.wanted >= less.wanted


def reversals(guest: Guest, start: Size) -> list[tuple[float, str]]:
    """Each change of direction of a resource, with the seconds since the change before."""
    found = []
    for name in ("vcpus", "memory_mb"):
        sizes = [(at, getattr(size, name)) for at, size in [(START, start), *guest.changes]]
        moves = [
            (at, after > before) for (_, before), (at, after) in pairwise(sizes) if after != before
        ]
        for (before_at, grew), (at, grows) in pairwise(moves):
            if grew is not grows:
                found.append((at - before_at, f"{name} {'grows' if grows else 'shrinks'}"))
    return found


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 3900), st.floats(0, 5), st.integers(1, 4), st.integers(512, 4096))
def test_a_constant_load_makes_no_flap(need: float, cpu: float, vcpus: int, mb: int) -> None:
    guest = Guest(size=Size(vcpus, mb), need=need, cpu=cpu, tuning=SHORT)
    guest.run(15 * SHORT.window)
    rest = guest.size
    # A growth beyond the need is given back once at most, and a shrink is never taken back.
    found = [what for _, what in reversals(guest, Size(vcpus, mb))]
    assert found in (
        [],
        ["vcpus shrinks"],
        ["memory_mb shrinks"],
        ["vcpus shrinks", "memory_mb shrinks"],
    )
    guest.run(10 * SHORT.window)
    assert guest.size == rest


@settings(max_examples=25, deadline=None)
@given(
    st.floats(100, 3500), st.floats(0, 1800), st.floats(0.1, 4), st.floats(0, 2),
    st.floats(10, 60), st.floats(0, 6.3),
)  # fmt: skip
def test_a_load_that_varies_slowly_makes_no_flap(
    need: float, swing: float, cpu: float, cpu_swing: float, windows: float, phase: float
) -> None:
    guest = Guest(size=Size(2, 2048), tuning=SHORT)
    period = windows * SHORT.window
    for _ in range(int(60 * SHORT.window / PERIOD)):
        wave = math.sin(2 * math.pi * guest.now / period + phase)
        guest.need = max(50.0, min(3900.0, need + swing * wave))
        guest.cpu = max(0.0, cpu + cpu_swing * wave)
        guest.step()
    found = reversals(guest, Size(2, 2048))
    # A growth waits for nothing, so it may follow a shrink soon when the load turns.
    assert all(seconds >= SHORT.settle for seconds, what in found if "shrinks" in what)
    assert all(seconds >= SHORT.between for seconds, _ in found)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(100, 3000), st.floats(0, 600))
def test_noise_makes_no_flap(seed: int, need: float, noise: float) -> None:
    chance = random.Random(seed)
    guest = Guest(size=Size(2, 2048), tuning=SHORT)
    for _ in range(int(15 * SHORT.window / PERIOD)):
        guest.need = need + noise * chance.random()
        guest.cpu = 2 * chance.random()
        guest.step()
    found = [
        (seconds, what) for seconds, what in reversals(guest, Size(2, 2048)) if "shrinks" in what
    ]
    assert all(seconds >= SHORT.settle for seconds, _ in found)
