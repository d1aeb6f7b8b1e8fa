"""The report of raw data, and its pictures."""

from dataclasses import replace

from tests.bench import machine, plots, raw, report
from tests.bench.figures import Figure, Goal, Plot, Result, Series, Table
from tests.bench.raw import Raw

MISSED = Figure(
    "boot, cpu", "POST to ACTIVE", "stock Nova", "ms", ((100, 110), (100, 120)) * 3, Goal(1.02)
)
MET = Figure("boot, wall", "POST to ACTIVE, on the clock", "stock Nova", "ms", ((100, 101),))
ALONE = Figure("threads", "threads after it", None, "", ((None, 31), (None, 33)))
PLOT = Plot("memory", "Memory", "s", "MiB", (Series("ours", (0, 1), (512, 768)),), steps=True)
RAW = Raw(
    measure="boot",
    command='make bench BENCH="boot"',
    date="2026-11-28T16:00:00+00:00",
    commit="0123456789",
    seconds=12.5,
    quick=False,
    machine=machine.describe(),
    load=[0.1, 0.2, 0.3],
    result=Result((MISSED, MET, ALONE), (Table("Asked", ("", "n"), (("sql", 1.23456),)),), (PLOT,)),
)


def rows(text):
    return [line for line in text.splitlines() if line.startswith("| boot") or "threads |" in line]


def test_a_row_has_both_medians_ratio_spread_pairs_goal_and_verdict():
    missed, met, alone = rows(report.page({"boot": RAW}))
    cells = [cell.strip() for cell in missed.split("|")[1:-1]]
    assert cells == [
        "boot, cpu", "100 ms", "115 ms", "1.15", "1.1 to 1.2", "6", "", "<= 1.02",
        "**missed**",
    ]  # fmt: skip
    assert "missed" not in met
    assert [cell.strip() for cell in alone.split("|")[2:5]] == ["-", "32", "-"]


def test_the_reason_of_a_miss_and_what_was_before_are_in_it():
    slower = replace(MISSED, pairs=((100, 300),) * 6)
    before = replace(RAW, commit="before0000", result=Result((slower,)))
    reasons = {"boot": {"boot, cpu": "Because.", "boot, wall": "Not asked."}}
    text = report.page({"boot": RAW}, {"boot": before}, reasons)
    assert "**boot, cpu**, missed: Because." in text
    assert "Not asked." not in text
    assert " 3 " in rows(text)[0].split("|")[7]
    assert "Before: commit before0000" in text


def test_what_stands_beside_what_is_said_once_for_all_rows_of_it():
    same = replace(MISSED, name="boot, again")
    text = report.page({"boot": replace(RAW, result=Result((MISSED, ALONE, same)))})
    assert "- *boot, cpu*; *boot, again*: POST to ACTIVE, beside stock Nova.\n" in text
    assert "- *threads*: threads after it.\n" in text


def test_tables_pictures_and_origin_follow():
    text = report.page({"boot": RAW})
    assert "| sql | 1.235 |" in text
    assert "![Memory](images/bench/memory.svg)" in text
    assert "images/bench/boot-ratios.svg" in text
    assert (
        'make bench BENCH="boot"`, 2026-11-28T16:00:00+00:00, commit 0123456789, machine 1' in text
    )


def test_written_twice_it_is_the_same_to_the_byte(tmp_path):
    raw.save(RAW, tmp_path / "data")
    contents = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        page = report.write(tmp_path / "data", tmp_path / folder / "benchmarks.md")
        pictures = sorted((page.parent / report.PICTURES).iterdir())
        contents.append([path.read_bytes() for path in [page, *pictures]])
    assert contents[0] == contents[1]
    assert [path.name for path in pictures] == ["boot-ratios.svg", "memory.svg"]


def test_text_in_a_picture_is_text(tmp_path):
    assert "MiB" in plots.draw(PLOT, tmp_path).read_text()
