# SPDX-License-Identifier: Apache-2.0
"""Compiles the program that makes a guest's load (lab/guest/load_program/).

It is linked statically: the initramfs of a guest without an agent has no libraries.
"""

import tempfile
from pathlib import Path

from lab.guest.initramfs import Entry
from lab.layout import Layout
from lab.processes import run_command

SOURCES = Path(__file__).resolve().with_name("load_program")
PATH = "bin/xloud-load"
COMPILE = ("gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-s")
COMPILE_SECONDS = 60


def entry(layout: Layout) -> Entry:
    """Return the program as an entry of the initramfs.

    :raises CommandFailed: it does not compile
    """
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "xloud-load"
        build(layout, program)
        return Entry(PATH, program.read_bytes())


def build(layout: Layout, program: Path) -> None:
    """Compile the program into a file.

    :raises CommandFailed: it does not compile
    """
    command = [*COMPILE, "-o", str(program), *map(str, sorted(SOURCES.glob("*.c")))]
    run_command(layout, "guest-load", command, timeout=COMPILE_SECONDS)


def sources() -> bytes:
    """Return the text of all sources, and the command that compiles them."""
    return repr(COMPILE).encode() + b"".join(
        path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]"))
    )
