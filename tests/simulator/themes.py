# SPDX-License-Identifier: Apache-2.0
"""What has to come together, one after the other, for a rule to be needed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour
from tests.simulator.scenario import (
    MAXIMUM,
    REMOVES_NOTHING,
    Faults,
    Growth,
    GuestPlan,
    Mood,
    Operation,
    Scenario,
    by_time,
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
        operations=by_time(moves),
        faults=replace(scenario.faults, hop=hop),
    )


def _asked_back_while_paused(rng: Random, scenario: Scenario) -> Scenario:
    """Memory is added and taken back while it is paused.

    Its balloon was set to grow, and does so when it resumes, unless it is set again before.
    """
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
        requests=by_time(
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


def _moved_while_its_guest_is_slow(rng: Random, scenario: Scenario) -> Scenario:
    """Between the readings of the record and of the claim there is time for a whole resize."""
    requests = tuple(replace(one, lost="", late=0.0) for one in scenario.requests)
    # Its guest is ended only when libvirt has answered whoever it keeps waiting.
    moves = (
        Operation(one.at + rng.uniform(0, 12), one.server, "resize", 15.0) for one in requests[:2]
    )
    return replace(
        scenario,
        requests=requests,
        operations=by_time(moves),
        faults=replace(scenario.faults, hop=0.05, libvirt_slow=0.8),
    )


def _asked_back_and_more_while_paused(rng: Random, scenario: Scenario) -> Scenario:
    """Memory is added and taken back while it is paused, and at once vCPUs are asked for.

    The last request is refused, because the guest is just being unpaused. Its balloon, which no run
    has told to stay yet, grows as it was told; so what is reserved for that must not be given back.
    """
    hop = 0.25
    first = replace(
        scenario.guests[0], size=Size(4, 1024), running=True, moods=(), stays_stuck=False
    )
    asked = replace(
        scenario.requests[0],
        server=0,
        vcpus=None,
        lost="",
        late=0.0,
        again_after=None,
        waits=False,
        queued=0.0,
    )
    grow = rng.uniform(8, 12)
    back = grow + rng.uniform(15, 30)
    more = back + rng.uniform(0, 6 * hop)
    resume = more + rng.uniform(4, 40) * hop
    return replace(
        _with_first(scenario, first, Size(4, 3072)),
        requests=(
            replace(asked, at=grow, memory_mb=4096),
            replace(asked, at=back, memory_mb=1024),
            replace(asked, at=more, memory_mb=None, vcpus=6),
        ),
        operations=(Operation(2.0, 0, "pause", 0.5), Operation(resume, 0, "unpause", 0.5)),
        faults=Faults(hop=hop),
    )


def _smaller_until_it_stops(rng: Random, scenario: Scenario) -> Scenario:
    """A smaller size until it stops, then a live migration, and a hard reboot.

    The migration makes a definition of the small live size, which libvirt fails to change; the
    reboot starts the larger persisted one, which has to be reserved still.
    """
    first = replace(scenario.guests[0], size=Size(4, 2048), running=True, moods=(), growth=())
    asked = replace(scenario.requests[0], server=0, lost="", late=0.0, waits=False, queued=0.0)
    away = rng.uniform(25, 35)
    back = away + rng.uniform(4, 10)
    return replace(
        _with_first(scenario, first, Size(0, 0)),
        requests=(replace(asked, at=2.0, vcpus=2, memory_mb=1024, persist=False, force=False),),
        operations=(
            Operation(away, 0, "live_migrate", 0.5),
            Operation(back, 0, "live_return", 0.5),
            Operation(back + rng.uniform(3, 30), 0, "reboot", 0.5),
        ),
        faults=Faults(libvirt_fails=0.7),
    )


def _rebuilt_within_a_reading(rng: Random, scenario: Scenario) -> Scenario:
    """Its guest is off for a moment, again and again, while it shrinks and every call is slow."""
    hop = rng.uniform(0.3, 1.0)
    first = scenario.guests[0]
    first = replace(
        first,
        size=Size(4, 4096),
        running=True,
        moods=(),
        growth=(),
        timing=replace(first.timing, balloon_rate=60.0),
    )
    less = replace(scenario.requests[0], at=2.0, server=0, vcpus=6, memory_mb=1024, force=False)
    at = [2.0 + 14 * hop]
    for _ in range(5):
        at.append(at[-1] + rng.uniform(15, 40) * hop)
    return replace(
        _with_first(scenario, first, Size(2, 0)),
        requests=(replace(less, lost="", late=0.0, waits=False, queued=0.0),),
        operations=tuple(Operation(when, 0, "rebuild", hop * rng.uniform(0, 1)) for when in at),
        faults=Faults(hop=hop),
    )


THEMES = (
    _unplug_goes_wrong,
    _needs_more_while_it_shrinks,
    _moved_while_somebody_asks,
    _asked_back_while_paused,
    _changes_his_mind,
)
# In few histories, drawn apart from all else.
RARE = (
    _moved_while_its_guest_is_slow,
    _asked_back_and_more_while_paused,
    _smaller_until_it_stops,
    _rebuilt_within_a_reading,
)
