"""The machine that something is measured on, and what was measured, as data."""

import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_MEMINFO = pathlib.Path("/proc/meminfo")
_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def describe(hypervisor=None):
    """A dictionary of what may matter for a figure.

    :param hypervisor: ``(libvirt, QEMU)`` versions of the lab that it is measured in, if in one
    """
    libvirt, qemu = hypervisor or (None, None)
    return {
        "cpu": _field(_CPUINFO, "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_field(_MEMINFO, "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "nova": importlib.metadata.version("nova"),
        "libvirt": libvirt,
        "qemu": qemu,
    }


def load():
    """The load averages of 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def commit():
    """The short id of the commit that is measured, with ``+`` where files differ from it.

    Kept figures and the report made of them do not count.
    """
    kept = [f":!{path}" for path in ("docs/bench-data", "docs/images/bench", "docs/benchmarks.md")]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *kept)
    return _git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def _git(*arguments):
    done = subprocess.run(
        ["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _field(path, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", path.read_text(), re.MULTILINE)
    return found.group(1) if found else "0"
