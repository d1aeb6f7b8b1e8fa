"""Faults that tests cause in a running lab: killed daemons and frozen processes, by process id."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.layout import Compute, Layout
from lab.patience import Patience

SIGNAL_SECONDS = 5.0
# Nova's names for domains (instance_name_template), as libvirt names their pid files.
NOVAS_GUESTS = "instance-*.pid"


def kill(layout: Layout, name: str) -> int:
    """Kill one daemon with SIGKILL and return its process id; ``processes.start`` restarts it.

    Processes that the daemon has started go on running.

    :raises LabError: the daemon does not run
    """
    record = processes.running(layout).get(name)
    if record is None:
        raise LabError(f"{name} does not run; see lab/run status")
    _kill_pid(record.pid)
    return record.pid


def crash(layout: Layout, compute: Compute) -> None:
    """Kill a host's nova-compute and its guests, as a power failure of the host does.

    The host's libvirtd goes on running. It has the guests as shut off, as a libvirtd has after the
    boot of its host.

    :raises LabError: nova-compute does not run
    """
    kill(layout, compute.daemon("nova-compute"))
    for path in (compute.run / "libvirt" / "qemu").glob(NOVAS_GUESTS):
        _kill_pid(int(path.read_text()))


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process with SIGSTOP for as long as the block lasts.

    A QEMU that is stopped like that does not answer on its monitor, and the clock of its guest
    stands still.
    """
    began = processes.start_time(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        _wait("stop", pid, lambda: _is_stopped(pid))
        yield
    finally:
        # If the process has ended meanwhile, another process may have its id now.
        if began is not None and processes.start_time(pid) == began:
            os.kill(pid, signal.SIGCONT)


def emulator_pid(computes: Sequence[Compute], domain: str) -> int:
    """Return the process id of the QEMU that runs the domain with the name ``domain``.

    :raises LabError: none of the computes runs the domain
    """
    for compute in computes:
        with contextlib.suppress(FileNotFoundError):
            return int((compute.run / "libvirt" / "qemu" / f"{domain}.pid").read_text())
    raise LabError(f"no compute runs the domain {domain}")


def _kill_pid(pid: int) -> None:
    began = processes.start_time(pid)
    os.kill(pid, signal.SIGKILL)
    _wait("end", pid, lambda: processes.start_time(pid) != began)


def _is_stopped(pid: int) -> bool:
    # proc(5): the state comes after the program's name in parentheses.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _wait(what: str, pid: int, done: Callable[[], bool]) -> None:
    """Wait until a signal has had its effect, which it has when the process is next scheduled."""
    patience = Patience(SIGNAL_SECONDS)
    while not done():
        if patience.is_over():
            raise LabError(f"process {pid} did not {what}")
        time.sleep(0.01)
