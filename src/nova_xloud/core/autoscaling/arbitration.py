# SPDX-License-Identifier: Apache-2.0
"""Decide for automatic growth which guests of one host grow and which shrink, and by how much.

Each resource class is decided on its own, from its own pool:

1. A guest owns the largest of its claim, what it holds, and its desired size. Growth up to that
   costs nothing and is granted. So a shrink that turns out wrong is taken back at once, on the
   fullest host too, as long as the claim of what it freed is not released.
2. What is free now is shared: first among guests below their minimum, then (of memory) among
   guests in distress, then among the others; by missing amount, weight and waiting, in whole steps
   (:mod:`nova_xloud.core.autoscaling.sharing`). What is still held by a guest that shrinks is not
   free. All guests together grow in a round by no more than :func:`pace`, so guests that lie about
   their need cannot take a host before it is noticed.
3. Some of each pool is to stay free (:func:`low_water`). What is missing for that, and for the
   growth of step 2, is taken from guests that have more than they have lately needed with its
   reserve (their floor), a step at a time. What shrinking guests are about to free counts as if it
   were free, unless they are stuck.

A guest is stuck if it has made no progress towards its desired size for some seconds. It counts
with what it really holds, and is not made smaller for others. It may grow within what it owns.

The codes of a :class:`~nova_xloud.core.autoscaling.contest.Share`:

===========================  =======================================================================
``hold.enough``              nothing else is recommended
``hold.blocked``             the resource cannot be adjusted
``hold.moving``              the guest has not arrived at its desired size, which stays until then
``hold.stuck``               the guest does not follow what it was asked for last
``hold.floor``               the guest is as small as its floor, its minimum and what a person has
                             asked for allow
``grow``                     what is recommended is granted
``grow.partial``             a part of what is recommended is granted, the rest is deferred
``deferred.host_full``       the host has less free than is wanted
``deferred.freeing``         not enough is free yet; other guests are giving back
``deferred.kept``            what is free is kept for a guest that comes first
``deferred.pace``            the growth of all guests together would be too much for one round
``deferred.stuck``           the guest does not take what it has got already
``shrink``                   the guest becomes smaller, as is recommended
``shrink.host_full``         the guest becomes smaller, because others need more than is free
``shrink.low_water``         the guest becomes smaller, because the host has little left
===========================  =======================================================================

:func:`arbitrate` only returns the sizes to request. Whether the host has room for one is known when
Placement is asked for the claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.contest import Claimant, Grant, HostRoom, Pool, Share, Stake
from nova_xloud.core.autoscaling.sharing import Ask, Offer, given, shared
from nova_xloud.core.sizing.allocation import MEMORY_MB, PCPU, VCPU

LOW_WATER_SHARE = 0.10
LOW_WATER_MEMORY_MB = 2048
"""So much memory of a host is to stay free at least, MiB, if it is not more than a quarter.

In recorded loads most guests grew by less than this within 15 seconds.
"""
LOW_WATER_VCPUS = 2
PACE_SHARE = 0.25
PACE_MEMORY_MB = 4096
PACE_VCPUS = 4
MEMORY_GRAIN_MB = 64
"""The memory of a guest that gets or gives only a part ends at a multiple of this, MiB."""
IGNORED_SHARE = 0.02
"""A guest that could give less than this share of its vCPUs or memory to others gives nothing."""
PATIENCE = 600.0
"""Seconds after which a guest whose growth waits is served as if it were in distress."""

_BELOW_MINIMUM, _DISTRESS, _OTHERS = range(3)


def low_water(pool: Pool) -> int:
    """Return how much of a pool is to stay free, in vCPUs or MiB.

    That is 10 % of the pool's capacity, but at least 2 GiB or 2 vCPUs, and at most a quarter of the
    capacity. If less is free, guests that do not need what they have are made smaller.
    """
    absolute = LOW_WATER_MEMORY_MB if pool.name == MEMORY_MB else LOW_WATER_VCPUS
    return min(max(int(pool.capacity * LOW_WATER_SHARE), absolute), pool.capacity // 4)


def pace(pool: Pool) -> int:
    """Return how much of a pool all guests together may get in a round, in vCPUs or MiB.

    That is a quarter of the pool's capacity, but at least 4 GiB or 4 vCPUs. Growth of a guest up to
    what it owns (:attr:`~.contest.Stake.owned`) takes nothing from the pool and does not count. The
    next step of a guest is granted even if that step is larger than the result.
    """
    absolute = PACE_MEMORY_MB if pool.name == MEMORY_MB else PACE_VCPUS
    return max(int(pool.capacity * PACE_SHARE), absolute)


def arbitrate(host: HostRoom, guests: Sequence[Claimant]) -> tuple[Grant, ...]:
    """Return the size to request for each guest now, with reasons, in the order of ``guests``.

    The result depends on the arguments only, and what a guest gets does not depend on their order.
    Growth that waits for the shrinks of this result is granted by a later call, with what is
    allocated and held by then.
    """
    memory = _Contest.of(host.pool(MEMORY_MB), guests).decided()
    vcpus: dict[str, Share] = {}
    if not any(pool.name == PCPU for pool in host.pools):
        # A host without an inventory of PCPU: Nova claims dedicated vCPUs of VCPU there.
        guests = [replace(guest, cpu_class=VCPU) for guest in guests]
    for name in sorted({guest.cpu_class for guest in guests}):
        mine = [guest for guest in guests if guest.cpu_class == name]
        vcpus.update(_Contest.of(host.pool(name), mine).decided())
    return tuple(Grant(guest.uuid, vcpus[guest.uuid], memory[guest.uuid]) for guest in guests)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One guest, and what it has and wants of one pool.

    :ivar is_urgent: whether the guest is in distress for want of what the pool has. Only memory is
        ever wanted so: vCPUs that are busy all the time are no distress
    :ivar stake: what the guest has and wants: vCPUs, or MiB
    :ivar grain: a value that grants or takes only a part is a multiple of this
    """

    uuid: str
    stake: Stake
    weight: int
    is_urgent: bool
    grain: int

    @property
    def wanted(self) -> int:
        """The value that the guest should have in the end, as recommended.

        It is a value that may be set, and not below :attr:`lowest` if the guest is to shrink. It is
        the desired value if the resource cannot be adjusted.
        """
        stake = self.stake
        if stake.blocked:
            return stake.desired
        wanted = max(stake.recommended, stake.minimum)
        if wanted < stake.desired:
            wanted = min(stake.desired, max(wanted, self.lowest))
        return min(wanted, max(stake.largest, stake.desired))

    @property
    def lowest(self) -> int:
        """The smallest value that the guest may be shrunk to (:attr:`~.contest.Stake.lowest`).

        It is rounded up to a whole step, unless it is the minimum or the desired value.
        """
        lowest = self.stake.lowest
        if lowest in (self.stake.minimum, self.stake.desired):
            return lowest
        return -(-lowest // self.stake.step) * self.stake.step

    @property
    def alone(self) -> int:
        """The value to request if the guest gets nothing of what is free, and gives nothing.

        Growth ends at what the guest owns. A shrink that is recommended is requested, unless the
        guest is still on its way to the desired value.
        """
        stake = self.stake
        if self.wanted > stake.desired:
            owned = stake.owned - stake.owned % stake.step
            return self.wanted if self.wanted <= stake.owned else max(stake.desired, owned)
        return stake.desired if stake.is_moving else self.wanted

    @property
    def asks(self) -> bool:
        """Whether the guest asks for a part of what is free.

        It does if it wants more than it owns (:attr:`~.contest.Stake.owned`), and is not stuck.
        """
        return self.wanted > self.stake.owned and not self.stake.is_stuck

    @property
    def tier(self) -> int:
        """The tier in which the guest gets a part of what is free.

        It is 1 in distress or after :data:`PATIENCE` seconds of waiting, else 2. Tier 1 is served
        before tier 2, and what guests lack to their minimum (tier 0) before both.
        """
        patient = self.stake.waited < PATIENCE
        return _OTHERS if patient and not self.is_urgent else _DISTRESS

    def ask(self, base: int, wanted: int) -> Ask:
        """Return what the guest asks for if it has ``base`` and wants ``wanted`` (vCPUs or MiB)."""
        return Ask(self.uuid, base, wanted, self.grain, self.weight, self.stake.waited)

    @property
    def could_give(self) -> bool:
        """Whether the guest may be made smaller now, for others.

        It may not if it is in distress or on its way to another value, if the resource is blocked
        or is to change anyway, if it has lately taken back what it gave, or if it could give too
        little to be worth a change.
        """
        stake = self.stake
        is_calm = not (self.is_urgent or stake.is_moving or stake.blocked) and stake.gives
        # A change costs more than a little is worth.
        least = max(self.grain, int(IGNORED_SHARE * stake.desired))
        return is_calm and self.wanted == stake.desired and stake.desired - self.lowest >= least

    def frees(self, value: int) -> int:
        """Return how much of the guest's claim becomes free if its desired value is ``value``.

        A guest that is stuck keeps what it holds. The result is 0 if the claim does not shrink.
        """
        keeps = max(value, self.stake.held) if self.stake.is_stuck else value
        return max(0, self.stake.reserved - keeps)


@dataclass(frozen=True, slots=True)
class _Contest:
    """Decides what each guest gets of one pool, and what it gives.

    :ivar entries: all guests whose vCPUs or memory are claimed from the pool
    :ivar free: what is free now, vCPUs or MiB: the capacity less the reserve, what Placement has
        allocated, and what the guests own beyond that; below 0 if that is more than the capacity
    """

    pool: Pool
    entries: tuple[_Entry, ...]
    free: int

    @classmethod
    def of(cls, pool: Pool, guests: Iterable[Claimant]) -> _Contest:
        entries = tuple(_entry(guest, pool.name) for guest in guests)
        beyond = sum(entry.stake.owned - entry.stake.reserved for entry in entries)
        return cls(pool, entries, pool.capacity - pool.reserve - pool.allocated - beyond)

    def decided(self) -> dict[str, Share]:
        """Return the decision for each guest, by UUID."""
        values = {entry.uuid: entry.alone for entry in self.entries}
        asking = [entry for entry in self.entries if entry.asks]
        is_kept = self._hand_out(asking, values)
        gives = self._taken(asking, values)
        is_full = self.free < sum(entry.wanted - entry.stake.owned for entry in asking)
        freed = self._pending(values | gives) > 0
        why_not = "deferred.pace"
        if is_full:
            why_not = "deferred.kept" if is_kept else "deferred.host_full"
            why_not = "deferred.freeing" if freed and not is_kept else why_not
        shares = {}
        for entry in self.entries:
            if entry.uuid in gives:
                code = "shrink.host_full" if is_full else "shrink.low_water"
                shares[entry.uuid] = self._told(entry, gives[entry.uuid], code)
            else:
                shares[entry.uuid] = self._told(entry, values[entry.uuid], why_not)
        return shares

    def _hand_out(self, asking: Sequence[_Entry], values: dict[str, int]) -> bool:
        """Share what is free among the guests ``asking``, and raise their ``values`` accordingly.

        :param values: the value to request for each guest, by UUID; changed in place
        :returns: whether what is left is kept for a guest that waits for a larger step
        """
        first_steps = [entry.ask(entry.stake.owned, entry.wanted) for entry in asking]
        largest = max((ask.after(ask.base) - ask.base for ask in first_steps), default=0)
        room = min(self.free, max(pace(self.pool), largest))
        reachable = self._reachable()
        for tier in (_BELOW_MINIMUM, _DISTRESS, _OTHERS):
            asks = []
            for entry in asking:
                base, wanted = max(values[entry.uuid], entry.stake.owned), entry.wanted
                if tier == _BELOW_MINIMUM:
                    wanted = min(wanted, entry.stake.minimum)
                elif entry.tier != tier:
                    continue
                if wanted > base:
                    asks.append(entry.ask(base, wanted))
            got, left = shared(room, asks, reachable=reachable)
            for ask in asks:
                if got[ask.uuid] > ask.base:
                    values[ask.uuid] = got[ask.uuid]
            spent = sum(got[ask.uuid] - ask.base for ask in asks)
            if asks and left < max(0, room - spent):
                return True
            room = left
        return False

    def _taken(self, asking: Sequence[_Entry], values: dict[str, int]) -> dict[str, int]:
        """Return which guests are made smaller for others: the value to request, by UUID.

        They give what is missing for the guests ``asking`` and for :func:`low_water`, beyond what
        is free and what becomes free anyway. Nobody gives for a guest whose next step could never
        be free.

        :param values: the value to request for each guest so far, by UUID
        """
        reachable = self._reachable()
        wishes = 0
        for entry in asking:
            ask = entry.ask(entry.stake.owned, entry.wanted)
            if ask.after(ask.base) - ask.base <= reachable:
                wishes += ask.missing
        missing = wishes + low_water(self.pool) - self.free - self._pending(values)
        if missing <= 0:
            return {}
        offers = [
            Offer(entry.uuid, entry.stake.desired, entry.lowest, entry.grain, entry.weight)
            for entry in self.entries
            if entry.could_give
        ]
        return given(missing, offers)

    def _pending(self, values: dict[str, int]) -> int:
        return sum(entry.frees(values[entry.uuid]) for entry in self.entries)

    def _reachable(self) -> int:
        """Return how much of the pool could be free at most, if every guest gave all it could."""
        could = sum(
            entry.stake.desired - entry.lowest for entry in self.entries if entry.could_give
        )
        return self.free + self._pending({e.uuid: e.alone for e in self.entries}) + could

    def _told(self, entry: _Entry, value: int, why: str) -> Share:
        """Return the decision to request ``value`` for a guest, with its code and its reason.

        :param why: the code if ``value`` makes the guest smaller for others, or if its growth is
            deferred. If a part of the growth is granted, the code is ``grow.partial``, and ``why``
            says why the rest waits. If the guest is stuck, ``deferred.stuck`` takes the place of
            ``why`` for deferred growth. In all other cases ``why`` is not used
        """
        stake = entry.stake
        deferred = max(0, entry.wanted - max(value, stake.desired))
        if value > stake.desired:
            code = "grow.partial" if deferred else "grow"
        elif deferred:
            code = "deferred.stuck" if stake.is_stuck else why
        elif value < stake.desired:
            code = why if value < entry.wanted else "shrink"
        else:
            code = _why_kept(stake)
        kept = "deferred.stuck" if stake.is_stuck else why
        told = self._reason(entry, value, kept if deferred else code, deferred)
        return Share(value, code, told, deferred, kept if deferred else "")

    def _reason(self, entry: _Entry, value: int, why: str, deferred: int) -> str:
        now, stake = entry.stake.desired, entry.stake
        unit = " MiB" if self.pool.name == MEMORY_MB else ""
        from_to = f"stays {now}{unit}" if value == now else f"from {now} to {value}{unit}"
        if deferred:
            from_to = f"{from_to} of {entry.wanted} recommended"
        because = _WORDS.get(why, "as recommended")
        return f"{from_to}: {because.format(blocked=stake.blocked)}"


# Every reader of a project sees them, so they do not say how much the host has free.
_WORDS = {
    "deferred.host_full": "the host has too little free",
    "deferred.freeing": "the host has too little free, and other guests are giving back",
    "deferred.kept": "what the host has free is kept for another guest, which comes first",
    "deferred.pace": "other guests grow in this round",
    "deferred.stuck": "the guest has not taken yet what it was given last",
    "shrink.host_full": "other guests need what this one has not needed lately",
    "shrink.low_water": "the host has little free, and the guest lately needed less than it has",
    "hold.enough": "nothing else is recommended",
    "hold.blocked": "it cannot be adjusted ({blocked})",
    "hold.moving": "the guest does not have the desired size yet",
    "hold.stuck": "the guest does not follow what it was asked for",
    "hold.floor": "it may not become smaller now",
}


def _why_kept(stake: Stake) -> str:
    if stake.blocked:
        return "hold.blocked"
    if stake.is_moving:
        return "hold.stuck" if stake.is_stuck else "hold.moving"
    return "hold.floor" if stake.recommended < stake.desired else "hold.enough"


def _entry(guest: Claimant, resource_class: str) -> _Entry:
    stake = guest.stake(resource_class)
    if stake is None:
        raise ValueError(f"guest {guest.uuid} has no stake in {resource_class}")
    if resource_class != MEMORY_MB:
        return _Entry(guest.uuid, stake, guest.weight, False, stake.step)
    grain = -(-MEMORY_GRAIN_MB // stake.step) * stake.step
    return _Entry(guest.uuid, stake, guest.weight, guest.is_urgent, grain)
