# SPDX-License-Identifier: Apache-2.0
"""Guests with the real policy on one host with the real arbitration, round by round.

Placement, libvirt and the engine are a few lines: growth is claimed before the guest gets it, a
shrink is released after the guest has given it, and a claim that does not fit is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nova_xloud.core.autoscaling.arbitration import arbitrate
from nova_xloud.core.autoscaling.contest import Claimant, Grant, HostRoom, Pool, claimant
from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.autoscaling.waits import Waits, decided, seen, with_waits
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU
from tests.unit.core.autoscaling.guests import PERIOD, Guest

SMALLEST, LARGEST = Size(1, 512), Size(4, 4096)
BALLOON_MB = 2048
"""MiB that a balloon moves in a round."""


@dataclass
class Member:
    """One guest of the fleet.

    :ivar demand: returns the cores and MiB that its programs want at a time, in seconds from 0
    :ivar short_mb: MiB-seconds that its programs wanted and did not have
    """

    uuid: str
    guest: Guest
    demand: Callable[[float], tuple[float, float]]
    weight: int = 100
    is_stuck: bool = False
    waits: Waits = field(default_factory=Waits)
    desired: Size = SMALLEST
    reserved: Size = SMALLEST
    short_mb: float = 0.0
    short_cores: float = 0.0
    sizes: list[Size] = field(default_factory=list)


@dataclass
class Fleet:
    """A host and its guests."""

    capacity: Size
    members: list[Member] = field(default_factory=list)
    now: float = 0.0
    refused: int = 0
    grants: tuple[Grant, ...] = ()

    def add(
        self,
        uuid: str,
        demand: Callable[[float], tuple[float, float]],
        *,
        smallest: Size = SMALLEST,
        largest: Size = LARGEST,
        weight: int = 100,
    ) -> Member:
        """Boot a guest at its smallest size."""
        ranges = Ranges(
            Range(smallest.vcpus, largest.vcpus), Range(smallest.memory_mb, largest.memory_mb)
        )
        guest = Guest(size=smallest, ranges=ranges, obeys=False)
        one = Member(uuid, guest, demand, weight, desired=smallest, reserved=smallest)
        self.members.append(one)
        return one

    def used(self) -> Size:
        """What is claimed."""
        return Size(
            sum(one.reserved.vcpus for one in self.members),
            sum(one.reserved.memory_mb for one in self.members),
        )

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        for _ in range(int(seconds / PERIOD)):
            self.round()

    def round(self) -> None:
        """One interval: guests follow and work, then all are read and decided."""
        self.now += PERIOD
        claimants = [self._read(one) for one in self.members]
        used = self.used()
        pools = (
            Pool(VCPU, self.capacity.vcpus, used.vcpus),
            Pool(MEMORY_MB, self.capacity.memory_mb, used.memory_mb),
        )
        self.grants = arbitrate(HostRoom(pools), claimants)
        for one, grant in zip(self.members, self.grants, strict=True):
            before = one.desired
            if grant.size != before:
                self._ask_for(one, grant.size)
            one.waits = decided(one.waits, grant, before, self.now)

    def _read(self, one: Member) -> Claimant:
        guest = one.guest
        if not one.is_stuck:
            guest.size = _followed(guest.size, one.desired)
        one.reserved = one.desired.at_least(guest.size)
        self._work(one)
        guest.desired = one.desired
        advice = guest.step()
        one.sizes.append(one.desired)
        one.waits = seen(one.waits, guest.size, one.desired, self.now)
        told = claimant(
            one.uuid,
            advice,
            guest.ranges,
            reserved=one.reserved,
            held=guest.size,
            desired=one.desired,
            weight=one.weight,
        )
        return with_waits(told, one.waits, self.now)

    def _work(self, one: Member) -> None:
        cores, need = one.demand(self.now)
        guest = one.guest
        usable = guest.size.memory_mb - 20.0
        missing = max(0.0, need - usable)
        one.short_mb += missing * PERIOD
        one.short_cores += max(0.0, cores - guest.size.vcpus) * PERIOD
        if missing:
            guest.swapped_out_mb += missing
            guest.stalls += 10
        guest.cpu, guest.need = cores, min(need, usable)

    def _ask_for(self, one: Member, size: Size) -> None:
        larger = one.reserved.at_least(size)
        used = self.used()
        after = Size(
            used.vcpus - one.reserved.vcpus + larger.vcpus,
            used.memory_mb - one.reserved.memory_mb + larger.memory_mb,
        )
        if larger != one.reserved and not self.capacity.covers(after):
            self.refused += 1
            return
        one.reserved, one.desired = larger, size


def _followed(size: Size, desired: Size) -> Size:
    step = max(-1, min(1, desired.vcpus - size.vcpus))
    moved = max(-BALLOON_MB, min(BALLOON_MB, desired.memory_mb - size.memory_mb))
    return Size(size.vcpus + step, size.memory_mb + moved)
