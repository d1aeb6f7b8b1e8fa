# SPDX-License-Identifier: Apache-2.0
"""Neon's autoscaler: a goal in compute units, reached at once upwards, a unit at a time downwards.

Constants of neondatabase/autoscaling a4bce09e (``autoscaler-agent/config_map.yaml``,
``pkg/agent/core/goalcu.go``, ``state.go``) and of neondatabase/neon 6a35a3e9
(``libs/vm_monitor/src``): every 5 s the goal is the load average divided by 0.9, or the memory used
divided by 0.75, whichever needs more units. Neon's monitor in the guest denies a shrink after which
more than 85 % of the memory would be used.

Not modelled: the working set of Neon's file cache, which other guests do not have, and what the
monitor asks for between two ticks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from nova_xloud.backtest.policy import NEVER, Seen, Wanted, cut

CPU_FILL = 0.9
MEMORY_FILL = 0.75
TOTAL_FILL = 0.9
# MiB that are counted as used beside total less available.
MEMORY_EXTRA_MB = 100.0
# A unit is 1 GiB (and 0.25 vCPU of 4 GiB machines); of smaller machines an eighth of the maximum.
UNIT_MB = 1024.0
SMALLEST_MACHINE_IN_UNITS = 8.0
UNITS_WITHOUT_MEMORY_PER_VCPU = 4.0
# The load average of one minute.
LOAD_SECONDS = 60.0
DENY_FILL = 0.85
DENY_EXTRA_MB = 100.0
# Load this near to what is used now will not move the goal any more, cores.
SETTLED = 0.02


class State(NamedTuple):
    """What the policy remembers of a machine.

    :ivar load: the load average of one minute, in cores; None before the first tick with figures
    :ivar units: the compute units that the machine was given last; None before the first tick
    """

    load: float | None = None
    units: int | None = None


@dataclass(frozen=True, slots=True)
class Neon:
    """Gives a machine as many compute units as Neon would: whole steps of vCPUs and memory."""

    name: str = "neon"
    starts_large: bool = False
    period: float = 5.0

    def begin(self) -> State:
        return State()

    def decide(self, state: State, seen: Seen) -> tuple[State, Wanted]:
        load = load_average(state.load, seen.load, seen.elapsed)
        units, unit_mb, unit_vcpus = units_of(seen)
        current = _units_now(state.units, seen, unit_mb, unit_vcpus)
        goal = goal_units(load, seen.memory, unit_mb, unit_vcpus)
        is_missing = goal is None or (seen.memory is None and seen.max_memory_mb > 0)
        if goal is None or (is_missing and goal < current):
            goal = current
        if goal < current:
            goal = current - 1
            if is_denied(goal * unit_mb, seen.memory):
                goal = current
        goal = min(goal, math.ceil(units))
        again = NEVER
        if seen.load is not None and load is not None and abs(load - seen.load) > SETTLED:
            again = 0.0
        if goal < current:
            # A unit is less than a vCPU: the size may be the same for some ticks.
            again = self.period
        return State(load, goal), _size(goal, unit_mb, unit_vcpus)._replace(again=again)


def load_average(before: float | None, load: float | None, elapsed: float) -> float | None:
    """Return the load average of one minute: the kernel's exponential mean of ``load``, cores.

    :param before: the load average at the tick before; None: there is none
    :param load: cores wanted, mean since the tick before; None: unknown, so the average stays
    :param elapsed: seconds since the tick before
    """
    if load is None or before is None:
        return before if load is None else load
    old = math.exp(-elapsed / LOAD_SECONDS)
    return before * old + load * (1 - old)


def units_of(seen: Seen) -> tuple[float, float, float]:
    """Return how many compute units the machine's maximum is, the MiB and the vCPUs of one unit.

    A unit is 1 GiB, or an eighth of the maximum of memory if that is less, and the same share of
    the maximum of vCPUs. Without memory in the trace a unit is a quarter of a vCPU. The MiB or
    vCPUs of a unit are 0 for a resource that is not in the trace.
    """
    if not seen.max_memory_mb and not seen.max_vcpus:
        return 1.0, 0.0, 0.0
    if not seen.max_memory_mb:
        units = seen.max_vcpus * UNITS_WITHOUT_MEMORY_PER_VCPU
        return units, 0.0, seen.max_vcpus / units
    unit_mb = min(UNIT_MB, seen.max_memory_mb / SMALLEST_MACHINE_IN_UNITS)
    units = seen.max_memory_mb / unit_mb
    return units, unit_mb, seen.max_vcpus / units


def _size(units: int, unit_mb: float, unit_vcpus: float) -> Wanted:
    return Wanted(math.ceil(units * unit_vcpus - 1e-9), round(units * unit_mb))


def _units_now(before: int | None, seen: Seen, unit_mb: float, unit_vcpus: float) -> int:
    """Return how many compute units the machine has.

    That is ``before`` if the machine still has the size of so many units. Otherwise its size was
    changed, and the units are computed from its memory or, without memory, from its vCPUs. It is 1
    if neither is in the trace.

    :param before: the units that the machine was given last; None: none yet
    """
    if before is not None and cut(_size(before, unit_mb, unit_vcpus), seen)[:2] == (
        seen.vcpus,
        seen.memory_mb,
    ):
        return before
    if unit_mb:
        return math.ceil(seen.memory_mb / unit_mb - 1e-9)
    return math.floor(seen.vcpus / unit_vcpus + 1e-9) if unit_vcpus else 1


def goal_units(
    load: float | None, memory: float | None, unit_mb: float, unit_vcpus: float
) -> int | None:
    """Return the goal in compute units, at least 1; None if neither load nor memory can be used.

    It is ``ceil(max(round(load / 0.9), used / 0.75, used / 0.9))``, where ``load`` and ``used`` are
    in units, and ``used`` is ``memory`` and 100 MiB more.

    :param load: the load average, cores; None: not known
    :param memory: memory used, MiB; None: not known
    :param unit_mb: MiB of a unit; 0 if memory is not part of the trace
    :param unit_vcpus: vCPUs of a unit; 0 if CPU is not part of the trace
    """
    goals = []
    if load is not None and unit_vcpus:
        goals.append(float(round(load / CPU_FILL / unit_vcpus)))
    if memory is not None and unit_mb:
        used = (memory + MEMORY_EXTRA_MB) / unit_mb
        goals += [used / MEMORY_FILL, used / TOTAL_FILL]
    return max(1, math.ceil(max(goals) - 1e-9)) if goals else None


def is_denied(target_mb: float, memory: float | None) -> bool:
    """Return whether Neon's monitor in the guest denies to shrink to ``target_mb`` MiB.

    It does if ``memory`` and 100 MiB more is above 0.85 of ``target_mb`` less 100 MiB.

    :param memory: memory used, MiB; None: not known, and nothing is denied
    """
    if memory is None:
        return False
    return DENY_FILL * (target_mb - DENY_EXTRA_MB) < memory + DENY_EXTRA_MB
