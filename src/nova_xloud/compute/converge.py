# SPDX-License-Identifier: Apache-2.0
"""Drive one instance to its desired size: read, take one step, read again.

Each step runs under the instance's lock and is computed from what was read under it. Between
steps the lock is free, so a user's operation is never kept waiting for a guest; when one has
begun, this stands back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from nova_xloud.compute.admit import ADJUSTABLE_STATES
from nova_xloud.compute.claim import change_claim
from nova_xloud.compute.observe import Observation, observe
from nova_xloud.compute.ports import Domain, Instance
from nova_xloud.conf import EngineOptions
from nova_xloud.core import convergence as steps
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainNotRunning, GuestRefused, RemovalTimedOut

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    :ivar converged: the guest has the desired size and no more is reserved
    :ivar deferred: why it stood back, for people; None when it did not
    """

    converged: bool
    deferred: str | None = None


@dataclass(slots=True)
class Clock:
    """Time, so that tests need not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def converge(
    instance: Instance, options: EngineOptions, clock: Clock | None = None
) -> Outcome:
    """Take steps until there are none left, or the guest does not follow.

    :raises GuestRefused: a step was not seen within ``step_timeout``; what the guest still
        has stays claimed
    :raises NoCapacity: more must be reserved first and the host has no room
    :raises PlacementUnavailable:
    :raises DomainError:
    """
    clock = clock or Clock()
    told = steps.Told()
    waiting_since, waiting_for = clock.now(), ""
    while True:
        with instance.lock():
            view = instance.record.refresh()
            if not view.here or view.task_state or view.vm_state not in ADJUSTABLE_STATES:
                why = view.task_state or view.vm_state
                return Outcome(False, f"another operation goes first ({why})")
            seen = observe(instance, view)
            step = steps.next_step(seen.state, told)
            LOG.debug("Instance %s: %s", instance.uuid, step)
            told = _take(step, instance, seen, told, options)
        if isinstance(step, steps.Converged):
            return Outcome(True)
        if isinstance(step, steps.Deferred):
            return Outcome(False, step.why)
        if isinstance(step, steps.Await):
            _check_patience(step, waiting_since, clock, options)
            clock.sleep(options.poll_interval)
            progress = step.what
        else:
            progress = ""
        if progress != waiting_for:
            waiting_since, waiting_for = clock.now(), progress


def _take(
    step: steps.Step, instance: Instance, seen: Observation, told: steps.Told,
    options: EngineOptions,
) -> steps.Told:
    match step:
        case steps.Claim(size) | steps.Release(size):
            _reserve(instance, seen, size, options)
        case steps.ForgetLive():
            desired = seen.view.desired.restarted()
            instance.record.write(desired, held=seen.reservation.size)
        case steps.SetMemory(mib):
            _running(seen).set_memory(mib, persistent=seen.view.desired.live is None)
            return replace(told, memory_mb=mib)
        case steps.SetVcpus(count):
            _set_vcpus(instance, seen, count)
            return replace(told, vcpus=count)
    return told


def _reserve(
    instance: Instance, seen: Observation, size: Size, options: EngineOptions
) -> None:
    claimed = change_claim(
        instance.claims, seen.reservation, lambda _: size, options.claim_attempts
    )
    instance.record.write(seen.view.desired, held=claimed.size)


def _set_vcpus(instance: Instance, seen: Observation, count: int) -> None:
    try:
        _running(seen).set_vcpus(count, persistent=seen.view.desired.live is None)
    except RemovalTimedOut as error:
        unsettled = replace(seen.view.desired, removal_unsettled=True)
        instance.record.write(unsettled, held=seen.reservation.size)
        raise GuestRefused(
            f"the guest did not give vCPUs back down to {count}; what it has stays claimed "
            f"({seen.reservation.size})"
        ) from error


def _running(seen: Observation) -> Domain:
    if seen.domain is None:
        raise DomainNotRunning("the domain has gone")
    return seen.domain


def _check_patience(
    step: steps.Await, since: float, clock: Clock, options: EngineOptions
) -> None:
    if clock.now() - since > options.step_timeout:
        raise GuestRefused(
            f"waited {options.step_timeout:g} s that {step.what}; what it has stays claimed"
        )
