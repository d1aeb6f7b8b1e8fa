# SPDX-License-Identifier: Apache-2.0
"""Decides whether a requested adjustment is allowed, and what must be reserved for it first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.mode import mode_of
from nova_xloud.core.instance import pinned
from nova_xloud.core.instance.asked import Asked
from nova_xloud.core.instance.desired import AdmittedRequest, Desired
from nova_xloud.core.instance.history import AUTOSCALE
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size, of_vcpus
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds
from nova_xloud.errors import Blocked, Invalid, InvalidState, OutOfBounds, Refused


@dataclass(frozen=True, slots=True)
class AdjustRequest:
    """A request to adjust an instance.

    :raises Invalid: a size is neither None nor an integer. A boolean or a float would be claimed
        and recorded as it is, and a record with it could not be read any more

    :ivar vcpus: the vCPUs asked for; None to leave the desired vCPUs
    :ivar memory_mb: the memory asked for, MiB; None to leave the desired memory
    :ivar persist: whether the size is kept when the guest stops and starts; else it lasts until the
        guest stops
    :ivar force: whether memory may shrink below what the guest's statistics show that it needs
    :ivar autoscale: the mode of automatic growth to request: ``off``, ``observe`` or ``on``, or
        ``flavor`` for the flavor's; None to leave it
    :ivar automatic: whether automatic growth asks, and no person
    """

    vcpus: int | None
    memory_mb: int | None
    persist: bool = True
    force: bool = False
    autoscale: str | None = None
    automatic: bool = False

    def __post_init__(self) -> None:
        for name, size in (("vcpus", self.vcpus), ("memory_mb", self.memory_mb)):
            if size is not None and type(size) is not int:
                raise Invalid(f"{name} is a {type(size).__name__}; it must be an integer")

    @property
    def has_size(self) -> bool:
        """Whether a size is asked for, and not only a mode."""
        return self.vcpus is not None or self.memory_mb is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """An adjustment that is allowed, and what admitting it takes.

    :ivar desired: the record to write
    :ivar claim: the size that must be reserved before the record is written; at least what is
        reserved now
    :ivar nothing_to_do: whether neither the claim nor the record has to be written, because the
        size is desired, reserved, defined and reached already, and the request changes nothing else
        in the record
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
    *,
    by: str = "",
    scaled: bool = False,
) -> Plan | Refused:
    """Decide whether ``request`` is allowed, and return the plan or the refusal.

    :param state: the instance as just read
    :param bounds: the bounds of the instance on its host
    :param now: the time now: ISO 8601, UTC
    :param request_id: the id of the API request, which its instance action has too
    :param by: the id of the user who asks, for the history
    :param scaled: whether the instance is scaled automatically. Then the size that a person asks
        for is recorded also if the instance has it already, because automatic growth does not
        shrink below that size for ``[xloud] autoscale_hold`` seconds
    :returns: a :class:`Plan`; or the refusal, a :class:`Blocked`, an :class:`OutOfBounds` or an
        :class:`InvalidState`, which is returned and not raised
    """
    before = state.as_found
    target = _target(request, before.target)
    refusal = (
        _blocked(target, before.target, bounds, state)
        or _pinned(target, before.target, state)
        or _bounds(request, before, bounds)
        or _stopped(request, state)
        or _vcpus_kept(target, before.target, state, bounds)
        or _vcpus_stuck(target, before.target, state)
    )
    if refusal is not None:
        return refusal
    desired = desired_after(request, before, state.desired, now, request_id, by)
    after = replace(state, desired=desired)
    # A definition with more than that is no reason to refuse: it is lowered before anything else.
    claim = state.reserved.at_least(after.needed)
    return Plan(
        desired=desired,
        claim=claim,
        # A request ends GaveUp, also a request for the size that the instance has. Memory that is
        # not confirmed counts as the maximum: if less is reserved, the rest has to be claimed.
        nothing_to_do=desired.same_target(state.desired)
        and desired.autoscale is state.desired.autoscale
        and not (scaled and request.has_size and not request.automatic)
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
    by: str = "",
) -> Desired:
    """Return the record that ``request`` leads to, without checking that it is allowed.

    A request without a size keeps ``force``, the tries and ``GaveUp`` as they are, and is no entry
    of the history. What a person asks for is recorded in ``asked`` too; a resource that the request
    leaves out keeps what was asked for before, and when.

    :param before: the record whose sizes are kept where the request changes nothing: of a resource
        that it leaves out, and the whole persisted size if ``persist`` is False
    :param desired: the current record, from which all else comes, such as generation and conditions
    :param now: the time now: ISO 8601, UTC
    :param request_id: the id of the API request
    :param by: the id of the user who asks
    """
    persisted = before.persisted
    if request.persist:
        # A resource that the request leaves out keeps its live number until the guest stops.
        persisted = _target(request, persisted)
    target = _target(request, before.target)
    if not request.has_size:
        # Nobody has asked for another size, so how the last request went stays as it is.
        after = desired.after(AdmittedRequest(target, persisted, desired.force, now, request_id))
        after = replace(after, tries=desired.tries, given_up=desired.given_up)
    else:
        after = desired.after(AdmittedRequest(target, persisted, request.force, now, request_id))
        who = AUTOSCALE if request.automatic else by
        past = desired.history.admitted(now, request_id, before.target, target, who)
        after = replace(after, history=past)
        if not request.automatic:
            asked = desired.asked or Asked()
            after = replace(after, asked=asked.after(now, request.vcpus, request.memory_mb))
    if request.autoscale is not None:
        after = replace(after, autoscale=mode_of(request.autoscale))
    return after


def _target(request: AdjustRequest, now: Size) -> Size:
    return Size(
        now.vcpus if request.vcpus is None else request.vcpus,
        now.memory_mb if request.memory_mb is None else request.memory_mb,
    )


def _has_it(state: InstanceState) -> bool:
    """Return whether the guest has the desired size, with the definition and the claim for it.

    The size of a guest that does not run is not compared. The last run must have reached the
    desired size.
    """
    guest, desired = state.guest, state.desired
    reached = guest is None or not guest.running or guest.actuated == desired.target
    if guest is not None and guest.defined not in (None, desired.persisted):
        return False
    return reached and desired.progress.reached and state.reserved == desired.claim


def _bounds(request: AdjustRequest, before: Desired, bounds: Bounds) -> OutOfBounds | None:
    """Return the refusal if a size that the request changes is out of bounds; else None.

    A number that is desired already is not refused, because asking for it changes nothing. It may
    be out of bounds if these have changed since, for example by ``[xloud] memory_floor_mb``. A
    client that always sends both sizes could otherwise change neither.
    """
    always = bounds.always_plugged
    why = f"; vCPUs 0 to {always - 1} always stay plugged, because of the dedicated vCPUs"
    vcpus, memory_mb = _changed(request, before)
    for asked, low, high, unit, because in (
        (vcpus, bounds.minimum.vcpus, bounds.maximum.vcpus, "vCPUs", why if always else ""),
        (memory_mb, bounds.minimum.memory_mb, bounds.maximum.memory_mb, "MiB", ""),
    ):
        if asked is not None and not low <= asked <= high:
            return OutOfBounds(
                f"{asked} {unit} is not between this instance's minimum of {low} "
                f"and its maximum of {high} {unit}{because}"
            )
    step = bounds.vcpu_step
    if vcpus is not None and vcpus % step:
        return OutOfBounds(
            f"{of_vcpus(vcpus)} is not a multiple of {step}: "
            f"this instance's cores have {step} threads and are plugged whole"
        )
    return None


def _changed(request: AdjustRequest, before: Desired) -> tuple[int | None, int | None]:
    """Return the vCPUs and the memory of the request, None where the request changes nothing.

    If the size is to be persisted, a number that is desired only until the guest stops is changed.
    """
    target, persisted = before.target, before.persisted if request.persist else before.target
    return (
        None if request.vcpus == target.vcpus == persisted.vcpus else request.vcpus,
        None if request.memory_mb == target.memory_mb == persisted.memory_mb else request.memory_mb,
    )


def _blocked(target: Size, now: Size, bounds: Bounds, state: InstanceState) -> Blocked | None:
    """Return the refusal if the request changes a resource that has a blocker; else None.

    A guest with pinned memory holds its maximum of memory already, so a request for that is not
    refused, whatever pins the memory.
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
    """Return the refusal if the request sets pinned memory to less than the maximum; else None.

    None too if that memory is desired already.
    """
    guest = state.guest
    if guest is None or target.memory_mb in (now.memory_mb, guest.max_memory_mb):
        return None
    return next((Blocked(b.why, b.message) for b in pinned.blockers(guest)), None)


def _stopped(request: AdjustRequest, state: InstanceState) -> InvalidState | None:
    if state.running or request.persist:
        return None
    return InvalidState(
        "a size that is not persisted lasts until the guest stops, and this guest does not run; "
        "start the server first, or ask with persist"
    )


def _vcpus_kept(target: Size, now: Size, state: InstanceState, bounds: Bounds) -> Blocked | None:
    """Return the refusal if a running guest that never gives vCPUs back should have fewer.

    None if the guest may give vCPUs back (``bounds.removal`` is None) or does not run. None too if
    ``target`` has at least the vCPUs of the guest, or at least those that are desired already.

    :param now: the size that is desired before the request
    """
    guest, removal = state.guest, bounds.removal
    if removal is None or guest is None or not guest.running:
        return None
    if target.vcpus < min(guest.vcpus, now.vcpus):
        return Blocked(removal.why, removal.message)
    return None


def _vcpus_stuck(target: Size, now: Size, state: InstanceState) -> Blocked | None:
    """Return the refusal if the request changes vCPUs that a running guest cannot give or take.

    None if it leaves the desired vCPUs as they are: they do not keep its memory from changing.

    :param now: the size that is desired before the request
    """
    guest = state.guest
    if guest is None or not guest.running or target.vcpus == now.vcpus:
        return None
    fixed = guest.vcpus - guest.removable_vcpus
    if target.vcpus < fixed and target.vcpus < guest.vcpus:
        return Blocked(
            "boot_vcpus",
            f"{fixed} of the guest's vCPUs were there at boot and cannot be removed while it runs; "
            f"stop the server, adjust it while it is stopped, and start it again",
        )
    if state.removal_unsettled and target.vcpus > guest.vcpus:
        return Blocked(
            "removal_unsettled",
            "a vCPU removal timed out and has not settled; adding one now could crash the guest; "
            "hard reboot the server, or stop and start it, and ask again",
        )
    return None
