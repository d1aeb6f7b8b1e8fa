# SPDX-License-Identifier: Apache-2.0
"""Reads the journal of automatic growth that nova-compute writes.

It is a file of JSON lines, or a folder of such files. Each line has a record: a decision about a
server, or what was remembered of a server (``nova_xloud.core.autoscaling.journal``).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from nova_xloud.core.autoscaling.journal import BadLine, Record, decode, lines_of
from nova_xloud.core.autoscaling.journal_names import ASIDE, COMPRESSED, CURRENT, age_order
from nova_xloud.printable import one_line


class JournalError(Exception):
    """A journal cannot be read. The text names the file, the line and the way out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a journal with its record.

    :ivar file: the file that has the line
    :ivar number: the line's number in the file, from 1 on
    :ivar text: the line as the file has it, without its end
    :ivar record: what the line says, parsed
    """

    file: Path
    number: int
    text: str
    record: Record


@dataclass(slots=True)
class Journal:
    """A journal: iterating reads its files and yields the lines that have a record.

    :ivar files: the files, the oldest first
    :ivar skipped: how many lines have no record; counted while the lines are read. A nova-compute
        that was killed leaves half a line
    :ivar first_skipped: a text about the first of them, "file, line N: why"; empty without any
    """

    files: tuple[Path, ...]
    skipped: int = 0
    first_skipped: str = ""

    def __iter__(self) -> Iterator[Line]:
        """Yield each line that has a record, in the order of files and lines.

        ``skipped`` is 0 first, and then counts each other line that is not empty.

        :raises JournalError: a file cannot be read, or has lines and no record
        """
        self.skipped, self.first_skipped = 0, ""
        for file in self.files:
            found, bad = 0, ""
            for number, text in _lines(file):
                try:
                    record = decode(text)
                except BadLine as error:
                    bad = bad or one_line(f"{file}, line {number}: {error}")
                    self.skipped += 1
                    self.first_skipped = self.first_skipped or bad
                    continue
                found += 1
                yield Line(file, number, text, record)
            if bad and not found:
                raise JournalError(
                    f"{bad}; no line of this file is one of a journal that this version of "
                    f"nova-xloud can read"
                )


def journal_at(path: Path) -> Journal:
    """Return the journal at ``path``: that file, or the journal's files in that folder.

    :raises JournalError: there is no such file or folder, or the folder has no journal
    """
    if path.is_file():
        return Journal((path,))
    if not path.is_dir():
        raise JournalError(
            f"{path}: there is no such file or folder; [xloud] autoscale_journal names the folder "
            f"of a compute host"
        )
    found = _older(path)
    if (path / CURRENT).is_file():
        found.append(path / CURRENT)
    if not found:
        raise JournalError(
            f"{path}: this folder has no {CURRENT}; nova-compute writes one as soon as a server's "
            f"mode is observe or on"
        )
    return Journal(tuple(found))


def _older(folder: Path) -> list[Path]:
    """The files that are put away, each once: one that was just compressed is there twice."""
    there = {*folder.glob(ASIDE), *folder.glob(COMPRESSED)}
    once = (file for file in there if file.with_name(f"{file.name}.gz") not in there)
    return sorted(once, key=lambda file: age_order(file.name))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        opener: Callable[..., TextIO] = gzip.open if file.suffix == ".gz" else open
        # A byte that is damaged spoils its line only.
        with opener(file, "rt", encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(lines_of(stream), 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise JournalError(one_line(f"{file}: cannot be read: {error}")) from error
