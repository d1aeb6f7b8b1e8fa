# SPDX-License-Identifier: Apache-2.0
"""The traits that a compute host needs to run an instance below its flavor's maximum.

A nova-compute without nova-xloud would start the guest with the maximum, whatever is claimed. So
an instance that is to have less than the maximum of a resource is scheduled only to hosts that have
the trait of that resource. An instance that is to have the maximum needs no trait.
"""

from __future__ import annotations

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds

VCPUS_TRAIT = "CUSTOM_XLOUD_VCPUS"
MEMORY_TRAIT = "CUSTOM_XLOUD_MEMORY"

_OF_RESOURCE = {VCPUS: VCPUS_TRAIT, MEMORY: MEMORY_TRAIT}
TRAITS = tuple(_OF_RESOURCE.values())


def needed_by(size: Size, maximum: Size) -> tuple[str, ...]:
    """Return the traits that a host must have to run an instance that is to have ``size``.

    Empty if ``size`` is the maximum.
    """
    return tuple(
        trait
        for resource, trait in _OF_RESOURCE.items()
        if getattr(size, resource) < getattr(maximum, resource)
    )


def offered_by(bounds: Bounds) -> tuple[str, ...]:
    """Return the traits that a compute host reports, one for each resource that it can adjust.

    :param bounds: the bounds, on that host, of a flavor that has no blockers itself
    """
    return tuple(
        trait for resource, trait in _OF_RESOURCE.items() if bounds.blocker_of(resource) is None
    )
