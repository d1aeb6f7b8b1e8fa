# SPDX-License-Identifier: Apache-2.0
"""The journal of automatic growth in files of bounded size.

::

    <folder>/autoscale.jsonl                                what is written now
    <folder>/autoscale-00000007-20261130T120000Z.jsonl.gz   older, compressed; the oldest is removed

Each file begins with a checkpoint, the history of a guest, for every guest that has one. So a file
can be read without those before it. A line is in the file when :meth:`JournalFiles.write` returns,
unless that has logged an error; then the next line that is written has all checkpoints before it. A
nova-compute that is killed may leave half a line at the end, which a reader skips. The next file is
complete before the one that is full is put away, so a kill leaves one that has all guests. No
folder or file is created before there is a line to write.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from nova_xloud.core.autoscaling.history import History
from nova_xloud.core.autoscaling.journal import (
    BadLine,
    Checkpoint,
    Record,
    decode,
    encode,
    lines_of,
)
from nova_xloud.core.autoscaling.journal_names import (
    ASIDE,
    COMPRESSED,
    CURRENT,
    NEXT,
    age_order,
    aside_name,
)
from nova_xloud.core.autoscaling.replay import remembered

LOG = logging.getLogger(__name__)

_UNFINISHED = "autoscale-*.jsonl.part"
_MIB = 1024 * 1024
# After a restart one file is read, at some 4,000 lines a second; so a file is this large at most.
LARGEST_FILE_MB = 8
# A file is at most this part of what the journal may take.
_PARTS = 4


class JournalFiles:
    """Writes the journal of one compute host, and reads it after a restart.

    An error of the file system is logged once until a write succeeds again, and is not raised:
    automatic growth goes on without its journal.

    :param folder: the folder; it is created when the first line is written
    :param limit_mb: how many MiB the files may take together; while a file is compressed, it is
        there twice for a moment and counts once
    :param date: returns seconds since the epoch
    """

    def __init__(self, folder: Path, limit_mb: int, date: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._limit = limit_mb * _MIB
        self._largest = min(LARGEST_FILE_MB * _MIB, self._limit // _PARTS)
        self._date = date
        self._is_failing = False
        self._compressing: threading.Thread | None = None

    def write(
        self, records: Iterable[Record], checkpoints: Callable[[], Iterable[Checkpoint]]
    ) -> None:
        """Append ``records``, each as a line; begin another file if this one would be too large.

        A file is too large beyond 8 MiB, or beyond a quarter of the limit if that is less.

        :param checkpoints: returns the history of each guest before ``records``; called only if
            another file begins, or if the records before could not be written
        """
        try:
            self._write(records, checkpoints)
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                LOG.warning(
                    "The journal of automatic growth in %s could not be written, and its decisions "
                    "are not recorded until it can; automatic growth itself goes on: %s",
                    self._folder,
                    error,
                )
            self._is_failing = True

    def _write(
        self, records: Iterable[Record], checkpoints: Callable[[], Iterable[Checkpoint]]
    ) -> None:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = self._folder / CURRENT
        size = file.stat().st_size if file.exists() else 0
        lines = _text(records)
        if size:
            more = _text(checkpoints()) + lines if self._is_failing else lines
            if not _ends_with_a_line(file):
                more = b"\n" + more
            if size + len(more) <= self._largest:
                with file.open("ab") as to:
                    to.write(more)
                return
        # A nova-compute that is killed here leaves the full file, put away or not: see remembered.
        complete = self._folder / NEXT
        complete.write_bytes(_text(checkpoints()) + lines)
        if size:
            self._put_away(file)
        complete.replace(file)

    def _put_away(self, file: Path) -> None:
        """Rename ``file``, and tidy the folder in a thread; wait for the thread before, if any."""
        if self._compressing is not None:
            self._compressing.join()
        names = [one.name for one in self._older()]
        file.rename(self._folder / aside_name(names, self._date()))
        thread = threading.Thread(target=self._tidy, name="xloud-autoscale-journal", daemon=True)
        thread.start()
        self._compressing = thread

    def _tidy(self) -> None:
        """Compress what is put away, and remove the oldest files beyond the limit.

        All files that are put away are compressed: a nova-compute that was killed, or a disk that
        was full, may have left others than the last one.
        """
        for plain in sorted(self._folder.glob(ASIDE), key=lambda file: age_order(file.name)):
            try:
                _compress(plain)
            except OSError as error:
                LOG.warning(
                    "The file %s of automatic growth's journal could not be compressed. It stays "
                    "as it is until the next file of the journal is full, and is tried again then: "
                    "%s",
                    plain,
                    error,
                )
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        """Remove the oldest files beyond the limit, and what unfinished compressions have left."""
        try:
            for part in self._folder.glob(_UNFINISHED):
                part.unlink()
            older = self._older()
            sizes = {file: file.stat().st_size for file in older}
            while older and sum(sizes[file] for file in older) + self._largest > self._limit:
                older.pop(0).unlink()
        except OSError as error:
            LOG.warning(
                "Automatic growth's journal takes more than [xloud] autoscale_journal_mb, because "
                "its oldest file, or an unfinished one, could not be removed. That is tried again "
                "when the next file of the journal is full: %s",
                error,
            )

    def _older(self) -> list[Path]:
        """Return the files that were put away, compressed or not, the oldest first."""
        older = [*self._folder.glob(ASIDE), *self._folder.glob(COMPRESSED)]
        return sorted(older, key=lambda file: age_order(file.name))

    def remembered(self) -> dict[str, History]:
        """Return the history of each guest by UUID, from the file that was written last.

        That is the one that was put away last, if nova-compute was killed before the next one had
        its name. The files before it are not needed, because it begins with a checkpoint of each
        guest. The result is empty if there is no file, or if it cannot be read, which is logged.
        """
        try:
            current = self._folder / CURRENT
            is_there = current.exists() and current.stat().st_size > 0
            newest = [current] if is_there else self._older()[-1:]
            return remembered(read(newest[0])) if newest else {}
        except (OSError, EOFError, zlib.error) as error:
            LOG.warning(
                "The journal of automatic growth in %s could not be read, so it is not known what "
                "guests have needed: no server is made smaller before it was watched for as long "
                "as its profile says. To use the journal, make the folder readable and restart "
                "nova-compute: %s",
                self._folder,
                error,
            )
            return {}

    def close(self) -> None:
        """Wait for the compression that is going on, if there is one."""
        if self._compressing is not None:
            self._compressing.join()


def read(file: Path) -> Iterator[Record]:
    """Yield the records of one file of a journal, compressed or not; skip lines without a record.

    :raises OSError, EOFError, zlib.error: the file cannot be read
    """
    opener: Callable[..., TextIO] = gzip.open if file.suffix == ".gz" else open
    # A byte that is damaged spoils its line only.
    with opener(file, "rt", encoding="utf-8", errors="replace") as stream:
        for line in lines_of(stream):
            try:
                yield decode(line)
            except BadLine as error:
                LOG.debug("A line of the journal %s is skipped: %s", file, error)


def _text(records: Iterable[Record]) -> bytes:
    return "".join(f"{encode(one)}\n" for one in records).encode()


def _compress(plain: Path) -> None:
    part = plain.with_name(f"{plain.name}.part")
    with plain.open("rb") as source, gzip.open(part, "wb", 6) as sink:
        shutil.copyfileobj(source, sink)
    part.rename(plain.with_name(f"{plain.name}.gz"))
    plain.unlink()


def _ends_with_a_line(file: Path) -> bool:
    with file.open("rb") as lines:
        lines.seek(-1, os.SEEK_END)
        return lines.read(1) == b"\n"
