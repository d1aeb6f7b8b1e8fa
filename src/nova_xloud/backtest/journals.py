# SPDX-License-Identifier: Apache-2.0
"""Reads the journal that nova-compute writes: a file of JSON lines, or a folder of such files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nova_xloud.core.autoscaling.journal import BadLine, Record, decode

# The file that is written now; its older ones have the time at which they were put away.
CURRENT = "autoscale.jsonl"
OLDER = "autoscale-*.jsonl*"


class JournalError(Exception):
    """A journal cannot be read. The text names the file, the line and the way out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a journal with its record.

    :ivar file: where it stands
    :ivar number: its number in the file, from 1 on
    :ivar text: the line as it stands there, without its end
    """

    file: Path
    number: int
    text: str
    record: Record


@dataclass(slots=True)
class Journal:
    """The lines of a journal, in their order.

    :ivar files: the files, the oldest first
    :ivar skipped: a text for each line that has no record, "file, line N: why"; filled while the
        lines are read. A nova-compute that was killed leaves half a line
    """

    files: tuple[Path, ...]
    skipped: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines.

        :raises JournalError: a file cannot be read, or has lines and no record
        """
        self.skipped.clear()
        for file in self.files:
            found, bad = 0, len(self.skipped)
            for number, text in _lines(file):
                try:
                    record = decode(text)
                except BadLine as error:
                    self.skipped.append(f"{file}, line {number}: {error}")
                    continue
                found += 1
                yield Line(file, number, text, record)
            if not found and len(self.skipped) > bad:
                raise JournalError(
                    f"{self.skipped[bad]}; no line of this file is one of a journal that this "
                    f"version of nova-xloud can read"
                )


def journal_at(path: Path) -> Journal:
    """Return the journal at ``path``: a file, or all files of a folder.

    :raises JournalError: there is none
    """
    if path.is_file():
        return Journal((path,))
    if not path.is_dir():
        raise JournalError(
            f"{path}: there is no such file or folder; [xloud] autoscale_journal names the folder "
            f"of a compute host"
        )
    found = [file for file in sorted(path.glob(OLDER)) if not file.name.endswith(".part")]
    if (path / CURRENT).is_file():
        found.append(path / CURRENT)
    if not found:
        raise JournalError(
            f"{path}: this folder has no {CURRENT}; nova-compute writes one as soon as a server's "
            f"mode is observe or on"
        )
    return Journal(tuple(found))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise JournalError(f"{file}: cannot be read: {error}") from error
