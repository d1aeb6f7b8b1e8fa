# SPDX-License-Identifier: Apache-2.0
"""Decide the boot size: the size with which an instance starts as long as it was never adjusted."""

from __future__ import annotations

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.blockers import flavor_blockers
from nova_xloud.core.sizing.facts import MEMORY, VCPUS, FlavorFacts
from nova_xloud.core.sizing.minimums import read_minimums
from nova_xloud.core.sizing.topology import always_plugged, threads_per_core


def boot_size(facts: FlavorFacts) -> Size:
    """Return the boot size: for each resource its minimum, or the flavor's size.

    It is the flavor's size where the flavor names no usable minimum, and where the flavor or the
    image blocks the resource. A minimum of vCPUs is raised by :func:`smallest_vcpus`, and a minimum
    of memory to ``facts.memory_floor_mb``. The boot size follows from ``facts`` alone, because the
    scheduler claims it before there is a host.
    """
    minimums = read_minimums(facts.extra_specs, facts.maximum, facts.memory_floor_mb)
    blocked = {one.resource for one in flavor_blockers(facts)}
    boot = facts.maximum
    if minimums.vcpus is not None and VCPUS not in blocked:
        boot = Size(smallest_vcpus(facts, minimums.vcpus), boot.memory_mb)
    if minimums.memory_mb is not None and MEMORY not in blocked:
        boot = Size(boot.vcpus, minimums.memory_mb)
    return boot


def smallest_vcpus(facts: FlavorFacts, wanted: int) -> int:
    """Return the smallest count of vCPUs, of at least ``wanted``, that the guest may have.

    These are whole cores, and at least the vCPUs that must stay plugged with the CPU policy
    ``mixed``; but no more than the flavor's.
    """
    step = vcpu_step(facts)
    return min(-(-max(wanted, plugged_vcpus(facts)) // step) * step, facts.maximum.vcpus)


def plugged_vcpus(facts: FlavorFacts) -> int:
    """Return how many vCPUs must stay plugged because of the CPU policy ``mixed``; else 0."""
    return always_plugged(
        facts.dedicated_vcpus, facts.maximum.vcpus, facts.extra_specs, facts.image_properties
    )


def vcpu_step(facts: FlavorFacts) -> int:
    """Return the guest's threads per core, because the threads of a core are plugged together."""
    return threads_per_core(facts.maximum.vcpus, facts.extra_specs, facts.image_properties)
