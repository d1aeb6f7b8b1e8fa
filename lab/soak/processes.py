"""Memory, threads and descriptors of a service: of its process and of all that it has started."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from lab import processes
from lab.layout import Layout
from lab.soak.bounds import COMPARED, JUDGED
from lab.soak.sample import Use

# What is younger is a command that the service runs (qemu-img), and not a part of it.
YOUNG_SECONDS = 15.0
KIB_PER_MIB = 1024


def uses(layout: Layout) -> dict[str, Use]:
    """Return what each daemon uses that is judged or compared, by name, if it runs."""
    children = _children()
    return {
        name: _sum([_use(pid) for pid in _tree(record.pid, children)])
        for name, record in processes.running(layout).items()
        if name.startswith((*JUDGED, *COMPARED))
    }


def of_process(proc: Path) -> Use:
    """Return what one process uses.

    :param proc: its folder below ``/proc``
    :raises OSError: the process has ended
    """
    memory, status = _fields(proc / "smaps_rollup"), _fields(proc / "status")
    private = memory["Private_Clean"] + memory["Private_Dirty"]
    return Use(
        rss_mb=round(memory["Rss"] / KIB_PER_MIB, 2),
        private_mb=round(private / KIB_PER_MIB, 2),
        threads=status["Threads"],
        descriptors=sum(1 for _ in (proc / "fd").iterdir()),
    )


def _use(pid: int) -> Use | None:
    with contextlib.suppress(OSError, KeyError):
        return of_process(Path(f"/proc/{pid}"))
    return None


def _sum(found: list[Use | None]) -> Use:
    each = [one for one in found if one is not None]
    return Use(
        rss_mb=round(sum(one.rss_mb for one in each), 2),
        private_mb=round(sum(one.private_mb for one in each), 2),
        threads=sum(one.threads for one in each),
        descriptors=sum(one.descriptors for one in each),
    )


def _fields(path: Path) -> dict[str, int]:
    """Return the lines of a file of /proc whose value begins with a number, by name."""
    lines = (line.partition(":") for line in path.read_text().splitlines())
    words = ((name, value.split()) for name, _, value in lines)
    return {name: int(value[0]) for name, value in words if value and value[0].isdigit()}


def _tree(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    """Yield a process, and its children and theirs if they are not young."""
    yield pid
    for child in children.get(pid, []):
        if _age(child) > YOUNG_SECONDS:
            yield from _tree(child, children)


def _age(pid: int) -> float:
    """Return how many seconds ago a process was started; 0 if it has ended."""
    began = processes.start_time(pid)
    if began is None:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began / processes.TICKS_PER_SECOND


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                found.setdefault(int(parent), []).append(int(entry.name))
    return found
