# SPDX-License-Identifier: Apache-2.0
"""Finish a run: release what the guest gave back, record the outcome, and stop the balloon.

Some functions are called before the end of a run too. Two of them are :func:`alarm`, which records
that the guest holds more than is reserved, and :func:`set_statistics_period`, which sets how often
the balloon driver reports.
"""

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
from nova_xloud.fault_points import reached

LOG = logging.getLogger(__name__)


def outcome_record(
    seen: Observation, event: Event, now: str, code: str = "", message: str = ""
) -> Desired:
    """Return the record to store for a run that ended with ``event``.

    It is the current record itself if phase, code, number of tries and conditions stay the same. So
    an instance that was never adjusted, has its size and no condition, stays without a record. A
    run that reached the size sets the number of tries to None. ``Event.DEFER`` changes only the
    conditions if the vm_state, such as ``error``, is one in which runs leave the guest as it is.

    :param seen: the instance as it was read last
    :param now: the time now: ISO 8601, UTC
    :param code: the stable reason code of the error that ended the run; empty: ``xloud.<phase>``
    :param message: why the run ended, for people
    """
    desired = seen.view.desired
    if event is Event.DEFER and not seen.state.driven:
        # No adjustment waits for anything here, because the instance is not driven.
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
    return replace(
        desired,
        progress=progress,
        recorded_conditions=recorded_conditions,
        tries=tries,
        history=desired.history.ended(progress.phase.value, progress.code),
    )


def finish(instance: Instance, seen: Observation, run: RunState, record: Desired) -> Size:
    """Release what the guest gave back, write ``record``, and stop a balloon that did not follow.

    To stop a balloon is to set its target to the size that it has. The balloon's statistics get
    their usual period again. Both are done even if the release or the write fails.

    The caller has the instance's lock. The guest is called last, because the claim must not be
    written after a call to the guest. Until then the balloon may still inflate towards its target,
    which is safe: the guest then holds less than stays reserved.

    :param run: what the run has commanded
    :param record: the record to write, with the outcome of the run
    :returns: the size that is reserved now
    :raises Refused: another operation has begun, the instance was deleted or has left this host, or
        Placement could not be asked
    :raises ClaimConflict: somebody else changed the claim, or something on the host's resource
        provider; the record was not written
    :raises DomainError: libvirt failed a call on the guest
    """
    try:
        reserved = _release_what_came_back(instance, seen, run)
        reached("finish.released")
        recorded = _recorded_as(seen, reserved)
        if record is not seen.view.desired or recorded != seen.view.recorded:
            instance.record.write(record, recorded)
    finally:
        _leave(instance, seen, run)
    return reserved


def alarm(instance: Instance, seen: Observation, now: str, why: str) -> None:
    """Log and record that the guest holds more than is reserved, without waiting for the run's end.

    Nothing is done if the reserved size covers the part of what the guest holds that must be
    claimed (``state.must_be_claimed``). Else an error is logged at each call, and the record is
    written if the conditions are not recorded yet.

    :param now: the time now: ISO 8601, UTC
    :param why: why no more can be reserved, for people
    :raises InvalidState: another operation has begun
    :raises NotFound: the instance was deleted
    """
    state = seen.state
    if state.reserved.covers(state.must_be_claimed):
        return
    LOG.error(
        "Instance %s: its guest holds %s, but only %s are reserved in Placement: %s "
        "(xloud.reserved_too_little). Remove that cause, for example make room on this host; or "
        "move or stop the instance.",
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
    """Return the size to write into the instance's columns: what is reserved, with two exceptions.

    If Placement has no allocation any more, the columns stay, because only they still show what was
    reserved. If the instance is not driven and its guest is off, they stay too: by their difference
    from what is reserved, a pass finds the instance once it is driven again.
    """
    is_left_alone = not (seen.state.driven or seen.state.running)
    return seen.view.recorded if is_left_alone or reserved == NOTHING else reserved


def _leave(instance: Instance, seen: Observation, run: RunState) -> None:
    """Set the balloon's target to its present size, and its statistics to their usual period.

    The target is set if this run asked for less memory and the guest did not follow: a driver that
    loads later must not shrink the guest on outdated statistics. The target stays if the request
    has ``force``. The period is set if it is still the short one of a shrink. Nothing is done if
    the guest is off, or if the instance is not driven.

    :raises DomainError: libvirt failed a call on the guest
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
    """Have QEMU ask the balloon driver for its statistics every ``seconds`` seconds.

    If libvirt refuses the period, a warning is logged, and nothing is raised.

    :raises DomainError: the domain has gone or does not run, or another call holds it
    """
    try:
        seen.guest().set_statistics_period(seconds)
    except (DomainBusy, DomainNotFound, DomainNotRunning):
        raise
    except DomainError as error:
        LOG.warning(
            "Instance %s: the period of the balloon's statistics could not be set to %d s. No "
            "adjustment fails because of this, but memory may go down more slowly: %s",
            instance.uuid,
            seconds,
            error,
        )


def _release_what_came_back(instance: Instance, seen: Observation, run: RunState) -> Size:
    """Release what is reserved and no longer needed, even if the desired size is not reached.

    Memory of a running guest is released only if this run has set the balloon's target, and only
    down to that target. Otherwise the balloon may be on the way to a larger target that was set
    before this run. Nothing is released if the instance is not driven, or if Placement refuses.

    :returns: the size that is reserved now
    :raises ClaimConflict: somebody else changed the claim, or something on the host's resource
        provider
    :raises Refused: Placement could not be asked, or the instance has left this host
    """
    reserved = seen.state.reserved
    if not seen.state.driven:
        return reserved
    on_its_way = reserved.memory_mb if run.balloon_target_mb is None else run.balloon_target_mb
    needed = seen.state.minimum_claim
    if seen.state.running:
        needed = needed.at_least(Size(0, min(on_its_way, reserved.memory_mb)))
    # By resource: where the host has no room for more of one, the other is released all the same.
    left = Size(min(reserved.vcpus, needed.vcpus), min(reserved.memory_mb, needed.memory_mb))
    if left == reserved or run.release_refused:
        return reserved
    try:
        return instance.claims.write(seen.reservation, left).size
    except ClaimRefused as error:
        # The outcome of the run is recorded all the same, and the next run tries again.
        LOG.warning(
            "Instance %s: %s stay reserved in Placement, more than the instance needs, because "
            "Placement refused to release the rest. The next run tries again: %s",
            instance.uuid,
            reserved,
            error,
        )
        return reserved
