"""Downloads and unpacks Debian packages, and does not install them on the system."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.layout import Layout
from lab.processes import run_command

# Kinds of dependencies that apt-cache shall not follow: a package works without them.
HARD_ONLY = [
    f"--no-{kind}"
    for kind in (
        *("recommends", "suggests", "conflicts", "breaks"),
        *("replaces", "enhances", "pre-depends"),
    )
]


def depends(package: str, *options: str) -> str:
    """Return the output of ``apt-cache depends`` for a package, with its dependencies only."""
    command = ["apt-cache", "depends", *HARD_ONLY, *options, package]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def with_dependencies(package: str) -> list[str]:
    """Return the names of the package and of all packages that it needs, directly or not."""
    # A package's own line is at the margin; virtual ones are written <in brackets>.
    return re.findall(r"^([\w.+-]+)$", depends(package, "--recurse"), re.MULTILINE)


def ensure_unpacked(layout: Layout, folder: Path, names: Sequence[str]) -> Path:
    """Unpack these packages into the folder unless that was done before; return the folder."""
    if folder.exists():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    archives = partial.with_name(f"{folder.name}.debs")
    shutil.rmtree(archives, ignore_errors=True)
    for made in (partial, archives):
        made.mkdir(parents=True)
    download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", *names]
    run_command(layout, "guest-download", download, cwd=archives)
    for package in archives.glob("*.deb"):
        run_command(layout, "guest-download", ["dpkg", "-x", str(package), str(partial)])
    shutil.rmtree(archives)
    partial.rename(folder)
    return folder
