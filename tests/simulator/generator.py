# SPDX-License-Identifier: Apache-2.0
"""From a seed to a scenario.

Of each kind of trouble a history has much or none, so that some are thick with one kind. Some have
a theme: see :mod:`tests.simulator.themes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, Timing
from tests.simulator.scenario import (
    LENGTH,
    MEMORY_MB,
    OPTIONS,
    VCPUS,
    Faults,
    Growth,
    GuestPlan,
    Mood,
    Operation,
    Request,
    Scenario,
    Tenant,
    by_time,
)
from tests.simulator.themes import RARE, THEMES
from tests.simulator.troubles import add_troubles


def make(seed: int) -> Scenario:
    """The scenario of ``seed``."""
    rng = Random(f"scenario {seed}")
    troubled = rng.random() < 0.7
    guests = tuple(_guest(rng, troubled) for _ in range(rng.choice((1, 1, 2, 3))))
    held = [guest.size for guest in guests]
    spare = rng.choice((Size(1, 512), Size(4, 2048), Size(30, 16384)))
    # Often all happens to one instance within seconds, and so at the same time.
    hurry = rng.choice((LENGTH, LENGTH, LENGTH / 5))
    requests = by_time(_request(rng, len(guests), hurry) for _ in range(rng.randint(2, 7)))
    # Of dice of its own: all else is as it would be without it.
    tries = Random(f"tries {seed}").choice((0, 1, 1, 2, 3))
    libvirt_fails = Random(f"libvirt {seed}").choice((*[0.0] * 8, 0.1, 0.4))
    limits = Limits(step_mb=512, reserve_mb=128, offline_vcpus=rng.random() < 0.5)
    scenario = Scenario(
        seed=seed,
        options=replace(OPTIONS, limits=limits, give_up_after=tries),
        capacity=Size(
            sum(size.vcpus for size in held) + spare.vcpus,
            sum(size.memory_mb for size in held) + spare.memory_mb,
        ),
        guests=guests,
        requests=requests,
        operations=by_time(_operations(rng, len(guests), requests, hurry)),
        tenants=by_time(
            Tenant(
                rng.uniform(0, LENGTH),
                Size(rng.randint(1, 6), rng.choice((256, 1024, 3072))),
                rng.uniform(5, 60),
            )
            for _ in range(rng.choice((0, 0, 2)))
        ),
        faults=replace(_faults(rng), libvirt_fails=libvirt_fails),
    )
    theme = rng.choice((*THEMES, *[None] * 12))
    if theme is not None:
        scenario = theme(rng, scenario)
    scenario = add_troubles(Random(f"troubles {seed}"), scenario)
    # Of dice of its own too.
    rare = Random(f"rare {seed}")
    if rare.random() < 0.1:
        scenario = rare.choice(RARE)(rare, scenario)
    return scenario


def _size(rng: Random) -> Size:
    return Size(rng.choice(VCPUS), rng.choice(MEMORY_MB))


def _guest(rng: Random, troubled: bool) -> GuestPlan:
    size = _size(rng)
    moods = tuple(_moods(rng)) if troubled else ()
    grows = rng.random() < 0.5 and not any(mood.behaviour in BALLOON_MOODS for mood in moods)
    return GuestPlan(
        size=size,
        running=rng.random() < 0.9,
        agent=rng.random() < 0.5,
        autodeflate=rng.random() < 0.3,
        timing=Timing(
            balloon_rate=rng.choice((60.0, 300.0, 1200.0)),
            driver_seconds=rng.choice((0.0, 3.5)),
            stats_seconds=rng.choice((1.0, 3.0)),
            takes_back_seconds=rng.choice((2.0, 15.0)),
            online_seconds=rng.choice((0.5, 3.0)),
        ),
        moods=moods,
        growth=(Growth(rng.uniform(0, 30), rng.uniform(30, 90)),) if grows else (),
        uses_mb=rng.choice((64, 64, 256, size.memory_mb // 3)),
        stays_stuck=troubled and rng.random() < 0.3,
    )


BEHAVIOURS = (
    *(Behaviour.COOPERATIVE, Behaviour.REMOVAL_TIMES_OUT, Behaviour.REFUSES),
    *(Behaviour.NO_BALLOON_DRIVER, Behaviour.TAKES_BACK, Behaviour.INTERMITTENT),
    Behaviour.NO_ONLINE,
)
# Of guests whose balloon moves by itself, nobody can say what they have left to grow into.
BALLOON_MOODS = (Behaviour.NO_BALLOON_DRIVER, Behaviour.TAKES_BACK, Behaviour.INTERMITTENT)
# One after the other more can go wrong.
PAIRS = (
    (Behaviour.REMOVAL_TIMES_OUT, Behaviour.REFUSES),
    (Behaviour.INTERMITTENT, Behaviour.TAKES_BACK),
)


def _moods(rng: Random) -> Iterator[Mood]:
    kinds = rng.choice((*PAIRS, rng.sample(BEHAVIOURS, k=2), rng.sample(BEHAVIOURS, k=1)))
    at = rng.uniform(0, 15)
    for number in range(rng.randint(1, 3)):
        yield Mood(at, kinds[number % len(kinds)], settles=rng.random() < 0.2)
        at += rng.expovariate(1 / 20)
        if rng.random() < 0.7:
            yield Mood(at, Behaviour.COOPERATIVE, settles=rng.random() < 0.2)
            at += rng.expovariate(1 / 15)


def _request(rng: Random, guests: int, hurry: float) -> Request:
    which = rng.choice(("vcpus", "memory", "both", "both"))
    lost, late, again_after = "", 0.0, None
    trouble = rng.random()
    if trouble < 0.06:
        lost = rng.choice(("request", "answer"))
    elif trouble < 0.12:
        late = rng.uniform(1, 10)
    elif trouble < 0.2:
        again_after = rng.expovariate(1 / 8)
    # Sometimes more than there may be.
    odd = rng.random() < 0.05
    return Request(
        at=rng.uniform(0, hurry),
        server=rng.randrange(guests),
        vcpus=None if which == "memory" else 9 if odd else rng.choice(VCPUS),
        memory_mb=None if which == "vcpus" else 256 if odd else rng.choice(MEMORY_MB),
        persist=rng.random() < 0.75,
        force=rng.random() < 0.15,
        lost=lost,
        late=late,
        again_after=again_after,
        waits=which == "vcpus" and rng.random() < 0.2,
    )


KINDS = (
    *("stop", "stop", "start", "reboot", "reboot", "pause", "pause"),
    *("suspend", "migrate", "migrate", "resize", "resize", "resize", "delete", "shutdown"),
)
UNDONE_BY = {"stop": "start", "shutdown": "start", "pause": "unpause", "suspend": "resume"}


def _operations(
    rng: Random, guests: int, requests: tuple[Request, ...], hurry: float
) -> Iterator[Operation]:
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        server, at = rng.randrange(guests), rng.uniform(0, hurry)
        if rng.random() < 0.5:
            # While somebody's request is on its way.
            near = rng.choice(requests)
            server, at = near.server, near.at + rng.expovariate(1 / rng.choice((0.2, 2.0)))
        kind, takes = rng.choice(KINDS), rng.choice((0.5, 3.0, 15.0, 70.0))
        yield Operation(at, server, kind, takes)
        if kind in UNDONE_BY and rng.random() < 0.8:
            at += takes + rng.expovariate(1 / 10) + 2
            yield Operation(at, server, UNDONE_BY[kind], 1.0)


def _faults(rng: Random) -> Faults:
    def often(share: float, *rates: float) -> float:
        return rng.choice(rates) if rng.random() < share else 0.0

    crash = often(0.5, 0.003, 0.01, 0.03)
    away = []
    if rng.random() < 0.2:
        begin = rng.uniform(0, LENGTH)
        away.append((begin, begin + rng.expovariate(1 / 15)))
    return Faults(
        hop=rng.choice((0.005, 0.05, 0.25)),
        crash=crash,
        crashes=rng.randint(1, 3) if crash else 0,
        conflict=often(0.2, 0.1, 0.5),
        claim_lost=often(0.15, 0.1, 0.3),
        record_lost=often(0.15, 0.1, 0.3),
        libvirt_lost=often(0.1, 0.1, 0.3),
        away=tuple(away),
    )
