# SPDX-License-Identifier: Apache-2.0
"""Placement: one host's inventory, and everybody who has something of it."""

from __future__ import annotations

from collections.abc import Iterable

from nova_xloud.core.size import Size
from nova_xloud.testing.ports import FakeClaims


def total(sizes: Iterable[Size]) -> Size:
    vcpus = memory_mb = 0
    for size in sizes:
        vcpus += size.vcpus
        memory_mb += size.memory_mb
    return Size(vcpus, memory_mb)


class Provider:
    """The host in Placement.

    :ivar consumers: the instances' allocations
    :ivar others: what migrations and other tenants have, by consumer
    :ivar unreachable: Placement answers nobody
    """

    def __init__(self, capacity: Size) -> None:
        self.capacity = capacity
        self.consumers: list[Allocation] = []
        self.others: dict[str, Size] = {}
        self.unreachable = False

    @property
    def used(self) -> Size:
        return total([*(one.size for one in self.consumers), *self.others.values()])

    def has_room_for(self, size: Size) -> bool:
        return self.capacity.covers(total([self.used, size]))


class Allocation(FakeClaims):
    """What one instance has, here or on another host."""

    def __init__(self, provider: Provider, size: Size) -> None:
        super().__init__(size, capacity=provider.capacity)
        self._provider = provider
        provider.consumers.append(self)

    @property
    def unreachable(self) -> bool:
        return self._provider.unreachable

    @unreachable.setter
    def unreachable(self, value: bool) -> None:
        """The base's own beginning; it is the provider's to say."""

    @property
    def _free(self) -> Size:
        used = self._provider.used
        return Size(
            self.capacity.vcpus - used.vcpus + self.size.vcpus,
            self.capacity.memory_mb - used.memory_mb + self.size.memory_mb,
        )
