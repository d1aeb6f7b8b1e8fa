"""The journal of automatic growth on each compute host: its bytes and files.

A compressed file takes a sixteenth of the quarter MiB that it had (docs/admin/autoscale.md), so a
journal of 1 MiB would not be full in an hour, and no file would be removed. That is why each folder
begins nearly full, with files as if of an earlier time: the first ones of them are removed after
some minutes.
"""

import gzip
import random
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.layout import Compute, Layout

CURRENT = "autoscale.jsonl"
# In the form of before files had numbers: older than every file that nova-compute puts away.
EARLIER = "autoscale-20010101T"
# Together some 4 KiB less than what is left beside the file that is written: three quarters of a
# MiB. So the first file that is put away has one of these removed.
EARLIER_FILES = 24
EARLIER_BYTES = 32 * 1024 - 200

# While a file is compressed it is there twice, and counts once; that is waited for.
COMPRESS_SECONDS = 10.0
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Journal:
    """What is in the folder of one journal.

    :ivar size: bytes of all files
    :ivar files: how many files there are
    :ivar earlier: how many of them were there before the run
    :ivar put_away: how many of them the run has put away, and compressed
    :ivar plain: how many of them were put away, and are not compressed
    """

    size: int = 0
    files: int = 0
    earlier: int = 0
    put_away: int = 0
    plain: int = 0


def folder(compute: Compute) -> Path:
    """Return the folder of a host's journal in soak runs, apart from that of the lab."""
    return compute.root / "soak-journal"


def fill(path: Path) -> None:
    """Make a journal's folder anew, with nothing but compressed files of an earlier time."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    for number in range(EARLIER_FILES):
        # Chance is not made smaller by compression.
        noise = random.Random(number).randbytes(EARLIER_BYTES)
        name = f"{EARLIER}0000{number:02}Z-000001.jsonl.gz"
        (path / name).write_bytes(gzip.compress(noise, mtime=0))


def journals(layout: Layout) -> dict[str, int]:
    """Return what each host's journal has, by names such as ``journal of compute1: bytes``."""
    found: dict[str, int] = {}
    for compute in layout.computes:
        one = settled(folder(compute))
        of = f"journal of {compute.hostname}"
        found |= {
            f"{of}: bytes": one.size,
            f"{of}: files": one.files,
            f"{of}: files of before": one.earlier,
            f"{of}: files of this run": one.put_away,
            f"{of}: files not compressed": one.plain,
        }
    return found


def settled(path: Path, seconds: float = COMPRESS_SECONDS) -> Journal:
    """Return what a journal's folder has once no file of it is being compressed.

    If one still is after so many seconds, the result is what is there then.
    """
    until = time.monotonic() + seconds
    while (found := read(path)).plain and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return found


def read(path: Path) -> Journal:
    """Return what a journal's folder has now; nothing if there is no folder.

    A compressed file that is not finished yet (``.part``) does not count.
    """
    sizes: dict[str, int] = {}
    with suppress(FileNotFoundError):
        for file in path.iterdir():
            # A file may be renamed or removed before its size is read.
            with suppress(FileNotFoundError):
                sizes[file.name] = file.stat().st_size
    sizes = {name: size for name, size in sizes.items() if not name.endswith(".part")}
    compressed = [name for name in sizes if name.endswith(".gz")]
    earlier = sum(name.startswith(EARLIER) for name in compressed)
    return Journal(
        size=sum(sizes.values()),
        files=len(sizes),
        earlier=earlier,
        put_away=len(compressed) - earlier,
        plain=sum(name.endswith(".jsonl") and name != CURRENT for name in sizes),
    )
