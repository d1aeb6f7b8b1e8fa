# SPDX-License-Identifier: Apache-2.0
"""The real policy of many guests with the real arbitration of one host."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest

from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.fleet import LARGEST, SMALLEST, Fleet, Member

WINDOW = 600.0
QUIET = (0.3, 900.0)
GREEDY = (9.0, 9000.0)


def _changes(sizes: list[Size]) -> int:
    return sum(1 for before, after in itertools.pairwise(sizes) if before != after)


def _always(cores: float, need: float) -> Callable[[float], tuple[float, float]]:
    return lambda now: (cores, need)


def _later(at: float, cores: float, need: float) -> Callable[[float], tuple[float, float]]:
    return lambda now: (cores, need) if now >= at else QUIET


def test_two_guests_share_the_last_of_a_host_by_weight() -> None:
    fleet = Fleet(Size(8, 7000))
    light = fleet.add("light", _later(300, *GREEDY), weight=100)
    heavy = fleet.add("heavy", _later(300, *GREEDY), weight=400)
    quiet = fleet.add("quiet", _always(*QUIET))
    fleet.run(290)
    before = [one.desired.memory_mb for one in (light, heavy)]
    for _ in range(340):
        fleet.round()
        assert fleet.capacity.covers(fleet.used())
    assert quiet.desired.memory_mb >= 920
    # What they have got while all were alike stays; the rest, and what the quiet one gives, is
    # shared.
    more = [one.desired.memory_mb - had for one, had in zip((light, heavy), before, strict=True)]
    assert more[1] > 2 * more[0] > 0
    assert heavy.desired.vcpus > light.desired.vcpus
    assert fleet.refused == 0


def test_idle_guest_gives_back_before_anybody_goes_short() -> None:
    fleet = Fleet(Size(8, 6000))
    was_busy = fleet.add("was busy", lambda now: (3.5, 3500.0) if now < 300 else QUIET)
    comes = fleet.add("comes", _later(5 * WINDOW, 2.0, 2500.0))
    fleet.run(5 * WINDOW)
    assert was_busy.desired.memory_mb < 1500
    fleet.run(2 * WINDOW)
    assert comes.desired.covers(Size(3, 2520))
    assert was_busy.short_mb < 10 * 4096


def test_greedy_guests_take_nothing_that_others_need() -> None:
    fleet = Fleet(Size(9, 8000))
    quiet = [fleet.add(f"quiet{n}", _always(0.3, 700.0 + 100 * n), weight=1) for n in range(4)]
    fleet.run(3 * WINDOW)
    before = [(one.short_mb, one.short_cores) for one in quiet]
    for n in range(3):
        fleet.add(f"greedy{n}", _always(*GREEDY), weight=1000)
    fleet.run(6 * WINDOW)
    assert [(one.short_mb, one.short_cores) for one in quiet] == before
    assert fleet.used().memory_mb > 0.95 * fleet.capacity.memory_mb


def test_stuck_guest_keeps_nobody_from_growing_into_what_is_free() -> None:
    fleet = Fleet(Size(8, 8000))
    stuck = fleet.add("stuck", lambda now: (2.0, 3000.0) if now < 300 else QUIET)
    fleet.run(400)
    stuck.is_stuck = True
    comes = fleet.add("comes", _later(500, 2.0, 2500.0))
    fleet.run(4 * WINDOW)
    assert stuck.guest.size.memory_mb > 3000
    assert stuck.reserved.covers(stuck.guest.size)
    assert comes.desired.covers(Size(3, 2520))


def _wave(rng: random.Random) -> Callable[[float], tuple[float, float]]:
    base, swing, phase = rng.uniform(100, 1500), rng.uniform(0, 2500), rng.uniform(0, 6)
    period, cores = rng.choice((1800, 3600, 7200)), rng.uniform(0, 4)

    def demand(now: float) -> tuple[float, float]:
        share = (1 + math.sin(2 * math.pi * now / period + phase)) / 2
        return cores * share, base + swing * share * rng.uniform(0.95, 1.0)

    return demand


@pytest.mark.parametrize("seed", range(4))
def test_host_is_never_oversold_whatever_is_wanted(seed: int) -> None:
    rng = random.Random(seed)
    fleet = Fleet(Size(rng.randint(8, 20), rng.randint(5000, 20_000)))
    for n in range(8):
        fleet.add(f"guest{n}", _wave(rng), weight=rng.choice((1, 100, 1000)))
    for number in range(500):
        if rng.random() < 0.02:
            one = rng.choice(fleet.members)
            one.is_stuck = not one.is_stuck
        if number == 250:
            fleet.members.pop()
        fleet.round()
        _check(fleet)


def _check(fleet: Fleet) -> None:
    assert fleet.capacity.covers(fleet.used())
    assert fleet.refused == 0
    for one in fleet.members:
        assert one.reserved.covers(one.guest.size)
        assert one.desired.covers(SMALLEST)
        assert LARGEST.covers(one.desired)


def test_quiet_guests_on_a_full_host_come_to_rest() -> None:
    fleet = Fleet(Size(8, 7000))
    rng = random.Random(7)

    def steady(need: float) -> Callable[[float], tuple[float, float]]:
        return lambda now: (0.3, need * rng.uniform(0.98, 1.02))

    quiet = [fleet.add(f"quiet{n}", steady(600.0 + 150 * n)) for n in range(4)]
    fleet.add("greedy", _always(*GREEDY))
    fleet.run(20 * WINDOW)
    late = [_late_changes(one) for one in quiet]
    assert max(late) <= 2, late


def _late_changes(one: Member) -> int:
    return _changes(one.sizes[len(one.sizes) // 2 :])
