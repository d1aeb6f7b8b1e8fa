# SPDX-License-Identifier: Apache-2.0
"""Which sizes an instance may have, and what stands in the way of others.

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

# The facts and blockers are named here too, for those who ask for the bounds of them.
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

    :ivar boot: what it boots with before it was ever adjusted
    :ivar minimum: the smallest size that may be asked for; of a resource that flavor or image
        block, the maximum
    :ivar maximum: the flavor's size, and the largest
    :ivar vcpu_step: vCPUs are adjusted in multiples of it
    :ivar elastic: whether the flavor names a minimum that is in force
    :ivar blockers: what stands in the way, per resource
    :ivar problems: extra specs that are not used as they stand, one sentence each
    :ivar always_plugged: vCPUs that a guest with mixed CPUs always has; 0 for others
    :ivar removal: why vCPUs cannot be removed while the guest runs, though others can be added
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
        """The first blocker of ``resource``, if there is one."""
        return next((b for b in self.blockers if b.resource == resource), None)


def bounds_of(facts: FlavorFacts, host: HostFacts | None = None) -> Bounds:
    """The bounds of an instance.

    :param host: the host it is on; None where there is none yet (scheduling): then only
        flavor and image count, which every host then agrees with for the boot size
    """
    host_facts = host or HostFacts()
    minimums = read_minimums(facts.extra_specs, facts.maximum, facts.memory_floor_mb)
    # What a host adds must not change the boot size: the scheduler has claimed it already.
    own = flavor_blockers(facts)
    blocked = {b.resource for b in own}
    maximum, step, plugged = facts.maximum, _vcpu_step(facts), _always_plugged(facts)

    def smallest_vcpus(wanted: int) -> int:
        """Round ``wanted`` up: at least the vCPUs that stay plugged (mixed CPU policy), then whole
        cores, at most the maximum.
        """
        return min(-(-max(wanted, plugged) // step) * step, maximum.vcpus)

    boot, minimum = maximum, maximum
    if VCPUS not in blocked:
        least = smallest_vcpus(minimums.vcpus or 1)
        minimum = Size(least, minimum.memory_mb)
        boot = Size(maximum.vcpus if minimums.vcpus is None else least, boot.memory_mb)
    if MEMORY not in blocked:
        # The share of the maximum is for what a guest boots with, in one step and without its
        # statistics. Below it a running guest may shrink as far as its statistics allow.
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
    """Threads per core of the guest: a core is plugged whole."""
    return threads_per_core(facts.maximum.vcpus, facts.extra_specs, facts.image_properties)
