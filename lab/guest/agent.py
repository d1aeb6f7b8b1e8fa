"""The guest agent for the initramfs: Debian's qemu-ga and the libraries it is linked with.

init.sh starts the agent if the domain has a port for it (image property hw_qemu_guest_agent=yes).
"""

import re
import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.guest import packages
from lab.guest.initramfs import Entry
from lab.layout import Layout

PACKAGE = "qemu-guest-agent"
PROGRAM = "usr/sbin/qemu-ga"
LOADER = "lib64/ld-linux-x86-64.so.2"
# Where Debian's loader looks for libraries without a configuration.
LIBRARIES = "lib/x86_64-linux-gnu"


def entries(layout: Layout) -> list[Entry]:
    """Return the agent, its loader and its libraries as entries of the initramfs.

    Their packages are downloaded unless that was done before.
    """
    folder = layout.cache / "guest-agent"
    if not folder.exists():
        packages.ensure_unpacked(layout, folder, packages.with_dependencies(PACKAGE))
    libraries = _libraries(folder, folder / PROGRAM)
    return [
        *(Entry(name) for name in ("lib", LIBRARIES, "lib64", "run", "usr", "usr/sbin")),
        Entry(PROGRAM, (folder / PROGRAM).read_bytes()),
        Entry(LOADER, libraries.pop(Path(LOADER).name).read_bytes()),
        *(Entry(f"{LIBRARIES}/{name}", libraries[name].read_bytes()) for name in sorted(libraries)),
    ]


def _libraries(folder: Path, program: Path) -> dict[str, Path]:
    """Return {name: file} of the loader and all shared libraries that ``program`` needs.

    :param folder: where the packages with the libraries are unpacked
    :raises LabError: a library is not in ``folder``
    """
    found: dict[str, Path] = {}
    to_read = [program]
    while to_read:
        for name in _needed(to_read.pop()):
            if name not in found:
                # Releases differ in whether this is below lib/ or usr/lib/.
                files = [path for path in folder.glob(f"**/x86_64-linux-gnu/{name}")]
                if not files:
                    raise LabError(f"{PACKAGE} needs {name}, which is not in {folder}")
                found[name] = files[0]
                to_read.append(files[0])
    return found


def _needed(binary: Path) -> list[str]:
    """Return the names of the loader and the libraries that an ELF file names."""
    command = ["objdump", "--private-headers", str(binary)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return re.findall(r"^ +NEEDED +(\S+)$", printed, re.MULTILINE)
