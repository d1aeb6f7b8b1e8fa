# SPDX-License-Identifier: Apache-2.0
"""Admit an adjustment: decide, claim in Placement, then write the desired size to the record.

:func:`admit` does all three in this order under the instance's lock. If nova-api has to check the
quota a second time, it calls for :func:`reserve` first, which decides and claims. Then nova-api
checks the quota, and :func:`admit` only writes the desired size.

A crash between the claim and the write may leave more reserved than is desired. That is wasteful
until a pass over the host has it released, and never unsafe. Nothing is set in the guest here; the
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
from nova_xloud.fault_points import reached

LOG = logging.getLogger(__name__)

_SAME = "nothing was changed"
# Seconds that a request waits for an operation that has the instance's lock. Some operations keep
# the lock for minutes, and set no task_state by which nova-api could know.
LOCKED_OUT_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to an adjustment that was admitted.

    :ivar generation: the generation of the desired size
    :ivar nothing_to_do: the size asked for is desired, reserved and reached already, so nothing was
        written and no run is needed
    :ivar shrinks: the guest was seen to hold at least the desired vCPUs and memory, so the run
        is not expected to give it more. The guest was seen by :func:`reserve`, if that made the
        claim. False if there is nothing to do, or if the guest is off
    """

    generation: int
    nothing_to_do: bool
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """What :func:`reserve` claimed for a request, with the plan and the record of that moment.

    :ivar request: the request that the claim is for
    :ivar request_id: the id of the API request that asked for it
    :ivar view: the record as :func:`reserve` left it, but with the version from before that write
    :ivar plan: what was decided; ``claim`` covers ``plan.claim``
    :ivar claim: the size that was reserved for the instance when :func:`reserve` was done
    :ivar shrinks: the same as :attr:`Admission.shrinks`
    """

    request: AdjustRequest
    request_id: str
    view: RecordView
    plan: Plan
    claim: Size
    shrinks: bool

    def is_of(self, request: AdjustRequest, instance: Instance) -> bool:
        """Return whether the claim was made for an equal ``request`` with the same request id.

        :param instance: opened for the request that asks now
        """
        return (self.request, self.request_id) == (request, instance.request_id)

    def still_holds(self, now: RecordView) -> bool:
        """Return whether ``now`` is the record as :func:`reserve` left it.

        The version does not count, because the write of :func:`reserve` itself has changed it.

        :param now: the record as just read
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
    check: Callable[[RecordView], None] | None = None,
) -> Admission:
    """Admit ``request`` or refuse it; a refusal leaves the desired size and the guest as they were.

    After a refusal more may stay claimed than before: what :func:`reserve` claimed, or a claim of
    this call that could not be taken back. A later run releases it.

    :param too_late: returns True if nobody waits for the answer any more; then the request is
        refused. It is called when the lock is taken. If the guest is read, it is called again when
        the guest and Placement have answered
    :param date: returns the time now: ISO 8601, UTC
    :param reserved: what :func:`reserve` claimed a moment ago. If that was for the same request, is
        still claimed, and the record is unchanged, the guest is not read here. The run that follows
        reads the guest before it changes anything
    :param check: called with each record that is read; raises if that does not allow the request.
        None: :func:`check_adjustable`
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
        seen, plan = _decide_in_time(instance, request, host, too_late, date(), check)
        if plan.nothing_to_do:
            return Admission(plan.desired.generation, True)
        _commit(instance, seen, plan, options)
    return Admission(plan.desired.generation, False, _shrinks(seen, plan))


def reserve(
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    options: EngineOptions,
    too_late: Callable[[], bool] = lambda: False,
    date: Callable[[], str] = utc_now,
) -> Reserved | None:
    """Claim what ``request`` needs, and leave the desired size as it is.

    The size that is reserved then is also written into the instance's columns in Nova's database,
    so that nova-api counts it when it checks the quota a second time. If no :func:`admit` follows,
    a later run releases the claim and sets the columns back.

    :param too_late: returns True if nobody waits for the answer any more; see :func:`admit`
    :param date: returns the time now: ISO 8601, UTC
    :returns: what :func:`admit` takes as ``reserved``; None if the instance has the size already
    :raises Refused: the request is not admitted, or Placement or QEMU does not answer; the message
        says why. A claim that could not be taken back is released by a later run
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
    reached("reserve.recorded")
    return Reserved(request, instance.request_id, left, plan, claim, _shrinks(seen, plan))


def _is_as_left(instance: Instance, reserved: Reserved) -> bool:
    """Return whether at least the claim of ``reserved`` is reserved, and the record is unchanged.

    The record alone does not show that: a run may have released the claim, and writes the record
    only in a later step.

    :raises PlacementUnavailable: Placement could not be asked
    :raises NotFound: the instance was deleted or has left this host
    """
    is_claimed = instance.claims.read().size.covers(reserved.claim)
    # The claim is read before the record: observe() explains why.
    return is_claimed and reserved.still_holds(instance.record.refresh())


def _admit_reserved(instance: Instance, reserved: Reserved) -> Admission:
    desired = reserved.plan.desired
    _end_dropped(instance, reserved.view.desired, desired)
    instance.record.write(desired, recorded=reserved.claim)
    _log_desired(instance, desired, reserved.claim)
    return Admission(desired.generation, False, reserved.shrinks)


def _shrinks(seen: Observation, plan: Plan) -> bool:
    return seen.state.held.covers(plan.desired.target)


def check_answers(instance: Instance) -> None:
    """Raise unless the guest's QEMU and Placement each answer within :data:`PROBE_SECONDS` seconds.

    Call it before the instance's lock is taken: a call to a QEMU or a Placement that hangs would
    keep the lock, for which other operations on the instance would wait.

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
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    now: str,
    check: Callable[[RecordView], None] | None = None,
) -> tuple[Observation, Plan]:
    """Read the instance and decide on ``request``; return what was read, and the plan.

    Nothing is changed. The plan is valid as long as the caller holds the instance's lock. A dry run
    calls this without the lock, and does not carry out the plan.

    :param now: the time now: ISO 8601, UTC
    :param check: see :func:`admit`
    :raises Refused: the request is not allowed, the instance is not in a state for it or is not on
        this host, or Placement could not be asked
    :raises DomainError: the guest could not be read
    """
    seen = observe(instance, check or check_adjustable)
    bounds = bounds_of(seen.view.facts, host)
    scaled = not seen.view.scaling.is_off
    who = instance.user_id
    plan = decide(request, seen.state, bounds, now, instance.request_id, by=who, scaled=scaled)
    if isinstance(plan, Refused):
        raise plan
    return seen, plan


def _decide_in_time(
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    too_late: Callable[[], bool],
    now: str,
    check: Callable[[RecordView], None] | None = None,
) -> tuple[Observation, Plan]:
    if too_late():
        raise HostUnavailable(
            "the request waited too long in a queue or for another operation on the instance; "
            + _SAME
        )
    decided = decide_now(instance, request, host, now, check)
    if too_late():
        raise HostUnavailable("the guest or Placement took too long to answer; " + _SAME)
    return decided


def check_adjustable(view: RecordView) -> None:
    """Raise unless the instance is in a state in which it may be adjusted.

    :raises NotFound: the instance is not on this host
    :raises InvalidState: a task_state is set, or the vm_state is not active, paused or stopped
    """
    check_followed(view)
    if view.vm_state not in ADJUSTABLE_STATES:
        raise InvalidState(
            f"the instance's vm_state is {view.vm_state}; an instance can be adjusted only while "
            f"its vm_state is one of {', '.join(ADJUSTABLE_STATES)}"
        )


def check_followed(view: RecordView) -> None:
    """Raise unless the instance is on this host and has no task_state.

    The vm_state does not matter here: what a guest holds has to be claimed in any vm_state.

    :raises NotFound: the instance is not on this host
    :raises InvalidState: a task_state is set, so an operation is going on
    """
    if not view.on_this_host:
        raise NotFound("the instance has left this host; ask again")
    if view.task_state is not None:
        raise InvalidState(f"the instance is busy: its task_state is {view.task_state}")


def _commit(instance: Instance, seen: Observation, plan: Plan, options: EngineOptions) -> Size:
    """Claim what ``plan`` needs, and write the record; return the size that is reserved then.

    If another operation has begun, so that the record cannot be written, the claim is set back to
    the size from before. If that fails too, or if the claim was changed since, it stays as it is.

    :raises Refused: Placement refuses the claim or does not answer, or the record cannot be
        written; the message says why
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
    reached("admit.claimed")
    _end_dropped(instance, seen.view.desired, plan.desired)
    try:
        instance.record.write(plan.desired, recorded=claimed.size)
    except Refused:
        # A user's operation came between. That operation goes on with the size from before.
        _give_back(instance, claimed, before)
        raise
    _log_desired(instance, plan.desired, claimed.size)
    return claimed.size


def _end_dropped(instance: Instance, before: Desired, after: Desired) -> None:
    """End the events of requests that ``before`` names as superseded and ``after`` does not.

    Call this before ``after`` is written: if nova-compute were killed in between, nobody would know
    of these requests any more, and their events would have no end for ever. They are superseded
    also if ``after`` is not written in the end. An error is logged and not raised.
    """
    for request_id in before.progress.dropped_by(after.progress):
        try:
            instance.actions.end_superseded(request_id)
        except Exception:
            LOG.warning(
                "Instance %s: the instance action of request %s may have no end yet, because it "
                "could not be read or written. A later reconcile pass tries again; the adjustment "
                "that is being admitted is not affected.",
                instance.uuid,
                request_id,
                exc_info=True,
            )


def _log_desired(instance: Instance, desired: Desired, claimed: Size) -> None:
    LOG.info(
        "Instance %s: desired is %s (generation %d), reserved in Placement is now %s.",
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
            "Instance %s: the adjustment was not admitted, but %s stay reserved in Placement, "
            "because the claim for it could not be taken back. Once no other operation is going "
            "on, a reconcile pass releases what is not needed: %s",
            instance.uuid,
            claimed.size,
            error,
        )
