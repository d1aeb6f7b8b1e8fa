# SPDX-License-Identifier: Apache-2.0
"""What is added to half of the histories: moves, restarts, and hosts and guests that are not kind.

They are drawn after, and apart from, all that :mod:`tests.simulator.generator` draws, so that a
new one leaves the other half of the histories as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour
from tests.simulator.scenario import (
    LENGTH,
    GuestPlan,
    Mood,
    Narrowing,
    Operation,
    Request,
    Scenario,
    by_time,
)

# Take what they gave, or all of it.
GROWS = (Behaviour.NO_BALLOON_DRIVER, Behaviour.TAKES_BACK)

Trouble = Callable[[Random, Scenario], Scenario]


def add_troubles(rng: Random, scenario: Scenario) -> Scenario:
    """The same history, every other time with one or two more troubles."""
    if rng.random() < 0.5:
        return scenario
    for trouble in rng.sample(TROUBLES, k=rng.choice((1, 1, 2))):
        scenario = trouble(rng, scenario)
    return scenario


def _near(rng: Random, scenario: Scenario) -> Request:
    """A request, so that a trouble comes to the server that it is for, at about its time."""
    return rng.choice(scenario.requests)


def _after(rng: Random, request: Request) -> float:
    return request.at + rng.expovariate(1 / rng.choice((0.5, 5.0, 15.0)))


def _also(scenario: Scenario, *operations: Operation) -> Scenario:
    return replace(scenario, operations=by_time((*scenario.operations, *operations)))


def _first(scenario: Scenario, number: int, guest: GuestPlan) -> Scenario:
    guests = list(scenario.guests)
    guests[number] = guest
    return replace(scenario, guests=tuple(guests))


def _live_migration(rng: Random, scenario: Scenario) -> Scenario:
    """Away, and perhaps back; or it is not found a host, or fails half way."""
    request = _near(rng, scenario)
    at, takes = _after(rng, request), rng.choice((0.5, 3.0, 15.0))
    how = rng.choice(("", "", "fails", "no_host"))
    away = Operation(at, request.server, "live_migrate", takes, how)
    back = Operation(
        at + takes + rng.expovariate(1 / 6) + 1,
        request.server,
        "live_return",
        rng.choice((0.5, 3.0)),
    )
    faults = scenario.faults
    if rng.random() < 0.5:
        faults = replace(faults, libvirt_slow=rng.choice((0.05, 0.2)))
    return _also(replace(scenario, faults=faults), away, back)


def _conflicts_while_moved(rng: Random, scenario: Scenario) -> Scenario:
    """Resized in the moment in which others change its claim too.

    What makes a move fit between two of our calls is that Placement is slow to say so, and not a
    scheduler that is quicker than one: what is read next is then the claim on the target.
    """
    hop = 0.25
    # When it has been read, and its claim is about to be written.
    moves = (
        Operation(request.at + rng.uniform(5, 12) * hop, request.server, "resize", 0.5)
        for request in scenario.requests[:3]
    )
    requests = tuple(replace(one, lost="", late=0.0) for one in scenario.requests)
    late = 20 * hop
    faults = replace(scenario.faults, hop=hop, conflict=0.8, conflict_late=late)
    guests = tuple(replace(one, claimed_often=True) for one in scenario.guests)
    return _also(
        replace(scenario, guests=guests, requests=requests, faults=faults),
        *moves,
    )


def _no_thread_is_free(rng: Random, scenario: Scenario) -> Scenario:
    """Requests lie in nova-compute until nobody waits for their answers any more."""
    requests = tuple(replace(one, queued=rng.choice((0.0, 70.0))) for one in scenario.requests)
    return replace(scenario, requests=requests)


def _is_rescued(rng: Random, scenario: Scenario) -> Scenario:
    request = _near(rng, scenario)
    at, takes = _after(rng, request), rng.choice((0.5, 3.0, 15.0))
    until = at + takes + rng.expovariate(1 / 15) + 1
    return _also(
        scenario,
        Operation(at, request.server, "rescue", takes),
        Operation(until, request.server, "unrescue", 0.5),
    )


def _starts_as_defined(rng: Random, scenario: Scenario) -> Scenario:
    """A soft reboot or two, of which a guest may refuse one; or a rebuild."""
    request = _near(rng, scenario)
    at = _after(rng, request)
    kinds = rng.choice(
        (("soft_reboot",), ("soft_reboot",), ("soft_reboot", "soft_reboot"), ("rebuild",))
    )
    operations = []
    for kind in kinds:
        how = "refuses" if rng.random() < 0.2 else ""
        operations.append(Operation(at, request.server, kind, rng.choice((0.5, 3.0, 15.0)), how))
        at += rng.expovariate(1 / 25) + 1
    return _also(scenario, *operations)


def _not_persisted(rng: Random, scenario: Scenario) -> Scenario:
    """A size is asked for until the next stop, then for good; then it starts as it is defined."""
    size = Size(rng.choice((2, 4)), rng.choice((512, 1024, 2048)))
    asked = replace(scenario.requests[0], server=0, lost="", late=0.0, waits=False, force=False)
    at = rng.uniform(1, 20)
    live = replace(asked, at=at, vcpus=size.vcpus, memory_mb=size.memory_mb, persist=False)
    at += rng.uniform(1, 25)
    kept = replace(live, at=at, persist=True)
    scenario = replace(
        scenario, requests=(live, kept) if rng.random() < 0.7 else (live,), operations=()
    )
    trouble = rng.choice((_is_rescued, _starts_as_defined, _live_migration))
    return trouble(rng, scenario)


def _volumes(rng: Random, scenario: Scenario) -> Scenario:
    request = _near(rng, scenario)
    at = max(0.0, request.at + rng.uniform(-10, 5))
    return _also(
        scenario, Operation(at, request.server, "volume", rng.choice((5.0, 30.0, 100.0, 200.0)))
    )


def _fails(rng: Random, scenario: Scenario) -> Scenario:
    """An operation fails; the guest goes on, and may grow, until somebody sets it right."""
    number = _near(rng, scenario).server
    at = rng.uniform(1, LENGTH)
    failed = Operation(at, number, "error", rng.choice((5.0, 90.0, 500.0)))
    if rng.random() < 0.3:
        repaired = Operation(at + rng.expovariate(1 / 30), number, "reboot", 1.0)
        return _also(scenario, failed, repaired)
    guest = scenario.guests[number]
    grows = Mood(at + rng.uniform(0, 10), rng.choice(GROWS))
    guest = replace(guest, moods=(*guest.moods, grows), stays_stuck=True, growth=())
    return _also(_first(scenario, number, guest), failed)


def _restarts_itself(rng: Random, scenario: Scenario) -> Scenario:
    request = _near(rng, scenario)
    at = _after(rng, request)
    times = rng.choice((1, 1, 2))
    return _also(
        scenario,
        *(Operation(at + 12 * n, request.server, "reset", 0.0) for n in range(times)),
    )


def _inventory_changes(rng: Random, scenario: Scenario) -> Scenario:
    at = rng.uniform(0, LENGTH / 2)
    until = at + rng.choice((20.0, 60.0, 500.0))
    how = rng.choice(("capacity", "capacity", "max_unit", "class"))
    faults = replace(
        scenario.faults,
        narrowings=(Narrowing(at, until, how),),
        strict=rng.random() < 0.5,
    )
    return replace(scenario, faults=faults)


def _drivers_are_late(rng: Random, scenario: Scenario) -> Scenario:
    number = _near(rng, scenario).server
    guest = scenario.guests[number]
    timing = replace(guest.timing, driver_seconds=rng.choice((8.0, 12.0, 25.0)))
    scenario = _first(scenario, number, replace(guest, timing=timing))
    restart = rng.choice(("reboot", "soft_reboot", "reset", None))
    if restart is None:
        return scenario
    request = _near(rng, scenario)
    return _also(scenario, Operation(_after(rng, request), number, restart, 0.5))


def _driver_is_silent(rng: Random, scenario: Scenario) -> Scenario:
    """It works and never reports; some of those who ask know that, and ask with force."""
    number = _near(rng, scenario).server
    silent = Mood(rng.choice((0.0, 0.0, 20.0)), Behaviour.SILENT_DRIVER)
    guest = replace(
        scenario.guests[number], moods=(silent,), growth=(), stays_stuck=rng.random() < 0.7
    )
    force = rng.random() < 0.5
    requests = tuple(replace(one, force=one.force or force) for one in scenario.requests)
    return replace(_first(scenario, number, guest), requests=requests)


def _takes_its_time(rng: Random, scenario: Scenario) -> Scenario:
    """Gives vCPUs back when libvirt has given up waiting for them, or agents that say errors."""
    number = _near(rng, scenario).server
    guest = scenario.guests[number]
    if rng.random() < 0.3:
        return _first(scenario, number, replace(guest, agent=True, agent_fails=True))
    timing = replace(guest.timing, removal_seconds=rng.choice((3.0, 7.0, 10.0, 25.0)))
    return _first(scenario, number, replace(guest, timing=timing, moods=guest.moods[:1]))


TROUBLES: tuple[Trouble, ...] = (
    _live_migration,
    _live_migration,
    _conflicts_while_moved,
    _no_thread_is_free,
    _is_rescued,
    _starts_as_defined,
    _not_persisted,
    _volumes,
    _fails,
    _restarts_itself,
    _inventory_changes,
    _drivers_are_late,
    _driver_is_silent,
    _takes_its_time,
)
