# SPDX-License-Identifier: Apache-2.0
"""Admit an adjustment: decide, claim, write desired. In that order, under the instance's lock.

A crash between claim and write leaves more reserved than is desired: wasteful until the next
pass over the host, never unsafe. The guest is not called here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from nova_xloud.clock import utc_now
from nova_xloud.compute.claim import change_claim
from nova_xloud.compute.liveness import PROBE_SECONDS
from nova_xloud.compute.observe import Observation, observe
from nova_xloud.compute.ports import ClaimConflict, Instance, RecordView, Reservation
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.plan import AdjustRequest, Plan, decide
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.state import ADJUSTABLE_STATES
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts, bounds_of
from nova_xloud.errors import (
    HostUnavailable,
    InvalidState,
    NotFound,
    PlacementUnavailable,
    Refused,
)

LOG = logging.getLogger(__name__)

_SAME = "nothing was changed"
# Seconds that a request waits for an operation that holds the instance: some do so for minutes, and
# without a task_state by which nova-api could know.
LOCKED_OUT_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to an adjustment that was admitted.

    :ivar generation: of the desired size that was asked for
    :ivar nothing_to_do: the instance has that size already
    :ivar shrinks: its guest gets nothing more by it
    """

    generation: int
    nothing_to_do: bool
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was reserved for a request, and by which reading.

    :ivar request_id: of whoever asked
    :ivar view: the record as it was left
    :ivar plan: what was decided; all of its claim is reserved
    :ivar claim: what is reserved
    """

    request: AdjustRequest
    request_id: str
    view: RecordView
    plan: Plan
    claim: Size

    def is_of(self, request: AdjustRequest, instance: Instance) -> bool:
        """Whether it is this request that it was reserved for."""
        return (self.request, self.request_id) == (request, instance.request_id)

    def still_holds(self, now: RecordView) -> bool:
        """Whether nobody has written anything of the instance that was decided by."""
        as_left = replace(now, version=self.view.version)
        return as_left == self.view and now.desired.same_record(self.view.desired)


def admit(
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    options: EngineOptions,
    too_late: Callable[[], bool] = lambda: False,
    date: Callable[[], str] = utc_now,
    reserved: Reserved | None = None,
) -> Admission:
    """Admit ``request`` or refuse it; a refusal changes nothing.

    :param reserved: for it, a moment ago: where that is claimed still, and the record is as it was
        left then, the guest is not read again. The run that follows reads it before it does more
    :param too_late: nobody waits for the answer any more; asked once the lock is had, which
        another operation may have kept for long, and once the guest and Placement have answered
    :param date: ISO 8601, UTC
    :raises Refused: with the reason
    :raises DomainError: the guest could not be read
    """
    if reserved is not None and reserved.is_of(request, instance):
        _check_placement_answers(instance)
        with instance.lock(LOCKED_OUT_AFTER):
            if not too_late() and _is_as_left(instance, reserved):
                return _admit_reserved(instance, reserved)
    check_answers(instance)
    with instance.lock(LOCKED_OUT_AFTER):
        seen, plan = _decide_in_time(instance, request, host, too_late, date())
        if plan.nothing_to_do:
            return Admission(plan.desired.generation, True)
        _commit(instance, seen, plan, options)
    shrinks = seen.state.held.covers(plan.desired.target)
    return Admission(plan.desired.generation, False, shrinks)


def reserve(
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    options: EngineOptions,
    too_late: Callable[[], bool] = lambda: False,
    date: Callable[[], str] = utc_now,
) -> Reserved | None:
    """Claim what ``request`` needs without making it desired.

    So quotas count it while they are checked a second time. If no :func:`admit` follows, the next
    run releases it.

    :param too_late: as of :func:`admit`
    :returns: what :func:`admit` may go on with; None: there is nothing to do
    :raises Refused: with the reason; nothing was changed
    :raises DomainError: the guest could not be read
    """
    check_answers(instance)
    with instance.lock(LOCKED_OUT_AFTER):
        seen, plan = _decide_in_time(instance, request, host, too_late, date())
        if plan.nothing_to_do:
            return None
        desired = seen.view.desired
        claim = _commit(instance, seen, replace(plan, desired=desired), options)
        left = replace(seen.view, recorded=claim)
    return Reserved(request, instance.request_id, left, plan, claim)


def _is_as_left(instance: Instance, reserved: Reserved) -> bool:
    """The claim too: a run may have released it, and the record is written in its next step."""
    is_claimed = instance.claims.read().size.covers(reserved.claim)
    # In this order: see observe().
    return is_claimed and reserved.still_holds(instance.record.refresh())


def _admit_reserved(instance: Instance, reserved: Reserved) -> Admission:
    desired = reserved.plan.desired
    instance.record.write(desired, recorded=reserved.claim)
    _log_desired(instance, desired, reserved.claim)
    return Admission(desired.generation, False)


def check_answers(instance: Instance) -> None:
    """Not to be called under the lock, which these two would be asked under.

    :raises HostUnavailable: its QEMU hangs
    :raises PlacementUnavailable: Placement does
    """
    if not instance.answers(PROBE_SECONDS):
        raise HostUnavailable("the guest's QEMU does not answer; nothing was changed")
    _check_placement_answers(instance)


def _check_placement_answers(instance: Instance) -> None:
    if not instance.placement_answers(PROBE_SECONDS):
        raise PlacementUnavailable("Placement does not answer; nothing was changed")


def decide_now(
    instance: Instance, request: AdjustRequest, host: HostFacts, now: str
) -> tuple[Observation, Plan]:
    """Read the instance and decide.

    The caller holds the instance's lock; the plan is valid until the lock is released.

    :raises Refused: with the reason
    :raises DomainError: the guest could not be read
    """
    seen = observe(instance, check_adjustable)
    bounds = bounds_of(seen.view.facts, host)
    plan = decide(request, seen.state, bounds, now, instance.request_id)
    if isinstance(plan, Refused):
        raise plan
    return seen, plan


def _decide_in_time(
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    too_late: Callable[[], bool],
    now: str,
) -> tuple[Observation, Plan]:
    if too_late():
        raise HostUnavailable(
            "the request was kept too long by a queue or by another operation on the instance; "
            + _SAME
        )
    decided = decide_now(instance, request, host, now)
    if too_late():
        raise HostUnavailable("the guest or Placement took too long to answer; " + _SAME)
    return decided


def check_adjustable(view: RecordView) -> None:
    """:raises Refused: unless the instance is here, in a fit state, and no task is running"""
    check_followed(view)
    if view.vm_state not in ADJUSTABLE_STATES:
        raise InvalidState(
            f"the instance's vm_state is {view.vm_state}; only {', '.join(ADJUSTABLE_STATES)} will "
            f"do"
        )


def check_followed(view: RecordView) -> None:
    """Its vm_state does not matter: a guest that runs here holds what it holds.

    :raises Refused: unless the instance is here, and no task is running
    """
    if not view.on_this_host:
        raise NotFound("the instance has left this host; ask again")
    if view.task_state is not None:
        raise InvalidState(f"the instance is busy: its task_state is {view.task_state}")


def _commit(instance: Instance, seen: Observation, plan: Plan, options: EngineOptions) -> Size:
    """Claim, and write the record; what is claimed then."""
    before = seen.reservation.size

    def enough(now: Size) -> Size:
        nonlocal before
        before = now
        return now.at_least(plan.claim)

    claimed = change_claim(
        instance.claims,
        seen.reservation,
        enough,
        options.claim_attempts,
        # Whoever changed the claim may have moved the instance.
        on_conflict=lambda: check_adjustable(instance.record.refresh()),
    )
    try:
        instance.record.write(plan.desired, recorded=claimed.size)
    except Refused:
        # A user's operation came between. It goes on with the size there was.
        _give_back(instance, claimed, before)
        raise
    _log_desired(instance, plan.desired, claimed.size)
    return claimed.size


def _log_desired(instance: Instance, desired: Desired, claimed: Size) -> None:
    LOG.info(
        "Instance %s: desired %s (generation %d), reserved %s.",
        instance.uuid,
        desired.target,
        desired.generation,
        claimed,
    )


def _give_back(instance: Instance, claimed: Reservation, before: Size) -> None:
    if claimed.size == before:
        return
    try:
        # Once: what has changed meanwhile belongs to the operation that came between. The database
        # may have taken long to say no, and a whole move fits into that: see observe().
        if instance.claims.read().size == claimed.size:
            instance.claims.write(claimed, before)
    except (ClaimConflict, Refused) as error:
        LOG.warning(
            "Instance %s keeps a claim of %s that it does not need until it is looked at again: %s",
            instance.uuid,
            claimed.size,
            error,
        )
