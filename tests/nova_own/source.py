# SPDX-License-Identifier: Apache-2.0
"""Nova's package as the tests of its samples want it: beside files that its wheel lacks."""

from __future__ import annotations

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable

from tests.nova_own.subsets import nova_tests
from tests.nova_own.verdicts import Broken

# The functional tests that read what is missing, and the folders of Nova's source that it is in.
READERS = {"api_sample_tests", "notification_sample_tests", "test_metadata.py"}
MISSING = ("doc", "etc")
DOWNLOAD_TIMEOUT = 600


def is_wanted(files: Iterable[pathlib.Path]) -> bool:
    """Whether some of these test modules read what is missing in the wheel."""
    functional = nova_tests() / "functional"
    return any(
        file.relative_to(functional).parts[0] in READERS
        for file in files
        if file.is_relative_to(functional)
    )


def tree(folder: pathlib.Path) -> pathlib.Path:
    """Make ``folder``, unless it is there: ``doc`` and ``etc``, and ``nova``, a link.

    The link is to the installed package, of this environment each time; the others are of the
    source distribution of its release, which pip downloads.

    :raises Broken: pip could not
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            shutil.move(_unpacked(_downloaded(pathlib.Path(made))), folder)
    link = folder / "nova"
    link.unlink(missing_ok=True)
    link.symlink_to(nova_tests().parent)
    return folder


def in_tree(folder: pathlib.Path, file: pathlib.Path) -> pathlib.Path:
    """The same module, by its path in the tree."""
    return folder / "nova" / file.relative_to(nova_tests().parent)


def _downloaded(folder: pathlib.Path) -> pathlib.Path:
    release = f"nova=={importlib.metadata.version('nova')}"
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:")
    try:
        done = subprocess.run(
            [*pip, "-d", folder, release],
            capture_output=True,
            text=True,
            check=True,
            timeout=DOWNLOAD_TIMEOUT,
        )
    except subprocess.SubprocessError as error:
        raise Broken(
            f"the source of {release}, which the tests of its samples read, cannot be "
            f"downloaded: {(getattr(error, 'stderr', None) or str(error)).strip()}"
        ) from error
    archives = list(folder.glob("*.tar.gz"))
    if len(archives) != 1:
        raise Broken(f"pip left no source of {release}: {done.stdout}{done.stderr}")
    return archives[0]


def _unpacked(archive: pathlib.Path) -> pathlib.Path:
    """What is missing, in a folder of its own beside the archive."""
    everything = archive.parent / "everything"
    shutil.unpack_archive(archive, everything)
    (source,) = everything.iterdir()
    missing = archive.parent / "missing"
    missing.mkdir()
    for name in MISSING:
        shutil.move(source / name, missing / name)
    return missing
