# SPDX-License-Identifier: Apache-2.0
"""The next step towards the desired size, computed from what was just read.

Order: libvirt's definition is set, what is missing is claimed, memory grows, vCPUs grow, vCPUs
shrink, memory shrinks, vCPUs come online, the claim is released, the reserved size is written into
the instance's columns. vCPUs may also grow while the balloon is still moving to more memory.

A step is safe at any moment, because it is computed from what was just read. So a nova-compute that
starts after a crash reads the instance and goes on.
"""

from __future__ import annotations

from nova_xloud.core.convergence import balloon
from nova_xloud.core.convergence.balloon import DEFAULTS, Limits
from nova_xloud.core.convergence.steps import (
    NOT_REMOVED,
    Await,
    Claim,
    Converged,
    Deferred,
    DropLiveSize,
    MarkRemoval,
    NoRoom,
    Release,
    RemovalSettled,
    RunState,
    SetDefinition,
    SetOnline,
    SetRecorded,
    SetVcpus,
    Step,
    Stuck,
)
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size, of_vcpus


def next_step(state: InstanceState, run: RunState, limits: Limits = DEFAULTS) -> Step:
    """Return the next step that drives an instance to its desired size.

    For an instance that is not driven in its vm_state, a step only claims what the running guest
    holds or would be started with, writes the reserved size into the columns, or ends the run.

    :param state: the instance as just read
    :param run: what this run has commanded and learned so far; the guest may not have done yet what
        was commanded
    :param limits: how far one step may go, and whether vCPUs may be taken offline
    :returns: a step to execute; :class:`Await` to wait for the guest; or the step that ends the
        run: :class:`Converged`, :class:`Deferred`, :class:`Stuck` or :class:`NoRoom`
    """
    if not state.driven:
        return _follow(state, run)
    if not state.running and state.desired != state.desired.restarted():
        return DropLiveSize()
    definition = _definition(state)
    if definition is not None and run.definition_set != definition:
        return SetDefinition(definition)
    needed = state.minimum_claim
    short = not state.reserved.covers(needed)
    if short and run.claim_denied != needed:
        return Claim(state.reserved.at_least(needed))
    guest = state.guest
    if guest is not None and guest.running:
        step = _guest_step(state, guest, run, limits)
        if step is not None:
            return _for_paused(step, guest) if guest.paused else step
    return _at_the_end(state, needed, definition, run)


def _at_the_end(state: InstanceState, needed: Size, definition: Size | None, run: RunState) -> Step:
    """Return the step that follows when nothing more can be done to the guest.

    :param needed: the smallest size that must be reserved
    :param definition: the size that libvirt's definition should have, and has not; None if the
        definition is right, or there is none
    """
    if not state.reserved.covers(needed):
        return NoRoom(needed)
    if state.reserved != needed:
        return Release(needed)
    if state.recorded is not None and state.recorded != state.reserved:
        return SetRecorded(state.reserved)
    if definition is not None:
        return Stuck(
            "xloud.guest_refused.definition_not_set",
            f"libvirt would start the guest with {state.defined} and not with {definition}, and "
            f"both stay claimed: {run.definition_error or 'though libvirt has reported success'}",
        )
    return Converged()


def _follow(state: InstanceState, run: RunState) -> Step:
    """Return the next step for an instance that is not driven; :class:`Deferred` if none is left.

    What must be claimed of what a running guest holds, and what libvirt would start it with, is
    claimed. If Placement refuses that, the result is :class:`NoRoom`. Then the reserved size is
    written into the columns. Nothing is released. While the guest is off (suspended, for example)
    nothing at all is done: if the columns were set to the reserved size, no later pass would find
    that there is something to release.
    """
    needed = state.must_be_claimed.at_least(state.defined) if state.running else state.reserved
    if not state.reserved.covers(needed):
        claim = state.reserved.at_least(needed)
        return NoRoom(needed) if run.claim_denied == state.minimum_claim else Claim(claim)
    if state.running and state.recorded not in (None, state.reserved):
        return SetRecorded(state.reserved)
    return Deferred(
        "the instance's vm_state is not one in which its size is changed; what its guest holds is "
        "claimed"
    )


def _definition(state: InstanceState) -> Size | None:
    """Return the size that libvirt's definition should get; None if the definition is right.

    The definition gets the persisted size before anything is claimed or set in the guest: it is
    lowered fully, and raised as far as is reserved. So a guest that refuses to shrink, or that has
    another size only until it stops, starts with a size that is claimed for it. None too if there
    is no definition.
    """
    if state.guest is None or state.guest.defined is None:
        return None
    now, goal, reserved = state.guest.defined, state.desired.persisted, state.reserved
    vcpus = min(goal.vcpus, max(now.vcpus, reserved.vcpus))
    memory_mb = min(goal.memory_mb, max(now.memory_mb, reserved.memory_mb))
    wanted = Size(vcpus, memory_mb)
    return None if wanted == now else wanted


def _guest_step(
    state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Step | None:
    """Return the first step on the guest, in this module's order; None if nothing is left.

    If the vCPUs or the memory cannot be changed, the steps after that come first. The
    :class:`Stuck` with the reason is returned when no other step is left.
    """
    is_settled = run.removal_undone or not state.removal_unsettled
    if state.desired.removal_pending is not None and is_settled:
        return RemovalSettled()
    if run.domain_busy is not None:
        return Deferred(f"another libvirt call holds the domain and goes first ({run.domain_busy})")
    memory = balloon.step(state, guest, run, limits)
    vcpus = _vcpus(state, guest, run, limits)
    grows = guest.memory_mb <= state.desired.target.memory_mb
    if grows and memory is not None and not isinstance(memory, Stuck):
        # vCPUs may grow while memory grows, because both are claimed already.
        plugs = isinstance(vcpus, SetVcpus) and vcpus.count > guest.vcpus
        return vcpus if plugs and isinstance(memory, Await) else memory
    in_order = (
        vcpus,
        memory,
        _online(state, guest, run),
        balloon.usual_period(guest, run),
    )
    steps = [step for step in in_order if step is not None]
    possible = [step for step in steps if not isinstance(step, Stuck)]
    return next(iter(possible or steps), None)


def _vcpus(
    state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Step | None:
    target = state.desired.target.vcpus
    if guest.vcpus < target:
        return _add(target, state, guest, run)
    if guest.vcpus > target:
        return _remove(target, state, guest, run, limits)
    return None


def _add(target: int, state: InstanceState, guest: DomainReading, run: RunState) -> Step | None:
    if state.removal_unsettled:
        return Stuck(
            "xloud.guest_refused.removal_unsettled",
            f"vCPUs that were to be removed are still plugged, and adding one now could crash the "
            f"guest; the guest has {of_vcpus(guest.vcpus)} until the instance is hard rebooted, or "
            f"stopped and started",
        )
    if state.reserved.vcpus < target:
        # The host had no room to claim the vCPUs.
        return None
    if run.vcpus_requested != target:
        return SetVcpus(target)
    return Await(
        "xloud.guest_refused.vcpus_not_added",
        f"the guest's vCPUs become {target} (are {guest.vcpus})",
        target - guest.vcpus,
    )


def _online(state: InstanceState, guest: DomainReading, run: RunState) -> Step | None:
    """Return the step that asks the guest agent to bring plugged vCPUs online, or the wait for it.

    None if as many are online as are plugged and desired, or if the agent does not report.
    """
    target, online = min(guest.vcpus, state.desired.target.vcpus), guest.vcpus_online
    if online is None or online >= target:
        return None
    if run.online_requested != target:
        return SetOnline(target)
    return Await(
        "xloud.guest_refused.vcpus_not_online",
        f"the guest brings {of_vcpus(target)} online (are {online})",
        target - online,
    )


def _remove(
    target: int, state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Step:
    if run.removal_error is not None:
        return _remove_no_more(target, guest, run, limits)
    came_late = run.vcpus_when_late is not None and guest.vcpus < run.vcpus_when_late
    if run.vcpus_requested == target and not came_late:
        # Commanded once only: a second call would ask the guest for the same vCPU again.
        return Await(
            NOT_REMOVED,
            f"the guest gives vCPUs back down to {target} (has {guest.vcpus})",
            guest.vcpus - target,
        )
    pending = state.desired.removal_pending
    if pending is None or pending > target:
        return MarkRemoval(target)
    # libvirt unplugs one vCPU after the other and gives up at the first that is late. When that
    # vCPU is gone after all, the others are unplugged.
    return SetVcpus(target)


def _remove_no_more(target: int, guest: DomainReading, run: RunState, limits: Limits) -> Step:
    """Return the step after vCPUs could not be removed: take them offline, or end the run.

    vCPUs are taken offline only with the option ``offline_vcpus``, and only if the agent reports
    how many are online. They stay claimed, because the guest can use them again at any time.
    """
    online = guest.vcpus_online
    if (
        limits.offline_vcpus
        and online is not None
        and online > target
        and run.online_requested != target
    ):
        return SetOnline(target)
    why = run.removal_error or ""
    if online is not None and online <= target:
        why = f"{online} of the guest's {guest.vcpus} vCPUs are online, all stay claimed: {why}"
    return Stuck(NOT_REMOVED, why)


def _for_paused(step: Step, guest: DomainReading) -> Step:
    """Return ``step``, or :class:`Deferred` if it has to wait until the guest resumes.

    A paused guest accepts new vCPUs and a balloon target, and acts on them when it resumes. It
    cannot give vCPUs back: libvirt waits for the guest until it times out (measured: error 68 after
    5 s).
    """
    if isinstance(step, Await):
        return Deferred(
            f"the guest is paused; once it runs again, a later run waits for this: {step.what}"
        )
    if isinstance(step, MarkRemoval | SetVcpus) and step.count < guest.vcpus:
        return Deferred(f"the guest is paused; its vCPUs become {step.count} when it resumes")
    return step
