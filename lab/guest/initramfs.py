"""Writes an initramfs: a gzipped cpio archive in the "newc" format.

The format is the kernel's Documentation/driver-api/early-userspace/buffer-format.rst: a header of
a magic and thirteen numbers of eight hexadecimal digits, the name with a NUL, the content; the
name and the content are each padded to four bytes.
"""

import gzip
import stat
from dataclasses import dataclass

MAGIC = "070701"
TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """A file of the archive or, if there is no content, a folder."""

    path: str
    content: bytes | None = None

    @property
    def mode(self) -> int:
        return (stat.S_IFDIR if self.content is None else stat.S_IFREG) | 0o755


def archive(entries: list[Entry]) -> bytes:
    """Return the compressed archive; equal entries give equal bytes."""
    members = [
        _member(number, entry.path, entry.mode, entry.content or b"")
        for number, entry in enumerate(entries, start=1)
    ]
    return gzip.compress(b"".join(members) + _member(0, TRAILER, 0, b""), mtime=0)


def _member(inode: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device (2), rdevice (2), name size, checksum
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = MAGIC + "".join(f"{number:08x}" for number in numbers)
    return _padded(header.encode() + name) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
