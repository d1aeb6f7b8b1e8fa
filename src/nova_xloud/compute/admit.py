# SPDX-License-Identifier: Apache-2.0
"""Admit an adjustment: decide, claim, write desired. In that order, under the instance's lock.

A crash between claim and write leaves more reserved than is desired: wasteful until the next
look at the instance, never unsafe. Nothing is told to the guest here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from nova_xloud.compute.claim import change_claim
from nova_xloud.compute.observe import Observation, observe
from nova_xloud.compute.ports import Instance, RecordView, Reservation
from nova_xloud.conf import EngineOptions
from nova_xloud.core.envelope import HostFacts, envelope
from nova_xloud.core.plan import AdjustRequest, Plan, decide
from nova_xloud.core.size import Size
from nova_xloud.errors import HostUnavailable, InvalidState, NotFound, Refused

LOG = logging.getLogger(__name__)

ADJUSTABLE_STATES = ("active", "paused", "stopped")


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to an adjustment that was admitted.

    :ivar generation: of the desired size it made
    :ivar nothing_to_do: the instance has that size already
    """

    generation: int
    nothing_to_do: bool


def admit(
    instance: Instance,
    request: AdjustRequest,
    host: HostFacts,
    options: EngineOptions,
    too_late: Callable[[], bool] = lambda: False,
) -> Admission:
    """Admit ``request`` or refuse it; a refusal changes nothing.

    :param too_late: nobody waits for the answer any more; asked once the lock is had, which
        another operation may have kept for long
    :raises Refused: with the reason
    :raises DomainError: the guest could not be read
    """
    with instance.lock():
        if too_late():
            raise HostUnavailable("another operation on it took too long; nothing was changed")
        view = instance.record.refresh()
        check_adjustable(view)
        seen = observe(instance, view)
        plan = decide(request, seen.state, envelope(view.facts, host))
        if isinstance(plan, Refused):
            raise plan
        if plan.nothing_to_do:
            return Admission(view.desired.generation, True)
        _commit(instance, seen, plan, options)
    return Admission(plan.desired.generation, False)


def check_adjustable(view: RecordView) -> None:
    """:raises Refused: unless the instance is here, in a fit state, and no task is running"""
    if not view.here:
        raise NotFound("the instance has left this host; ask again")
    if view.task_state is not None:
        raise InvalidState(f"the instance is busy: its task_state is {view.task_state}")
    if view.vm_state not in ADJUSTABLE_STATES:
        raise InvalidState(
            f"the instance's vm_state is {view.vm_state}; "
            f"only {', '.join(ADJUSTABLE_STATES)} can be adjusted"
        )


def _commit(instance: Instance, seen: Observation, plan: Plan, options: EngineOptions) -> None:
    claimed = change_claim(
        instance.claims,
        seen.reservation,
        lambda now: now.at_least(plan.claim),
        options.claim_attempts,
        # Whoever changed the claim may have moved the instance.
        on_conflict=lambda: check_adjustable(instance.record.refresh()),
    )
    try:
        instance.record.write(plan.desired, held=claimed.size)
    except Refused:
        # A user's operation came between. It goes on with the size there was.
        _give_back(instance, claimed, seen.state.settled_claim, options)
        raise
    LOG.info(
        "Instance %s: desired %s (generation %d), reserved %s.",
        instance.uuid,
        plan.desired.target,
        plan.desired.generation,
        claimed.size,
    )


def _give_back(
    instance: Instance, claimed: Reservation, before: Size, options: EngineOptions
) -> None:
    def less(now: Size) -> Size:
        # What is not as we left it belongs to the operation that came between.
        return before if now == claimed.size else now

    try:
        change_claim(instance.claims, claimed, less, options.claim_attempts)
    except Refused as error:
        LOG.warning(
            "Instance %s keeps a claim of %s that it does not need until it is looked at again: %s",
            instance.uuid,
            claimed.size,
            error,
        )
