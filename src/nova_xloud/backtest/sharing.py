# SPDX-License-Identifier: Apache-2.0
"""Policies that decide each machine for itself, on a host that is too small for all machines.

The host has not room for the maxima of all its machines. So what a policy wants may not fit, and
something has to decide who gets what is left. For ``ours`` that is nova-compute's arbitration
(:class:`Arbitrated`). With any other policy machines get in turn what they ask for, or what is left
(:class:`FirstCome`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nova_xloud.backtest.ours import Ours, ranges_of, sample_of, wanted_of
from nova_xloud.backtest.policy import Host, Neighbour, Policy, Wanted
from nova_xloud.core.autoscaling.arbitration import arbitrate, low_water
from nova_xloud.core.autoscaling.contest import Claimant, Grant, HostRoom, Pool, claimant
from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT, Ranges
from nova_xloud.core.autoscaling.waits import Waits, decided, seen, with_waits
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU

# How soon a machine is asked again whose growth was deferred, seconds.
RETRY = 5.0


@dataclass(frozen=True, slots=True)
class FirstCome:
    """Any policy on a full host: machines get in turn what the policy wants, or what is left.

    :ivar policy: the policy that decides each machine for itself
    """

    policy: Policy

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    @property
    def starts_large(self) -> bool:
        """False: the host has not room for the maximum of all."""
        return False

    @property
    def period(self) -> float:
        """0: machines have the ticks of the model; a period of ``policy`` itself is not used."""
        return 0.0

    def begin(self) -> dict[str, Any]:
        return {}

    def decide_all(
        self, state: dict[str, Any], host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[dict[str, Any], tuple[Wanted, ...]]:
        states = dict(state)
        vcpus = int(host.vcpus) - sum(machine.held_vcpus for machine in machines)
        mib = int(host.memory_mb) - sum(machine.held_mb for machine in machines)
        result = []
        for machine in machines:
            now = Wanted(machine.desired_vcpus, machine.desired_mb)
            if not machine.is_due:
                result.append(now)
                continue
            before = states.get(machine.name) or self.policy.begin()
            states[machine.name], asked = self.policy.decide(before, machine.seen)
            more_vcpus = min(max(0, asked.vcpus - machine.desired_vcpus), vcpus)
            more_mb = min(max(0, asked.memory_mb - machine.desired_mb), mib)
            vcpus, mib = vcpus - more_vcpus, mib - more_mb
            got = Wanted(
                min(asked.vcpus, machine.desired_vcpus + more_vcpus),
                min(asked.memory_mb, machine.desired_mb + more_mb),
                asked.again,
            )
            is_short = got.vcpus < asked.vcpus or got.memory_mb < asked.memory_mb
            result.append(got._replace(again=RETRY) if is_short else got)
        return states, tuple(result)


class _Known(NamedTuple):
    """What :class:`Arbitrated` remembers of one machine.

    :ivar history: what was seen of the machine
    :ivar ranges: the least and the most that the machine may have
    :ivar recommendation: what was recommended at the machine's last tick
    :ivar waits: what arbitration remembers of the machine
    """

    history: History
    ranges: Ranges
    recommendation: Recommendation
    waits: Waits


@dataclass(frozen=True, slots=True)
class Arbitrated:
    """``ours`` on a full host: nova-compute's arbitration decides which machines get how much.

    :ivar policy: ``ours`` with one of its profiles
    :ivar weights: the weight of each machine, by its name; a machine that is missing has 100
    """

    policy: Ours
    weights: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    @property
    def starts_large(self) -> bool:
        """False: a server boots with its minimum."""
        return False

    @property
    def period(self) -> float:
        """0: the policy has no period of its own, and is asked at the ticks of the model."""
        return 0.0

    def begin(self) -> dict[str, _Known]:
        return {}

    def decide_all(
        self, state: dict[str, _Known], host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[dict[str, _Known], tuple[Wanted, ...]]:
        known = {machine.name: self._known(state, machine) for machine in machines}
        room = _room(host, machines)
        if _is_quiet(room, [known[m.name].recommendation for m in machines], machines):
            return known, tuple(
                _unchanged(machine, known[machine.name].recommendation) for machine in machines
            )
        claimants = [self._claimant(known[m.name], m, at) for m in machines]
        grants = arbitrate(room, claimants)
        result = []
        for machine, grant in zip(machines, grants, strict=True):
            one = known[machine.name]
            desired = Size(machine.desired_vcpus, machine.desired_mb)
            waits = decided(one.waits, grant, desired, at)
            known[machine.name] = one._replace(waits=waits)
            result.append(_wanted(one.recommendation, grant))
        return known, tuple(result)

    def _known(self, state: dict[str, _Known], machine: Neighbour) -> _Known:
        before = state.get(machine.name)
        if before is not None and not machine.is_due:
            return before
        history = EMPTY if before is None else before.history
        history = observed(history, sample_of(machine.seen), self.policy.tuning)
        ranges = ranges_of(machine.seen)
        recommendation = recommend(history, ranges, self.policy.tuning, machine.seen.at)
        waits = Waits() if before is None else before.waits
        held = Size(machine.held_vcpus, machine.held_mb)
        desired = Size(machine.desired_vcpus, machine.desired_mb)
        waits = seen(waits, held, desired, machine.seen.at)
        return _Known(history, ranges, recommendation, waits)

    def _claimant(self, known: _Known, machine: Neighbour, at: float) -> Claimant:
        held = Size(machine.held_vcpus, machine.held_mb)
        desired = Size(machine.desired_vcpus, machine.desired_mb)
        one = claimant(
            machine.name,
            known.recommendation,
            known.ranges,
            reserved=held,
            held=held,
            desired=desired,
            weight=self.weights.get(machine.name, DEFAULT_WEIGHT),
        )
        return with_waits(one, known.waits, at)


def _room(host: Host, machines: Sequence[Neighbour]) -> HostRoom:
    vcpus = sum(machine.held_vcpus for machine in machines)
    mib = sum(machine.held_mb for machine in machines)
    return HostRoom((Pool(VCPU, int(host.vcpus), vcpus), Pool(MEMORY_MB, int(host.memory_mb), mib)))


def _is_quiet(
    room: HostRoom, recommendations: Sequence[Recommendation], machines: Sequence[Neighbour]
) -> bool:
    """Return whether arbitration would change nothing.

    That is if the desired size of every machine is what is recommended for it, and as much of the
    host is free as arbitration keeps free (``low_water``).
    """
    return all(
        recommendation.size == Size(machine.desired_vcpus, machine.desired_mb)
        for recommendation, machine in zip(recommendations, machines, strict=True)
    ) and all(pool.capacity - pool.allocated >= low_water(pool) for pool in room.pools)


def _unchanged(machine: Neighbour, recommendation: Recommendation) -> Wanted:
    again = wanted_of(recommendation).again
    return Wanted(machine.desired_vcpus, machine.desired_mb, again)


def _wanted(recommendation: Recommendation, grant: Grant) -> Wanted:
    size, again = grant.size, wanted_of(recommendation).again
    is_deferred = grant.deferred.vcpus or grant.deferred.memory_mb
    return Wanted(size.vcpus, size.memory_mb, RETRY if is_deferred else again)
