# SPDX-License-Identifier: Apache-2.0
"""Decide whether a requested size is allowed and, if so, what Placement must hold before anything
changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.instance import pinned
from nova_xloud.core.instance.desired import AdmittedRequest, Desired
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds
from nova_xloud.errors import Blocked, InvalidState, OutOfBounds, Refused


@dataclass(frozen=True, slots=True)
class AdjustRequest:
    """What was asked; None: leave that resource as it is desired now.

    :ivar persist: keep it over stop and start
    :ivar force: shrink memory below what the guest's own statistics say that it needs
    """

    vcpus: int | None
    memory_mb: int | None
    persist: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """An adjustment that may be.

    :ivar desired: the record to write
    :ivar claim: what Placement must hold before it is written; never less than is held
    :ivar nothing_to_do: it is what the instance has already
    """

    desired: Desired
    claim: Size
    nothing_to_do: bool


def decide(
    request: AdjustRequest,
    state: InstanceState,
    bounds: Bounds,
    now: str = "",
    request_id: str = "",
) -> Plan | Refused:
    """Whether ``request`` may be, and the plan if so.

    :param now: ISO 8601, UTC
    :param request_id: whose instance action it is
    :returns: a :class:`Plan`, or the refusal as a value
    """
    before = _as_found(state)
    target = _target(request, before.target)
    refusal = (
        _blocked(target, before.target, bounds, state)
        or _pinned(target, before.target, state)
        or _bounds(request, bounds)
        or _stopped(request, state)
        or _vcpus_kept(target, before.target, state, bounds)
        or _vcpus_stuck(target, state)
    )
    if refusal is not None:
        return refusal
    desired = desired_after(request, before, state.desired, now, request_id)
    after = replace(state, desired=desired)
    # What its definition has more is no reason to refuse: that is lowered before anything else.
    claim = state.reserved.at_least(after.needed)
    return Plan(
        desired=desired,
        claim=claim,
        # That it was given up is over when somebody asks again, for what it has too. Memory that
        # nobody has confirmed counts with its maximum: where less is reserved, that is to do.
        nothing_to_do=desired.same_target(state.desired)
        and state.desired.given_up is None
        and state.desired.readable
        and claim == state.reserved
        and _has_it(state),
    )


def desired_after(
    request: AdjustRequest,
    before: Desired,
    desired: Desired,
    now: str = "",
    request_id: str = "",
) -> Desired:
    """The record that ``request`` leads to, without checking that it is allowed.

    :param before: supplies the resource that the request leaves out
    :param desired: the current record, whose generation and conditions carry over
    """
    persisted = before.persisted
    if request.persist:
        # Of what was not asked for, a size that lasts until the guest stops goes on to do so.
        persisted = _target(request, persisted)
    target = _target(request, before.target)
    return desired.after(AdmittedRequest(target, persisted, request.force, now, request_id))


def _as_found(state: InstanceState) -> Desired:
    """What is desired of it; of a guest that stock Nova has started not less than it holds.

    That has its flavor's maximum. Whoever asks for other memory has not asked for vCPUs to go, and
    the other way round. Such a guest is known by its vCPUs, or by autodeflate, which no elastic one
    has. To hold more memory than is desired is no sign: an elastic guest may be on the way.
    """
    desired, guest = state.desired, state.guest
    if desired.generation or state.recorded is None or guest is None or not guest.running:
        return desired
    if guest.autodeflate or guest.vcpus > desired.persisted.vcpus:
        return replace(desired, persisted=desired.persisted.at_least(state.recorded))
    return desired


def _target(request: AdjustRequest, now: Size) -> Size:
    return Size(
        now.vcpus if request.vcpus is None else request.vcpus,
        now.memory_mb if request.memory_mb is None else request.memory_mb,
    )


def _has_it(state: InstanceState) -> bool:
    """What is desired is there, and just that is reserved."""
    guest, desired = state.guest, state.desired
    reached = guest is None or not guest.running or guest.actuated == desired.target
    if guest is not None and guest.defined not in (None, desired.persisted):
        return False
    return reached and desired.progress.reached and state.reserved == desired.claim


def _bounds(request: AdjustRequest, bounds: Bounds) -> OutOfBounds | None:
    always = bounds.always_plugged
    why = f"; its dedicated vCPUs are always there, and so are all up to id {always - 1}"
    for asked, low, high, unit, because in (
        (request.vcpus, bounds.minimum.vcpus, bounds.maximum.vcpus, "vCPUs", why if always else ""),
        (request.memory_mb, bounds.minimum.memory_mb, bounds.maximum.memory_mb, "MiB", ""),
    ):
        if asked is not None and not low <= asked <= high:
            return OutOfBounds(
                f"{asked} {unit} is not between this instance's minimum of {low} "
                f"and its maximum of {high} {unit}{because}"
            )
    step = bounds.vcpu_step
    if request.vcpus is not None and request.vcpus % step:
        return OutOfBounds(
            f"{request.vcpus} vCPUs is not a multiple of {step}: "
            f"this instance's cores have {step} threads and are plugged whole"
        )
    return None


def _blocked(target: Size, now: Size, bounds: Bounds, state: InstanceState) -> Blocked | None:
    """A guest whose memory is pinned holds its maximum already: whatever pins it, that may be asked
    for.
    """
    guest = state.guest
    holds_all = guest is not None and guest.pinned and target.memory_mb == guest.max_memory_mb
    for resource, changes in (
        (VCPUS, target.vcpus != now.vcpus),
        (MEMORY, target.memory_mb != now.memory_mb and not holds_all),
    ):
        blocker = bounds.blocker_of(resource)
        if changes and blocker is not None:
            return Blocked(blocker.why, blocker.message)
    return None


def _pinned(target: Size, now: Size, state: InstanceState) -> Blocked | None:
    """Of pinned memory only the maximum may be asked for, which is what it holds."""
    guest = state.guest
    if guest is None or target.memory_mb in (now.memory_mb, guest.max_memory_mb):
        return None
    return next((Blocked(b.why, b.message) for b in pinned.blockers(guest)), None)


def _stopped(request: AdjustRequest, state: InstanceState) -> InvalidState | None:
    if state.running or request.persist:
        return None
    return InvalidState(
        "a size that is not persisted lasts until the guest stops, and this one does not run; "
        "start it first, or ask with persist"
    )


def _vcpus_kept(target: Size, now: Size, state: InstanceState, bounds: Bounds) -> Blocked | None:
    """Of a kind of guest that never gives vCPUs back: refused before it is tried."""
    guest, removal = state.guest, bounds.removal
    if removal is None or guest is None or not guest.running:
        return None
    if target.vcpus < min(guest.vcpus, now.vcpus):
        return Blocked(removal.why, removal.message)
    return None


def _vcpus_stuck(target: Size, state: InstanceState) -> Blocked | None:
    guest = state.guest
    if guest is None or not guest.running:
        return None
    fixed = guest.vcpus - guest.removable_vcpus
    if target.vcpus < fixed and target.vcpus < guest.vcpus:
        return Blocked(
            "boot_vcpus",
            f"{fixed} of its vCPUs were there at boot and cannot be removed from a running guest; "
            f"stop it, adjust it while it is stopped, and start it again",
        )
    if state.removal_unsettled and target.vcpus > guest.vcpus:
        return Blocked(
            "removal_unsettled",
            "a vCPU removal timed out and has not settled; adding one now could crash the guest; "
            "hard reboot it, or stop and start it, and ask again",
        )
    return None
