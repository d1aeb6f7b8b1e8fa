# SPDX-License-Identifier: Apache-2.0
"""A fake of the port ScaledGuests, over fake guests on a host of a given capacity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nova_xloud.core.autoscaling.contest import HostRoom, Pool
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU
from nova_xloud.errors import DomainCallFailed, PlacementUnavailable, QuotaExceeded, Refused
from nova_xloud.testing.fake_domain import sample_of
from nova_xloud.testing.fake_guest import FakeGuest


@dataclass(frozen=True, slots=True)
class ScaledGuest:
    """One fake guest, and what Placement has allocated to its instance.

    :ivar guest: the fake guest that is read
    :ivar allocated: returns the size that is allocated to the instance now
    """

    guest: FakeGuest
    allocated: Callable[[], Size]


class FakeScaledGuests:
    """A fake of the port ScaledGuests, over the fake guests of one host with one compute node.

    :param guests: the guests of the host, by UUID
    :param capacity: the vCPUs and MiB that all allocations on the host may have together
    :param wall: returns seconds since the epoch
    :ivar others: the size that is allocated on the host to others than these guests
    :ivar libvirt_away: whether :meth:`samples` raises ``DomainCallFailed``
    :ivar placement_away: whether :meth:`room` raises ``PlacementUnavailable``
    :ivar quota: by UUID, the refusal that :meth:`check_growth` raises; it raises nothing for others
    :ivar limits: by UUID, the largest size that :meth:`check_growth` allows; a resource that does
        not grow is not checked
    :ivar checked: the sizes that :meth:`check_growth` was asked about, in order
    :ivar calls: the name of every method that was called, in order
    """

    def __init__(
        self, guests: Mapping[str, ScaledGuest], capacity: Size, wall: Callable[[], float]
    ) -> None:
        self._guests = guests
        self._capacity = capacity
        self._wall = wall
        self.others = Size(0, 0)
        self.libvirt_away = self.placement_away = False
        self.quota: dict[str, Refused] = {}
        self.limits: dict[str, Size] = {}
        self.checked: list[Size] = []
        self.calls: list[str] = []

    def samples(
        self, desired: Mapping[str, Size], periods: Mapping[str, float]
    ) -> Mapping[str, GuestSample]:
        self.calls.append("samples")
        if self.libvirt_away:
            raise DomainCallFailed("fake guests: libvirt is away")
        found = {
            uuid: sample_of(
                one.guest, at=self._wall(), desired=desired[uuid], period=periods.get(uuid, 0.0)
            )
            for uuid, one in self._guests.items()
            if uuid in desired
        }
        return {uuid: one for uuid, one in found.items() if one is not None}

    def room(self, node: str) -> HostRoom:
        self.calls.append("room")
        if self.placement_away:
            raise PlacementUnavailable("fake guests: Placement is away")
        sizes = [one.allocated() for one in self._guests.values()]
        vcpus = self.others.vcpus + sum(size.vcpus for size in sizes)
        memory_mb = self.others.memory_mb + sum(size.memory_mb for size in sizes)
        return HostRoom(
            (
                Pool(VCPU, self._capacity.vcpus, vcpus),
                Pool(MEMORY_MB, self._capacity.memory_mb, memory_mb),
            )
        )

    def check_growth(self, uuid: str, size: Size) -> None:
        self.calls.append("check_growth")
        self.checked.append(size)
        if uuid in self.quota:
            raise self.quota[uuid]
        allowed = self.limits.get(uuid, size).at_least(self._guests[uuid].allocated())
        if not allowed.covers(size):
            raise QuotaExceeded(f"{size} is more than {allowed}")
