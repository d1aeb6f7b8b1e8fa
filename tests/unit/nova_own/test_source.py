# SPDX-License-Identifier: Apache-2.0
"""The tree in which the tests of Nova's samples find what the wheel leaves out."""

import io
import subprocess
import tarfile

import pytest

from tests.nova_own import source
from tests.nova_own.subsets import nova_tests
from tests.nova_own.verdicts import Broken

SAMPLES = nova_tests() / "functional/api_sample_tests/test_servers.py"
UNIT = nova_tests() / "unit/test_metadata.py"
OTHERS = nova_tests() / "functional/test_servers.py"


def archive(folder):
    """A source distribution, small."""
    path = folder / "nova-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("doc/api_samples/a.json", "etc/nova/b.ini", "nova/other.py", "setup.py"):
            member = tarfile.TarInfo(f"nova-1.0/{name}")
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return path


def files(folder):
    """Without those behind the link."""
    found = folder.rglob("*")
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())


def test_only_the_tests_of_samples_want_it():
    assert source.is_wanted([OTHERS, SAMPLES])
    assert not source.is_wanted([OTHERS, UNIT])


def test_the_tree_has_nova_itself_and_what_its_tests_read(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_downloaded", archive)
    tree = source.tree(tmp_path / "34.0" / "source")
    assert files(tree) == ["doc/api_samples/a.json", "etc/nova/b.ini"]
    module = source.in_tree(tree, SAMPLES)
    assert module.is_relative_to(tree)
    assert module.samefile(SAMPLES)
    # It is made once, and nothing else is left.
    monkeypatch.setattr(source, "_downloaded", lambda folder: pytest.fail("again"))
    assert source.tree(tree) == tree
    assert list(tree.parent.iterdir()) == [tree]


def test_the_nova_in_it_is_that_of_this_environment_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_downloaded", archive)
    tree = source.tree(tmp_path / "source")
    (tree / "nova").unlink()
    (tree / "nova").symlink_to(tmp_path)
    assert source.in_tree(source.tree(tree), SAMPLES).samefile(SAMPLES)


def test_a_download_that_fails_breaks_the_run_and_leaves_nothing(tmp_path, monkeypatch):
    def run(*args, **options):
        raise subprocess.CalledProcessError(1, args, stderr="no matching distribution")

    monkeypatch.setattr(source.subprocess, "run", run)
    with pytest.raises(Broken, match=r"nova==.*cannot be downloaded: no matching distribution"):
        source.tree(tmp_path / "source")
    assert list(tmp_path.iterdir()) == []
