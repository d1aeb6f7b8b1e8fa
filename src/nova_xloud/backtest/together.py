# SPDX-License-Identifier: Apache-2.0
"""Plays the machines of a trace together on one host, to policies that decide all of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nova_xloud.backtest.demand import Demand, minimum_memory, minimum_vcpus
from nova_xloud.backtest.model import Pace, Played, Run
from nova_xloud.backtest.policy import Host, HostPolicy, Neighbour, Seen, Wanted, cut


@dataclass(frozen=True, slots=True)
class PlayedTogether:
    """What a policy has done with the machines of a host.

    :ivar played: what the policy has done with each machine, in the order of the demands
    :ivar most_vcpus: the most vCPUs that all machines have had at once; during a change of a
        machine the larger of old and new counts
    :ivar most_mb: the most memory that all machines have had at once, MiB, counted in the same way
    """

    played: tuple[Played, ...]
    most_vcpus: int
    most_mb: int


def host_of(demands: Sequence[Demand], share: float) -> Host:
    """Return a host of the size ``share`` times the sum of the maxima of all machines.

    It has room for at least the minima of all machines. Where a maximum changes with time, the
    highest one counts.
    """
    vcpus = sum(max(demand.max_vcpus) for demand in demands)
    memory = sum(max(demand.max_memory) for demand in demands)
    least_vcpus = sum(minimum_vcpus(max(demand.max_vcpus)) for demand in demands)
    least_mb = sum(minimum_memory(max(demand.max_memory)) for demand in demands)
    return Host(
        max(math.ceil(share * vcpus), least_vcpus), max(math.ceil(share * memory), least_mb)
    )


def steady(demand: Demand) -> Demand:
    """Return the demand with its largest maxima for all of its time, so that there is no resize."""
    count = len(demand.cpu)
    return replace(
        demand,
        max_vcpus=array("q", [max(demand.max_vcpus)] * count),
        max_memory=array("q", [max(demand.max_memory)] * count),
    )


def play_together(
    demands: Sequence[Demand], policy: HostPolicy, host: Host, seed: int, pace: Pace
) -> PlayedTogether:
    """Play all ``demands`` on one host to ``policy``, and return what the policy has done.

    A machine is on the host from the begin to the end of its own demand.

    :param seed: decides how old the reports of the machines are
    """
    guests = [_Guest(demand, policy, seed, pace) for demand in demands]
    state = policy.begin()
    most_vcpus = most_mb = 0
    while True:
        at = min((guest.run.at for guest in guests if guest.has_ticks), default=math.inf)
        if at == math.inf:
            break
        present = [guest for guest in guests if guest.begin <= at < guest.end]
        due = [guest.is_due(at, policy.period) for guest in present]
        neighbours = [guest.look(at, is_due) for guest, is_due in zip(present, due, strict=True)]
        state, wanted = policy.decide_all(state, host, neighbours, at)
        for guest, is_due, size in zip(present, due, wanted, strict=True):
            guest.take(at, is_due, size)
        held = [guest.run.held(at) for guest in present]
        most_vcpus = max(most_vcpus, sum(vcpus for vcpus, _ in held))
        most_mb = max(most_mb, sum(mib for _, mib in held))
    return PlayedTogether(tuple(guest.run.played() for guest in guests), most_vcpus, most_mb)


class _Guest:
    """One machine of the host while it is played.

    :ivar run: the machine in the model
    :ivar begin: when the machine comes to the host, seconds
    :ivar end: when the machine leaves the host, seconds
    """

    def __init__(self, demand: Demand, policy: HostPolicy, seed: int, pace: Pace) -> None:
        self.run = Run(demand, policy, seed, pace)
        self.name = demand.name
        self.begin = demand.begin
        self.end = demand.end
        self._seen: Seen | None = None

    @property
    def has_ticks(self) -> bool:
        """Whether the machine has another tick before it leaves the host."""
        return self.run.at < self.end

    @property
    def seen_last(self) -> Seen:
        """What the policy saw of the machine last; if it saw nothing yet, what it sees next."""
        return self._seen or self.run.see()

    def is_due(self, at: float, period: float) -> bool:
        """Return whether the machine has a tick at ``at``, now.

        If the policy has a ``period``, all machines have their ticks at the same time. So the next
        tick of the machine is set to ``at``, unless its last change is still on its way.

        :param period: the policy's period, seconds; 0: it has none, and the machine keeps its ticks
        """
        if period and not self.run.is_changing(at):
            self.run.at = at
        return self.run.at <= at

    def take(self, at: float, is_due: bool, size: Wanted) -> None:
        """Change the machine to ``size``, cut to the machine's range.

        A machine that is not due is left as it is if it has that size, or if its last change is
        still on its way.

        :param at: now, seconds
        :param is_due: whether the machine has a tick now
        :param size: what the policy wants for the machine
        """
        if not is_due:
            if self.run.is_changing(at) or size[:2] == (self.run.vcpus, self.run.memory_mb):
                return
            self.run.at = at
            self._seen = self.run.see()
        self.run.take(cut(size, self.seen_last))

    def look(self, at: float, is_due: bool) -> Neighbour:
        """Return what a policy is given of the machine at ``at``.

        If the machine is not due, the figures in ``seen`` are those of before.
        """
        if is_due:
            self._seen = self.run.see()
        vcpus, mib = self.run.held(at)
        return Neighbour(
            self.name, self.seen_last, is_due, self.run.vcpus, self.run.memory_mb, vcpus, mib
        )
