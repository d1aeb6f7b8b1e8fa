"""Finds out whether a given process listens on a port.

An answer from a port does not prove that the lab's own process answers: another lab may have taken
the port between the choice of the port and the start of the process.
"""

import os
from pathlib import Path

LISTEN = "0A"


def listens(pid: int, port: int) -> bool:
    """Return whether the process has a TCP socket that listens on the port (proc(5)).

    Sockets of its child processes do not count.
    """
    inodes = _listening(port)
    try:
        return any(_inode(entry) in inodes for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _listening(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on the port, over IPv4 and IPv6."""
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            # sl, local_address (hexadecimal IP:PORT), rem_address, st, ..., inode is the tenth
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _inode(entry: Path) -> str:
    try:
        return os.readlink(entry).removeprefix("socket:[").removesuffix("]")
    except OSError:
        return ""
