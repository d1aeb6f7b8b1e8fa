# SPDX-License-Identifier: Apache-2.0
"""The arithmetic between a size and a Placement allocation.

An allocation here is what ``GET /allocations/{consumer}`` has for one resource
provider: ``{resource class: amount}``. Classes that are not CPU or memory are
never touched.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.size import Size

VCPU = "VCPU"
PCPU = "PCPU"
MEMORY_MB = "MEMORY_MB"


def cpu_resources(vcpus: int, facts: FlavorFacts) -> dict[str, int]:
    """``VCPU`` and ``PCPU`` that ``vcpus`` of this flavor are claimed as.

    Dedicated: all as PCPU. Mixed: the dedicated ones as PCPU whatever is plugged, the others
    as VCPU, never below 0. One PCPU more where emulator threads are isolated. Amounts of 0
    are in the result: whoever sends it drops them.
    """
    dedicated = facts.dedicated_vcpus
    if not dedicated:
        return {VCPU: vcpus}
    isolated = 1 if facts.isolated_emulator else 0
    if dedicated >= facts.maximum.vcpus:
        return {PCPU: vcpus + isolated}
    return {VCPU: max(0, vcpus - dedicated), PCPU: dedicated + isolated}


def resized(resources: Mapping[str, int], size: Size, facts: FlavorFacts) -> dict[str, int]:
    """``resources`` with CPU and memory as ``size`` has them.

    What the flavor fixes by resource class (``resources:VCPU``) stays as the operator wants it.
    """
    changed = dict(resources)
    if not facts.overrides(VCPU, PCPU):
        changed = {k: v for k, v in changed.items() if k not in (VCPU, PCPU)}
        changed.update(cpu_resources(size.vcpus, facts))
    if not facts.overrides(MEMORY_MB):
        changed[MEMORY_MB] = size.memory_mb
    return {k: v for k, v in changed.items() if v > 0}


def size_held(resources: Mapping[str, int], facts: FlavorFacts) -> Size:
    """The size that an allocation is for: the inverse of :func:`resized`.

    Of a resource that the flavor fixes by its class it is the flavor's, whatever Placement holds:
    it cannot be adjusted, and the operator has said what it shall count.
    """
    cpus = resources.get(VCPU, 0) + resources.get(PCPU, 0)
    if facts.dedicated_vcpus and facts.isolated_emulator:
        cpus -= 1
    memory_mb = resources.get(MEMORY_MB, 0)
    return Size(
        facts.maximum.vcpus if facts.overrides(VCPU, PCPU) else max(0, cpus),
        facts.maximum.memory_mb if facts.overrides(MEMORY_MB) else memory_mb,
    )


def free(inventory: Mapping[str, float], used: int) -> int:
    """What is free of one resource class: ``(total - reserved) * allocation_ratio - used``.

    The formula is Placement's own for capacity.
    """
    capacity = (inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"]
    return max(0, int(capacity) - used)
