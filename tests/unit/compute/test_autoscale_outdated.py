# SPDX-License-Identifier: Apache-2.0
"""A shrink that waited for its turn is dropped if it is old, or is not decided any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_xloud.core.size import Size
from tests.unit.compute.autoscale_rig import INTERVAL, OPTIONS, ScaledHost
from tests.unit.compute.rig import MAXIMUM

WINDOW = OPTIONS.__class__(window=300.0)


# What the guest of these tests has when it is about to shrink, and is to have then.
BEFORE, AFTER = Size(8, 3278), Size(7, 2869)


def about_to_shrink() -> tuple[ScaledHost, Callable[[], None]]:
    """Return a host whose idle guest is to shrink, and what makes that request.

    The threads that make requests are all busy.
    """
    host = ScaledHost(now=MAXIMUM, options=WINDOW)
    host.until(lambda: host.desired == BEFORE, rounds=300)
    host.pool.held = []
    host.until(lambda: bool(host.pool.held))
    (act,) = host.pool.held
    host.pool.held = None
    return host, act


def test_shrink_that_is_decided_now_is_carried_out() -> None:
    host, act = about_to_shrink()
    act()
    assert host.desired == AFTER


def test_shrink_that_each_round_still_decides_is_carried_out() -> None:
    host, act = about_to_shrink()
    host.round(30)
    act()
    assert host.desired == AFTER


def test_shrink_older_than_two_intervals_is_dropped() -> None:
    host, act = about_to_shrink()
    host.clock.advance(2 * INTERVAL + 1)
    act()
    assert host.desired == BEFORE


def test_shrink_is_dropped_once_the_guest_cannot_be_read() -> None:
    host, act = about_to_shrink()
    host.rigs["a"].guest.pause()
    host.round(3)
    host.rigs["a"].guest.resume()
    act()
    assert host.desired == BEFORE


def test_memory_that_is_needed_by_now_is_not_taken() -> None:
    host, act = about_to_shrink()
    host.rigs["a"].guest.uses_kib = 3000 * 1024
    host.round(4)
    act()
    assert host.desired.memory_mb >= BEFORE.memory_mb


def test_vcpus_that_are_busy_by_now_are_not_taken() -> None:
    host, act = about_to_shrink()
    host.rigs["a"].guest.work(8)
    host.round(4)
    act()
    assert host.desired.vcpus == BEFORE.vcpus


def test_vcpus_shrink_though_the_memory_is_needed_by_now() -> None:
    host, act = about_to_shrink()
    host.rigs["a"].guest.uses_kib = 3000 * 1024
    host.round(1)
    act()
    assert host.desired == Size(AFTER.vcpus, BEFORE.memory_mb)


def test_need_that_rises_while_the_lock_is_waited_for_counts() -> None:
    host, act = about_to_shrink()
    rig = host.rigs["a"]

    def meanwhile() -> None:
        rig.guest.work(8)
        rig.guest.uses_kib = 3000 * 1024
        host.round(2)

    rig.once_before("lock", meanwhile)
    act()
    assert host.desired == BEFORE


def test_growth_is_asked_for_alone_if_the_shrink_beside_it_is_outdated_meanwhile() -> None:
    host = ScaledHost(now=Size(4, 1024))
    host.round(20)
    (one,) = host.instances.records()
    requests, asked, decided = host.rounds._requests, Size(3, 2048), Size(4, 2048)

    def decide(size: Size) -> None:
        requests._decided["a"] = (size, host.clock.now())

    decide(asked)
    host.rigs["a"].once_before("lock", lambda: decide(decided))
    requests._act(one, asked)
    assert host.desired == decided
    host.round()
    assert host.status()["deferred"] is None


@pytest.mark.parametrize("seconds", [0.0, 600.0])
def test_growth_is_carried_out_however_long_it_waited(seconds: float) -> None:
    host = ScaledHost()
    host.round(20)
    host.rigs["a"].guest.work(8)
    host.pool.held = []
    host.until(lambda: bool(host.pool.held))
    host.clock.advance(seconds)
    host.pool.held[0]()
    assert host.desired.vcpus > 2
