# SPDX-License-Identifier: Apache-2.0
"""The next step toward what is desired, from the state alone.

Order: libvirt's definition is set, memory grows, vCPUs grow, vCPUs shrink, memory shrinks, vCPUs
come online, the claim is released. A step is safe at any moment: it is computed from what was just
read, so whoever was killed half way is followed by somebody who reads and goes on.
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
from nova_xloud.core.size import Size


def next_step(state: InstanceState, run: RunState, limits: Limits = DEFAULTS) -> Step:
    """What to do next.

    :param state: as just read
    :param run: what this run has commanded, and the guest may not have done yet
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
    """What comes when nothing more can be done to the guest.

    :param needed: what has to be reserved
    :param definition: what libvirt should start it with, and does not
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
            f"libvirt starts it with {state.defined} and not with {definition}, and that stays "
            f"claimed: {run.definition_error or 'it said that it was done'}",
        )
    return Converged()


def _follow(state: InstanceState, run: RunState) -> Step:
    """Claim what a guest holds that is not driven to any size; release nothing.

    While it is off (suspended, say) nothing at all is done: were its columns to say what is still
    reserved, nobody would find after it that there is something to release.
    """
    needed = state.must_be_claimed.at_least(state.defined) if state.running else state.reserved
    if not state.reserved.covers(needed):
        claim = state.reserved.at_least(needed)
        return NoRoom(needed) if run.claim_denied == state.minimum_claim else Claim(claim)
    if state.running and state.recorded not in (None, state.reserved):
        return SetRecorded(state.reserved)
    return Deferred(
        "its vm_state is not one in which its size is changed; what its guest holds is claimed"
    )


def _definition(state: InstanceState) -> Size | None:
    """What libvirt should start the guest with from now on; None: as it is.

    That is the persisted size, before anything else: lowered at once, raised as far as is reserved.
    So a guest that refuses to shrink, or that has another size only until it stops, starts with
    what is claimed for it.
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
    """The first of the steps on the guest, in their order, that has something to do.

    What cannot be done (vCPUs that cannot go, a balloon without a driver) does not keep from what
    comes after it: it is said at the end.
    """
    is_settled = run.removal_undone or not state.removal_unsettled
    if state.desired.removal_pending is not None and is_settled:
        return RemovalSettled()
    if run.domain_busy is not None:
        return Deferred(f"another call goes first, which holds its domain ({run.domain_busy})")
    memory = balloon.step(state, guest, run, limits)
    vcpus = _vcpus(state, guest, run, limits)
    if memory is not None and guest.memory_mb <= state.desired.target.memory_mb:
        # While memory comes, vCPUs may come too: both are claimed.
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
            f"a vCPU removal has not settled, and adding one now could crash the guest; it has "
            f"{guest.vcpus} vCPUs until it is hard rebooted, or stopped and started",
        )
    if state.reserved.vcpus < target:
        # There was no room to claim it.
        return None
    if run.vcpus_requested != target:
        return SetVcpus(target)
    return Await(
        "xloud.guest_refused.vcpus_not_added",
        f"its vCPUs become {target} (are {guest.vcpus})",
        target - guest.vcpus,
    )


def _online(state: InstanceState, guest: DomainReading, run: RunState) -> Step | None:
    """A guest that has not used its vCPUs by itself, or not yet: its agent is asked, once."""
    target, online = min(guest.vcpus, state.desired.target.vcpus), guest.vcpus_online
    if online is None or online >= target:
        return None
    if run.online_requested != target:
        return SetOnline(target)
    return Await(
        "xloud.guest_refused.vcpus_not_online",
        f"it brings {target} vCPUs online (are {online})",
        target - online,
    )


def _remove(
    target: int, state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> Step:
    if run.removal_error is not None:
        return _remove_no_more(target, guest, run, limits)
    came_late = run.vcpus_when_late is not None and guest.vcpus < run.vcpus_when_late
    if run.vcpus_requested == target and not came_late:
        # Not again: the same vCPU would be asked for twice.
        return Await(
            NOT_REMOVED,
            f"it gives vCPUs back down to {target} (has {guest.vcpus})",
            guest.vcpus - target,
        )
    pending = state.desired.removal_pending
    if pending is None or pending > target:
        return MarkRemoval(target)
    # libvirt unplugs one after the other and gives up at the first that is late. When that has come
    # after all, the others are asked for.
    return SetVcpus(target)


def _remove_no_more(target: int, guest: DomainReading, run: RunState, limits: Limits) -> Step:
    """The hypervisor does not take them. The guest may stop using them; the claim stays all the
    same, because nothing keeps the guest from using them again.
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
        why = f"{online} of its {guest.vcpus} vCPUs are online, all stay claimed: {why}"
    return Stuck(NOT_REMOVED, why)


def _for_paused(step: Step, guest: DomainReading) -> Step:
    """A paused guest takes vCPUs and a balloon target, and acts on them when it resumes.

    It cannot give vCPUs back: libvirt waits for it, and its time runs out (measured: 68 after 5 s).
    """
    if isinstance(step, Await):
        return Deferred(f"the guest is paused; {step.what} when it resumes")
    if isinstance(step, MarkRemoval | SetVcpus) and step.count < guest.vcpus:
        return Deferred(f"the guest is paused; its vCPUs become {step.count} when it resumes")
    return step
