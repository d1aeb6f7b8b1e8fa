# SPDX-License-Identifier: Apache-2.0
"""The sizes between which automatic growth may scale an instance."""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds


def ranges_of(bounds: Bounds, held: Size, not_smaller: Mapping[str, str]) -> Ranges:
    """Return the values to which the vCPUs and the memory of an instance may be set.

    :param bounds: the bounds of the instance on its host
    :param held: the size that a person has asked for lately; 0 for a resource for which nobody has
    :param not_smaller: by resource (``vcpus``, ``memory_mb``), the reason code with which a request
        to shrink this guest was refused; empty if none was. It counts where the bounds have no
        reason of their own
    """

    def of(resource: str, step: int, removal: str = "") -> Range:
        blocker = bounds.blocker_of(resource)
        return Range(
            smallest=getattr(bounds.minimum, resource),
            largest=getattr(bounds.maximum, resource),
            step=step,
            held=getattr(held, resource),
            blocked="" if blocker is None else blocker.code,
            not_smaller=removal or not_smaller.get(resource, ""),
        )

    removal = "" if bounds.removal is None else bounds.removal.code
    return Ranges(of(VCPUS, bounds.vcpu_step, removal), of(MEMORY, 1))
