# SPDX-License-Identifier: Apache-2.0
"""The journal in files: what is in them, how large they become, what a restart makes of them."""

from __future__ import annotations

import errno
import gzip
import itertools
import shutil
from pathlib import Path

import pytest

from nova_xloud.compute.autoscaling.journal import CURRENT, JournalFiles, read
from nova_xloud.core.autoscaling.history import EMPTY
from nova_xloud.core.autoscaling.journal import Checkpoint, Entry
from nova_xloud.core.autoscaling.replay import replayed
from nova_xloud.core.autoscaling.settings import Mode
from tests.unit.compute.autoscale_rig import ScaledHost


def entries(folder: Path) -> list[Entry]:
    return [one for one in read(folder / CURRENT) if isinstance(one, Entry)]


def small(folder: Path) -> JournalFiles:
    """A journal whose files are 2 KiB and that keeps 8; a second passes for each new file."""
    files = JournalFiles(folder, 1, itertools.count(1_700_000_000).__next__)
    files._limit, files._largest = 8192, 2048
    return files


def test_every_decision_is_a_line_that_replays_to_the_same(tmp_path: Path) -> None:
    host = ScaledHost("a", "b", journal=tmp_path)
    host.round(10)
    host.rigs["a"].guest.work(8)
    host.round(20)
    written = entries(tmp_path)
    assert len(written) == 60
    assert {one.action for one in written} >= {"hold.enough", "grow"}
    assert list(replayed(read(tmp_path / CURRENT))) == written


def test_observe_has_its_own_action(tmp_path: Path) -> None:
    host = ScaledHost(mode=Mode.OBSERVE, journal=tmp_path)
    host.round(2)
    assert {one.action for one in entries(tmp_path)} == {"observe"}


def test_off_creates_no_file_and_no_folder(tmp_path: Path) -> None:
    host = ScaledHost(mode=Mode.OFF, journal=tmp_path / "journal")
    host.round(3)
    assert not (tmp_path / "journal").exists()


def test_restart_remembers_what_guests_needed(tmp_path: Path) -> None:
    host = ScaledHost("a", "b", journal=tmp_path)
    host.rigs["a"].guest.work(1.5)
    host.round(30)
    before = {uuid: host.rounds._states[uuid].history for uuid in ("a", "b")}
    host.start()
    host.rounds._remember()
    assert {uuid: host.rounds._states[uuid].history for uuid in ("a", "b")} == before


def test_without_a_journal_nothing_is_remembered() -> None:
    host = ScaledHost()
    host.round(3)
    host.start()
    host.rounds._remember()
    assert host.rounds._states == {}


def test_half_a_line_of_a_killed_writer_is_skipped(tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round(3)
    with (tmp_path / CURRENT).open("a") as file:
        file.write('{"v":1,"kind":"ent')
    host.round(2)
    assert len(entries(tmp_path)) == 5


@pytest.mark.parametrize("junk", [b"\xff\xfe\n", b"\x00" * 5000, b"[" * 100_000, b"x" * 3 * 2**20])
def test_damaged_line_costs_no_more_than_itself(junk: bytes, tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round(3)
    before = host.rounds._states["a"].history
    with (tmp_path / CURRENT).open("ab") as file:
        file.write(junk)
    host.start()
    host.rounds._remember()
    assert host.rounds._states["a"].history == before


def test_history_of_nonsense_is_forgotten_and_the_guest_is_scaled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round()
    host.start_with_nonsense()
    host.round(3)
    assert host.status()["recommendation"] is not None
    assert len([one for one in caplog.records if "could not decide" in one.getMessage()]) == 1


def test_files_are_compressed_and_the_oldest_are_removed(tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round()
    (one,) = entries(tmp_path)
    (tmp_path / CURRENT).unlink()
    files = small(tmp_path)
    for _ in range(200):
        files.write([one, one], lambda: [Checkpoint("a", EMPTY)])
        assert (tmp_path / CURRENT).stat().st_size <= 2048, "no file takes more than its part"
    files.close()
    older = sorted(tmp_path.glob("*.gz"))
    assert len(older) > 1
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 8192
    for file in [*older, tmp_path / CURRENT]:
        first = next(read(file))
        assert first == Checkpoint("a", EMPTY), "a file can be read without those before it"
    with gzip.open(older[0], "rt") as lines:
        assert lines.readline().startswith('{"v":1')


def fill(files: JournalFiles, one: Entry, times: int = 60) -> None:
    for _ in range(times):
        files.write([one], lambda: [Checkpoint("a", EMPTY)])
    files.close()


def test_files_that_a_killed_compression_left_are_compressed(tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round()
    (one,) = entries(tmp_path)
    left = tmp_path / "autoscale-20250101T000000Z-000001.jsonl"
    shutil.copy(tmp_path / CURRENT, left)
    left.with_name(f"{left.name}.part").write_bytes(b"half of it")
    files = small(tmp_path)
    files._limit = 2**20
    fill(files, one)
    names = {file.name for file in tmp_path.iterdir()}
    assert f"{left.name}.gz" in names
    assert all(name.endswith(".gz") for name in names - {CURRENT})


def test_files_that_cannot_be_compressed_count_and_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round()
    (one,) = entries(tmp_path)

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    fill(small(tmp_path), one)
    assert not [*tmp_path.glob("*.part")]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 8192 + 2048
    assert "No space left on device" in caplog.text


def test_oldest_file_that_cannot_be_removed_is_not_called_uncompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round()
    (one,) = entries(tmp_path)
    unlink = Path.unlink

    def refuse(file: Path, **of: bool) -> None:
        if file.suffix == ".gz":
            raise PermissionError("Operation not permitted")
        unlink(file, **of)

    monkeypatch.setattr(Path, "unlink", refuse)
    fill(small(tmp_path), one, 200)
    assert "or an unfinished one, could not be removed" in caplog.text
    assert "could not be compressed" not in caplog.text


def test_checkpoints_of_a_new_file_are_from_before_its_first_line(tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    assert host.rounds._journal is not None
    host.rounds._journal._largest = 4096
    host.round(40)
    records = [*read(tmp_path / CURRENT)]
    assert isinstance(records[0], Checkpoint)
    written = [one for one in records if isinstance(one, Entry)]
    assert list(replayed(records)) == written


def test_folder_that_cannot_be_written_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    host = ScaledHost(journal=tmp_path / "file")
    host.round(5)
    said = [one for one in caplog.records if "could not be written" in one.getMessage()]
    assert len(said) == 1
    assert host.status()["recommendation"] is not None
