# SPDX-License-Identifier: Apache-2.0
"""While a guest shrinks its statistics are asked for every second, and after it as before."""

from __future__ import annotations

from typing import NoReturn

import pytest

from nova_xloud.core.convergence import drift
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainCallFailed, GuestRefused
from nova_xloud.testing import FakeDomain, Timing
from tests.unit.compute.rig import Killed, Rig

RARELY = Timing(balloon_rate=1e9, stats_seconds=10)
SET = "set_statistics_period"


def small(**options: object) -> Rig:
    """It is asked every 10 s, has 2048 MiB, and can have 1024."""
    return Rig(timing=RARELY, **options)  # type: ignore[arg-type]


def test_often_while_it_shrinks_and_then_as_before() -> None:
    rig = small()
    assert rig.adjust(memory_mb=1024).converged
    assert rig.told(SET) == [1, 10]
    assert rig.effects.index(SET) < rig.effects.index("set_memory", rig.effects.index(SET))
    # Before the claim is released and the end is written: who is killed here is followed.
    assert rig.effects[-3:] == [SET, "claim", "record"]
    assert FakeDomain(rig.guest).read().stats_period == 10


@pytest.mark.parametrize("size", [{"memory_mb": 3072}, {"vcpus": 6}, {"vcpus": 2}])
def test_not_for_anything_else(size: dict[str, int]) -> None:
    rig = small()
    assert rig.adjust(**size).converged
    assert rig.told(SET) == []


def test_not_where_it_is_asked_every_second_anyway() -> None:
    rig = Rig(timing=Timing(stats_seconds=1))
    assert rig.adjust(memory_mb=1024).converged
    assert rig.told(SET) == []


def test_not_with_force_which_waits_for_no_statistics() -> None:
    rig = small()
    assert rig.adjust(memory_mb=1024, force=True).converged
    assert rig.told(SET) == []


def test_not_while_it_is_paused() -> None:
    rig = small()
    rig.guest.pause()
    assert rig.adjust(memory_mb=1024).deferred
    assert rig.told(SET) == []


def test_a_guest_that_refuses_is_asked_as_before_too() -> None:
    rig = small()
    rig.guest.uses_kib = 2000 * 1024
    with pytest.raises(GuestRefused):
        rig.adjust(memory_mb=1024)
    assert rig.told(SET)[-1] == 10
    assert FakeDomain(rig.guest).read().stats_period == 10


def test_where_libvirt_refuses_it_shrinks_all_the_same() -> None:
    rig = small()

    def refuse() -> NoReturn:
        raise DomainCallFailed("setMemoryStatsPeriod: an example")

    rig.before[SET] = refuse
    assert rig.adjust(memory_mb=1024).converged
    assert rig.size == Size(4, 1024)


def test_what_a_crash_leaves_is_put_right_by_whoever_comes_next() -> None:
    kills = 0
    for point in range(40):
        rig = small()
        rig.kill_at = point
        try:
            rig.adjust(memory_mb=1024)
            break
        except Killed:
            kills += 1
        rig.kill_at = None
        rig.converge()
        assert FakeDomain(rig.guest).read().stats_period == 10
    assert 10 < kills < 40


def test_a_pass_finds_one_that_is_still_asked_often() -> None:
    rig = small()
    assert rig.adjust(memory_mb=1024).converged
    rig.guest.set_statistics_period(1)
    stats = FakeDomain(rig.guest).stats()
    found = drift.find_drift(rig.record.desired, rig.size, rig.claims.size, stats, booting=False)
    assert found is not None
    assert (found.code, found.urgent) == (drift.ASKED_OFTEN, False)
    assert rig.converge().converged
    assert rig.told(SET)[-1] == 10


def test_what_somebody_has_set_by_hand_stays() -> None:
    rig = small()
    rig.guest.set_statistics_period(5)
    assert rig.adjust(memory_mb=3072).converged
    assert FakeDomain(rig.guest).read().stats_period == 5
    assert not FakeDomain(rig.guest).stats().asked_often


def test_a_guest_that_resets_itself_is_asked_as_often_as_before() -> None:
    rig = small()
    rig.guest.set_statistics_period(1)
    rig.guest.reset()
    rig.clock.advance(30)
    before = FakeDomain(rig.guest).read().stats_at or 0
    rig.clock.advance(2)
    assert (FakeDomain(rig.guest).read().stats_at or 0) > before


def test_a_guest_that_is_asked_often_has_as_long_to_answer_as_ever() -> None:
    rig = small()
    rig.guest.set_statistics_period(1)
    often = FakeDomain(rig.guest).read()
    assert (often.stats_period, often.reports_within) == (1, 40)
