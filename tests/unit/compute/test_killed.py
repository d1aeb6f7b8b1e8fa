# SPDX-License-Identifier: Apache-2.0
"""The process is killed, before or after any one effect; then somebody looks again.

The rig checks after each effect, and here after the kill, that no less is reserved than is held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.size import Size
from nova_xloud.testing import Behaviour, Timing
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.inline_worker import InlineWorker
from tests.unit.compute.rig import NOW, OPTIONS, Killed, Rig

Scenario = Callable[[Rig], None]

# What a balloon gives back at a time, so that 1024 MiB are three steps.
OPTIONS_OF_STEPS = replace(OPTIONS, limits=Limits(step_mb=400))


def _asked(
    vcpus: int | None, memory_mb: int, *, persist: bool = True, force: bool = False
) -> Scenario:
    def run(rig: Rig) -> None:
        rig.admit(vcpus, memory_mb, persist=persist, force=force)
        rig.converge()

    return run


def _unclaimed(rig: Rig) -> None:
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    rig.converge()


def _stopped(rig: Rig) -> None:
    rig.admit(6, 1024, persist=False)
    rig.converge()
    if rig.guest.active:
        rig.stop()
    rig.converge()


def _in_steps(rig: Rig) -> None:
    rig.options = OPTIONS_OF_STEPS
    _asked(2, 1024)(rig)


def _by_force(rig: Rig) -> None:
    rig.options = OPTIONS_OF_STEPS
    _asked(None, 1024, force=True)(rig)


def _left_offline(rig: Rig) -> None:
    rig.guest.behaviour = Behaviour.NO_ONLINE
    _asked(6, 3072)(rig)


def _twice(rig: Rig) -> None:
    rig.admit(6, 3072)
    rig.admit(3, 1500)
    rig.converge()


def _started(rig: Rig) -> None:
    # Its balloon is on the way from all of its memory when it is asked to be larger.
    rig.stop()
    rig.boot_grace = BootGrace(rig.clock.now, 120)
    rig.boot_grace.assume_booted({})
    rig.boot()
    _asked(6, 3072)(rig)


def _reserved_first(rig: Rig) -> None:
    rig.reserve(6, 3072)
    _asked(6, 3072)(rig)


def _reserved_in_vain(rig: Rig) -> None:
    rig.reserve(6, 3072)
    rig.converge()


SCENARIOS = {
    "grow": _asked(6, 3072),
    "shrink": _asked(2, 1024),
    "grow and shrink": _asked(6, 1024),
    "shrink and grow": _asked(2, 3072),
    "until it stops": _asked(8, 1024, persist=False),
    "not claimed yet": _unclaimed,
    "stopped after it": _stopped,
    "shrink in steps": _in_steps,
    "by force": _by_force,
    "CPUs left offline": _left_offline,
    "another size": _twice,
    "just started": _started,
    "reserved first": _reserved_first,
    "reserved in vain": _reserved_in_vain,
}

# Twice as many as any scenario has effects: before and after each.
POINTS = 24


def killed_at(point: int, scenario: Scenario, *, agent: bool) -> Rig:
    """What there is after the process has been killed there."""
    rig = Rig(agent=agent, timing=Timing(balloon_rate=400))
    rig.request_id = "req-1"
    rig.kill_at = point
    with contextlib.suppress(Killed):
        scenario(rig)
    rig.check_invariant()
    rig.kill_at = None
    return rig


def check_finished(rig: Rig) -> None:
    """All is as desired, and stays so."""
    desired = rig.record.desired
    assert desired.progress.phase is Phase.CONVERGED
    assert desired.recorded_conditions == ()
    assert desired.removal_pending is None
    assert rig.claims.size == rig.record.recorded == desired.claim
    assert not rig.guest.active or rig.size == desired.target
    rig.clock.advance(600)
    rig.check_invariant()
    assert not rig.guest.active or rig.size == desired.target


@pytest.mark.parametrize("agent", [False, True], ids=["no agent", "agent"])
@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_whoever_is_killed_is_followed_by_somebody_who_converges(
    scenario: Scenario, point: int, agent: bool
) -> None:
    rig = killed_at(point, scenario, agent=agent)
    assert rig.converge().converged
    check_finished(rig)


def service(rig: Rig) -> tuple[Reconciler, InlineWorker]:
    """nova-compute, started anew: it knows nothing but what is written."""
    boot_grace = BootGrace(rig.clock.now, 120)
    rig.boot_grace = boot_grace
    worker = InlineWorker(rig)
    host_instances = FakeHostInstances([rig.instance])
    reconciler = Reconciler(host_instances, boot_grace, worker, rig.options, rig.clock.now)
    reconciler.service_starts()
    return reconciler, worker


@pytest.mark.parametrize("agent", [False, True], ids=["no agent", "agent"])
@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_restarted_service_finishes_the_run_of_a_killed_one(
    scenario: Scenario, point: int, agent: bool
) -> None:
    rig = killed_at(point, scenario, agent=agent)
    # A guest that boots is accounted at what it has: nobody knows any more since when it does.
    rig.takes_memory = scenario is _started
    left = rig.record.desired
    reconciler, worker = service(rig)
    reconciler.run()
    rig.takes_memory = False
    check_finished(rig)
    assert rig.record.desired.same_target(left.restarted() if not rig.guest.active else left)
    unanswered = left.progress.request_id and not left.progress.finished
    if worker.submitted:
        assert worker.submitted == [(rig.uuid, "xloud_adjust" if unanswered else None)]
    else:
        assert not unanswered
    # And there is nothing left for the next pass.
    rig.clock.advance(rig.options.retry_max_interval)
    rig.effects.clear()
    assert reconciler.run() == 0
    assert rig.effects == []


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_point_of_a_scenario_is_among_those_it_is_killed_at(scenario: Scenario) -> None:
    for agent in (False, True):
        rig = Rig(agent=agent, timing=Timing(balloon_rate=400))
        scenario(rig)
        assert 4 <= rig.points <= POINTS


@pytest.mark.parametrize("again", range(6))
def test_service_that_is_killed_in_each_first_pass_finishes_the_adjustment(
    again: int,
) -> None:
    rig = killed_at(4, _in_steps, agent=True)
    for point in range(again + 1):
        rig.kill_at = rig.points + point
        reconciler, _ = service(rig)
        with contextlib.suppress(Killed):
            reconciler.run()
        rig.check_invariant()
    rig.kill_at = None
    service(rig)[0].run()
    check_finished(rig)
    assert rig.size == Size(2, 1024)


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
    assert rig.record.recorded == size
