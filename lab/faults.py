"""What tests do to a running lab: kill a daemon, freeze a process. All by process id."""

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
    """SIGKILL one daemon, which then runs no more; ``processes.start`` starts it again.

    What it has started itself is left to find out. Returns the process id that it had.

    :raises LabError: it does not run
    """
    record = processes.running(layout).get(name)
    if record is None:
        raise LabError(f"{name} does not run; see lab/run status")
    _kill_pid(record.pid)
    return record.pid


def crash(layout: Layout, compute: Compute) -> None:
    """What a host's power failure is to the cloud: its nova-compute and its guests are gone.

    Its libvirtd stays, which knows the guests as shut off, as one does that has come back.
    """
    kill(layout, compute.daemon("nova-compute"))
    for path in (compute.run / "libvirt" / "qemu").glob(NOVAS_GUESTS):
        _kill_pid(int(path.read_text()))


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP a process for as long as the block lasts.

    A QEMU that is stopped so answers nobody: neither its guest's clock nor its monitor goes on.
    """
    began = processes.start_time(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        _wait("stop", pid, lambda: _is_stopped(pid))
        yield
    finally:
        # Who ended meanwhile may have left its number to somebody else.
        if began is not None and processes.start_time(pid) == began:
            os.kill(pid, signal.SIGCONT)


def emulator_pid(computes: Sequence[Compute], domain: str) -> int:
    """The process id of the QEMU that runs a domain, by the domain's name.

    :raises LabError: none of the computes runs it
    """
    for compute in computes:
        with contextlib.suppress(FileNotFoundError):
            return int((compute.run / "libvirt" / "qemu" / f"{domain}.pid").read_text())
    raise LabError(f"no compute runs {domain}")


def _kill_pid(pid: int) -> None:
    began = processes.start_time(pid)
    os.kill(pid, signal.SIGKILL)
    _wait("end", pid, lambda: processes.start_time(pid) != began)


def _is_stopped(pid: int) -> bool:
    # proc(5): the state comes after the program's name in parentheses.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _wait(what: str, pid: int, done: Callable[[], bool]) -> None:
    """A signal has its effect when the process is next scheduled."""
    patience = Patience(SIGNAL_SECONDS)
    while not done():
        if patience.is_over():
            raise LabError(f"process {pid} did not {what}")
        time.sleep(0.01)
