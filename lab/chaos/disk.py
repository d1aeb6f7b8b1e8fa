"""A full disk under libvirt's definitions of guests, in the compute's own mount namespace.

That is the one folder of a host to which an adjustment writes. A small tmpfs with a copy of the
folder is mounted over it and filled; the machine's own disks are not touched.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab import processes
from lab.errors import LabError
from lab.hypervisor import namespace
from lab.layout import Compute, Layout

FOLDER = "/etc/libvirt/qemu"
FILL = f"""
set -e
cp -a {FOLDER} /run/qemu-copy
mount -t tmpfs -o size=512k,mode=700 tmpfs {FOLDER}
trap 'umount {FOLDER}' ERR
cp -a /run/qemu-copy/. {FOLDER}
rm -r /run/qemu-copy
cat /dev/zero >{FOLDER}/full 2>/dev/null || true
"""
FREE = f"umount {FOLDER}"


@contextmanager
def full(layout: Layout, compute: Compute) -> Iterator[None]:
    """Leave libvirtd no room to write a definition for as long as the block lasts."""
    _inside(layout, compute, FILL)
    try:
        yield
    finally:
        _inside(layout, compute, FREE)


def _inside(layout: Layout, compute: Compute, script: str) -> None:
    record = processes.read_record(layout, compute.daemon("namespace"))
    if record is None:
        raise LabError(f"the hypervisor of {compute.hostname} does not run")
    command = namespace.enter(record.pid, ["/bin/bash", "-c", script])
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise LabError(f"the disk of {compute.hostname}: {done.stderr.strip()}")
