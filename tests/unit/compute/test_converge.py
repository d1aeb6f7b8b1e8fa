# SPDX-License-Identifier: Apache-2.0
"""Driving one instance to its desired size: what is done, in which order.

That no less is reserved than the guest has is checked by the rig, after every effect and sleep.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.compute.converge import MAX_RUN_IN_TIMEOUTS, REREAD_AFTER
from nova_xloud.compute.progress_deadline import MAX_STEP_IN_TIMEOUTS
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused
from nova_xloud.testing import Timing
from tests.unit.compute.idle_driver import idle_driver
from tests.unit.compute.rig import NOW, OPTIONS, SHRINK, Rig

SIZES = [Size(6, 3072), Size(2, 1024), Size(6, 1024), Size(2, 3072), Size(8, 4096), Size(4, 1024)]


@pytest.mark.parametrize("agent", [False, True], ids=["no agent", "agent"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_guest_becomes_what_was_asked_for_and_that_is_claimed(size: Size, agent: bool) -> None:
    rig = Rig(agent=agent)
    assert rig.adjust(size.vcpus, size.memory_mb).converged
    assert rig.size == rig.claims.size == rig.record.recorded == size
    assert rig.desired == Desired(size, generation=1)
    assert rig.end == ("converged", "xloud.converged")
    assert (rig.record.desired.progress.since, rig.recorded_conditions) == (rig.date(), [])


@pytest.mark.parametrize(
    ("size", "effects"),
    [
        (Size(6, 3072), ["set_memory", "set_vcpus", "record"]),
        (Size(2, 1024), ["record", "set_vcpus", "record", *SHRINK, "claim", "record"]),
        (Size(6, 1024), ["set_vcpus", *SHRINK, "claim", "record"]),
        (Size(2, 3072), ["set_memory", "record", "set_vcpus", "record", "claim", "record"]),
    ],
    ids=["grow", "shrink", "vCPUs grow, memory shrinks", "memory grows, vCPUs shrink"],
)
def test_the_order_of_effects(size: Size, effects: list[str]) -> None:
    rig = Rig()
    rig.admit(size.vcpus, size.memory_mb)
    rig.effects.clear()
    rig.converge()
    # What it starts with next comes before anything else.
    assert rig.effects == ["set_definition", *effects]


def test_run_with_nothing_to_do_only_sets_the_balloon() -> None:
    rig = Rig()
    assert rig.converge().converged
    assert rig.effects == ["set_memory"]
    assert rig.clock.now() == 0


def test_a_stopped_instance_with_nothing_to_do_has_nothing_done() -> None:
    rig = Rig(running=False)
    assert rig.converge().converged
    assert rig.effects == []


def test_a_removal_is_written_down_before_it_is_begun_and_after_it_is_seen() -> None:
    rig = Rig()
    rig.adjust(2)
    pending = [desired.removal_pending for desired in rig.record.written]
    assert pending[:3] == [None, 2, None]
    assert rig.effects.index("set_vcpus") == rig.effects.index("record", 2) + 1


def test_what_was_persisted_is_also_in_the_configuration() -> None:
    rig = Rig()
    rig.adjust(6, 3072)
    assert (rig.guest.config.vcpus, rig.guest.config.memory_kib) == (6, 3072 * 1024)


def test_what_was_not_persisted_is_not_in_the_configuration() -> None:
    rig = Rig()
    rig.admit(6, 3072, persist=False)
    assert rig.converge().converged
    assert rig.size == Size(6, 3072)
    assert (rig.guest.config.vcpus, rig.guest.config.memory_kib) == (4, 2048 * 1024)


def test_memory_is_released_when_the_balloon_has_it_and_not_before() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.adjust(memory_mb=1024)
    assert rig.clock.now() >= 10
    assert rig.claims.written == [Size(4, 1024)]


def test_each_size_is_set_once_a_run() -> None:
    rig = Rig(timing=Timing(balloon_rate=10))
    rig.adjust(6, 1024)
    assert rig.told("set_memory") == [2048, 1024]
    assert rig.told("set_vcpus") == [6]


def test_the_newest_desired_wins_while_converging() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(2, 1024)

    def somebody_changes_their_mind() -> None:
        rig.admit(8, 4096)

    rig.once_before("sleep", somebody_changes_their_mind)
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(8, 4096)
    assert rig.record.desired.generation == 2


def test_the_newest_desired_wins_when_it_is_smaller() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    rig.admit(8, 4096)
    rig.once_before("sleep", lambda: _admitted(rig, 2, 1024))
    assert rig.converge().converged
    assert rig.size == rig.claims.size == Size(2, 1024)


def _admitted(rig: Rig, vcpus: int, memory_mb: int) -> None:
    rig.admit(vcpus, memory_mb)


def test_what_was_asked_only_until_it_stops_is_forgotten_when_it_has() -> None:
    rig = Rig()
    rig.admit(6, 3072, persist=False)
    rig.converge()
    rig.guest.stop()
    rig.record.vm_state = "stopped"
    rig.effects.clear()
    assert rig.converge().converged
    assert rig.effects == ["record", "claim", "record"]
    assert rig.desired == Desired(NOW, generation=1)
    assert (rig.end, rig.recorded_conditions) == (("converged", "xloud.converged"), [])
    assert rig.claims.size == rig.record.recorded == NOW


@pytest.mark.parametrize("undefined", [False, True])
def test_a_stopped_instance_releases_down_to_what_it_starts_with(undefined: bool) -> None:
    rig = Rig(running=False)
    if undefined:
        rig.guest.undefine()
    assert rig.adjust(2, 1024).converged
    assert rig.claims.size == rig.record.recorded == Size(2, 1024)


def test_growth_taken_back_before_the_balloon_moved_leaves_the_guest_alone() -> None:
    rig = idle_driver()
    rig.admit(memory_mb=4096)
    rig.once_before("sleep", lambda: _admitted(rig, NOW.vcpus, NOW.memory_mb))
    assert rig.converge().converged
    assert rig.told("set_memory") == [4096, 2048]
    rig.clock.advance(60)
    rig.check_invariant()
    assert rig.size == NOW


def test_shrink_taken_back_before_the_balloon_moved_leaves_the_guest_alone() -> None:
    rig = idle_driver()
    rig.admit(memory_mb=1024, force=True)
    rig.once_before("sleep", lambda: _admitted(rig, NOW.vcpus, NOW.memory_mb))
    assert rig.converge().converged
    assert rig.told("set_memory") == [1024, 2048]
    rig.clock.advance(60)
    assert rig.size == NOW


def test_waiting_for_the_lock_does_not_use_up_the_guests_time() -> None:
    rig = Rig()
    rig.admit(memory_mb=1024)
    rig.once_before("lock", lambda: rig.clock.advance(OPTIONS.step_timeout + 1))
    assert rig.converge().converged


def test_a_step_that_comes_nearer_too_slowly_is_given_up() -> None:
    rig = Rig(timing=Timing(balloon_rate=0.2))
    with pytest.raises(GuestRefused) as refusal:
        rig.adjust(memory_mb=1024)
    assert refusal.value.code == "xloud.guest_refused.memory_not_reached"
    longest = MAX_STEP_IN_TIMEOUTS * OPTIONS.step_timeout
    assert longest < rig.clock.now() < longest + REREAD_AFTER + 5
    # What came back until then is given back.
    assert rig.size == rig.claims.size
    assert rig.size.memory_mb < NOW.memory_mb


def test_a_run_that_takes_long_lets_others_go_first_and_goes_on_later() -> None:
    limits = replace(OPTIONS.limits, step_mb=16)
    options = replace(OPTIONS, limits=limits, poll_interval=2.0)
    rig = Rig(timing=Timing(balloon_rate=1), options=options)
    outcome = rig.adjust(memory_mb=1024)
    assert "others go first" in str(outcome.deferred)
    longest = MAX_RUN_IN_TIMEOUTS * OPTIONS.step_timeout
    assert longest < rig.clock.now() < longest + REREAD_AFTER + 5
    half_way = rig.size.memory_mb
    assert 1024 < half_way < 2000
    assert rig.claims.size == rig.size
    assert rig.end == ("deferred", "xloud.deferred")
    runs = 1
    while not rig.converge().converged:
        assert rig.size.memory_mb < half_way
        half_way, runs = rig.size.memory_mb, runs + 1
        assert runs < 9
    assert rig.size == rig.claims.size == Size(4, 1024)


def test_vcpus_are_plugged_while_memory_is_on_its_way() -> None:
    rig = Rig(timing=Timing(balloon_rate=100))
    had: list[int] = []
    rig.before["set_vcpus"] = lambda: had.append(rig.size.memory_mb)
    assert rig.adjust(6, 3072).converged
    assert had[0] < 3072
    order = [effect for effect in rig.effects if effect.startswith("set_")]
    assert order == ["set_definition", "set_memory", "set_vcpus"]
