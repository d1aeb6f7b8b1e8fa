# SPDX-License-Identifier: Apache-2.0
"""Tiny traces, and policies that do what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nova_xloud.backtest.demand import Demand, Resolution, demand_of
from nova_xloud.backtest.policy import Seen, Wanted
from nova_xloud.backtest.traces import COLUMNS, Machine, machines

HEADER = ",".join(COLUMNS)


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    """Write a trace of these rows."""
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def read(path: Path, *rows: str, header: str = HEADER) -> Machine:
    """Write a trace of one machine, and read it."""
    (machine,) = machines(write(path / "tiny.csv", *rows, header=header))
    return machine


def demand(
    path: Path,
    *rows: str,
    header: str = HEADER,
    seed: int = 1,
    resolution: Resolution = Resolution.SAMPLED,
) -> Demand:
    """Return the demand of a trace of one machine."""
    return demand_of(read(path, *rows, header=header), seed, resolution)


def samples(
    *values: tuple[float, float], cores: int = 8, memory: int = 16384, interval: int = 300
) -> list[str]:
    """Return rows of a trace: CPU and memory used in each interval."""
    return [
        f"{index * interval},a,{cpu},{used},{cores},{memory}"
        for index, (cpu, used) in enumerate(values)
    ]


@dataclass
class Scripted:
    """A policy that wants what the script says from a time on, and keeps what it has seen."""

    script: Sequence[tuple[float, int, int]]
    starts_large: bool = False
    again: float = 0.0
    period: float = 0.0
    name: str = "scripted"
    seen: list[Seen] = field(default_factory=list)

    def begin(self) -> None:
        return None

    def decide(self, state: None, seen: Seen) -> tuple[None, Wanted]:
        self.seen.append(seen)
        _, vcpus, memory = [entry for entry in self.script if entry[0] <= seen.at][-1]
        return None, Wanted(vcpus, memory, self.again)


SEEN = Seen(
    at=1000.0,
    elapsed=5.0,
    vcpus=4,
    memory_mb=8192,
    min_vcpus=1,
    max_vcpus=4,
    min_memory_mb=816,
    max_memory_mb=16384,
    cpu=1.0,
    load=1.0,
    memory=4096.0,
    cache=None,
    reported_at=993.0,
    swapped_out=0.0,
    swapped_in=0.0,
    pressure=0.0,
    kills=0,
    cpu_seconds=0.0,
)
"""A machine of at most 4 vCPUs and 16 GiB, that has 8 GiB and uses half of it."""


def see(**changes: Any) -> Seen:
    """Return ``SEEN`` with some other values."""
    return SEEN._replace(**changes)
