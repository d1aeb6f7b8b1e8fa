# SPDX-License-Identifier: Apache-2.0
"""What was asked for an instance, as it is kept in its ``system_metadata``.

=========================  =======================================================
key                        value
=========================  =======================================================
``xloud_flavor``           which flavor the sizes are of; see :func:`flavor_key`
``xloud_generation``       counts admitted adjustments
``xloud_vcpus``            the persisted desired size
``xloud_memory_mb``
``xloud_live_vcpus``       desired until the guest next stops (``persist: false``);
``xloud_live_memory_mb``   absent otherwise
``xloud_removal_pending``  the count of vCPUs that a removal was begun for, until it is seen
=========================  =======================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nova_xloud.core.size import Size

PREFIX = "xloud_"


def flavor_key(flavorid: str, maximum: Size) -> str:
    """Names a flavor and its sizes, so that a record does not outlive a resize."""
    # The sizes come first: a value is cut at 255 characters, and a flavorid may have as many.
    return f"{maximum.vcpus}:{maximum.memory_mb}:{flavorid}"[:255]


@dataclass(frozen=True, slots=True)
class Desired:
    """What an instance is wanted to have.

    :ivar persisted: kept over stop and start
    :ivar live: until the guest next stops; None when that is the persisted size
    :ivar generation: 0 for an instance that was never adjusted
    :ivar removal_pending: vCPUs are being removed down to this count. Written before libvirt is
        told, so that whoever comes after a crash knows that the number of vCPUs is not settled
    """

    persisted: Size
    live: Size | None = None
    generation: int = 0
    removal_pending: int | None = None

    @property
    def target(self) -> Size:
        """What a running guest is driven to."""
        return self.live or self.persisted

    @property
    def to_hold(self) -> Size:
        """What must stay claimed once the target is reached.

        A size that is not persisted releases nothing of the persisted one: the guest comes
        back with that, and its start must not depend on room being left by then.
        """
        return self.persisted.at_least(self.target)

    def asked(self, size: Size, *, persist: bool) -> Desired:
        """The next record after an admitted request for ``size``."""
        if persist:
            return replace(self, persisted=size, live=None, generation=self.generation + 1)
        live = None if size == self.persisted else size
        return replace(self, live=live, generation=self.generation + 1)

    def restarted(self) -> Desired:
        """The record once the guest has stopped."""
        return replace(self, live=None, removal_pending=None)


def from_metadata(metadata: Mapping[str, str], key: str, boot: Size) -> Desired:
    """The record of an instance.

    :param metadata: its ``system_metadata``
    :param key: :func:`flavor_key` of the flavor it has now
    :param boot: what it boots with when there is no record of this flavor: the rule of a
        resize too, after which an instance has the new flavor's minimum
    """
    if metadata.get("xloud_flavor") != key:
        return Desired(boot)
    persisted = _size(metadata, "xloud_vcpus", "xloud_memory_mb")
    if persisted is None:
        return Desired(boot)
    pending = metadata.get("xloud_removal_pending")
    return Desired(
        persisted=persisted,
        live=_size(metadata, "xloud_live_vcpus", "xloud_live_memory_mb"),
        generation=int(metadata.get("xloud_generation", 0)),
        removal_pending=int(pending) if pending is not None else None,
    )


def to_metadata(desired: Desired, key: str) -> dict[str, str]:
    """The record as ``system_metadata``; keys of ours not in it must be removed."""
    data = {
        "xloud_flavor": key,
        "xloud_generation": str(desired.generation),
        "xloud_vcpus": str(desired.persisted.vcpus),
        "xloud_memory_mb": str(desired.persisted.memory_mb),
    }
    if desired.live is not None:
        data["xloud_live_vcpus"] = str(desired.live.vcpus)
        data["xloud_live_memory_mb"] = str(desired.live.memory_mb)
    if desired.removal_pending is not None:
        data["xloud_removal_pending"] = str(desired.removal_pending)
    return data


def _size(metadata: Mapping[str, str], vcpus: str, memory_mb: str) -> Size | None:
    if vcpus not in metadata or memory_mb not in metadata:
        return None
    return Size(int(metadata[vcpus]), int(metadata[memory_mb]))
