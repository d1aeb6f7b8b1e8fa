"""What is on the compute hosts: files, libvirt's definitions, guests, and logs."""

from pathlib import Path

from lab import hypervisor
from lab.layout import Compute, Layout

# The logs of what a soak run judges.
LOGS = "nova-*.log", "placement.log"


def on_hosts(layout: Layout) -> dict[str, int]:
    """Return how many things of each kind there are on all hosts together."""
    computes = layout.computes
    return {
        "libvirt's definitions": sum(_domains(compute) for compute in computes),
        "running QEMUs": sum(_count(compute.qmp, "*.sock") for compute in computes),
        "entries of instances/": _count(layout.instances, "*"),
        "files in instances/_base": _count(layout.instances / "_base", "*"),
        "files in instances/locks": _count(layout.instances / "locks", "*"),
        "files of nova-compute's state": sum(_files(compute.state) for compute in computes),
        "lock files of Nova": _files(layout.run / "locks"),
    }


def logged(layout: Layout) -> int:
    """Return the bytes of all logs of Nova and Placement."""
    return sum(path.stat().st_size for pattern in LOGS for path in layout.logs.glob(pattern))


def _domains(compute: Compute) -> int:
    with hypervisor.opened(compute) as connection:
        return len(connection.listAllDomains())


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))


def _files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())
