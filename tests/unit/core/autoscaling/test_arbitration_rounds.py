# SPDX-License-Identifier: Apache-2.0
"""Arbitration over many rounds, on a host whose guests follow, get stuck, lie and die."""

from __future__ import annotations

import random

import pytest

from nova_xloud.core.autoscaling.arbitration import (
    IGNORED_SHARE,
    MEMORY_GRAIN_MB,
    low_water,
    pace,
)
from nova_xloud.core.autoscaling.contest import Pool
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU
from tests.unit.core.autoscaling.fake_host import (
    NAMES,
    FakeGuest,
    FakeHost,
    change_need,
    random_guest,
)

CLASSES = {"vcpus": VCPU, "memory_mb": MEMORY_MB}


def _host(rng: random.Random) -> FakeHost:
    host = FakeHost({"vcpus": rng.randint(12, 40), "memory_mb": 64 * rng.randint(150, 600)})
    for n in range(rng.randint(3, 14)):
        host.boot(random_guest(rng, f"guest{n}"))
    return host


def _pool(host: FakeHost, name: str) -> Pool:
    return Pool(CLASSES[name], host.capacity[name], host.allocated(name))


def _trouble(rng: random.Random, host: FakeHost, number: int) -> None:
    """Something happens, as it does: a need changes, a guest dies, gets stuck, a person asks."""
    if not host.guests:
        return
    guest = rng.choice(host.guests)
    what = rng.randrange(8)
    if what <= 2:
        change_need(rng, guest)
    elif what == 3:
        guest.is_stuck = not guest.is_stuck
    elif what == 4 and len(host.guests) > 2:
        host.guests.remove(guest)
    elif what == 5:
        host.boot(random_guest(rng, f"later{number}"))
    elif what == 6:
        asked = {
            name: rng.randrange(guest.minimum[name], guest.largest[name] + 1, guest.step[name])
            for name in NAMES
        }
        if host.ask_for(guest, asked):
            guest.person = asked
    else:
        _give_up(guest)


def _give_up(guest: FakeGuest) -> None:
    """The engine gives up: what the guest holds is what it is to have, in whole steps."""
    if guest.is_stuck:
        for name in NAMES:
            step = guest.step[name]
            guest.desired[name] = max(guest.minimum[name], -(-guest.held[name] // step) * step)
            guest.reserved[name] = max(guest.reserved[name], guest.desired[name])


def _check(host: FakeHost, before: dict[str, dict[str, int]], used: dict[str, int]) -> None:
    for name in NAMES:
        assert host.allocated(name) <= host.capacity[name]
    for guest in host.guests:
        for name in NAMES:
            assert guest.reserved[name] >= guest.held[name]
            assert guest.desired[name] >= guest.minimum[name]
            if guest.desired[name] < before[guest.uuid][name]:
                assert guest.desired[name] >= guest.lowest(name)
    for name in NAMES:
        step = max((guest.step[name] for guest in host.guests), default=1)
        assert host.allocated(name) - used[name] <= max(pace(_pool(host, name)), step)
    assert host.refused == 0


@pytest.mark.parametrize("seed", range(25))
def test_invariants_hold_whatever_the_guests_do(seed: int) -> None:
    rng = random.Random(seed)
    host = _host(rng)
    for number in range(120):
        if rng.random() < 0.5:
            _trouble(rng, host, number)
        before = {guest.uuid: dict(guest.desired) for guest in host.guests}
        used = {name: host.allocated(name) for name in NAMES}
        host.round()
        _check(host, before, used)


@pytest.mark.parametrize("seed", range(25))
def test_host_comes_to_rest_with_nothing_left_that_could_be_given(seed: int) -> None:
    rng = random.Random(1000 + seed)
    host = _host(rng)
    for _ in range(20):
        change_need(rng, rng.choice(host.guests))
        host.round()
    stuck = [guest for guest in host.guests if rng.random() < 0.2]
    for guest in stuck:
        guest.is_stuck = True
    for _ in range(150):
        host.round()
    sizes = [dict(guest.desired) for guest in host.guests]
    host.round()
    assert [guest.desired for guest in host.guests] == sizes
    for name in NAMES:
        _check_rest(host, name)


def _check_rest(host: FakeHost, name: str) -> None:
    pool = _pool(host, name)
    free = pool.capacity - pool.allocated
    able = [guest for guest in host.guests if not guest.is_stuck]
    unmet = [guest for guest in able if guest.lowest(name) > guest.desired[name]]
    if unmet:
        assert free < max(guest.step[name] for guest in unmet)
    if unmet or free < low_water(pool):
        grain = MEMORY_GRAIN_MB if name == "memory_mb" else 1
        for guest in able:
            wait = getattr(guest.waits, name)
            is_left_in_peace = host.now < max(wait.keeps_until, wait.not_before)
            if not guest.is_urgent and not is_left_in_peace:
                # A person's size may lie between two steps; what is lent is whole steps.
                least = max(grain, guest.step[name], int(IGNORED_SHARE * guest.desired[name]))
                assert guest.desired[name] - guest.lowest(name) < least


@pytest.mark.parametrize("seed", range(4))
def test_nobody_waits_for_ever_for_a_place_on_a_full_host(seed: int) -> None:
    """Each minute a vCPU becomes free; who has got it gives it back later and asks again."""
    rng = random.Random(seed)
    host = FakeHost({"vcpus": 16, "memory_mb": 10**6})
    for n in range(8):
        weight = rng.choice((1, 10, 100, 1000))
        one = {"vcpus": 1, "memory_mb": 64}
        guest = FakeGuest(
            f"guest{n}", one, {"vcpus": 8, "memory_mb": 64}, dict(one), dict.fromkeys(NAMES, 1)
        )
        guest.weight, guest.need["vcpus"] = weight, rng.randint(3, 8)
        guest.is_urgent = weight == 1000
        assert host.boot(guest)
    longest = 0.0
    for number in range(1500):
        if number % 12 == 0:
            rich = max(host.guests, key=lambda guest: (guest.desired["vcpus"], guest.uuid))
            if rich.desired["vcpus"] > 1 and sum(g.desired["vcpus"] for g in host.guests) >= 16:
                rich.desired["vcpus"] -= 1
        host.round()
        for guest in host.guests:
            if guest.desired["vcpus"] < guest.need["vcpus"]:
                longest = max(longest, host.now - host.got.get(guest.uuid, 0.0))
            else:
                host.got[guest.uuid] = host.now
    assert host.refused == 0
    assert longest < 2400
