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
from nova_xloud.compute.observe import Observation, observe
from nova_xloud.compute.ports import ClaimConflict, Domain, Instance
from nova_xloud.conf import EngineOptions
from nova_xloud.core import convergence as steps
from nova_xloud.errors import (
    DomainCallFailed,
    DomainError,
    DomainNotRunning,
    GuestRefused,
    InvalidState,
    NotFound,
    PlacementUnavailable,
    Refused,
    RemovalTimedOut,
    VcpuNotRemovable,
)

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
    """Time, so that tests need not wait.

    :ivar closing: the service is about to end: stand back
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    closing: Callable[[], bool] = lambda: False


def converge(instance: Instance, options: EngineOptions, clock: Clock | None = None) -> Outcome:
    """Take steps until there are none left, or the guest does not follow.

    :raises GuestRefused: a step was not seen within ``step_timeout``; what the guest still
        has stays claimed
    :raises NoCapacity: more must be reserved first and the host has no room
    :raises PlacementUnavailable: it cannot be asked, or conflicts ``claim_attempts`` times running
    :raises DomainError:
    """
    try:
        return _Run(instance, options, clock or Clock()).to_the_end()
    except GuestRefused:
        _release_what_came_back(instance)
        raise


class _Run:
    """One run of :func:`converge`, and what it remembers between two steps."""

    def __init__(self, instance: Instance, options: EngineOptions, clock: Clock) -> None:
        self._instance = instance
        self._options = options
        self._clock = clock
        self._patience = _Patience(clock, options.step_timeout)
        self._told = steps.Told()
        self._conflicts = 0

    def to_the_end(self) -> Outcome:
        while not self._clock.closing():
            done = self._locked_step()
            if isinstance(done, Outcome):
                return done
            match done:
                case steps.Converged():
                    return Outcome(True)
                case steps.Deferred(why):
                    return Outcome(False, why)
                case steps.Stuck(why):
                    raise GuestRefused(why)
                case steps.Await():
                    self._patience.wait_for(done)
                    self._clock.sleep(self._options.poll_interval)
                case steps.SetMemory() | steps.SetVcpus():
                    self._patience.anew()
                case steps.Claim():
                    # It took more on its own; one that does so again and again is not raced.
                    self._clock.sleep(self._options.poll_interval)
        return Outcome(False, "nova-compute is stopping")

    def _locked_step(self) -> steps.Step | Outcome:
        """Read, decide, take the step: under the lock, so that nothing comes between."""
        with self._instance.lock():
            seen = _look(self._instance)
            if isinstance(seen, Outcome):
                return seen
            step = steps.next_step(seen.state, self._told)
            LOG.debug("Instance %s: %s", self._instance.uuid, step)
            try:
                self._told = _take(step, self._instance, seen, self._told)
            except InvalidState as busy:
                return _stand_back(busy.message)
            except ClaimConflict as conflict:
                self._count(conflict)
            else:
                self._conflicts = 0
            return step

    def _count(self, conflict: ClaimConflict) -> None:
        self._conflicts += 1
        if self._conflicts >= self._options.claim_attempts:
            raise PlacementUnavailable(f"{self._conflicts} conflicts running") from conflict


def _look(instance: Instance) -> Observation | Outcome:
    """What there is now; or that somebody else's turn it is."""
    try:
        view = instance.record.refresh()
    except NotFound as gone:
        return _stand_back(gone.message)
    fit = view.here and view.task_state is None and view.vm_state in ADJUSTABLE_STATES
    return observe(instance, view) if fit else _stand_back(view.task_state or view.vm_state)


def _release_what_came_back(instance: Instance) -> None:
    """A guest that refused half way holds less than before: what it gave back is released."""
    try:
        with instance.lock():
            seen = _look(instance)
            if isinstance(seen, Outcome):
                return
            needed = seen.state.settled_claim
            if seen.state.reserved != needed and seen.state.reserved.covers(needed):
                claimed = instance.claims.write(seen.reservation, needed)
                instance.record.write(seen.view.desired, claimed.size)
    except (Refused, DomainError, ClaimConflict) as error:
        LOG.warning(
            "Instance %s keeps more claimed than it holds until it is looked at again: %s",
            instance.uuid,
            error,
        )


def _stand_back(why: str) -> Outcome:
    return Outcome(False, f"another operation goes first ({why})")


class _Patience:
    """How long the guest has been waited for without coming nearer than it ever was.

    So a run ends: a guest that only wavers is given up, and one that comes nearer arrives.
    """

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._nearest: int | None = None
        self._since = 0.0

    def anew(self) -> None:
        """Something else was begun."""
        self._nearest = None

    def wait_for(self, step: steps.Await) -> None:
        """:raises GuestRefused: it has been waited for too long"""
        if self._nearest is None or step.left < self._nearest:
            self._nearest, self._since = step.left, self._clock.now()
        elif self._clock.now() - self._since > self._timeout:
            raise GuestRefused(
                f"waited {self._timeout:g} s that {step.what}; what it has stays claimed"
            )


def _take(step: steps.Step, instance: Instance, seen: Observation, told: steps.Told) -> steps.Told:
    desired, held = seen.view.desired, seen.reservation.size
    persistent = desired.live is None
    match step:
        case steps.Claim(size) | steps.Release(size):
            instance.claims.write(seen.reservation, size)
        case steps.Record():
            instance.record.write(desired, held)
        case steps.ForgetLive():
            instance.record.write(desired.restarted(), held)
        case steps.BeginRemoval(count):
            instance.record.write(replace(desired, removal_pending=count), held)
        case steps.RemovalSettled():
            instance.record.write(replace(desired, removal_pending=None), held)
        case steps.SetMemory(mib):
            _running(seen).set_memory(mib, persistent=persistent)
            return replace(told, memory_mb=mib)
        case steps.SetVcpus(count):
            _set_vcpus(instance, seen, count, persistent)
            return replace(told, vcpus=count)
    return told


def _set_vcpus(instance: Instance, seen: Observation, count: int, persistent: bool) -> None:
    try:
        _running(seen).set_vcpus(count, persistent=persistent)
    except (RemovalTimedOut, VcpuNotRemovable, DomainCallFailed) as error:
        if count >= seen.state.held.vcpus:
            raise
        if not isinstance(error, RemovalTimedOut):
            # Said at once and nothing was begun: unlike after a time-out, the count is known.
            known = replace(seen.view.desired, removal_pending=None)
            instance.record.write(known, seen.reservation.size)
        raise GuestRefused(
            # An event's details are cut at 255 characters: what matters comes first.
            f"the guest did not give vCPUs back down to {count}; what it has stays claimed "
            f"({error})"
        ) from error


def _running(seen: Observation) -> Domain:
    if seen.domain is None:
        raise DomainNotRunning("the domain has gone")
    return seen.domain
