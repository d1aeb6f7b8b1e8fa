# SPDX-License-Identifier: Apache-2.0
"""Reads traces: CSV files, with gzip or without, of what machines have used over time.

A file begins with a header. The first six columns are ``COLUMNS``, in that order. Rows are grouped
by machine and in order of time. An empty cell is a value that is not known. Of the further columns
those in ``FURTHER`` are used if they are there, and all others are ignored. A negative value in
``FURTHER`` counts as not known.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

COLUMNS = ("time_s", "vm", "cpu_used_cores", "mem_used_mb", "cpu_cores", "mem_mb")
FURTHER = ("cpu_max_cores", "mem_max_mb", "cpu_p90_cores", "cpu_p99_cores", "mem_cached_mb")
SUFFIXES = (".csv", ".csv.gz")

# Called with the share of a file that was read, 0 to 1.
Progress = Callable[[float], None]

UNKNOWN = math.nan


class TraceError(Exception):
    """A trace cannot be read. The text names the file, the line, the value and the way out."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine of a trace has used. Each column has one value for each row.

    A value that is not known is NaN.

    :ivar source: the name of the trace: the name of its file without suffix
    :ivar name: the machine's name in the trace
    :ivar time: when each row begins, seconds
    :ivar cpu: CPU used, mean over the time of the row, cores
    :ivar memory: memory used, MiB
    :ivar cores: the cores that the machine was given
    :ivar memory_given: the memory that the machine was given, MiB
    :ivar further: by name, those of the columns ``FURTHER`` that the file has
    :ivar lines: each row's first six cells as they stand in the file, joined by commas
    """

    source: str
    name: str
    time: array[float]
    cpu: array[float]
    memory: array[float]
    cores: array[float]
    memory_given: array[float]
    further: dict[str, array[float]]
    lines: tuple[str, ...]


def files(path: Path) -> tuple[Path, ...]:
    """Return the files of the traces at ``path``: that file, or all CSV files of that folder.

    Those of a folder are sorted by name, and hidden files are left out.

    :raises TraceError: there is no such file or folder, or the folder has no CSV file
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise TraceError(
            f"{path}: there is no such file or folder; name a trace or a folder of them"
        )
    found = tuple(
        sorted(
            p for p in path.iterdir() if p.name.endswith(SUFFIXES) and not p.name.startswith(".")
        )
    )
    if not found:
        raise TraceError(f"{path}: this folder has no file that ends in {' or '.join(SUFFIXES)}")
    return found


def source_name(path: Path) -> str:
    """Return the name of the trace in the file ``path``: the file's name without its suffix."""
    name = path.name
    for suffix in reversed(SUFFIXES):
        name = name.removesuffix(suffix)
    return name


def machines(
    path: Path, count: int | None = None, progress: Progress | None = None
) -> Iterator[Machine]:
    """Yield the machines of the file ``path``, in its order, while it is read.

    :param count: yield so many machines only, spread evenly over the file; None: all
    :param progress: called before each machine is yielded, with the share of the file that was
        read, 0 to 1
    :raises TraceError: the file is not a trace, or a row in it is not valid
    """
    chosen = None if count is None else _spread(machine_names(path), count)
    for machine, share in _read(path, chosen):
        if progress is not None:
            progress(share)
        yield machine


def machine_names(path: Path) -> tuple[str, ...]:
    """Return the names of the machines in the file ``path``, in their order.

    :raises TraceError: the file is not a trace
    """
    names: list[str] = []
    for _, cells in _Rows(path):
        name = cells[1] if len(cells) > 1 else ""
        if not names or names[-1] != name:
            names.append(name)
    return tuple(names)


def _spread(names: Sequence[str], count: int) -> frozenset[str]:
    """Return ``count`` of ``names``, at even distances; all if there are no more."""
    if count >= len(names):
        return frozenset(names)
    return frozenset(names[index * len(names) // count] for index in range(count))


class _Rows:
    """The rows of a trace after its header.

    Iterating opens the file, and yields for each row its line number and its cells as text. It
    raises :exc:`TraceError` if the file cannot be read, or has another header.

    :ivar share: the share of the file that was read, 0 to 1
    :ivar header: the names of the columns; empty until the first line was read
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.share = 0.0
        self.header: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        try:
            with self.path.open("rb") as raw:
                yield from self._parsed(raw)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be read: {error}") from error
        except (EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise TraceError(
                f"{self.path}: is damaged, or is no CSV file: {error}; copy it again"
            ) from error

    def _parsed(self, raw: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
        size = max(1, self.path.stat().st_size)
        is_gzip = self.path.name.endswith(".gz")
        unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        with io.TextIOWrapper(unpacked, newline="") as text:
            reader = csv.reader(text)
            self.header = tuple(next(reader, ()))
            if self.header[: len(COLUMNS)] != COLUMNS:
                raise TraceError(
                    f"{self.path}, line 1: the header is {','.join(self.header)!r}; it has to "
                    f"begin with {','.join(COLUMNS)}"
                )
            for cells in reader:
                if reader.line_num % 4096 == 0:
                    self.share = min(1.0, raw.tell() / size)
                yield reader.line_num, cells


class _Columns:
    """Collects the rows of one machine by column, while they are read."""

    def __init__(self, rows: _Rows, name: str, further: dict[str, int]) -> None:
        self._rows = rows
        self.name = name
        self._further = further
        self._main = [array("d") for _ in range(5)]
        self._extra = {column: array("d") for column in further}
        self._lines: list[str] = []

    def add(self, line: int, cells: list[str]) -> None:
        """Add a row.

        :param line: its line number in the file, for errors
        :param cells: its cells as text
        :raises TraceError: a cell is missing or not valid, or the row is not later than the last
        """
        if len(cells) < len(COLUMNS):
            raise TraceError(
                f"{self._rows.path}, line {line}: {len(cells)} cells; a row has at least "
                f"{len(COLUMNS)}: {','.join(COLUMNS)}"
            )
        at = self._number(line, COLUMNS[0], cells[0])
        times = self._main[0]
        if math.isnan(at) or (times and at <= times[-1]):
            before = f"{times[-1]:g}" if times else "none"
            raise TraceError(
                f"{self._rows.path}, line {line}: time_s is {cells[0]!r} after {before} of machine "
                f"{self.name}; sort the rows of each machine by time, without repeated times"
            )
        times.append(at)
        for column, name, cell in zip(self._main[1:], COLUMNS[2:], cells[2:], strict=False):
            column.append(self._number(line, name, cell) if cell else UNKNOWN)
        for name, index in self._further.items():
            cell = cells[index] if index < len(cells) else ""
            value = self._number(line, name, cell, allow_negative=True) if cell else UNKNOWN
            # A negative figure stands for one that its source has not measured.
            self._extra[name].append(value if value >= 0 else UNKNOWN)
        self._lines.append(",".join(cells[: len(COLUMNS)]))

    def _number(self, line: int, column: str, cell: str, allow_negative: bool = False) -> float:
        try:
            value = float(cell)
        except ValueError:
            value = UNKNOWN
        if math.isfinite(value) and (value >= 0 or allow_negative):
            return value
        raise TraceError(
            f"{self._rows.path}, line {line}: {column} is {cell!r}; write a number of at least 0, "
            f"or leave the cell empty if the value is not known"
        )

    def machine(self) -> Machine:
        """Return the machine with all rows that were added."""
        time, cpu, memory, cores, given = self._main
        return Machine(
            source_name(self._rows.path),
            self.name,
            time,
            cpu,
            memory,
            cores,
            given,
            self._extra,
            tuple(self._lines),
        )


def _read(path: Path, chosen: frozenset[str] | None) -> Iterator[tuple[Machine, float]]:
    rows = _Rows(path)
    seen: set[str] = set()
    current: _Columns | None = None
    name = None
    for line, cells in rows:
        if len(cells) > 1 and cells[1] == name:
            if current is not None:
                current.add(line, cells)
            continue
        if current is not None:
            yield current.machine(), rows.share
        name = cells[1] if len(cells) > 1 else ""
        if not name or name in seen:
            why = f"machine {name} is here again" if name else "vm is empty"
            raise TraceError(
                f"{path}, line {line}: {why}; every row needs the name of its machine, and all "
                f"rows of a machine have to stand together"
            )
        seen.add(name)
        further = {c: rows.header.index(c) for c in FURTHER if c in rows.header}
        current = _Columns(rows, name, further) if chosen is None or name in chosen else None
        if current is not None:
            current.add(line, cells)
    if current is not None:
        yield current.machine(), 1.0
    if not seen:
        raise TraceError(f"{path}: has a header and no rows; name a file with rows")
