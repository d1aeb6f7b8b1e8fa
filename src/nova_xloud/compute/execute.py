# SPDX-License-Identifier: Apache-2.0
"""Execute one step of a run, and return what the run has to remember of it."""

from __future__ import annotations

import logging
from dataclasses import replace

from nova_xloud.compute.finish import outcome_record, set_statistics_period
from nova_xloud.compute.observe import Observation
from nova_xloud.compute.ports import Instance
from nova_xloud.core.convergence import steps
from nova_xloud.core.instance.lifecycle import Event
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    AgentUnavailable,
    DomainBusy,
    DomainCallFailed,
    DomainError,
    DomainNotFound,
    InvalidSize,
    RemovalRejected,
    RemovalTimedOut,
    VcpuNotRemovable,
)
from nova_xloud.fault_points import reached

LOG = logging.getLogger(__name__)


def execute(
    step: steps.Step, instance: Instance, seen: Observation, run: steps.RunState, now: str
) -> steps.RunState:
    """Execute ``step``, which was computed from ``seen``; the caller has the instance's lock.

    A step that waits for the guest or ends the run does nothing here, except that the step
    :class:`~nova_xloud.core.convergence.steps.Converged` may write the record.

    In four kinds of calls most errors of libvirt are not raised, because the run can go on: setting
    the definition, the CPUs online or the period of the statistics, and removing vCPUs.

    :param run: what the run has commanded and learned before
    :param now: the time now: ISO 8601, UTC
    :returns: ``run``, with what was commanded now, and with errors that a later step depends on
    :raises InvalidState: another operation has begun; the record was not written
    :raises NotFound: the instance was deleted or has left this host
    :raises ClaimConflict: somebody else changed the claim, or something on the host's resource
        provider; nothing was done
    :raises NoCapacity: the host has no room for the claim; nothing was done
    :raises ClaimRefused: Placement refuses the claim or the release; nothing was done
    :raises NoAllocation: Placement has no allocation for the instance on this host
    :raises PlacementUnavailable: Placement could not be asked, or answered with an error
    :raises DomainError: libvirt refused or failed the call, and the run has to end
    """
    match step:
        case steps.Claim(size):
            _claim(size, instance, seen)
        case steps.Release(size):
            reached("step.releasing")
            instance.claims.write(seen.reservation, size)
            reached("step.released")
        case steps.MarkRemoval():
            _write(step, instance, seen, now)
            reached("step.removal_marked")
            return replace(run, removal_marked=seen.view.desired.removal_pending is None)
        case steps.RemovalSettled():
            _write(step, instance, seen, now)
            return replace(run, removal_undone=False)
        case steps.SetDefinition(size):
            return _set_definition(size, instance, seen, run)
        case steps.SetMemory(mib):
            seen.guest().set_memory(mib)
            reached("step.memory_set")
            return replace(run, balloon_target_mb=mib)
        case steps.SetStatisticsPeriod(seconds):
            set_statistics_period(seconds, instance, seen)
            return replace(run, stats_period_set=seconds)
        case steps.SetVcpus(count):
            return _set_vcpus(count, instance, seen, run)
        case steps.SetOnline(count):
            return _set_online(count, instance, seen, run)
        case _:
            _write(step, instance, seen, now)
    return run


def _claim(size: Size, instance: Instance, seen: Observation) -> None:
    """Claim ``size``, and write it into the instance's columns, which quotas count.

    The columns are not left to the end of the run, because the run may wait for its guest for long.
    Until its end the columns would have less than is reserved.

    :raises InvalidState: another operation has begun; the claim was made
    """
    instance.claims.write(seen.reservation, size)
    reached("step.claimed")
    if size != seen.view.recorded:
        instance.record.write(seen.view.desired, size)


def _write(step: steps.Step, instance: Instance, seen: Observation, now: str) -> None:
    """Write the record for a step that changes only the record; other steps write nothing.

    The instance's columns get the size that is reserved. Nothing is written if the step leaves the
    record as it is, unless the step is :class:`~nova_xloud.core.convergence.steps.SetRecorded`.

    :raises InvalidState: another operation has begun
    :raises NotFound: the instance was deleted
    """
    desired = record = seen.view.desired
    match step:
        case steps.SetRecorded() | steps.Converged():
            # An instance that is not driven has reached nothing: its progress stays as it is.
            event = Event.REACH if seen.state.driven else Event.DEFER
            record = outcome_record(seen, event, now)
        case steps.DropLiveSize():
            record = desired.restarted()
        case steps.MarkRemoval(count):
            record = replace(desired, removal_pending=count)
        case steps.RemovalSettled():
            record = replace(desired, removal_pending=None)
    if record is not desired or isinstance(step, steps.SetRecorded):
        reached("step.recording")
        instance.record.write(record, seen.state.reserved)
        reached("step.recorded")


def _set_definition(
    size: Size, instance: Instance, seen: Observation, run: steps.RunState
) -> steps.RunState:
    try:
        seen.guest().set_definition(size)
    except (DomainBusy, DomainNotFound):
        raise
    except DomainError as error:
        # The run can still drive the running guest, and the size in the definition stays claimed.
        LOG.warning(
            "Instance %s: the size of its guest's next start could not be set to %s in libvirt's "
            "definition. The size that is there stays reserved too, and later runs try again: %s",
            instance.uuid,
            size,
            error,
        )
        return replace(run, definition_set=size, definition_error=str(error))
    reached("step.definition_set")
    return replace(run, definition_set=size, definition_error=None)


def _set_vcpus(
    count: int, instance: Instance, seen: Observation, run: steps.RunState
) -> steps.RunState:
    try:
        seen.guest().set_vcpus(count)
    except RemovalTimedOut as error:
        if count >= seen.state.held.vcpus:
            # No vCPU was to be removed: what timed out is the lock of the domain.
            raise DomainBusy(str(error)) from error
        # libvirt has waited for 5 s; a guest has step_timeout for a step.
        LOG.info(
            "Instance %s: the guest has not given a vCPU back yet; the run still waits for it: %s",
            instance.uuid,
            error,
        )
        return replace(run, vcpus_requested=count, removal_late=True, vcpus_when_late=None)
    except DomainBusy as error:
        # No removal was begun, so the mark in the record is taken back before the run ends.
        return replace(run, domain_busy=str(error), removal_undone=run.removal_marked)
    except (RemovalRejected, VcpuNotRemovable, DomainCallFailed) as error:
        if count >= seen.state.held.vcpus:
            raise
        # An event's details are cut at 255 characters: what matters comes first.
        refused = (
            f"the guest did not give vCPUs back down to {count}; what the guest has stays claimed "
            f"({error})"
        )
        LOG.info(
            "Instance %s: the guest or libvirt has refused to remove vCPUs down to %d. What the "
            "guest has stays claimed, and the run does what else can be done: %s",
            instance.uuid,
            count,
            error,
        )
        # No removal is going on: unlike after a time-out, the count is known. The mark of an
        # earlier run stays: the removal which that run began may still happen.
        undone = run.removal_marked
        return replace(run, vcpus_requested=count, removal_error=refused, removal_undone=undone)
    reached("step.vcpus_set")
    return replace(run, vcpus_requested=count, vcpus_when_late=None, removal_late=False)


def _set_online(
    count: int, instance: Instance, seen: Observation, run: steps.RunState
) -> steps.RunState:
    try:
        seen.guest().set_vcpus_online(count)
    except (AgentUnavailable, DomainBusy, DomainCallFailed, InvalidSize) as error:
        # The next reading of the guest shows what the agent did not do, and that is recorded.
        LOG.info(
            "Instance %s: its guest agent did not set the number of CPUs online to %d: %s",
            instance.uuid,
            count,
            error,
        )
        return replace(run, online_requested=count, online_error=str(error))
    return replace(run, online_requested=count, online_error=None)
