# SPDX-License-Identifier: Apache-2.0
"""Journals that nova-compute has not written: truncated, binary, huge, of figures that cannot be.

``nova-xloud-autoscale`` says what is wrong and ends with its exit code, never with a traceback, and
prints nothing that a terminal would act on.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_xloud.backtest.journals import journal_at
from nova_xloud.cmd import autoscale
from nova_xloud.core.autoscaling.journal import LONGEST_LINE, Checkpoint, encode
from nova_xloud.core.autoscaling.replay import remembered
from tests.unit.cmd.autoscale_journals import write_journal

FORGED = "\x1b[2J\nno\u2028line"
COMMANDS = (
    ("report",),
    ("report", "-f", "json"),
    ("replay",),
    ("replay", "-f", "json"),
    ("replay", "-f", "lines"),
    ("replay", "--profile", "dense"),
)
ODD = (
    *(float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 2**64, 10**15, -1, 0),
    *(1e300, -0.0, "nan", "inf", "-inf", "", FORGED, "\ud800", "\x00", None, True, [], {}),
    *([1, 2], [1e300], [float("nan")], {"a": 1}, [[[]]]),
)


def run(path: Path, command: tuple[str, ...]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = autoscale.main([command[0], str(path), *command[1:]])
    # A terminal of another encoding than UTF-8 is the user's choice.
    for text in (out.getvalue(), err.getvalue()):
        text.encode()
        assert all(line.isprintable() for line in text.split("\n")), text[:500]
    return code, out.getvalue(), err.getvalue()


def is_read_or_refused(path: Path) -> None:
    for command in COMMANDS:
        code, _, err = run(path, command)
        assert code in (0, 1, 2)
        assert code != 2 or err.startswith(("nova-xloud-autoscale", "1 line was", "2 lines were"))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two checkpoints and three entries, the last one with constants of its own."""
    path = write_journal(tmp_path_factory.mktemp("journals") / "autoscale.jsonl", count=6)
    histories = remembered(line.record for line in journal_at(path))
    entries = path.read_text().splitlines()
    own = '"kind":"entry","tuning":{"window":600,"between":60.0,"changes":3},'
    last = entries[-1].replace('"kind":"entry",', own)
    return [*(encode(Checkpoint(*one)) for one in histories.items()), *entries[:2], last]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value in a value of JSON."""
    members = value.items() if isinstance(value, dict) else []
    for key, member in enumerate(value) if isinstance(value, list) else members:
        yield (*path, key)
        yield from places(member, (*path, key))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_value_in_any_place_is_read_or_refused(
    lines: list[str], tmp_path: Path, data: st.DataObject
) -> None:
    number = data.draw(st.sampled_from((0, 2, len(lines) - 1)))
    document = json.loads(lines[number])
    *path, last = data.draw(st.sampled_from(list(places(document))))
    changed = document
    for key in path:
        changed = changed[key]
    changed[last] = data.draw(st.sampled_from(ODD))
    journal = tmp_path / "autoscale.jsonl"
    journal.write_text("\n".join([*lines[:number], json.dumps(document), *lines[number + 1 :]]))
    is_read_or_refused(journal)


WHOLE = {
    "empty": b"",
    "line breaks": b"\n\n\r\n\n",
    "binary": bytes(range(256)) * 40,
    "NUL": b"\x00" * 5000,
    "UTF-16": '{"v":1}'.encode("utf-16"),
    "lone surrogate": b'"\xed\xa0\x80"\n',
    "terminal codes": b"\x1b[31m\x07\x9b2J\n",
    "deep": b"[" * 100_000 + b"\n",
    "deep objects": b'{"v":' * 100_000,
    "a number of 5,000 digits": b'{"v":' + b"9" * 5000 + b"}\n",
    "NaN": b'{"v":NaN,"kind":"entry"}\n',
    "another kind": b'{"v":1,"kind":"\\u001b[2J' + b"k" * 10_000 + b'"}\n',
    "unknown fields": b'{"v":1,"kind":"entry","\\u001b[2J' + b"x" * 10_000 + b'":1}\n',
    "a list": b"[1]\n",
    "duplicate keys": b'{"v":1,"v":2,"kind":"entry","kind":[]}\n',
}


@pytest.mark.parametrize("name", WHOLE)
def test_file_that_is_no_journal_is_refused_in_one_short_line(name: str, tmp_path: Path) -> None:
    journal = tmp_path / "autoscale.jsonl"
    journal.write_bytes(WHOLE[name])
    is_read_or_refused(journal)
    if WHOLE[name].strip():
        code, _, err = run(journal, ("replay",))
        assert code == 2
        assert len(err) < 1000


@pytest.mark.parametrize("name", WHOLE)
def test_lines_that_are_none_are_skipped_between_others(
    name: str, lines: list[str], tmp_path: Path
) -> None:
    journal = tmp_path / "autoscale.jsonl"
    rest = "\n".join(lines[2:4]).encode()
    journal.write_bytes(lines[0].encode() + b"\n" + WHOLE[name] + b"\n" + rest)
    _, out, err = run(journal, ("replay", "-f", "json"))
    assert json.loads(out)["decisions"] == 2
    assert len(err) < 1000


def test_whole_journal_cut_off_anywhere_is_read_or_refused(
    lines: list[str], tmp_path: Path
) -> None:
    text = "\n".join(lines).encode()
    for packed in (text, gzip.compress(text)):
        journal = tmp_path / ("autoscale.jsonl" if packed is text else "autoscale-1.jsonl.gz")
        for end in range(0, len(packed), len(packed) // 7):
            journal.write_bytes(packed[:end])
            is_read_or_refused(journal)


@pytest.mark.parametrize("content", [b"x", b"\n{}", b"\x00", b" "])
def test_bomb_is_read_in_little_memory(content: bytes, lines: list[str], tmp_path: Path) -> None:
    """64 MiB in 64 KiB, in one line or in millions."""
    journal = tmp_path / "autoscale-1.jsonl.gz"
    count = 64 * 2**20 // len(content) if len(content) == 1 else 60_000
    with gzip.open(journal, "wb", 6) as file:
        file.write(f"{lines[2]}\n".encode())
        for _ in range(16):
            file.write(content * (count // 16))
    tracemalloc.start()
    try:
        _, out, err = run(journal, ("report", "-f", "json"))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(json.loads(out)["servers"]) == 1
    assert len(err) < 1000
    assert most < 12 * LONGEST_LINE


def test_name_of_a_file_is_one_line(tmp_path: Path, lines: list[str]) -> None:
    journal = tmp_path / "\x1b[2J\nautoscale.jsonl"
    assert run(journal, ("report",))[0] == 2
    journal.write_text("x\n")
    assert run(journal, ("report",))[0] == 2
    journal.write_text("\n".join([lines[3], "x"]))
    assert run(journal, ("replay",))[0] in (0, 1)
