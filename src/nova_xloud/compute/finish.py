# SPDX-License-Identifier: Apache-2.0
"""Finish a run: release what the guest gave back, write phase and conditions, stop the balloon."""

from __future__ import annotations

import logging
from dataclasses import replace

from nova_xloud.compute.observe import Observation
from nova_xloud.compute.ports import Instance
from nova_xloud.core.convergence import balloon
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Event
from nova_xloud.core.instance.state import NOTHING
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    ClaimRefused,
    DomainBusy,
    DomainError,
    DomainNotFound,
    DomainNotRunning,
)

LOG = logging.getLogger(__name__)


def outcome_record(
    seen: Observation, event: Event, now: str, code: str = "", message: str = ""
) -> Desired:
    """The record to store for a run that ended with ``event``: the current one, unchanged, where
    phase, code and conditions are the same.

    So an instance that was never adjusted, and has no condition, stays without a record.
    """
    desired = seen.view.desired
    if event is Event.DEFER and not seen.state.driven:
        # Nobody's adjustment waits for anything: it is one that is not driven.
        progress = desired.progress
        recorded_conditions = conditions.worth_recording(
            conditions.judge(seen.state, progress, now)
        )
        return (
            desired
            if conditions.same(recorded_conditions, desired.recorded_conditions)
            else replace(desired, recorded_conditions=recorded_conditions)
        )
    begun = desired.progress.after(Event.BEGIN, now)
    progress = begun.after(event, now, code, message)
    recorded_conditions = conditions.worth_recording(conditions.judge(seen.state, progress, now))
    tries = None if event is Event.REACH else desired.tries
    ended = (progress.phase, progress.code, tries)
    if ended == (
        desired.progress.phase,
        desired.progress.code,
        desired.tries,
    ) and conditions.same(recorded_conditions, desired.recorded_conditions):
        return desired
    return replace(desired, progress=progress, recorded_conditions=recorded_conditions, tries=tries)


def finish(instance: Instance, seen: Observation, run: RunState, record: Desired) -> Size:
    """Release what the guest gave back, write ``record``, and stop a balloon that did not follow.

    It is called under the instance's lock. The guest is called last, because the claim must not be
    written after a call to the guest. Meanwhile the balloon may still go down to its target, which
    is safe: at least the size that was just read stays reserved.

    :param run: what the run has commanded
    :param record: of :func:`outcome_record`
    :returns: what is reserved now
    :raises Refused: another operation has begun, or Placement is not to be asked
    :raises ClaimConflict: somebody else changed the claim
    :raises DomainError: the guest could not be called
    """
    try:
        reserved = _release_what_came_back(instance, seen, run)
        recorded = _recorded_as(seen, reserved)
        if record is not seen.view.desired or recorded != seen.view.recorded:
            instance.record.write(record, recorded)
    finally:
        _leave(instance, seen, run)
    return reserved


def alarm(
    instance: Instance, seen: Observation, now: str, why: str = "its host has no room"
) -> None:
    """Log and record that more is held than reserved, now and not when the run is over.

    :param why: no more can be reserved
    :raises InvalidState: another operation has begun
    """
    state = seen.state
    if state.reserved.covers(state.must_be_claimed):
        return
    LOG.error(
        "Instance %s holds %s, only %s are reserved, and %s: "
        "xloud.reserved_too_little. Make room, or move or stop it.",
        instance.uuid,
        state.held,
        state.reserved,
        why,
    )
    desired = seen.view.desired
    recorded_conditions = conditions.worth_recording(conditions.judge(state, desired.progress, now))
    if not conditions.same(recorded_conditions, desired.recorded_conditions):
        recorded = _recorded_as(seen, state.reserved)
        instance.record.write(replace(desired, recorded_conditions=recorded_conditions), recorded)


def _recorded_as(seen: Observation, reserved: Size) -> Size:
    """Where Placement has lost it, what it held is still known from its columns.

    So they are left to one that is neither driven nor runs: that they say another size than is
    reserved is how a pass finds it once it is driven again.
    """
    is_left_alone = not (seen.state.driven or seen.state.running)
    return seen.view.recorded if is_left_alone or reserved == NOTHING else reserved


def _leave(instance: Instance, seen: Observation, run: RunState) -> None:
    """Set the balloon's target back to its size, and the usual period of its statistics.

    If this run asked for less memory and the guest did not follow, a driver that loads later must
    not shrink it on outdated statistics. Not with ``force``.

    :raises DomainError:
    """
    guest, desired = seen.state.guest, seen.view.desired
    if guest is None or not (guest.running and seen.state.driven):
        return
    if (
        run.balloon_target_mb is not None
        and run.balloon_target_mb < guest.memory_mb
        and not desired.force
    ):
        seen.guest().set_memory(guest.memory_mb)
    usual = balloon.usual_period(guest, run)
    if usual is not None:
        set_statistics_period(usual.seconds, instance, seen)


def set_statistics_period(seconds: int, instance: Instance, seen: Observation) -> None:
    """Have QEMU ask the balloon's driver so often; where that is refused, all goes on without it.

    :raises DomainError: there is no domain any more, or another call holds it
    """
    try:
        seen.guest().set_statistics_period(seconds)
    except (DomainBusy, DomainNotFound, DomainNotRunning):
        raise
    except DomainError as error:
        LOG.warning(
            "Instance %s: its balloon's statistics are not asked for every %d s: %s",
            instance.uuid,
            seconds,
            error,
        )


def _release_what_came_back(instance: Instance, seen: Observation, run: RunState) -> Size:
    """Release what the guest does not hold any more, though it has not reached the desired size.

    Its memory only where this run has set the balloon's target: else the balloon may be on its way
    to a larger size that somebody set before.
    """
    reserved = seen.state.reserved
    if not seen.state.driven:
        return reserved
    on_its_way = reserved.memory_mb if run.balloon_target_mb is None else run.balloon_target_mb
    needed = seen.state.minimum_claim
    if seen.state.running:
        needed = needed.at_least(Size(0, min(on_its_way, reserved.memory_mb)))
    # Each resource for itself: where one has no room to be reserved, the other is released.
    left = Size(min(reserved.vcpus, needed.vcpus), min(reserved.memory_mb, needed.memory_mb))
    if left == reserved or run.release_refused:
        return reserved
    try:
        return instance.claims.write(seen.reservation, left).size
    except ClaimRefused as error:
        # Why the run ended is written all the same. The next run tries again.
        LOG.warning("Instance %s keeps %s reserved: %s", instance.uuid, reserved, error)
        return reserved
