# SPDX-License-Identifier: Apache-2.0
"""Nova's package as the tests of its samples want it: beside files that its wheel lacks."""

from __future__ import annotations

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable

from tests.nova_own.subsets import nova_tests
from tests.nova_own.verdicts import Broken

# The functional tests that read them, and what they read, by its folder in Nova's source.
READERS = {"api_sample_tests", "notification_sample_tests", "test_metadata.py"}
MISSING = ("doc/api_samples/", "doc/api_schemas/", "doc/notification_samples/", "etc/nova/")


def is_wanted(files: Iterable[pathlib.Path]) -> bool:
    """Whether some of these test modules read what is missing in the wheel."""
    functional = nova_tests() / "functional"
    return any(
        file.relative_to(functional).parts[0] in READERS
        for file in files
        if file.is_relative_to(functional)
    )


def tree(folder: pathlib.Path) -> pathlib.Path:
    """Make ``folder``, unless it is there: ``nova``, a link to the installed one, ``doc``, ``etc``.

    The latter two are of the source distribution of that release, which pip downloads.

    :raises Broken: pip could not
    """
    package = nova_tests().parent
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            root = _extracted(_downloaded(pathlib.Path(made)))
            (root / "nova").symlink_to(package)
            shutil.move(root, folder)
    return folder


def in_tree(folder: pathlib.Path, file: pathlib.Path) -> pathlib.Path:
    """The same module, by its path in the tree."""
    return folder / "nova" / file.relative_to(nova_tests().parent)


def _downloaded(folder: pathlib.Path) -> pathlib.Path:
    release = f"nova=={importlib.metadata.version('nova')}"
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:")
    done = subprocess.run([*pip, "-d", folder, release], capture_output=True, text=True)
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise Broken(
            f"the source of {release}, which the tests of its samples read, cannot be "
            f"downloaded: {done.stderr.strip() or 'pip says nothing'}"
        )
    return archives[0]


def _extracted(archive: pathlib.Path) -> pathlib.Path:
    with tarfile.open(archive) as tar:
        wanted = [
            member
            for member in tar.getmembers()
            if member.name.partition("/")[2].startswith(MISSING)
        ]
        tar.extractall(archive.parent, wanted, filter="data")
    return archive.parent / archive.name.removesuffix(".tar.gz")
