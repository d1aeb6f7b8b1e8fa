"""The version is git's: of a tag, of a commit behind one, and what it is where there is none."""

import re
import shutil
from pathlib import Path

import pytest

from tests.distribution.conftest import TAG, Environment, git, run

VERSION = TAG.removeprefix("v")


def version(builder: Environment, source: Path) -> str:
    return run((builder.program("python"), "-W", "ignore", "-m", "setuptools_scm"), source).strip()


@pytest.fixture
def clone(checkout: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", checkout, "clone")
    return tmp_path / "clone"


def commit_more(clone: Path) -> None:
    (clone / "README.md").write_text("more\n")
    git(clone, "commit", "-q", "-a", "-m", "more")


def test_of_a_tag(builder: Environment, checkout: Path) -> None:
    assert version(builder, checkout) == VERSION


def test_of_a_commit_behind_a_tag(builder: Environment, clone: Path) -> None:
    commit_more(clone)
    assert re.fullmatch(r"1\.2\.4\.dev1\+g[0-9a-f]+", version(builder, clone))


def test_without_tags(builder: Environment, clone: Path) -> None:
    """As in this repository before its first release."""
    git(clone, "tag", "-d", TAG)
    assert re.fullmatch(r"0\.1\.0\.dev\d+\+g[0-9a-f]+", version(builder, clone))


def test_of_a_shallow_clone(builder: Environment, clone: Path, tmp_path: Path) -> None:
    """It has no tags: built, and older than any release, so that nobody takes it for one."""
    commit_more(clone)
    git(tmp_path, "clone", "-q", "--depth", 1, "--no-tags", f"file://{clone}", "shallow")
    assert re.fullmatch(r"0\.1\.0\.dev\d+\+g[0-9a-f]+", version(builder, tmp_path / "shallow"))


def test_of_an_archive_of_a_tag(builder: Environment, clone: Path, tmp_path: Path) -> None:
    """As forges make them: no git in it, but .git_archival.txt is filled in."""
    git(clone, "archive", "-o", tmp_path / "archive.tar", "--prefix", "archive/", TAG)
    shutil.unpack_archive(tmp_path / "archive.tar", tmp_path)
    assert version(builder, tmp_path / "archive") == VERSION


def test_without_git(builder: Environment, clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    assert version(builder, clone) == "0.1.0.dev0"


def test_of_what_is_built(sdist: Path, wheel: Path) -> None:
    assert sdist.name == f"nova_xloud-{VERSION}.tar.gz"
    assert wheel.name == f"nova_xloud-{VERSION}-py3-none-any.whl"
