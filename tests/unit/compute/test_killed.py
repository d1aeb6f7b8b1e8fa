# SPDX-License-Identifier: Apache-2.0
"""The process is killed, before or after any one effect; then somebody looks again.

The rig checks after each effect, and here after the kill, that no less is reserved than is held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from nova_xloud.core.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.testing import Timing
from tests.unit.compute.rig import NOW, Killed, Rig

Scenario = Callable[[Rig], None]


def _asked(vcpus: int, memory_mb: int, *, persist: bool = True) -> Scenario:
    def run(rig: Rig) -> None:
        rig.admit(vcpus, memory_mb, persist=persist)
        rig.converge()

    return run


def _unclaimed(rig: Rig) -> None:
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    rig.converge()


def _stopped(rig: Rig) -> None:
    rig.admit(6, 1024, persist=False)
    rig.converge()
    if rig.guest.active:
        rig.guest.stop()
        rig.record.vm_state = "stopped"
    rig.converge()


SCENARIOS = {
    "grow": _asked(6, 3072),
    "shrink": _asked(2, 1024),
    "grow and shrink": _asked(6, 1024),
    "shrink and grow": _asked(2, 3072),
    "until it stops": _asked(8, 1024, persist=False),
    "not claimed yet": _unclaimed,
    "stopped after it": _stopped,
}

# Twice as many as any scenario has effects: before and after each.
POINTS = 24


@pytest.mark.parametrize("agent", [False, True], ids=["no agent", "agent"])
@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_whoever_is_killed_is_followed_by_somebody_who_converges(
    scenario: Scenario, point: int, agent: bool
) -> None:
    rig = Rig(agent=agent, timing=Timing(balloon_rate=400))
    rig.kill_at = point
    with contextlib.suppress(Killed):
        scenario(rig)
    rig.check_invariant()
    rig.kill_at = None
    assert rig.converge().converged
    desired = rig.record.desired
    assert rig.claims.size == desired.to_hold
    assert not rig.guest.active or rig.size == desired.target


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_point_of_a_scenario_is_among_those_it_is_killed_at(scenario: Scenario) -> None:
    rig = Rig()
    scenario(rig)
    assert 4 <= rig.points <= POINTS


@pytest.mark.parametrize("point", [0, 1, 2])
def test_killed_before_the_record_is_written_nothing_was_ever_asked(point: int) -> None:
    rig = Rig()
    rig.kill_at = point
    with pytest.raises(Killed):
        rig.admit(6, 3072)
    assert rig.record.desired == Desired(NOW)
    rig.kill_at = None
    rig.converge()
    assert rig.size == rig.claims.size == NOW


@pytest.mark.parametrize("point", [3])
def test_killed_after_the_record_is_written_it_is_done_by_the_next(point: int) -> None:
    rig = Rig()
    rig.kill_at = point
    with pytest.raises(Killed):
        rig.admit(6, 3072)
    rig.kill_at = None
    rig.converge()
    assert rig.size == rig.claims.size == Size(6, 3072)


@pytest.mark.parametrize("size", [Size(2, 1024), Size(6, 3072)], ids=["release", "claim"])
def test_killed_between_claim_and_record_the_record_is_made_up_for(size: Size) -> None:
    rig = Rig()
    rig.record.desired = Desired(size, generation=1)

    def kill() -> None:
        raise Killed

    rig.once_before("record", kill)
    with pytest.raises(Killed):
        rig.converge()
    assert rig.converge().converged
    assert rig.claims.size == size
    assert rig.record.held == size
