# SPDX-License-Identifier: Apache-2.0
"""Parts of the engine as they would be without a rule; :mod:`tests.simulator.rules` names it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest import mock

from nova_xloud.compute import admit, converge, execute, finish, outcome, waits
from nova_xloud.compute.claim import change_claim
from nova_xloud.compute.observe import Observation, observe
from nova_xloud.compute.outcome import Yield
from nova_xloud.compute.ports import Claims, Instance, RecordView, Reservation
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence import balloon, drift, next_step, plan, steps
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.drift import Drift
from nova_xloud.core.convergence.plan import Plan
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.instance.state import NOTHING, InstanceState
from nova_xloud.core.size import Size
from nova_xloud.errors import ClaimRefused, NoCapacity, NotFound

_ADMIT = admit.admit
_GIVE_BACK = admit._give_back
_FIND_DRIFT = drift.find_drift
_NEEDED: Any = InstanceState.needed
_NEXT_STEP = next_step.next_step
_OBSERVE = observe
_RELEASE_WHAT_CAME_BACK = finish._release_what_came_back
_SET_VCPUS = execute._set_vcpus
_SHRINK = balloon._shrink
_STEP = balloon.step
_FINISH = finish.finish
_EXECUTE = converge._Run._execute


# Admission.


def record_before_claim(
    instance: Instance, seen: Observation, plan: Plan, options: EngineOptions
) -> None:
    instance.record.write(plan.desired, recorded=seen.state.reserved)
    change_claim(
        instance.claims,
        seen.reservation,
        lambda now: now.at_least(plan.claim),
        options.claim_attempts,
    )


def change_claim_unasked(
    claims: Claims,
    current: Reservation,
    wanted: Callable[[Size], Size],
    attempts: int,
    on_conflict: object = None,
) -> Reservation:
    return change_claim(claims, current, wanted, attempts)


def admit_however_late(*args: Any, too_late: object = None, **kwargs: Any) -> Any:
    return _ADMIT(*args, **kwargs)


def give_back_all(instance: Instance, claimed: Reservation, before: Size) -> None:
    _GIVE_BACK(instance, claimed, _OBSERVE(instance).state.minimum_claim)


# Convergence.


def next_step_without_claim(state: InstanceState, run: RunState, limits: Limits) -> steps.Step:
    reserved = state.reserved.at_least(state.minimum_claim)
    return _NEXT_STEP(replace(state, reserved=reserved), run, limits)


def next_step_without_mark(state: InstanceState, run: RunState, limits: Limits) -> steps.Step:
    step = _NEXT_STEP(state, run, limits)
    return steps.SetVcpus(step.count) if isinstance(step, steps.MarkRemoval) else step


def observe_regardless(
    instance: Instance, last_view: RecordView | None = None
) -> Observation | Yield:
    try:
        seen = _OBSERVE(instance)
    except NotFound:
        return Yield("gone")
    return seen if seen.view.on_this_host else Yield("gone")


def observe_record_first(
    instance: Instance,
    check: Callable[[RecordView], None] = lambda view: None,
    last_view: RecordView | None = None,
) -> Observation:
    view = instance.record.refresh()
    check(view)
    seen = _OBSERVE(instance)
    return replace(seen, view=view, state=replace(seen.state, desired=view.desired))


@contextlib.contextmanager
def observe_record_first_everywhere() -> Iterator[None]:
    with (
        mock.patch.object(admit, "observe", observe_record_first),
        mock.patch.object(outcome, "observe", observe_record_first),
    ):
        yield


def observe_guest_once() -> AbstractContextManager[Any]:
    first: dict[int, tuple[Instance, DomainReading | None]] = {}

    def observe_again(
        instance: Instance,
        check: Callable[[RecordView], None] = lambda view: None,
        last_view: RecordView | None = None,
    ) -> Observation:
        seen = _OBSERVE(instance, check, last_view)
        # Beside it the instance itself, so that its id is nobody else's.
        _, guest = first.setdefault(id(instance), (instance, seen.state.guest))
        return replace(seen, state=replace(seen.state, guest=guest))

    return mock.patch.object(outcome, "observe", observe_again)


def release_as_if_the_target_was_set(instance: Instance, seen: Observation, run: RunState) -> Size:
    run = replace(run, balloon_target_mb=run.balloon_target_mb or 0)
    return _RELEASE_WHAT_CAME_BACK(instance, seen, run)


@contextlib.contextmanager
def definition_does_not_count() -> Iterator[None]:
    with (
        mock.patch.object(InstanceState, "defined", property(lambda state: NOTHING)),
        mock.patch.object(next_step, "_definition", return_value=None),
    ):
        yield


def finish_after_a_call(
    instance: Instance, seen: Observation, run: RunState, record: Desired
) -> Size:
    finish._leave(instance, seen, run)
    return _FINISH(instance, seen, replace(run, balloon_target_mb=None), record)


def observe_to_call_and_claim() -> AbstractContextManager[Any]:
    reservation = property(lambda seen: seen._reservation)
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(Observation, "reservation", reservation))
    stack.enter_context(mock.patch.object(converge, "finish", finish_after_a_call))
    return stack


@contextlib.contextmanager
def wait_for_the_lock() -> Iterator[None]:
    with (
        mock.patch.object(admit, "LOCKED_OUT_AFTER", 1e9),
        mock.patch.object(waits, "LOCK_WAITS", 1e9),
    ):
        yield


def execute_and_try_again(run: Any, step: steps.Step, seen: Observation) -> None:
    with contextlib.suppress(NoCapacity, ClaimRefused):
        _EXECUTE(run, step, seen)


def _as_if_settled(state: InstanceState) -> InstanceState:
    return replace(state, desired=replace(state.desired, removal_pending=None))


@contextlib.contextmanager
def add_regardless() -> Iterator[None]:
    add, stuck = next_step._add, plan._vcpus_stuck

    def add_anyway(target: int, state: InstanceState, *rest: Any) -> steps.Step | None:
        return add(target, _as_if_settled(state), *rest)

    def never_stuck(target: Size, now: Size, state: InstanceState) -> Any:
        return stuck(target, now, _as_if_settled(state))

    with (
        mock.patch.object(next_step, "_add", add_anyway),
        mock.patch.object(plan, "_vcpus_stuck", never_stuck),
    ):
        yield


def set_vcpus_as_if_first(
    count: int, instance: Instance, seen: Observation, run: RunState
) -> RunState:
    return _SET_VCPUS(count, instance, seen, replace(run, removal_marked=True))


def held_by_agents_word(state: InstanceState) -> Size:
    seen, guest = state.numbers.observed, state.numbers.actuated
    return Size(guest.vcpus if seen.vcpus is None else seen.vcpus, guest.memory_mb)


def needed_for_the_target(state: InstanceState) -> Size:
    desired = replace(state.desired, persisted=state.desired.target)
    needed: Size = _NEEDED.fget(replace(state, desired=desired))
    return needed


def minimum_claim_while_booting(state: InstanceState) -> Size:
    return state.desired.claim.at_least(state.must_be_claimed)


def find_drift_without_the_guest(
    desired: Desired,
    recorded: Size,
    reserved: Size,
    stats: DomainStats | None,
    *,
    booting: bool,
    driven: bool,
    silent: bool,
) -> Drift | None:
    if stats is not None:
        target = desired.target
        stats = replace(stats, vcpus=target.vcpus, memory_mb=target.memory_mb)
    return _FIND_DRIFT(
        desired, recorded, reserved, stats, booting=booting, driven=driven, silent=silent
    )


# The balloon.


def shrink_by_force(
    goal: int, state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Any:
    state = replace(state, desired=replace(state.desired, force=True))
    return _SHRINK(goal, state, guest, run, limits)


def shrink_at_once(
    goal: int, state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Any:
    return _SHRINK(goal, state, guest, run, replace(limits, step_mb=guest.max_memory_mb))


def step_unless_there(
    state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Any:
    if guest.memory_mb == state.desired.target.memory_mb:
        return None
    return _STEP(state, guest, run, limits)
