# SPDX-License-Identifier: Apache-2.0
"""Proxmox' automatic ballooning: fill the host to 80 %, whatever the guests need.

Constants of proxmox/pve-manager 14a22df3 (``PVE/AutoBalloon.pm``): a cycle is 10 s. Its goal is
80 % of the host's memory less what all machines have. With a goal of less than 10 MiB nothing
changes. A machine gets or gives at most 100 MiB a cycle. A machine is under pressure if what it has
free is at most 25 % of its minimum, or is not known. What is above the minima is shared out by
shares, which are equal here. Memory only: vCPUs stay at the maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nova_xloud.backtest.policy import Host, Neighbour, Wanted

TARGET = 0.8
SMALLEST_GOAL_MB = 10.0
MOST_CHANGE_MB = 100.0
FREE_SHARE_OF_MINIMUM = 0.25
CYCLE = 10.0


class Balloon(NamedTuple):
    """The memory of one machine, MiB.

    :ivar current: what it has now
    :ivar least: its minimum
    :ivar most: its maximum
    :ivar free: what its guest does not use; None if that is not known
    """

    current: float
    least: float
    most: float
    free: float | None


@dataclass(frozen=True, slots=True)
class Proxmox:
    """Grows or shrinks the machines until they have 80 % of the host's memory."""

    name: str = "proxmox"
    starts_large: bool = True
    period: float = CYCLE

    def begin(self) -> None:
        return None

    def decide_all(
        self, state: None, host: Host, machines: Sequence[Neighbour], at: float
    ) -> tuple[None, tuple[Wanted, ...]]:
        balloons = [_balloon(machine) for machine in machines]
        goal = host.memory_mb * TARGET - sum(balloon.current for balloon in balloons)
        sizes = new_sizes(balloons, goal)
        again = CYCLE if sizes != [balloon.current for balloon in balloons] else 0.0
        return None, tuple(
            Wanted(machine.seen.max_vcpus, int(size), again)
            for machine, size in zip(machines, sizes, strict=True)
        )


def _balloon(machine: Neighbour) -> Balloon:
    seen = machine.seen
    free = None if seen.memory is None else seen.memory_mb - seen.memory
    return Balloon(seen.memory_mb, seen.min_memory_mb, seen.max_memory_mb, free)


def new_sizes(balloons: Sequence[Balloon], goal: float) -> list[float]:
    """Return the size of each machine after one cycle, MiB, in the order of ``balloons``.

    If ``goal`` is positive, only machines under pressure grow. If ``goal`` is negative, only the
    machines that are not under pressure shrink. If that changes nothing, all grow or all shrink.

    :param goal: how much more all machines together should have, MiB; negative: less
    """
    sizes = [balloon.current for balloon in balloons]
    if abs(goal) < SMALLEST_GOAL_MB:
        return sizes
    pressed = [i for i, balloon in enumerate(balloons) if _is_pressed(balloon)]
    others = [i for i in range(len(balloons)) if i not in set(pressed)]
    for chosen in (pressed if goal > 0 else others, range(len(balloons))):
        moved = _shared_out([balloons[i] for i in chosen], goal)
        if moved != [balloons[i].current for i in chosen]:
            for index, size in zip(chosen, moved, strict=True):
                sizes[index] = size
            break
    return sizes


def _is_pressed(balloon: Balloon) -> bool:
    return balloon.free is None or balloon.free <= FREE_SHARE_OF_MINIMUM * balloon.least


def _shared_out(balloons: Sequence[Balloon], goal: float) -> list[float]:
    """Return the size of each machine after one cycle, MiB, in the order of ``balloons``.

    A machine is to have its minimum and an equal share of the rest, at most its maximum. The rest
    is what all machines have above their minima, and ``goal``. No machine changes by more than 100
    MiB.

    :param goal: how much more all machines together should have, MiB; negative: less
    """
    rest = sum(b.current - b.least for b in balloons) + goal
    open_ = set(range(len(balloons)))
    wanted = [b.least for b in balloons]
    while open_:
        share = max(0.0, rest) / len(open_)
        full = {i for i in open_ if balloons[i].least + share >= balloons[i].most}
        for i in open_:
            wanted[i] = min(balloons[i].least + share, balloons[i].most)
        if not full:
            break
        rest -= sum(balloons[i].most - balloons[i].least for i in full)
        open_ -= full
    return [_limited(b.current, w) for b, w in zip(balloons, wanted, strict=True)]


def _limited(current: float, wanted: float) -> float:
    """Return ``wanted`` in whole MiB, but at most 100 MiB away from ``current``."""
    return float(int(min(max(wanted, current - MOST_CHANGE_MB), current + MOST_CHANGE_MB)))
