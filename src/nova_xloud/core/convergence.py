# SPDX-License-Identifier: Apache-2.0
"""The next step toward what is desired, from the state alone.

Order: memory grows, vCPUs grow, vCPUs shrink, memory shrinks, the claim is released. A step is
safe at any moment: it is computed from what was just read, so whoever was
killed half way is followed by somebody who reads and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.guest import GuestFigures
from nova_xloud.core.plan import InstanceState
from nova_xloud.core.size import Size


@dataclass(frozen=True, slots=True)
class Claim:
    """Reserve ``size`` first: less is reserved than the next step, or the guest, needs."""

    size: Size


@dataclass(frozen=True, slots=True)
class SetMemory:
    """Tell the balloon to become ``mib``."""

    mib: int


@dataclass(frozen=True, slots=True)
class SetVcpus:
    """Plug or unplug up to ``count``."""

    count: int


@dataclass(frozen=True, slots=True)
class BeginRemoval:
    """Write down that vCPUs are about to be removed, down to ``count``."""

    count: int


@dataclass(frozen=True, slots=True)
class RemovalSettled:
    """The vCPUs of the removal that was begun are seen to be gone: write that down."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """No step is safe before the guest restarts.

    :ivar why: for people
    """

    why: str


@dataclass(frozen=True, slots=True)
class Await:
    """Was told already; wait for the guest.

    :ivar what: for people: what is waited for
    :ivar left: how far it is from there, in vCPUs or MiB: less is progress
    """

    what: str
    left: int


@dataclass(frozen=True, slots=True)
class Deferred:
    """Nothing can happen before somebody else acts; an event brings us back.

    :ivar why: for people
    """

    why: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give back all but ``size``."""

    size: Size


@dataclass(frozen=True, slots=True)
class Record:
    """Write what is reserved into the instance's own columns, which say something else."""

    size: Size


@dataclass(frozen=True, slots=True)
class ForgetLive:
    """The guest has stopped: what was asked only until then is over."""


@dataclass(frozen=True, slots=True)
class Converged:
    """There is nothing left to do."""


Step = (
    Claim
    | SetMemory
    | BeginRemoval
    | SetVcpus
    | RemovalSettled
    | Stuck
    | Await
    | Deferred
    | Release
    | Record
    | ForgetLive
    | Converged
)


@dataclass(frozen=True, slots=True)
class Told:
    """What libvirt was told in this run, so that it is not told again at every poll."""

    memory_mb: int | None = None
    vcpus: int | None = None


def next_step(state: InstanceState, told: Told) -> Step:
    """What to do next.

    :param state: as just read
    :param told: what this run has told libvirt and the guest may not have done yet
    """
    if not state.running and state.desired != state.desired.restarted():
        return ForgetLive()
    needed = state.settled_claim
    if not state.reserved.covers(needed):
        return Claim(state.reserved.at_least(needed))
    guest = state.guest
    if guest is not None and guest.running:
        step = _guest_step(state, guest, told)
        if step is not None:
            return _for_paused(step, guest) if guest.paused else step
    if state.reserved != needed:
        return Release(needed)
    if state.recorded is not None and state.recorded != state.reserved:
        return Record(state.reserved)
    return Converged()


def _guest_step(state: InstanceState, guest: GuestFigures, told: Told) -> Step | None:
    """The first of the steps on the guest, in their order, that has something to do."""
    target = state.desired.target
    if state.desired.removal_pending is not None and not state.removal_unsettled:
        return RemovalSettled()
    if guest.memory_mb <= target.memory_mb and (step := _memory(target, guest, told)):
        return step
    if guest.vcpus < target.vcpus:
        return _add_vcpus(target, state, guest, told)
    if guest.vcpus > target.vcpus:
        return _remove_vcpus(target, state, guest, told)
    if step := _memory(target, guest, told):
        return step
    if guest.vcpus_online is not None and guest.vcpus_online < target.vcpus:
        return Await(
            f"it brings {target.vcpus} vCPUs online (are {guest.vcpus_online})",
            target.vcpus - guest.vcpus_online,
        )
    return None


def _memory(target: Size, guest: GuestFigures, told: Told) -> Step | None:
    """Once a run the balloon is told, even when its size is right: that it is on its way to another
    one, which somebody told it before, cannot be seen.
    """
    if guest.memory_mb == target.memory_mb and guest.balloon_driver is None:
        # No balloon device to tell.
        return None
    if told.memory_mb != target.memory_mb:
        return SetMemory(target.memory_mb)
    if guest.memory_mb != target.memory_mb:
        return Await(
            f"its memory becomes {target.memory_mb} MiB (is {guest.memory_mb})",
            abs(target.memory_mb - guest.memory_mb),
        )
    return None


def _add_vcpus(target: Size, state: InstanceState, guest: GuestFigures, told: Told) -> Step:
    if state.removal_unsettled:
        return Stuck(
            f"a vCPU removal has not settled, and adding one now could crash the guest; it has "
            f"{guest.vcpus} vCPUs until it is hard rebooted, or stopped and started"
        )
    if told.vcpus != target.vcpus:
        return SetVcpus(target.vcpus)
    return Await(f"its vCPUs become {target.vcpus} (are {guest.vcpus})", target.vcpus - guest.vcpus)


def _remove_vcpus(target: Size, state: InstanceState, guest: GuestFigures, told: Told) -> Step:
    if told.vcpus == target.vcpus:
        return Await(
            f"it gives vCPUs back down to {target.vcpus} (has {guest.vcpus})",
            guest.vcpus - target.vcpus,
        )
    pending = state.desired.removal_pending
    if pending is None or pending > target.vcpus:
        return BeginRemoval(target.vcpus)
    return SetVcpus(target.vcpus)


def _for_paused(step: Step, guest: GuestFigures) -> Step:
    """A paused guest takes vCPUs and a balloon target, and acts on them when it resumes.

    It cannot give vCPUs back: libvirt waits for it, and its time runs out (measured: 68 after 5 s).
    """
    if isinstance(step, Await):
        return Deferred(f"the guest is paused; {step.what} when it resumes")
    if isinstance(step, BeginRemoval | SetVcpus) and step.count < guest.vcpus:
        return Deferred(f"the guest is paused; its vCPUs become {step.count} when it resumes")
    return step
