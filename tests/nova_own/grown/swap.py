# SPDX-License-Identifier: Apache-2.0
"""Decide which minimums a flavor of Nova's tests gets, by nova-xloud's own rules. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nova_xloud.core.sizing.blockers import flavor_blockers
from nova_xloud.core.sizing.boot_size import boot_size
from nova_xloud.core.sizing.facts import MEMORY, VCPUS, FlavorFacts
from nova_xloud.core.sizing.minimums import ALL_SPECS, MEMORY_SPECS, VCPU_SPECS

ONE_VCPU = "one vCPU only"
ALL_PLUGGED = "all vCPUs are of one core, or dedicated with the CPU policy mixed"
NO_MEMORY_ABOVE_FLOOR = "memory not above the floor, or the image's min_ram"


@dataclass(frozen=True)
class Swap:
    """What becomes of one flavor.

    :ivar specs: the extra specs to add; empty if the flavor is left as it is
    :ivar why_not: why a resource gets no minimum, by resource (``vcpus``, ``memory_mb``)
    """

    specs: dict[str, str] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)


def swap(facts: FlavorFacts) -> Swap:
    """Return the smallest minimums with which a server of this flavor boots below its size.

    Each resource is tried with the smallest minimum that may be named: 1 vCPU, and the floor of
    memory or the image's ``min_ram``, if that is more. It gets that minimum if the boot size is
    below the maximum then. A flavor that names a minimum itself is left as it is.
    """
    if any(name in facts.extra_specs for name in ALL_SPECS):
        return Swap()
    memory_mb = max(facts.memory_floor_mb, facts.image_min_ram_mb)
    smallest = {VCPU_SPECS[0]: "1", MEMORY_SPECS[0]: str(memory_mb)}
    boot = boot_size(replace(facts, extra_specs={**facts.extra_specs, **smallest}))
    specs, why_not = {}, {}
    for resource, name in ((VCPUS, VCPU_SPECS[0]), (MEMORY, MEMORY_SPECS[0])):
        if getattr(boot, resource) < getattr(facts.maximum, resource):
            specs[name] = smallest[name]
        else:
            why_not[resource] = _why_not(facts, resource)
    return Swap(specs, why_not)


def _why_not(facts: FlavorFacts, resource: str) -> str:
    for blocker in flavor_blockers(facts):
        if blocker.resource == resource:
            return blocker.code
    if resource == MEMORY:
        return NO_MEMORY_ABOVE_FLOOR
    return ONE_VCPU if facts.maximum.vcpus == 1 else ALL_PLUGGED


def flavor_in(uri: str, body: Any, *, resizes: bool = False) -> tuple[str, str | None] | None:
    """Return the ids of the flavor and the image with which a request creates a server, or None.

    There is no id of an image if the server boots from a volume.

    :param uri: below the API's address, such as ``/servers``
    :param body: the body before it is JSON
    :param resizes: return the flavor of a request to resize a server too
    """
    named = None
    if isinstance(body, dict) and uri == "/servers":
        named = body.get("server")
    elif isinstance(body, dict) and uri.endswith("/action") and resizes:
        named = body.get("resize")
    # Nova's tests name a flavor by an address too, and some name none on purpose.
    if not isinstance(named, dict) or not named.get("flavorRef"):
        return None
    return _last(named["flavorRef"]), _last(named["imageRef"]) if named.get("imageRef") else None


def _last(reference: Any) -> str:
    return str(reference).rpartition("/")[2]
