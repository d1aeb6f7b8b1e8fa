# SPDX-License-Identifier: Apache-2.0
"""Which sizes an instance may have, and why it may not have others.

Scheduling, guest XML, API and the compute host all call :func:`bounds_of`, so that they cannot
disagree.
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
from nova_xloud.core.sizing.facts import IMAGE_PROPERTIES, MEMORY, VCPUS, FlavorFacts, HostFacts
from nova_xloud.core.sizing.minimums import read_minimums
from nova_xloud.core.sizing.topology import always_plugged, threads_per_core

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
    :ivar vcpu_step: the vCPUs of a size must be a multiple of this
    :ivar elastic: whether the boot size is below the maximum, because the flavor names a minimum
    :ivar blockers: why a resource cannot be adjusted; empty if both can
    :ivar problems: for each extra spec that is ignored or raised, a sentence that says why
    :ivar always_plugged: vCPUs that a guest with the CPU policy ``mixed`` always has; else 0
    :ivar removal: why vCPUs that were added cannot be removed while the guest runs; None if they
        can
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

    :param host: what is known of the instance's compute host; None if there is no host yet
        (scheduling), or if only the flavor and the image matter. Then the defaults of
        :class:`HostFacts` are used, also as the memory floor. The boot size follows from flavor and
        image alone, so it is the same on every host
    """
    host_facts = host or HostFacts()
    minimums = read_minimums(facts.extra_specs, facts.maximum, facts.memory_floor_mb)
    # What a host adds must not change the boot size: the scheduler has claimed it already.
    own = flavor_blockers(facts)
    blocked = {b.resource for b in own}
    maximum, step, plugged = facts.maximum, _vcpu_step(facts), _always_plugged(facts)

    def smallest_vcpus(wanted: int) -> int:
        """Round ``wanted`` up to whole cores, at most the maximum.

        The result is at least the vCPUs that stay plugged (CPU policy ``mixed``).
        """
        return min(-(-max(wanted, plugged) // step) * step, maximum.vcpus)

    boot, minimum = maximum, maximum
    if VCPUS not in blocked:
        least = smallest_vcpus(minimums.vcpus or 1)
        minimum = Size(least, minimum.memory_mb)
        boot = Size(maximum.vcpus if minimums.vcpus is None else least, boot.memory_mb)
    if MEMORY not in blocked:
        # The share of the maximum counts for the boot size only: a guest boots at that size in one
        # step and without statistics. A running guest may shrink below it as far as its
        # statistics allow.
        floor = max(host_facts.memory_floor_mb, facts.image_min_ram_mb)
        floor = min(floor, maximum.memory_mb)
        minimum = Size(minimum.vcpus, minimums.memory_mb or floor)
        boot = Size(boot.vcpus, minimums.memory_mb or maximum.memory_mb)
    return Bounds(
        boot=boot,
        minimum=minimum,
        maximum=maximum,
        vcpu_step=step,
        elastic=boot != maximum,
        blockers=own + host_blockers(host_facts),
        problems=minimums.problems,
        always_plugged=plugged,
        removal=removal_blocker(facts, host_facts),
    )


def _always_plugged(facts: FlavorFacts) -> int:
    return always_plugged(
        facts.dedicated_vcpus, facts.maximum.vcpus, facts.extra_specs, facts.image_properties
    )


def _vcpu_step(facts: FlavorFacts) -> int:
    """Return the guest's threads per core: the threads of a core are plugged together."""
    return threads_per_core(facts.maximum.vcpus, facts.extra_specs, facts.image_properties)
