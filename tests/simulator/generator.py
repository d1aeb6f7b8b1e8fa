# SPDX-License-Identifier: Apache-2.0
"""From a seed to a scenario.

Of each kind of trouble a history has much or none, so that some are thick with one kind. Some have
a theme: what has to come together, one after the other, for a rule to be needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Protocol, TypeVar

from nova_xloud.core.balloon import Limits
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, Timing
from tests.simulator.scenario import (
    LENGTH,
    MAXIMUM,
    MEMORY_MB,
    OPTIONS,
    REMOVES_NOTHING,
    VCPUS,
    Faults,
    Growth,
    GuestPlan,
    Mood,
    Operation,
    Request,
    Scenario,
    Tenant,
)
from tests.simulator.troubles import add_troubles


class Timed(Protocol):
    @property
    def at(self) -> float: ...


T = TypeVar("T", bound=Timed)


def make(seed: int) -> Scenario:
    """The scenario of ``seed``."""
    rng = Random(f"scenario {seed}")
    troubled = rng.random() < 0.7
    guests = tuple(_guest(rng, troubled) for _ in range(rng.choice((1, 1, 2, 3))))
    held = [guest.size for guest in guests]
    spare = rng.choice((Size(1, 512), Size(4, 2048), Size(30, 16384)))
    # Often all happens to one instance within seconds, and so at the same time.
    hurry = rng.choice((LENGTH, LENGTH, LENGTH / 5))
    requests = _sorted(_request(rng, len(guests), hurry) for _ in range(rng.randint(2, 7)))
    # Of dice of its own: all else is as it would be without it.
    tries = Random(f"tries {seed}").choice((0, 1, 1, 2, 3))
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
        operations=_sorted(_operations(rng, len(guests), requests, hurry)),
        tenants=_sorted(
            Tenant(
                rng.uniform(0, LENGTH),
                Size(rng.randint(1, 6), rng.choice((256, 1024, 3072))),
                rng.uniform(5, 60),
            )
            for _ in range(rng.choice((0, 0, 2)))
        ),
        faults=_faults(rng),
    )
    theme = rng.choice((*THEMES, *[None] * 12))
    if theme is not None:
        scenario = theme(rng, scenario)
    return add_troubles(Random(f"troubles {seed}"), scenario)


def _sorted(things: Iterable[T]) -> tuple[T, ...]:
    return tuple(sorted(things, key=lambda thing: thing.at))


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


def _with_first(scenario: Scenario, first: GuestPlan, room: Size) -> Scenario:
    """The same with another first guest, and room for it to have that much more."""
    before, had = scenario.capacity, scenario.guests[0].size
    first = replace(first, uses_mb=min(first.uses_mb, first.size.memory_mb // 2))
    capacity = Size(
        before.vcpus + first.size.vcpus - had.vcpus + room.vcpus,
        before.memory_mb + first.size.memory_mb - had.memory_mb + room.memory_mb,
    )
    return replace(scenario, guests=(first, *scenario.guests[1:]), capacity=capacity)


def _unplug_goes_wrong(rng: Random, scenario: Scenario) -> Scenario:
    """It times out, perhaps is refused when it is tried again, and then more is asked for."""
    moods = (
        Mood(rng.uniform(0, 5), Behaviour.REMOVAL_TIMES_OUT),
        Mood(rng.uniform(12, 40), rng.choice(REMOVES_NOTHING)),
    )
    first = replace(
        scenario.guests[0],
        size=replace(scenario.guests[0].size, vcpus=6),
        running=True,
        moods=moods,
    )
    less, more = scenario.requests[:2]
    requests = (
        replace(less, at=rng.uniform(5, 12), server=0, vcpus=rng.choice((2, 3, 4)), lost=""),
        replace(more, at=rng.uniform(15, 95), server=0, vcpus=rng.choice((7, 8)), lost=""),
    )
    return replace(_with_first(scenario, first, Size(2, 0)), requests=requests)


def _needs_more_while_it_shrinks(rng: Random, scenario: Scenario) -> Scenario:
    first = scenario.guests[0]
    slow = replace(
        first,
        size=replace(first.size, memory_mb=MAXIMUM.memory_mb),
        running=True,
        autodeflate=False,
        timing=replace(first.timing, balloon_rate=60.0),
        moods=(),
        uses_mb=rng.choice((600, 1000, 1400)),
        growth=(Growth(rng.uniform(0, 10), 80.0),),
    )
    less = replace(scenario.requests[0], server=0, memory_mb=512, force=False, lost="")
    return replace(
        _with_first(scenario, slow, Size(0, 0)),
        requests=(less, *scenario.requests[1:]),
        operations=(),
    )


def _moved_while_somebody_asks(rng: Random, scenario: Scenario) -> Scenario:
    hop = rng.choice((0.1, 0.5))
    requests = [replace(one, lost="", late=0.0) for one in scenario.requests]
    moves = (
        Operation(one.at + rng.uniform(0, 8 * hop), one.server, kind, 0.5)
        for one, kind in zip(requests, ("resize", "resize", "migrate"), strict=False)
    )
    return replace(
        scenario,
        requests=tuple(requests),
        operations=_sorted(moves),
        faults=replace(scenario.faults, hop=hop),
    )


def _asked_back_while_paused(rng: Random, scenario: Scenario) -> Scenario:
    """Its balloon is told to grow, then wanted back; on resume it does what it was told."""
    size = Size(4, 1024)
    first = replace(scenario.guests[0], size=size, running=True, moods=(), stays_stuck=False)
    pause, grow = rng.uniform(1, 5), rng.uniform(8, 12)
    back = grow + rng.choice((rng.uniform(1, 5), rng.uniform(15, 40)))
    resume = back + rng.choice((rng.uniform(0, 2), rng.uniform(8, 40)))
    asked = replace(scenario.requests[0], server=0, vcpus=None, lost="", late=0.0, waits=False)
    wanted_back = replace(
        asked, at=back, memory_mb=rng.choice((1024, 1536)), vcpus=rng.choice((None, 2))
    )
    return replace(
        _with_first(scenario, first, Size(0, 3072)),
        requests=_sorted(
            (
                replace(asked, at=grow, memory_mb=rng.choice((2048, 4096))),
                wanted_back,
                replace(wanted_back, at=max(back, resume - rng.uniform(0, 3)), vcpus=3),
            )
        ),
        operations=(Operation(pause, 0, "pause", 0.5), Operation(resume, 0, "unpause", 0.5)),
    )


def _changes_his_mind(rng: Random, scenario: Scenario) -> Scenario:
    """More and less memory, every few seconds, of a guest that is slow."""
    first = scenario.guests[0]
    timing = replace(first.timing, balloon_rate=60.0)
    first = replace(first, size=Size(4, 1024), running=True, moods=(), timing=timing)
    asked = replace(scenario.requests[0], server=0, lost="", late=0.0, waits=False)
    at = [rng.uniform(1, 20)]
    for _ in range(5):
        at.append(at[-1] + rng.choice((rng.uniform(0, 3), rng.uniform(5, 20))))
    requests = (
        replace(
            asked, at=when, vcpus=rng.choice((None, 2, 6)), memory_mb=rng.choice((512, 1024, 3072))
        )
        for when in at
    )
    return replace(
        _with_first(scenario, first, Size(2, 2048)), requests=tuple(requests), operations=()
    )


THEMES = (
    _unplug_goes_wrong,
    _needs_more_while_it_shrinks,
    _moved_while_somebody_asks,
    _asked_back_while_paused,
    _changes_his_mind,
)
