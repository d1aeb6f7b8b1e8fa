# SPDX-License-Identifier: Apache-2.0
"""A host with guests that follow, get stuck, lie or die, driven by arbitration round by round.

The host does what Placement and the engine do: a claim is refused where it does not fit, growth is
claimed before the guest gets it, and a shrink is released after the guest has given it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from nova_xloud.core.autoscaling.arbitration import arbitrate
from nova_xloud.core.autoscaling.contest import Claimant, Grant, HostRoom, Pool, Stake
from nova_xloud.core.autoscaling.waits import Waits, decided, seen, with_waits
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU

ROUND = 5.0
NAMES = ("vcpus", "memory_mb")
UNITS = {"vcpus": 1, "memory_mb": 64}
SPEED = {"vcpus": 1, "memory_mb": 1024}


@dataclass
class FakeGuest:
    """A guest: what it needs is what it is recommended."""

    uuid: str
    minimum: dict[str, int]
    largest: dict[str, int]
    need: dict[str, int]
    step: dict[str, int]
    weight: int = 100
    is_stuck: bool = False
    is_urgent: bool = False
    person: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    desired: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)

    def __post_init__(self) -> None:
        for sizes in (self.desired, self.held, self.reserved):
            sizes.update(self.minimum)

    def advance(self) -> None:
        """Come closer to what is desired, unless it is stuck."""
        for name in () if self.is_stuck else NAMES:
            gap = self.desired[name] - self.held[name]
            self.held[name] += max(-SPEED[name], min(SPEED[name], gap))

    def lowest(self, name: str) -> int:
        """Below this nobody may make it."""
        return max(self.minimum[name], min(self.need[name], self.largest[name]), self.person[name])

    def claimant(self, now: float) -> Claimant:
        """The guest as arbitration reads it."""
        one = Claimant(
            self.uuid,
            *(self._stake(name) for name in NAMES),
            weight=self.weight,
            is_urgent=self.is_urgent,
        )
        return with_waits(one, self.waits, now)

    def _stake(self, name: str) -> Stake:
        # As the policy does: up at once, and down by the arbiter's squeeze or by a step of its own.
        need, desired = self.lowest(name), self.desired[name]
        return Stake(
            reserved=self.reserved[name],
            held=self.held[name],
            desired=desired,
            recommended=max(need, desired),
            minimum=self.minimum[name],
            floor=need,
            largest=self.largest[name],
            step=self.step[name],
            held_by_person=self.person[name],
        )


@dataclass
class FakeHost:
    """A host with a Placement of its own, whose claims are the last word."""

    capacity: dict[str, int]
    now: float = 0.0
    guests: list[FakeGuest] = field(default_factory=list)
    stock: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    grants: tuple[Grant, ...] = ()
    refused: int = 0
    got: dict[str, float] = field(default_factory=dict)

    def allocated(self, name: str) -> int:
        """What is claimed of a resource, by all."""
        return self.stock[name] + sum(guest.reserved[name] for guest in self.guests)

    def fits(self, more: dict[str, int]) -> bool:
        """Whether Placement would allocate that."""
        return all(self.allocated(name) + more[name] <= self.capacity[name] for name in NAMES)

    def boot(self, guest: FakeGuest) -> bool:
        """Boot a guest at its minimum, if that fits."""
        if not self.fits(guest.minimum):
            return False
        self.guests.append(guest)
        return True

    def ask_for(self, guest: FakeGuest, sizes: dict[str, int]) -> bool:
        """Admit a request for a size: claim what it needs more and make it desired."""
        more = {name: max(0, sizes[name] - guest.reserved[name]) for name in NAMES}
        if any(more.values()) and not self.fits(more):
            return False
        for name in NAMES:
            guest.reserved[name] += more[name]
            guest.desired[name] = sizes[name]
        return True

    def round(self) -> None:
        """Let all guests advance, release what they gave, arbitrate and do what was decided."""
        self.now += ROUND
        for guest in self.guests:
            guest.advance()
            for name in NAMES:
                guest.reserved[name] = max(guest.desired[name], guest.held[name])
            guest.waits = seen(guest.waits, _size(guest.held), _size(guest.desired), self.now)
        pools = (
            Pool(VCPU, self.capacity["vcpus"], self.allocated("vcpus")),
            Pool(MEMORY_MB, self.capacity["memory_mb"], self.allocated("memory_mb")),
        )
        claimants = [guest.claimant(self.now) for guest in self.guests]
        self.grants = arbitrate(HostRoom(pools), claimants)
        for guest, grant in zip(self.guests, self.grants, strict=True):
            before = _size(guest.desired)
            asked = {"vcpus": grant.size.vcpus, "memory_mb": grant.size.memory_mb}
            if any(asked[name] > guest.desired[name] for name in NAMES):
                self.got[guest.uuid] = self.now
            if asked != guest.desired and not self.ask_for(guest, asked):
                self.refused += 1
            guest.waits = decided(guest.waits, grant, before, self.now)


def _size(sizes: dict[str, int]) -> Size:
    return Size(sizes["vcpus"], sizes["memory_mb"])


def random_guest(rng: random.Random, uuid: str) -> FakeGuest:
    """A guest with random bounds, weight and need; now and then stuck from its start."""
    minimum = {"vcpus": rng.choice((1, 1, 2)), "memory_mb": 64 * rng.randint(4, 16)}
    step = {"vcpus": rng.choice((1, 1, 1, 2)), "memory_mb": 64}
    minimum["vcpus"] *= step["vcpus"]
    largest = {name: minimum[name] * rng.randint(1, 12) for name in NAMES}
    guest = FakeGuest(uuid, minimum, largest, dict(minimum), step, rng.choice((10, 100, 1000)))
    change_need(rng, guest)
    return guest


def change_need(rng: random.Random, guest: FakeGuest) -> None:
    """Give a guest another need, in whole steps, beyond its bounds at times: it may lie."""
    for name in NAMES:
        grain = guest.step[name]
        if rng.random() < 0.15:
            guest.need[name] = 100 * guest.largest[name]
        else:
            guest.need[name] = rng.randrange(0, guest.largest[name] + 1, grain)
    guest.is_urgent = rng.random() < 0.2
