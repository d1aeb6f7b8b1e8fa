# SPDX-License-Identifier: Apache-2.0
"""Admit an adjustment: decide, claim in Placement, then write the desired size to the record.

:func:`admit` does all three in this order under the instance's lock. If the quota of the request is
checked a second time, :func:`reserve` decides and claims before that check, and :func:`admit` then
takes the lock again and writes the desired size.

A crash between the claim and the write leaves more reserved than is desired: that is wasteful until
the next pass over the host releases it, and never unsafe. Nothing is set in the guest here; the
guest is only read.
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
# Seconds that a request waits for an operation that has the instance's lock. Some operations keep
# the lock for minutes, and set no task_state by which nova-api could know.
LOCKED_OUT_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to an adjustment that was admitted.

    :ivar generation: the generation of the desired size that was asked for
    :ivar nothing_to_do: the instance has just that size already, and that is what is reserved
    :ivar shrinks: the adjustment is known to give the guest nothing more, neither vCPUs nor memory.
        False too if there is nothing to do, or if :func:`reserve` made the claim before
    """

    generation: int
    nothing_to_do: bool
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """What :func:`reserve` claimed for a request, with the plan and the record of that moment.

    :ivar request: the request that the claim is for
    :ivar request_id: the id of the API request that asked for it
    :ivar view: the record as :func:`reserve` left it
    :ivar plan: what was decided; all of ``plan.claim`` is reserved
    :ivar claim: the size that is reserved
    """

    request: AdjustRequest
    request_id: str
    view: RecordView
    plan: Plan
    claim: Size

    def is_of(self, request: AdjustRequest, instance: Instance) -> bool:
        """Return whether the claim was made for ``request``, and by the same API request."""
        return (self.request, self.request_id) == (request, instance.request_id)

    def still_holds(self, now: RecordView) -> bool:
        """Return whether ``now`` is the record as :func:`reserve` left it.

        The version may differ, because :func:`reserve` wrote the record after it was read.
        """
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
    """Admit ``request`` or refuse it; a refusal leaves the desired size and the guest as they were.

    After a refusal no more stays claimed than before, with two exceptions, which the next run
    releases: what :func:`reserve` claimed, and a claim of this call that could not be taken back
    when the record could not be written (a warning is logged then).

    :param too_late: returns True once nobody waits for the answer any more. It is called when the
        lock is taken, which another operation may have kept for long, and again when the guest and
        Placement have answered
    :param date: returns the time now: ISO 8601, UTC
    :param reserved: what :func:`reserve` claimed for ``request`` a moment ago. Where that is still
        claimed, and the record is still as it was left then, the guest is not read again: the run
        that follows reads the guest before it changes anything
    :raises Refused: the request is not admitted, or Placement or QEMU does not answer; the message
        says why
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

    The size that is reserved then is also written into the instance's columns, so quotas count it
    while they are checked a second time. If no :func:`admit` follows, the next run releases the
    claim and sets the columns back.

    :param too_late: the same as the parameter of :func:`admit`
    :param date: returns the time now: ISO 8601, UTC
    :returns: what :func:`admit` takes as ``reserved``; None if there is nothing to do
    :raises Refused: the request is not admitted, or Placement or QEMU does not answer; the message
        says why. A claim that could not be taken back is released by the next run
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
    """Return whether the claim of ``reserved`` and the record are still as they were left.

    The record alone does not show it: a run may have released the claim, and writes the record
    only in the step after that. A claim that has grown since still counts.

    :raises PlacementUnavailable: Placement could not be asked
    :raises NotFound: the instance was deleted or has left this host
    """
    is_claimed = instance.claims.read().size.covers(reserved.claim)
    # The claim is read before the record: observe() explains why.
    return is_claimed and reserved.still_holds(instance.record.refresh())


def _admit_reserved(instance: Instance, reserved: Reserved) -> Admission:
    desired = reserved.plan.desired
    instance.record.write(desired, recorded=reserved.claim)
    _log_desired(instance, desired, reserved.claim)
    return Admission(desired.generation, False)


def check_answers(instance: Instance) -> None:
    """Raise unless the guest's QEMU and Placement each answer within :data:`PROBE_SECONDS`.

    Call it before the instance's lock is taken: while the lock is held, one that hangs would keep
    all other operations from the instance.

    :raises HostUnavailable: the guest's QEMU does not answer
    :raises PlacementUnavailable: Placement does not answer
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
    """Read the instance, and decide what ``request`` needs.

    The plan is valid as long as the caller holds the instance's lock. A dry run calls this without
    the lock, and does not carry the plan out.

    :param now: the time now: ISO 8601, UTC
    :raises Refused: the request is not allowed, the instance is not in a state for it or is not on
        this host, or Placement could not be asked
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
            "the request waited too long in a queue or for another operation on the instance; "
            + _SAME
        )
    decided = decide_now(instance, request, host, now)
    if too_late():
        raise HostUnavailable("the guest or Placement took too long to answer; " + _SAME)
    return decided


def check_adjustable(view: RecordView) -> None:
    """Raise unless the instance may be adjusted now.

    :raises NotFound: the instance is not on this host
    :raises InvalidState: a task is running, or the vm_state is not in ``ADJUSTABLE_STATES``
    """
    check_followed(view)
    if view.vm_state not in ADJUSTABLE_STATES:
        raise InvalidState(
            f"the instance's vm_state is {view.vm_state}; an instance can be adjusted only while "
            f"its vm_state is one of {', '.join(ADJUSTABLE_STATES)}"
        )


def check_followed(view: RecordView) -> None:
    """Raise unless the instance is on this host and no task is running.

    The vm_state does not matter here: what a guest holds has to be claimed in any vm_state.

    :raises NotFound: the instance is not on this host
    :raises InvalidState: a task is running
    """
    if not view.on_this_host:
        raise NotFound("the instance has left this host; ask again")
    if view.task_state is not None:
        raise InvalidState(f"the instance is busy: its task_state is {view.task_state}")


def _commit(instance: Instance, seen: Observation, plan: Plan, options: EngineOptions) -> Size:
    """Claim what ``plan`` needs, and write the record; return the size that is reserved then.

    If the record refuses to be written, what was claimed for it is released again. If that fails
    too, or if another operation has changed the claim since, the claim stays as it is.

    :raises Refused: Placement or the record refuses; the message says why
    """
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
        # A user's operation came between. That operation goes on with the size from before.
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
        # No retry after a conflict: a claim that has changed meanwhile belongs to the other
        # operation. It is read again first, because the database may have taken long to refuse
        # the write, and a whole move fits into that time: observe() explains this.
        if instance.claims.read().size == claimed.size:
            instance.claims.write(claimed, before)
    except (ClaimConflict, Refused) as error:
        LOG.warning(
            "Instance %s keeps %s reserved, more than needed, until the next pass releases it: %s",
            instance.uuid,
            claimed.size,
            error,
        )
