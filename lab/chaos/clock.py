"""A time of day that jumps, in all services of Nova: a preloaded library, as libfaketime is one.

The clock of the machine is not touched. QEMU, libvirt, Placement and Keystone keep the machine's.
"""

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.layout import Layout
from lab.processes import run_command

SOURCE = Path(__file__).with_name("shifted_clock.c")


def environment(layout: Layout) -> Mapping[str, str]:
    """Build the library, if need be, and return the variables of a process with that clock."""
    library, shift = layout.cache / "shifted_clock.so", _shift_file(layout)
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        build = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        run_command(layout, "chaos-build", build, timeout=60)
    if shift.exists():
        # A run that was killed may have left its shift.
        _write(layout, 0)
    else:
        shift.write_bytes(_packed(0))
    return {"LD_PRELOAD": str(library), "LAB_CLOCK": str(shift)}


@contextmanager
def shifted(layout: Layout, seconds: int) -> Iterator[None]:
    """Shift the clock by so many seconds for as long as the block lasts; then it jumps back."""
    _write(layout, seconds)
    try:
        yield
    finally:
        _write(layout, 0)


def _write(layout: Layout, seconds: int) -> None:
    # In place: the processes have the file mapped.
    with _shift_file(layout).open("r+b") as file:
        file.write(_packed(seconds))


def _shift_file(layout: Layout) -> Path:
    return layout.state / "clock-shift"


def _packed(seconds: int) -> bytes:
    return struct.pack("=q", seconds)
