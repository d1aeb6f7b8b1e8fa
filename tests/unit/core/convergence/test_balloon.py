# SPDX-License-Identifier: Apache-2.0
"""The sizes that a balloon is set to: at once when a guest grows, in steps when it shrinks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nova_xloud.core.convergence import balloon
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.steps import NO_STATISTICS, Await, RunState, SetMemory, Stuck
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.lifecycle import NEVER_ADJUSTED, Phase, Progress
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from tests.unit.core.states import guest

LIMITS = Limits(step_mb=500, reserve_mb=100)


def reports(memory_mb: int, usable_mb: int | None = 4000, **other: Any) -> DomainReading:
    """A guest whose driver has reported of the second 20."""
    reading = {"balloon_driver": True, "usable_mb": usable_mb, "stats_at": 20, **other}
    return guest(2, memory_mb, **reading)


def seen(memory_mb: int, told_mb: int | None = None, stats_at: int | None = 10) -> RunState:
    """The balloon was told ``told_mb`` (what it has, if nothing), and is first seen at
    ``memory_mb`` when its statistics were of the second 10.
    """
    run_state = memory_mb if told_mb is None else told_mb
    return RunState(balloon_target_mb=run_state, settled_mb=memory_mb, settled_stats_at=stats_at)


def step(
    goal: int,
    reading: DomainReading,
    run_state: RunState,
    *,
    force: bool = False,
    booting: bool = False,
    reserved_mb: int = 4096,
    before: str = "",
) -> SetMemory | Await | Stuck | None:
    """:param before: what the guest was refused with by the last run"""
    progress = Progress(Phase.GUEST_REFUSED, before) if before else NEVER_ADJUSTED
    desired = Desired(Size(2, goal), force=force, progress=progress)
    state = InstanceState(desired, Size(2, reserved_mb), reading, booting=booting)
    return balloon.step(state, reading, run_state, LIMITS)


def awaited(answer: SetMemory | Await | Stuck | None) -> Await:
    assert isinstance(answer, Await)
    return answer


def test_a_guest_grows_in_one_step_however_far() -> None:
    assert step(4096, reports(1), RunState()) == SetMemory(4096)


def test_a_guest_grows_without_statistics() -> None:
    assert step(4096, guest(2, 1024), RunState()) == SetMemory(4096)


@pytest.mark.parametrize(("reserved_mb", "is_set"), [(2048, True), (2047, False), (4096, True)])
def test_a_guest_does_not_grow_before_that_is_reserved(reserved_mb: int, is_set: bool) -> None:
    answer = step(2048, reports(1024), RunState(), reserved_mb=reserved_mb)
    assert answer == (SetMemory(2048) if is_set else None)


def test_what_grows_is_waited_for_until_it_is_there() -> None:
    waits = awaited(step(2048, reports(1500), RunState(balloon_target_mb=2048)))
    assert (waits.code, waits.left) == ("xloud.guest_refused.memory_not_reached", 548)
    assert "2048 MiB (is 1500)" in waits.what
    assert step(2048, reports(2048), RunState(balloon_target_mb=2048)) is None


def test_balloon_of_the_right_size_is_set_once_a_run() -> None:
    assert step(2048, reports(2048), RunState()) == SetMemory(2048)
    assert step(2048, reports(2048), RunState(balloon_target_mb=1024)) == SetMemory(2048)
    assert step(2048, reports(2048), RunState(balloon_target_mb=2048)) is None


def test_guest_without_balloon_device_is_not_set_to_its_own_size() -> None:
    assert step(4096, guest(2, 4096, balloon_driver=None), RunState()) is None
    assert step(4096, guest(2, 4096, balloon_driver=False), RunState()) == SetMemory(4096)


def test_before_it_shrinks_it_is_told_the_size_it_has() -> None:
    # Another run may have told it a larger one.
    assert step(1024, reports(2048), RunState()) == SetMemory(2048)


def test_size_is_unknown_before_the_driver_reports() -> None:
    waits = awaited(step(1024, reports(2048, None, stats_at=None), RunState()))
    assert waits.code == "xloud.guest_refused.no_statistics"


def test_what_this_run_told_it_to_grow_to_is_stopped_where_it_is() -> None:
    assert step(1024, reports(2048), seen(2048, told_mb=3000)) == SetMemory(2048)
    assert step(1024, reports(2048), seen(2048, told_mb=2048)) == SetMemory(1548)


@pytest.mark.parametrize(("reserved_mb", "stopped"), [(2047, False), (2048, True)])
def test_what_it_has_and_is_not_reserved_it_is_not_told_to_have(
    reserved_mb: int, stopped: bool
) -> None:
    # It goes down from there without.
    answer = step(1024, reports(2048), seen(2048, told_mb=3000), reserved_mb=reserved_mb)
    assert answer == SetMemory(2048 if stopped else 1548)
    first = step(1024, reports(2048), RunState(), reserved_mb=reserved_mb)
    assert isinstance(first, SetMemory) is stopped


@pytest.mark.parametrize(
    ("goal", "now", "to"),
    [(1024, 4096, 3596), (1024, 1525, 1025), (1024, 1524, 1024), (1024, 1100, 1024)],
)
def test_a_step_down_is_bounded(goal: int, now: int, to: int) -> None:
    assert step(goal, reports(now), seen(now)) == SetMemory(to)
    assert step(goal, reports(now), seen(now), force=True) == SetMemory(to)


def test_a_step_that_was_told_is_waited_for_and_not_told_again() -> None:
    waits = awaited(step(1024, reports(3000), seen(3000, told_mb=2596)))
    assert (waits.code, waits.left) == ("xloud.guest_refused.memory_not_reached", 404)
    assert "2596 MiB (is 3000)" in waits.what
    assert awaited(step(1024, reports(1025), seen(1025, told_mb=1024))).left == 1


def test_a_step_that_was_reached_is_followed_by_the_next() -> None:
    assert step(1024, reports(2596), seen(2596)) == SetMemory(2096)


def test_a_larger_goal_than_was_told_is_not_waited_for() -> None:
    # Somebody has changed their mind while the balloon was on its way down to 1024.
    assert step(1800, reports(2000), seen(2000, told_mb=1024)) == SetMemory(1800)


@pytest.mark.parametrize(
    ("usable_mb", "to"),
    [(700, 1500), (599, 1501), (400, 1700), (101, 1999)],
    ids=["enough for the step", "one less", "enough for a part", "one MiB"],
)
def test_a_guest_is_not_pushed_below_what_it_uses_and_a_reserve(usable_mb: int, to: int) -> None:
    # floor = actual - usable + reserve
    assert to == max(1500, 2000 - usable_mb + 100)
    assert step(1024, reports(2000, usable_mb), seen(2000)) == SetMemory(to)


@pytest.mark.parametrize("usable_mb", [100, 99, 0])
def test_a_guest_that_uses_all_is_waited_for(usable_mb: int) -> None:
    waits = awaited(step(1024, reports(2000, usable_mb), seen(2000)))
    assert (waits.code, waits.left) == ("xloud.guest_refused.memory_floor", 976)
    for part in ("1024 MiB", "2000 MiB", f"{usable_mb} are free", "100 must stay free"):
        assert part in waits.what


@pytest.mark.parametrize("usable_mb", [0, 50, None])
def test_force_goes_below_what_it_uses_in_the_same_steps(usable_mb: int | None) -> None:
    stats_at = None if usable_mb is None else 20
    reading = reports(2000, usable_mb, stats_at=stats_at)
    assert step(1024, reading, seen(2000), force=True) == SetMemory(1500)
    assert step(1024, reading, RunState(), force=True) == SetMemory(1500)
    run_state = seen(2000, told_mb=1500)
    assert awaited(step(1024, reading, run_state, force=True)).left == 500


@pytest.mark.parametrize(
    ("reading", "run_state"),
    [
        (reports(2000, None, stats_at=None), seen(2000)),
        (reports(2000, stats_at=None), seen(2000)),
        (reports(2000, None), seen(2000)),
        (reports(2000, stats_at=10), seen(2000)),
        (reports(2000), seen(2001, told_mb=2000)),
        (reports(2000), RunState(balloon_target_mb=2000)),
    ],
    ids=[
        "it has never reported",
        "nobody knows when",
        "nothing of what is free",
        "not again since it is there",
        "it moves",
        "nobody knows where it was",
    ],
)
def test_a_guest_is_not_pushed_without_statistics_of_where_it_is(
    reading: DomainReading, run_state: RunState
) -> None:
    waits = awaited(step(1024, reading, run_state))
    assert (waits.code, waits.left) == ("xloud.guest_refused.no_statistics", 976)
    assert "reports how much memory the guest uses now" in waits.what


def test_a_run_waits_for_the_first_report_whatever_is_known_from_before() -> None:
    silent = reports(2000, None, stats_at=None, balloon_driver=False, stats_period=10)
    waits = awaited(step(1024, silent, seen(2000)))
    assert (waits.code, waits.within) == ("xloud.guest_refused.no_statistics", 40)
    # Unless the last has waited already, and nothing was heard since.
    assert isinstance(step(1024, silent, seen(2000), before=NO_STATISTICS), Stuck)
    unknown = replace(silent, balloon_driver=None)
    assert awaited(step(1024, unknown, seen(2000), before=NO_STATISTICS))
    assert awaited(step(1024, silent, seen(2000), before="xloud.guest_refused.memory_floor"))


def test_silent_driver_is_not_awaited_twice() -> None:
    silent = reports(2000, None, stats_at=None, balloon_driver=False)
    waited = replace(seen(2000), statistics_given_up=True)
    answer = step(1024, silent, waited)
    assert isinstance(answer, Stuck)
    assert answer.code == "xloud.guest_refused.no_statistics"
    for part in ("stays at 2000 MiB", "become 1024", "with force"):
        assert part in answer.why
    # The balloon is not set, not even to its own size; by force it shrinks all the same.
    assert step(1024, silent, RunState(statistics_given_up=True)) == answer
    assert step(1024, silent, seen(2000), force=True) == SetMemory(1500)
    # While it boots its driver may be on the way, and a paused one's does nothing.
    assert awaited(step(1024, silent, waited, booting=True)).booting
    assert awaited(step(1024, replace(silent, paused=True), waited))
    # What it reports all the same is heard.
    assert isinstance(step(1024, reports(2000), waited), SetMemory)
    # And a size that was set by force is waited for.
    assert awaited(step(1024, silent, seen(2000, told_mb=1500), force=True)).left == 500


@pytest.mark.parametrize(("stats_at", "fresh"), [(9, True), (10, False), (11, True)])
def test_statistics_are_fresh_when_they_are_others_than_at_its_arrival(
    stats_at: int, fresh: bool
) -> None:
    # Earlier ones are newer too: somebody has set the host's clock back.
    reading = reports(2000, stats_at=stats_at)
    assert seen(2000).has_fresh_statistics(reading) is fresh
    assert isinstance(step(1024, reading, seen(2000)), SetMemory) is fresh


def test_the_first_statistics_ever_are_fresh() -> None:
    assert seen(2000, stats_at=None).has_fresh_statistics(reports(2000))


def test_a_reading_is_remembered_when_the_balloon_has_moved_and_not_again() -> None:
    run_state = RunState().after_reading(reports(2000, stats_at=5))
    assert (run_state.settled_mb, run_state.settled_stats_at) == (2000, 5)
    assert run_state.after_reading(reports(2000, stats_at=6)) == run_state
    assert run_state.after_reading(None) == run_state
    moved = run_state.after_reading(reports(1999, stats_at=7))
    assert (moved.settled_mb, moved.settled_stats_at) == (1999, 7)
    assert moved.after_reading(reports(2000, stats_at=8)).settled_stats_at == 8


def test_a_guest_that_boots_is_not_stopped_on_its_way() -> None:
    # QEMU has told its balloon already where to go; with the size it has, that would be undone.
    waits = awaited(step(1024, reports(4096, None, stats_at=None), RunState(), booting=True))
    assert waits.code == "xloud.guest_refused.no_statistics"


@pytest.mark.parametrize(
    ("reading", "run_state"),
    [
        (reports(2000, None, stats_at=None), RunState()),
        (reports(2000, 50), seen(2000)),
        (reports(2000), seen(2000, told_mb=1500)),
    ],
    ids=["no statistics", "floor", "on the way"],
)
@pytest.mark.parametrize("booting", [True, False])
def test_what_is_waited_for_after_a_start_has_time(
    reading: DomainReading, run_state: RunState, booting: bool
) -> None:
    if run_state.balloon_target_mb is None and not booting:
        run_state = RunState(balloon_target_mb=2000)
    assert awaited(step(1024, reading, run_state, booting=booting)).booting is booting


def test_a_guest_that_grows_while_it_boots_is_waited_for_as_any_other() -> None:
    assert not awaited(
        step(2048, reports(1024), RunState(balloon_target_mb=2048), booting=True)
    ).booting
