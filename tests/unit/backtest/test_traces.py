# SPDX-License-Identifier: Apache-2.0
"""Traces are read machine by machine, and what is wrong with one is said with its place."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from nova_xloud.backtest import traces
from nova_xloud.backtest.traces import TraceError
from tests.unit.backtest.rig import HEADER, read, write

ROWS = ("0,a,0.5,100,2,1024", "300,a,,120,2,1024", "0,b,1,,4,", "300,b,2,7,4,2048")


def test_machines_are_read_in_order(tmp_path: Path) -> None:
    first, second = traces.machines(write(tmp_path / "web.csv", *ROWS))
    assert (first.source, first.name, second.name) == ("web", "a", "b")
    assert list(first.time) == [0, 300]
    assert list(first.memory) == [100, 120]
    assert list(second.cores) == [4, 4]
    assert first.lines == (ROWS[0], ROWS[1])


def test_empty_cell_is_unknown_and_not_zero(tmp_path: Path) -> None:
    first, second = traces.machines(write(tmp_path / "web.csv", *ROWS))
    assert math.isnan(first.cpu[1])
    assert math.isnan(second.memory_given[0])
    assert second.memory_given[1] == 2048


def test_gzip_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "web.csv.gz"
    path.write_bytes(gzip.compress("\n".join((HEADER, *ROWS)).encode()))
    assert [m.name for m in traces.machines(path)] == ["a", "b"]
    assert traces.source_name(path) == "web"


def test_further_columns_are_read_by_name(tmp_path: Path) -> None:
    header = f"{HEADER},kind,cpu_max_cores"
    machine = read(
        tmp_path, "0,a,1,1,2,9,idle,1.5", "1,a,1,1,2,9,,", "2,a,1,1,2,9,,-64", header=header
    )
    assert set(machine.further) == {"cpu_max_cores"}
    assert machine.further["cpu_max_cores"][0] == 1.5
    assert all(math.isnan(v) for v in machine.further["cpu_max_cores"][1:])


def test_a_few_machines_are_spread_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "web.csv", *(f"0,m{i},1,1,1,512" for i in range(10)))
    assert [m.name for m in traces.machines(path, 3)] == ["m0", "m3", "m6"]
    assert len(list(traces.machines(path, 50))) == 10


def test_progress_ends_at_the_whole_file(tmp_path: Path) -> None:
    shares: list[float] = []
    list(traces.machines(write(tmp_path / "web.csv", *ROWS), progress=shares.append))
    assert len(shares) == 2
    assert shares[-1] == 1.0


def test_a_folder_has_its_traces_sorted(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv.gz", "README.md", ".hidden.csv"):
        (tmp_path / name).touch()
    assert [p.name for p in traces.files(tmp_path)] == ["a.csv.gz", "b.csv"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["0,a,x,1,1,1"], ["line 2", "cpu_used_cores is 'x'", "leave the cell empty"]),
        (["0,a,-1,1,1,1"], ["line 2", "cpu_used_cores is '-1'"]),
        (["0,a,1,nan,1,1"], ["line 2", "mem_used_mb is 'nan'"]),
        (["0,a,1,1,1,inf"], ["line 2", "mem_mb is 'inf'"]),
        (["0,a,1,1"], ["line 2", "4 cells"]),
        (["5,a,1,1,1,1", "5,a,1,1,1,1"], ["line 3", "'5' after 5", "machine a", "sort"]),
        ([",a,1,1,1,1"], ["line 2", "time_s"]),
        (["0,a,1,1,1,1", "0,b,1,1,1,1", "9,a,1,1,1,1"], ["line 4", "machine a is here again"]),
        (["0,,1,1,1,1"], ["line 2", "vm is empty"]),
        ([], ["no rows"]),
    ],
    ids=[
        "word", "negative", "nan", "inf", "short", "order", "no-time", "again", "no-name", "empty",
    ],
)  # fmt: skip
def test_bad_row_is_refused_with_its_place(
    tmp_path: Path, rows: list[str], words: list[str]
) -> None:
    path = write(tmp_path / "bad.csv", *rows)
    with pytest.raises(TraceError) as error:
        list(traces.machines(path))
    assert str(path) in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_other_header_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.csv", "0,a,1,1,1,1", header="time,vm,cpu")
    with pytest.raises(TraceError, match=r"line 1: the header is 'time,vm,cpu'; .*time_s,vm,"):
        list(traces.machines(path))


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(gzip.compress("\n".join((HEADER, *ROWS)).encode())[:-9])
    with pytest.raises(TraceError, match="is damaged"):
        list(traces.machines(path))
    path.write_bytes(b"no gzip")
    with pytest.raises(TraceError, match=r"bad\.csv\.gz"):
        list(traces.machines(path))


def test_missing_path_and_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such file or folder"):
        traces.files(tmp_path / "nothing")
    with pytest.raises(TraceError, match="has no file that ends in"):
        traces.files(tmp_path)
