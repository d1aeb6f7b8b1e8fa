# SPDX-License-Identifier: Apache-2.0
"""A dry run: the steps that an adjustment would take with a guest that follows at once."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, get_args

from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.next_step import next_step
from nova_xloud.core.convergence.plan import Plan
from nova_xloud.core.convergence.steps import (
    Await,
    Claim,
    Converged,
    DropLiveSize,
    MarkRemoval,
    Release,
    RemovalSettled,
    RunState,
    SetDefinition,
    SetMemory,
    SetOnline,
    SetRecorded,
    SetStatisticsPeriod,
    SetVcpus,
    Step,
)
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import InstanceState

# Far more than any adjustment takes: memory in steps of 16 MiB from 16 TiB down to nothing.
_MOST = 2**20
# Bookkeeping steps, which the answer of a dry run does not list.
_SILENT = (SetRecorded, RemovalSettled, DropLiveSize, SetStatisticsPeriod, Converged)
# Every ``step`` that the answer of a dry run may have.
STEP_NAMES = tuple(step.name for step in get_args(Step) if step not in _SILENT)


def forecast(state: InstanceState, plan: Plan, limits: Limits) -> tuple[Step, ...]:
    """Return the steps of an adjustment, in order, for a guest that follows at once.

    The first is a claim, if more must be reserved than is now. The others are those that
    :func:`next_step` returns. Left out are waits, the period of the statistics, the end
    (:class:`Converged`), and what is only written into the record or the columns, except
    :class:`MarkRemoval`.

    :param state: the instance as read now
    :param plan: the plan for the request, from :func:`nova_xloud.core.convergence.plan.decide`
    :returns: the steps; if even such a guest would not reach the size, the last step has the
        reason, and may be an :class:`Await`
    """
    steps: list[Step] = []
    if plan.claim != state.reserved:
        steps.append(Claim(plan.claim))
    state = replace(state, desired=plan.desired, reserved=plan.claim)
    run = RunState()
    waited: Step | None = None
    for _ in range(_MOST):
        run = run.after_reading(state.guest)
        step = next_step(state, run, limits)
        if isinstance(step, Converged):
            break
        if isinstance(step, Await) and step == waited:
            steps.append(step)
            break
        waited = step if isinstance(step, Await) else None
        if not isinstance(step, (Await, *_SILENT)):
            steps.append(step)
        after = _after(step, state, run)
        if after is None:
            break
        state, run = after
    return tuple(steps)


def described(step: Step) -> dict[str, Any]:
    """Return a step as the dry run's answer has it: ``{"step": "set_vcpus", "count": 3}``.

    A field ``size`` becomes ``vcpus`` and ``memory_mb`` (MiB) beside ``step``. The field ``within``
    of an :class:`Await` is left out.
    """
    fields = asdict(step)
    # The deadline is a matter of the run, and not part of the answer.
    fields.pop("within", None)
    size = fields.pop("size", None)
    return {"step": step.name, **fields, **(size or {})}


def _after(
    step: Step, state: InstanceState, run: RunState
) -> tuple[InstanceState, RunState] | None:
    """Return the states of the instance and of the run after ``step``, if the guest follows.

    None if ``step`` ends the run, or needs a libvirt domain and there is none.
    """
    match step:
        case Claim(size) | Release(size):
            return replace(state, reserved=size), run
        case SetDefinition(size) if state.guest is not None:
            there = replace(state.guest, defined=size)
            return replace(state, guest=there), replace(run, definition_set=size)
        case SetRecorded(size):
            return replace(state, recorded=size), run
        case DropLiveSize():
            return replace(state, desired=state.desired.restarted()), run
        case MarkRemoval(count):
            return _removing(state, count), run
        case RemovalSettled():
            return _removing(state, None), run
    return None if state.guest is None else _of_guest(step, state, state.guest, run)


def _removing(state: InstanceState, pending: int | None) -> InstanceState:
    return replace(state, desired=replace(state.desired, removal_pending=pending))


def _of_guest(
    step: Step, state: InstanceState, guest: DomainReading, run: RunState
) -> tuple[InstanceState, RunState] | None:
    match step:
        case SetMemory(mib):
            return replace(state, guest=_with_memory(guest, mib)), replace(
                run, balloon_target_mb=mib
            )
        case SetStatisticsPeriod(seconds):
            there = replace(guest, stats_period=seconds)
            return replace(state, guest=there), replace(run, stats_period_set=seconds)
        case SetVcpus(count):
            online = guest.vcpus_online
            if online is not None:
                online = min(count, online + max(0, count - guest.vcpus))
            there = replace(guest, vcpus=count, vcpus_online=online)
            return replace(state, guest=there), replace(run, vcpus_requested=count)
        case SetOnline(count):
            there = replace(guest, vcpus_online=count)
            return replace(state, guest=there), replace(run, online_requested=count)
        case Await():
            newer = None if guest.stats_at is None else guest.stats_at + 1
            return replace(state, guest=replace(guest, stats_at=newer)), run
    return None


def _with_memory(guest: DomainReading, mib: int) -> DomainReading:
    usable = guest.usable_mb
    if usable is not None:
        usable = max(0, usable + mib - guest.memory_mb)
    return replace(guest, memory_mb=mib, usable_mb=usable)
