# SPDX-License-Identifier: Apache-2.0
"""What a host has for its guests, what each guest has and wants, and what each guest gets.

Arbitration (:mod:`nova_xloud.core.autoscaling.arbitration`) decides who gets what of a host. These
are its inputs (:class:`HostRoom`, :class:`Claimant`) and its results (:class:`Grant`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from nova_xloud.core.autoscaling.recommendation import Advice, Recommendation
from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT, Range, Ranges
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS

STUCK_AFTER = 5.0
"""Seconds without progress towards its desired size after which a guest counts as stuck."""


FOR_OTHERS = ("shrink.host_full", "shrink.low_water")
"""Codes of :attr:`Share.code`: the guest is made smaller for others, not as recommended for it."""

_SHRINKS_ONLY_FOR_OTHERS = ("hold.needed",)
"""With these codes of an advice a guest keeps its size, but may be made smaller for others."""


@dataclass(frozen=True, slots=True)
class Pool:
    """How much of one resource class a host has for the claims of all its instances.

    :ivar name: the resource class: ``VCPU``, ``PCPU`` or ``MEMORY_MB``
    :ivar capacity: what Placement would allocate to all instances together, rounded down
        (:func:`nova_xloud.core.sizing.allocation.capacity`): the host reserve is taken off already
    :ivar allocated: what Placement has allocated to all consumers now, whether they are scaled
        automatically or not
    :ivar reserve: what automatic growth never hands out, so that it is left for requests of
        persons and for new instances
    """

    name: str
    capacity: int
    allocated: int
    reserve: int = 0


@dataclass(frozen=True, slots=True)
class HostRoom:
    """What a compute node has for claims: a :class:`Pool` for each class of its inventory."""

    pools: tuple[Pool, ...]

    def pool(self, name: str) -> Pool:
        """Return the pool of a resource class: an empty one if the host has no inventory of it."""
        return next((pool for pool in self.pools if pool.name == name), Pool(name, 0, 0))


@dataclass(frozen=True, slots=True)
class Stake:
    """What one guest has and wants of one resource: vCPUs (a count) or memory (MiB).

    :ivar reserved: what Placement has allocated to the instance
    :ivar held: what must be claimed for the guest: what it really has, or less while it boots
        (:func:`nova_xloud.core.instance.state.must_be_claimed`)
    :ivar desired: what the instance is being driven to, or has been driven to
    :ivar recommended: what is recommended; equal to ``desired`` if there is no reason to change it
    :ivar minimum: the flavor's minimum
    :ivar floor: the guest is not made smaller than this: what it has needed, with its reserve.
        Equal to ``desired`` if the guest may not be made smaller now
    :ivar held_by_person: the guest is not made smaller than this either, because a person has asked
        for it; 0 if nobody has
    :ivar largest: the largest value that may be asked for
    :ivar step: a value must be a multiple of this, unless it is ``minimum`` or ``largest``
    :ivar blocked: why the resource cannot be adjusted, a reason code; empty if it can be
    :ivar stalled: how long ago the guest has last come closer to ``desired``, in seconds; None if
        the guest has that value
    :ivar gives: whether the guest may be made smaller for others
    :ivar waited: for how long growth of this resource has been deferred without getting any, in
        seconds; 0 if it has not
    """

    reserved: int
    held: int
    desired: int
    recommended: int
    minimum: int
    floor: int
    largest: int
    step: int = 1
    held_by_person: int = 0
    blocked: str = ""
    stalled: float | None = None
    gives: bool = True
    waited: float = 0.0

    @property
    def lowest(self) -> int:
        """The smallest value that the guest may be shrunk to.

        It is the largest of ``minimum``, ``floor`` and ``held_by_person``.
        """
        return max(self.minimum, self.floor, self.held_by_person)

    @property
    def owned(self) -> int:
        """What counts as taken from the host: the largest of reserved, held and desired.

        Growth up to this takes nothing more from the host.
        """
        return max(self.reserved, self.held, self.desired)

    def without_wish(self) -> Stake:
        """Return this stake as one of a guest that wants no growth."""
        return replace(self, recommended=min(self.recommended, self.desired))

    @property
    def is_moving(self) -> bool:
        """Whether the guest is on its way to ``desired``, and does not have that value yet."""
        return self.stalled is not None

    @property
    def is_stuck(self) -> bool:
        """Whether the guest is on its way and has made no progress for ``STUCK_AFTER`` seconds."""
        return self.stalled is not None and self.stalled >= STUCK_AFTER


@dataclass(frozen=True, slots=True)
class Claimant:
    """A guest that is scaled automatically, with what it has and wants of its host.

    :ivar uuid: the instance's UUID
    :ivar vcpus: what it has and wants of vCPUs
    :ivar memory_mb: what it has and wants of memory
    :ivar weight: 1 to 1000: a larger weight gets more when the host is full, and gives less
    :ivar is_urgent: whether the guest shows distress for want of memory, and not only the wish for
        more of it. Who gets vCPUs does not depend on it
    :ivar cpu_class: the resource class that one more vCPU of the instance is claimed of: ``PCPU``
        for the CPU policy ``dedicated``, else ``VCPU``
    """

    uuid: str
    vcpus: Stake
    memory_mb: Stake
    weight: int = DEFAULT_WEIGHT
    is_urgent: bool = False
    cpu_class: str = VCPU

    @property
    def desired(self) -> Size:
        """The size that the instance is being driven to, or has been driven to."""
        return Size(self.vcpus.desired, self.memory_mb.desired)

    @property
    def held(self) -> Size:
        """What must be claimed for the guest: what it really has, or less while it boots."""
        return Size(self.vcpus.held, self.memory_mb.held)

    @property
    def wants_more(self) -> bool:
        """Whether more vCPUs or memory are recommended than the guest owns already.

        It owns the largest of what is reserved, held and desired.
        """
        return any(one.recommended > one.owned for one in (self.vcpus, self.memory_mb))

    def without_wishes(self, resources: Collection[str]) -> Claimant:
        """Return this claimant as one that wants no growth of ``resources``.

        A recommendation of more than what is desired becomes what is desired.

        :param resources: ``vcpus``, ``memory_mb``, both or none
        """
        if not resources:
            return self
        return replace(
            self,
            vcpus=self.vcpus.without_wish() if VCPUS in resources else self.vcpus,
            memory_mb=self.memory_mb.without_wish() if MEMORY in resources else self.memory_mb,
        )

    def stake(self, resource_class: str) -> Stake | None:
        """Return what the guest has and wants of a resource class.

        For ``MEMORY_MB`` that is the memory, for the guest's ``cpu_class`` the vCPUs; None for
        another class.
        """
        if resource_class == MEMORY_MB:
            return self.memory_mb
        return self.vcpus if resource_class == self.cpu_class else None

    def with_stake(self, resource_class: str, **changes: Any) -> Claimant:
        """Return this claimant with ``changes`` to fields of one :class:`Stake`.

        The stake is ``memory_mb`` for the class ``MEMORY_MB``, and ``vcpus`` for every other class.
        """
        if resource_class == MEMORY_MB:
            return replace(self, memory_mb=replace(self.memory_mb, **changes))
        return replace(self, vcpus=replace(self.vcpus, **changes))


def stake_of(advice: Advice, bounds: Range, *, reserved: int, held: int, desired: int) -> Stake:
    """Return what a guest has and wants of one resource: vCPUs (a count) or memory (MiB).

    A guest can be made smaller for others only if the advice is to shrink, or is ``hold.needed``:
    the guest has so little more than it needs that a shrink is not worth it. In all other cases
    (the guest was not watched for long enough, its figures are too old, its last shrink is still
    watched, it is in distress) the result's floor is what is desired. An advice to grow to less
    than ``desired``, or to shrink to more, changes nothing: a later request has changed the desired
    value since.

    :param advice: what is recommended for the resource
    :param bounds: the values to which the resource may be set
    :param reserved: what Placement has allocated to the instance
    :param held: what must be claimed for the guest, see :class:`Stake`
    :param desired: what the instance is being driven to, or has been driven to
    """
    recommended, kind = desired, advice.code.partition(".")[0]
    if kind == "grow":
        recommended = max(desired, advice.wanted)
    elif kind == "shrink":
        recommended = min(desired, advice.wanted)
    may_give = kind == "shrink" or advice.code in _SHRINKS_ONLY_FOR_OTHERS
    floor = desired
    if may_give and advice.floor is not None and not advice.vetoes and not bounds.not_smaller:
        floor = advice.floor
    return Stake(
        reserved=reserved,
        held=held,
        desired=desired,
        recommended=recommended,
        minimum=bounds.smallest,
        floor=floor,
        largest=bounds.largest,
        step=bounds.step,
        held_by_person=bounds.held,
        blocked=bounds.blocked,
    )


def claimant(
    uuid: str,
    recommendation: Recommendation,
    ranges: Ranges,
    *,
    reserved: Size,
    held: Size,
    desired: Size,
    weight: int = DEFAULT_WEIGHT,
    cpu_class: str = VCPU,
) -> Claimant:
    """Return a claimant from what is recommended for an instance and what it has.

    In the result no change is on its way and no growth has waited:
    :func:`nova_xloud.core.autoscaling.waits.with_waits` adds that.

    :param ranges: the values to which vCPUs and memory may be set
    :param reserved: what Placement has allocated to the instance
    :param held: what must be claimed for the guest, see :class:`Stake`
    :param desired: the size that the instance is being driven to, or has been driven to
    :param weight: see :class:`Claimant`, as for ``cpu_class``
    """
    return Claimant(
        uuid=uuid,
        vcpus=stake_of(
            recommendation.vcpus,
            ranges.vcpus,
            reserved=reserved.vcpus,
            held=held.vcpus,
            desired=desired.vcpus,
        ),
        memory_mb=stake_of(
            recommendation.memory_mb,
            ranges.memory_mb,
            reserved=reserved.memory_mb,
            held=held.memory_mb,
            desired=desired.memory_mb,
        ),
        weight=weight,
        is_urgent=recommendation.is_urgent,
        cpu_class=cpu_class,
    )


@dataclass(frozen=True, slots=True)
class Share:
    """What arbitration decides for one resource of a guest.

    :ivar value: the value to request now, vCPUs or MiB; the desired one if nothing is to be
        requested
    :ivar code: stable reason code, see :mod:`nova_xloud.core.autoscaling.arbitration`
    :ivar reason: for people, a sentence with the figures
    :ivar deferred: how much of the recommended growth cannot be requested now, vCPUs or MiB; 0 if
        no growth has to wait
    :ivar why_deferred: the code of why that has to wait, such as ``deferred.pace``, also where a
        part is granted; empty if no growth has to wait
    """

    value: int
    code: str
    reason: str
    deferred: int = 0
    why_deferred: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What arbitration decides for one guest.

    :ivar uuid: the instance's UUID
    :ivar vcpus: the decision for its vCPUs
    :ivar memory_mb: the decision for its memory
    """

    uuid: str
    vcpus: Share
    memory_mb: Share

    @property
    def size(self) -> Size:
        """The size to request now; the desired size if nothing is to be requested."""
        return Size(self.vcpus.value, self.memory_mb.value)

    @property
    def deferred(self) -> Size:
        """How much of the recommended growth of each resource cannot be requested now."""
        return Size(self.vcpus.deferred, self.memory_mb.deferred)

    @property
    def code(self) -> str:
        """The code of the share that matters more: of memory, unless that of vCPUs does.

        A share that defers growth matters most, then one that grows, then one that shrinks, then
        one that changes nothing.
        """
        return self._foremost.code

    @property
    def reason(self) -> str:
        """For people, why: ``vCPUs: ...; memory: ...`` in one line."""
        return f"vCPUs: {self.vcpus.reason}; memory: {self.memory_mb.reason}"

    @property
    def _foremost(self) -> Share:
        both = (self.memory_mb, self.vcpus)
        for share in both:
            if share.deferred:
                return share
        for rank in ("grow", "shrink"):
            for share in both:
                if share.code.startswith(rank):
                    return share
        return self.memory_mb
