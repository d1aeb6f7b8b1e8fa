# SPDX-License-Identifier: Apache-2.0
"""Placement: one host's inventory, and everybody who has something of it."""

from __future__ import annotations

from collections.abc import Iterable

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB
from nova_xloud.testing.fake_ports import NOTHING, FakeClaims


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
    :ivar narrowed: the inventory is not what it was; see :meth:`narrow`
    :param strict: Placement is older than 14.0: no claim is taken that leaves it over full
    """

    def __init__(self, capacity: Size, *, strict: bool = False) -> None:
        self.capacity = self._capacity = capacity
        self.strict = strict
        self.narrowed = False
        self._over = NOTHING
        self.consumers: list[Allocation] = []
        self.others: dict[str, Size] = {}
        self.unreachable = False

    def narrow(self, how: str) -> None:
        """An operator changes the inventory; see :class:`tests.simulator.scenario.Narrowing`."""
        self.narrowed, self._over = True, self.used
        if how == "capacity":
            self.capacity = Size(self.used.vcpus - 1, self.used.memory_mb - 256)
        for one in self.consumers:
            one.capacity = self.capacity
            if how == "max_unit":
                largest = max(self.consumers, key=lambda each: each.size.memory_mb).size
                one.max_unit = Size(max(largest.vcpus - 1, 1), max(largest.memory_mb - 128, 1))
            elif how == "class":
                one.without = {MEMORY_MB}

    def as_before(self) -> None:
        """The inventory is as it was when the history began."""
        self.narrowed, self.capacity = False, self._capacity
        for one in self.consumers:
            one.capacity, one.max_unit, one.without = self.capacity, None, set()

    def has_promised_too_much(self) -> bool:
        """More than there is, and more than was used when it became less than that."""
        used = self.used
        if not self.capacity.at_least(self._over).covers(used):
            return True
        # What was given back may not be taken again.
        self._over = Size(
            min(self._over.vcpus, used.vcpus), min(self._over.memory_mb, used.memory_mb)
        )
        return False

    @property
    def used(self) -> Size:
        return total([*(one.size for one in self.consumers), *self.others.values()])

    def has_room_for(self, size: Size) -> bool:
        """Whether the scheduler would put one more there."""
        return not self.narrowed and self.capacity.covers(total([self.used, size]))


class Allocation(FakeClaims):
    """What one instance has, here or on another host."""

    def __init__(self, provider: Provider, size: Size, *, written_often: bool = False) -> None:
        super().__init__(size, capacity=provider.capacity)
        if written_often:
            self._generation = 100
        self._provider = provider
        self.refuses_when_overfull = provider.strict
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
