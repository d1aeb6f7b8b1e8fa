# SPDX-License-Identifier: Apache-2.0
"""The journal says the same again: after a server came back, a clock went back, or a kill."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_xloud.backtest.journals import journal_at
from nova_xloud.compute.autoscaling import journal
from nova_xloud.compute.autoscaling.journal import CURRENT, JournalFiles, read
from nova_xloud.core.autoscaling.history import EMPTY
from nova_xloud.core.autoscaling.journal import Checkpoint, Entry, Record
from nova_xloud.core.autoscaling.replay import replayed
from tests.unit.compute.autoscale_rig import ScaledHost


def assert_replays_to_the_same(folder: Path) -> None:
    records = [line.record for line in journal_at(folder)]
    assert list(replayed(records)) == [one for one in records if isinstance(one, Entry)]


def test_server_that_left_and_came_back_replays_to_the_same(tmp_path: Path) -> None:
    host = ScaledHost("a", "b", journal=tmp_path)
    host.rigs["b"].guest.work(1.5)
    host.round(20)
    everything = host.instances.records()
    host.rounds.learn([one for one in everything if one.uuid == "a"], host.clock.now())
    host.round(5)
    host.learn()
    host.rigs["b"].guest.work(0.1)
    host.round(20)
    assert sum(one == Checkpoint("b", EMPTY) for one in read(tmp_path / CURRENT)) == 2
    assert_replays_to_the_same(tmp_path)


def test_guest_that_was_forgotten_for_nonsense_replays_to_the_same(tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round()
    host.start_with_nonsense()
    host.round(5)
    assert_replays_to_the_same(tmp_path)


def test_lines_that_could_not_be_written_are_made_up_for(tmp_path: Path) -> None:
    host = ScaledHost(journal=tmp_path)
    host.rigs["a"].guest.work(0.1)
    host.round(20)
    (tmp_path / CURRENT).rename(tmp_path / "kept")
    (tmp_path / CURRENT).mkdir()
    host.rigs["a"].guest.work(1.5)
    host.round(20)
    host.rigs["a"].guest.work(0.1)
    (tmp_path / CURRENT).rmdir()
    (tmp_path / "kept").rename(tmp_path / CURRENT)
    host.round(20)
    assert_replays_to_the_same(tmp_path)


def test_files_are_in_order_after_the_clock_was_set_back(tmp_path: Path) -> None:
    dates = iter(range(1_700_000_000, 0, -86400))
    # The name that a version before has given.
    old = tmp_path / "autoscale-20991130T120000Z-000001.jsonl"
    small = JournalFiles(tmp_path, 1, lambda: next(dates))
    small._largest = 100
    small.write([Checkpoint("0", EMPTY)], list)
    (tmp_path / CURRENT).rename(old)
    for number in range(1, 12):
        small.write([Checkpoint(str(number), EMPTY)] * 2, list)
    small.close()
    found = [line.record.uuid for line in journal_at(tmp_path)]
    assert found == ["0", *(str(number) for number in range(1, 12) for _ in range(2))]


def test_oldest_file_is_removed_whatever_its_time_is(tmp_path: Path) -> None:
    dates = iter(range(1_700_000_000, 0, -86400))
    small = JournalFiles(tmp_path, 1, lambda: next(dates))
    small._limit, small._largest = 1000, 100
    for number in range(40):
        small.write([Checkpoint(f"{number:03}", EMPTY)] * 2, list)
        small.close()
    found = [line.record.uuid for line in journal_at(tmp_path)]
    assert found == sorted(found)
    assert found[-1] == "039"
    assert found[0] > "020"


class Killed(BaseException):
    """The process ends here."""


class _AtOnce:
    """A thread that does its work when it is started."""

    def __init__(self, target: Callable[[], None], **_: Any) -> None:
        self._target = target

    def start(self) -> None:
        self._target()

    def join(self) -> None:
        pass


def _killing(monkeypatch: pytest.MonkeyPatch, after: int) -> Callable[[], bool]:
    """Kill at an effect on files, after so many; return a function that says if it was reached."""
    left = after

    def wrapped(effect: Callable[..., Any], half: Callable[..., Any] | None) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if half is not None:
                    half(*args)
                raise Killed
            return effect(*args, **named)

        return call

    def write_half(file: Path, data: bytes) -> None:
        with open(file, "wb") as to:
            to.write(data[: len(data) // 2])

    for name in ("rename", "replace", "unlink", "open"):
        monkeypatch.setattr(Path, name, wrapped(getattr(Path, name), None))
    monkeypatch.setattr(Path, "write_bytes", wrapped(Path.write_bytes, write_half))
    monkeypatch.setattr(shutil, "copyfileobj", wrapped(shutil.copyfileobj, None))
    return lambda: left < 0


def _rotations() -> Iterator[int]:
    """Yield the effects at which a rotation is killed, until one is not killed any more."""
    number = 0
    while True:
        yield number
        number += 1


def test_kill_while_the_journal_rotates_forgets_no_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal.threading, "Thread", _AtOnce)
    host = ScaledHost("a", "b", journal=tmp_path / "first")
    host.round(3)
    guests = {uuid: state.history for uuid, state in host.rounds._states.items()}
    known = [Checkpoint(uuid, history) for uuid, history in guests.items()]
    lines: list[Record] = [*read(tmp_path / "first" / CURRENT)]
    for number in _rotations():
        folder = tmp_path / str(number)
        small = JournalFiles(folder, 1)
        small.write(lines, lambda: known)
        small._largest = 100
        with monkeypatch.context() as killing:
            is_killed = _killing(killing, number)
            with contextlib.suppress(Killed):
                small.write(lines[-2:], lambda: known)
        again = JournalFiles(folder, 1)
        assert again.remembered() == guests, f"killed at effect {number}"
        again.write(lines[-2:], lambda: known)
        assert again.remembered() == guests
        found = [line.record for line in journal_at(folder)]
        assert [one for one in lines if one not in found] == [], "a line that was written is lost"
        if not is_killed():
            break
    assert number >= 5
