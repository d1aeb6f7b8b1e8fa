"""A repository with a tag, made of this working copy; what is built from it; and environments.

Needs git, and packages from PyPI or pip's cache.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CONSTRAINTS = REPOSITORY / "constraints" / "nova-34.0.txt"
TAG = "v1.2.3"
INSTALL_SECONDS = 900


def run(command: Sequence[object], cwd: Path, seconds: int = 120) -> str:
    """Run a command that has to succeed; returns what it printed."""
    # Nothing of the environment of these tests is seen.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**environment, "PIP_CONSTRAINT": str(CONSTRAINTS)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def git(cwd: Path, *arguments: object) -> str:
    somebody = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")
    return run(("git", *somebody, *arguments), cwd)


@dataclass(frozen=True)
class Environment:
    """A virtual environment with nothing in it but what a test puts there."""

    folder: Path

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name

    def install(self, *wanted: object) -> None:
        command = (self.program("python"), "-m", "pip", "install", "-q", *wanted)
        run((*command, "--disable-pip-version-check"), self.folder, INSTALL_SECONDS)

    def python(self, code: str) -> str:
        return run((self.program("python"), "-c", code), self.folder).strip()


def make_environment(folder: Path) -> Environment:
    run((sys.executable, "-m", "venv", folder), folder.parent)
    return Environment(folder)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This working copy as the one commit of a repository, tagged."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = run(("git", "ls-files", "-co", "--exclude-standard", "-z"), REPOSITORY)
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).exists():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "everything")
    git(folder, "tag", TAG)
    return folder


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with what [build-system] asks for, as the constraints have it."""
    environment = make_environment(tmp_path_factory.mktemp("builder") / "venv")
    environment.install("setuptools", "setuptools-scm", "wheel")
    return environment


@pytest.fixture(scope="session")
def sdist(checkout: Path, builder: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built(builder, checkout, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, builder: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of the sdist, away from git, as whoever packages it does."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, unpacked)
    (source,) = unpacked.iterdir()
    return _built(builder, source, "wheel", tmp_path_factory.mktemp("wheel"))


def _built(builder: Environment, source: Path, kind: str, into: Path) -> Path:
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(into)!r})"
    run((builder.program("python"), "-c", code), source)
    (made,) = into.iterdir()
    return made
