# SPDX-License-Identifier: Apache-2.0
"""Which sizes an instance may have, and why it may not have others.

The scheduler, nova-api, the compute host and the code that makes the guest's XML all call
:func:`bounds_of`, so that they apply the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.blockers import (
    Blocker,
    flavor_blockers,
    host_blockers,
    removal_blocker,
)
from nova_xloud.core.sizing.boot_size import boot_size, plugged_vcpus, smallest_vcpus, vcpu_step
from nova_xloud.core.sizing.facts import IMAGE_PROPERTIES, MEMORY, VCPUS, FlavorFacts, HostFacts
from nova_xloud.core.sizing.minimums import read_minimums

# Facts and blockers can be imported from here too, because callers of bounds_of need them.
__all__ = [
    "IMAGE_PROPERTIES",
    "MEMORY",
    "VCPUS",
    "Blocker",
    "Bounds",
    "FlavorFacts",
    "HostFacts",
    "bounds_of",
]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one instance.

    :ivar boot: the size with which the instance starts as long as it was never adjusted
    :ivar minimum: the smallest size that may be asked for; for a resource that the flavor or the
        image blocks, the maximum
    :ivar maximum: the flavor's size, which is the largest that may be asked for
    :ivar vcpu_step: the vCPUs that are asked for must be a multiple of this
    :ivar elastic: whether the boot size is below the maximum, because the flavor names a minimum
    :ivar blockers: why a resource cannot be adjusted; empty if both can
    :ivar problems: for each minimum in the extra specs that is not usable, or is raised to the
        memory floor, why
    :ivar always_plugged: how many vCPUs a guest with the CPU policy ``mixed`` must always have; 0
        with another policy
    :ivar removal: why vCPUs can never be removed while the guest runs; None if they may be removed
    """

    boot: Size
    minimum: Size
    maximum: Size
    vcpu_step: int
    elastic: bool
    blockers: tuple[Blocker, ...]
    problems: tuple[str, ...]
    always_plugged: int = 0
    removal: Blocker | None = None

    def blocker_of(self, resource: str) -> Blocker | None:
        """Return the first blocker of ``resource`` (``vcpus``, ``memory_mb``), or None."""
        return next((b for b in self.blockers if b.resource == resource), None)


def bounds_of(facts: FlavorFacts, host: HostFacts | None = None) -> Bounds:
    """Return the bounds of an instance.

    The boot size follows from ``facts`` alone, so it is the same on every host.

    If the flavor names no usable minimum of memory, the minimum is the larger of the host's
    ``memory_floor_mb`` and the image's ``min_ram``, but at most the flavor's memory. If it names no
    usable minimum of vCPUs, the minimum is the smallest count that the guest may have.

    :param host: what is known of the instance's compute host; None if there is no host yet
        (scheduling), or if only the flavor and the image matter. Then the defaults of
        :class:`HostFacts` are used, also for the memory floor
    """
    host_facts = host or HostFacts()
    minimums = read_minimums(facts.extra_specs, facts.maximum, facts.memory_floor_mb)
    own = flavor_blockers(facts)
    blocked = {b.resource for b in own}
    maximum, boot = facts.maximum, boot_size(facts)
    minimum = maximum
    if VCPUS not in blocked:
        minimum = Size(smallest_vcpus(facts, minimums.vcpus or 1), minimum.memory_mb)
    if MEMORY not in blocked:
        # MemoryFloor's share of the maximum counts only for a minimum that the flavor names: the
        # guest boots at that size in one step and without statistics. Without such a minimum the
        # guest boots with its maximum, and shrinks as far as its statistics allow.
        floor = max(host_facts.memory_floor_mb, facts.image_min_ram_mb)
        minimum = Size(minimum.vcpus, minimums.memory_mb or min(floor, maximum.memory_mb))
    return Bounds(
        boot=boot,
        minimum=minimum,
        maximum=maximum,
        vcpu_step=vcpu_step(facts),
        elastic=boot != maximum,
        blockers=own + host_blockers(host_facts),
        problems=minimums.problems,
        always_plugged=plugged_vcpus(facts),
        removal=removal_blocker(facts, host_facts),
    )
