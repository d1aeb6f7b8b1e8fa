# SPDX-License-Identifier: Apache-2.0
"""The next step toward what is desired, from the state alone.

Order: memory grows, vCPUs grow, vCPUs shrink, memory shrinks, the claim is released. A step is
safe at any moment: it is computed from what was just read, so whoever was
killed half way is followed by somebody who reads and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

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
class Await:
    """Was told already; wait for the guest.

    :ivar what: for people: what is waited for
    """

    what: str


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
class ForgetLive:
    """The guest has stopped: what was asked only until then is over."""


@dataclass(frozen=True, slots=True)
class Converged:
    """There is nothing left to do."""


Step = Claim | SetMemory | SetVcpus | Await | Deferred | Release | ForgetLive | Converged


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
        target = state.desired.target
        step = _grow(target, state, told) or _shrink(target, state, told)
        if isinstance(step, Await) and guest.paused:
            return Deferred(f"the guest is paused; {step.what} when it resumes")
        if step is not None:
            return step
    if state.reserved != needed:
        return Release(needed)
    return Converged()


def _grow(target: Size, state: InstanceState, told: Told) -> Step | None:
    guest = state.guest
    assert guest is not None
    if guest.memory_mb < target.memory_mb:
        if told.memory_mb != target.memory_mb:
            return SetMemory(target.memory_mb)
        return Await(f"its memory becomes {target.memory_mb} MiB (is {guest.memory_mb})")
    if guest.vcpus < target.vcpus:
        if told.vcpus != target.vcpus:
            return SetVcpus(target.vcpus)
        return Await(f"its vCPUs become {target.vcpus} (are {guest.vcpus})")
    if guest.vcpus_online is not None and guest.vcpus_online < target.vcpus <= guest.vcpus:
        return Await(f"it brings {target.vcpus} vCPUs online (are {guest.vcpus_online})")
    return None


def _shrink(target: Size, state: InstanceState, told: Told) -> Step | None:
    guest = state.guest
    assert guest is not None
    if guest.vcpus > target.vcpus:
        if told.vcpus != target.vcpus:
            return SetVcpus(target.vcpus)
        return Await(f"it gives vCPUs back down to {target.vcpus} (has {guest.vcpus})")
    if guest.memory_mb > target.memory_mb:
        if told.memory_mb != target.memory_mb:
            return SetMemory(target.memory_mb)
        return Await(f"it gives memory back down to {target.memory_mb} MiB (has {guest.memory_mb})")
    return None
