# SPDX-License-Identifier: Apache-2.0
"""Writes the sizes that machines had over time as CSV, so that others can score them.

The rows are those of the trace with its first six columns, and two columns more: ``vcpus`` and
``memory_mb`` are what the machine had from that time on, and empty if the trace does not have the
resource. Where the size changes between two rows, there is one more row with the time of the
change, which repeats all other cells of the trace. So each value holds until the next row of the
machine.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

from nova_xloud.backtest.demand import Demand
from nova_xloud.backtest.model import Played
from nova_xloud.backtest.traces import COLUMNS, Machine

# Stands for the policy's name in the name of a file.
PLACE = "{policy}"
HEADER = ",".join((*COLUMNS, "vcpus", "memory_mb"))


def rows(machine: Machine, demand: Demand, played: Played) -> Iterator[str]:
    """Yield the rows of one machine as lines of CSV, each without its end of line."""
    steps, index = played.steps, 0
    has_cpu, has_memory = max(demand.max_vcpus) > 0, max(demand.max_memory) > 0
    last = len(machine.time) - 1
    for row, begin in enumerate(machine.time):
        while index + 1 < len(steps) and steps[index + 1].at <= begin:
            index += 1
        end = machine.time[row + 1] if row < last else demand.end
        _, _, cells = machine.lines[row].partition(",")
        at = begin
        while True:
            vcpus = str(steps[index].vcpus) if has_cpu else ""
            memory = str(steps[index].memory_mb) if has_memory else ""
            yield f"{_time(at)},{cells},{vcpus},{memory}"
            if index + 1 >= len(steps) or steps[index + 1].at >= end:
                break
            index += 1
            at = steps[index].at


def _time(at: float) -> str:
    return f"{at:.3f}".rstrip("0").rstrip(".")


class SeriesFiles:
    """The files into which the sizes of a run are written: one for each policy.

    It is a context manager, and closes the files at the end.

    :param path: the path of a file; ``{policy}`` in it stands for the policy's name. A file whose
        name ends in ``.gz`` is compressed
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: dict[str, TextIO] = {}
        self._stack = ExitStack()

    def __enter__(self) -> SeriesFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, machine: Machine, demand: Demand, policy: str, played: Played) -> None:
        """Write the rows of one machine into the file of ``policy``, which is made if it is new.

        :raises OSError: the file cannot be written
        """
        if policy not in self._open:
            stream = self._stack.enter_context(_opened(Path(self._path.replace(PLACE, policy))))
            stream.write(f"{HEADER}\n")
            self._open[policy] = stream
        self._open[policy].writelines(f"{row}\n" for row in rows(machine, demand, played))


def _opened(path: Path) -> TextIO:
    opener: Callable[..., TextIO] = gzip.open if path.name.endswith(".gz") else open
    return opener(path, "wt", encoding="ascii")
