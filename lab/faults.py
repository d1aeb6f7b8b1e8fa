"""What tests do to a running lab: kill a daemon, freeze a process. All by process id."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

from lab import processes
from lab.errors import LabError
from lab.layout import Compute, Layout

KILL_SECONDS = 5.0


def kill(layout: Layout, name: str) -> int:
    """SIGKILL one daemon, which then runs no more; ``processes.start`` starts it again.

    What it has started itself is left to find out. Returns the process id that it had.

    :raises LabError: it does not run
    """
    record = processes.running(layout).get(name)
    if record is None:
        raise LabError(f"{name} does not run; see lab/run status")
    os.kill(record.pid, signal.SIGKILL)
    deadline = time.monotonic() + KILL_SECONDS
    while record.alive():
        if time.monotonic() > deadline:
            raise LabError(f"{name} (process {record.pid}) outlives SIGKILL")
        time.sleep(0.01)
    return record.pid


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP a process for as long as the block lasts.

    A QEMU that is stopped so answers nobody: neither its guest's clock nor its monitor goes on.
    """
    began = processes.start_time(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        # Who ended meanwhile may have left its number to somebody else.
        if began is not None and processes.start_time(pid) == began:
            os.kill(pid, signal.SIGCONT)


def emulator_pid(compute: Compute, domain: str) -> int:
    """The process id of the QEMU that runs a domain, by the domain's name."""
    return int((compute.run / "libvirt" / "qemu" / f"{domain}.pid").read_text())
