# SPDX-License-Identifier: Apache-2.0
"""oVirt's MOM: all machines grow while at least 20 % of the host is free, and else they shrink.

Constants of oVirt/mom 3de1c8e (``doc/balloon.rules``) and oVirt/vdsm fd4b0df2
(``mom.d/02-balloon.policy``): figures are means of 10 samples, one every 15 s. A step is 5 % of the
machine's size. No machine shrinks below what it uses and a free share of its size, and where
machines grow, each grows to at least that at once. The free share is 20 % while the host has 20 %
free, else as much as the host has free, and negative while that is below 5 %. Changes of less than
0.25 % are left out. Memory only: vCPUs stay at the maximum.

MOM counts a guest's page cache as used. Most traces do not have it, which flatters MOM here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nova_xloud.backtest.policy import Host, Neighbour, Wanted

HOST_FREE, HOST_CRITICAL = 0.20, 0.05
GUEST_FREE = 0.20
GROW, SHRINK = 1.05, 0.95
SMALLEST_CHANGE = 0.0025
SAMPLES = 10
CYCLE = 15.0


class State(NamedTuple):
    """The last 10 samples, the oldest first.

    :ivar host: the share of the host that was free, at most 1
    :ivar used: by the machine's name, what it used with its page cache, MiB
    """

    host: tuple[float, ...] = ()
    used: Mapping[str, tuple[float, ...]] = {}


@dataclass(frozen=True, slots=True)
class Mom:
    """Grows and shrinks all machines by what the host has free."""

    name: str = "mom"
    starts_large: bool = True
    period: float = CYCLE
    _nothing: State = field(default=State(), repr=False)

    def begin(self) -> State:
        return self._nothing

    def decide_all(
        self, state: State, host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[State, tuple[Wanted, ...]]:
        # A host has no memory if the trace has none.
        held = sum(machine.held_mb for machine in machines)
        free = 1 - held / host.memory_mb if host.memory_mb else 1.0
        frees = (*state.host, free)[-SAMPLES:]
        used: dict[str, tuple[float, ...]] = {}
        wanted = []
        for machine in machines:
            seen = machine.seen
            size = float(seen.memory_mb)
            if seen.memory is not None:
                cached = seen.memory + (seen.cache or 0.0)
                used[machine.name] = (*state.used.get(machine.name, ()), cached)[-SAMPLES:]
                size = new_size(
                    size,
                    _mean(used[machine.name]),
                    _mean(frees),
                    (seen.min_memory_mb, seen.max_memory_mb),
                )
            wanted.append(Wanted(seen.max_vcpus, round(size), CYCLE))
        return State(frees, used), tuple(wanted)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def new_size(current: float, used: float, host_free: float, limits: tuple[int, int]) -> float:
    """Return the size of a machine after one cycle, MiB.

    :param current: the size of the machine before the cycle, MiB
    :param used: MiB used by the machine, with its page cache
    :param host_free: the share of the host that is free, at most 1
    :param limits: the least and the most memory of the machine, MiB
    """
    least, most = limits
    floor = max(least, used + guest_free(host_free) * current)
    if host_free >= HOST_FREE:
        size = min(max(current * GROW, floor), most)
    else:
        size = min(max(current * SHRINK, floor), current, most)
    return current if abs(size - current) < SMALLEST_CHANGE * current else size


def guest_free(host_free: float) -> float:
    """Return the share of its size that a machine should have free.

    A negative share means that the machine may have less than it uses.

    The result is ``host_free - 0.05`` if ``host_free`` is at most 0.05. Otherwise it is
    ``host_free``, but at most 0.2.

    :param host_free: the share of the host that is free, at most 1
    """
    if host_free <= HOST_CRITICAL:
        return host_free - HOST_CRITICAL
    return GUEST_FREE * min(1.0, host_free / HOST_FREE)
