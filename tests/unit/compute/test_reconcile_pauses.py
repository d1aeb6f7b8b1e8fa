# SPDX-License-Identifier: Apache-2.0
"""How soon a pass resumes again what it has resumed before."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.core.instance.lifecycle import Phase
from tests.unit.compute.floor import (
    Floor,
    balloon_moved,
    claimed_too_much,
    in_phase,
    settled,
    vcpu_missing,
)
from tests.unit.compute.rig import OPTIONS, Rig


def test_pause_between_failed_attempts_doubles_up_to_the_longest() -> None:
    rig = settled()
    in_phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    at: list[float] = []
    # As often as the periodic task runs, for half a day.
    for _ in range(720):
        if floor.run():
            at.append(rig.clock.now())
        rig.clock.advance(OPTIONS.retry_interval)
    pauses = [after - before for before, after in itertools.pairwise(at)]
    doubled = [OPTIONS.retry_interval * 2**n for n in range(6)]
    assert pauses[:6] == doubled
    assert set(pauses[6:]) == {OPTIONS.retry_max_interval}
    assert len(at) < 20


def _generation(rig: Rig) -> None:
    rig.record.desired = replace(rig.record.desired, generation=9)


def _code(rig: Rig) -> None:
    progress = replace(rig.record.desired.progress, code="xloud.guest_refused.other")
    rig.record.desired = replace(rig.record.desired, progress=progress)


def _restarted(rig: Rig) -> None:
    rig.guest.stop()
    rig.guest.start(arrived=True)


def _paused(rig: Rig) -> None:
    rig.guest.pause()


@pytest.mark.parametrize(
    "change",
    [
        _generation,
        in_phase(Phase.ADMITTED),
        _code,
        _restarted,
        vcpu_missing,
        Rig.stop,
        claimed_too_much,
        _paused,
    ],
    ids=["another request", "phase", "code", "restarted", "vCPUs", "stopped", "claim", "paused"],
)
def test_it_is_tried_again_at_once_when_something_is_new(change: Callable[[Rig], None]) -> None:
    rig = settled()
    in_phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    for _ in range(3):
        rig.clock.advance(OPTIONS.retry_max_interval)
        assert floor.run() == 1
    assert floor.run() == 0
    change(rig)
    assert floor.run() == 1
    # And the pauses begin anew.
    rig.clock.advance(OPTIONS.retry_interval - 1)
    assert floor.run() == 0
    rig.clock.advance(1)
    assert floor.run() == 1


def test_what_waits_for_a_paused_guest_goes_on_at_once_when_the_guest_does() -> None:
    rig = settled()
    rig.guest.pause()
    in_phase(Phase.DEFERRED)(rig)
    floor = Floor(rig)
    for _ in range(3):
        rig.clock.advance(OPTIONS.retry_max_interval)
        assert floor.run() == 1
    rig.guest.resume()
    assert floor.run() == 1


def test_every_pass_resumes_an_instance_above_its_claim() -> None:
    rig = settled()
    in_phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    assert floor.run() == 0
    rig.takes_memory = True
    rig.guest.set_memory(4096 * 1024, live=True, config=False)
    rig.clock.advance(10)
    for _ in range(3):
        assert floor.run() == 1


def test_what_only_wavers_is_nothing_new() -> None:
    rig = settled()
    in_phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig)
    assert floor.run() == 1
    balloon_moved(rig)
    assert floor.run() == 0


def test_one_that_was_well_in_between_begins_with_the_first_pause() -> None:
    rig = settled()
    floor = Floor(rig)
    for _ in range(3):
        in_phase(Phase.GUEST_REFUSED)(rig)
        assert floor.run() == 1
        in_phase(Phase.CONVERGED)(rig)
        assert floor.run() == 0


def test_instance_that_left_and_returned_is_resumed_at_once() -> None:
    rig = settled()
    other = Rig(uuid="other", clock=rig.clock)
    in_phase(Phase.GUEST_REFUSED)(rig)
    floor = Floor(rig, other)
    assert floor.run() == 1
    rig.record.on_this_host = False
    assert floor.run() == 0
    rig.record.on_this_host = True
    assert floor.run() == 1
