# SPDX-License-Identifier: Apache-2.0
"""What a compute host must be able to do for an instance that holds less than its flavor's maximum.

A compute without nova-xloud would start the guest with the maximum, whatever is claimed. So such
an instance is scheduled to hosts only that say that they can do it; those that hold the maximum go
anywhere, as in stock Nova.
"""

from __future__ import annotations

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds

VCPUS_TRAIT = "CUSTOM_XLOUD_VCPUS"
MEMORY_TRAIT = "CUSTOM_XLOUD_MEMORY"

_OF_RESOURCE = {VCPUS: VCPUS_TRAIT, MEMORY: MEMORY_TRAIT}
TRAITS = tuple(_OF_RESOURCE.values())


def needed_by(size: Size, maximum: Size) -> tuple[str, ...]:
    """The traits that a host must have for an instance that holds ``size``."""
    return tuple(
        trait
        for resource, trait in _OF_RESOURCE.items()
        if getattr(size, resource) < getattr(maximum, resource)
    )


def offered_by(bounds: Bounds) -> tuple[str, ...]:
    """The traits of a host.

    :param bounds: of any flavor on this host that nothing else blocks
    """
    return tuple(
        trait for resource, trait in _OF_RESOURCE.items() if bounds.blocker_of(resource) is None
    )
