"""Raw data: one JSON file a measure, with every pair, and what is to be known to judge it.

``build/bench/`` has what was measured last; ``docs/bench-data/`` is kept, and the report is made
of it. ``docs/bench-data/before/`` may have what was measured before something was mended: the
report shows both in one row.
"""

import json
import pathlib
import re
import shutil
from dataclasses import asdict, dataclass

from tests.bench.figures import Figure, Goal, Plot, Result, Series, Table

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MEASURED = _REPOSITORY / "build" / "bench"
KEPT = _REPOSITORY / "docs" / "bench-data"
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Raw:
    """One file.

    :ivar measure: its name in the table of measures
    :ivar command: what makes it again
    :ivar date: when it was begun, ISO 8601, UTC
    :ivar commit: of nova-xloud; see :func:`tests.bench.machine.commit`
    :ivar seconds: how long it took
    :ivar quick: with as few pairs as show that it works; never kept
    :ivar machine: see :func:`tests.bench.machine.describe`
    :ivar load: the load averages before it began
    """

    measure: str
    command: str
    date: str
    commit: str
    seconds: float
    quick: bool
    machine: dict
    load: list
    result: Result


def save(raw, folder=MEASURED):
    """Write a measure's file; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{raw.measure}.json"
    path.write_text(to_text(raw))
    return path


def read(path):
    """The :class:`Raw` of a file."""
    return from_text(path.read_text())


def read_all(folder):
    """``{measure: Raw}`` of all files in a folder; empty where there is no such folder."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def keep(measured=MEASURED, kept=KEPT):
    """Have what was measured last among what is kept, but for what was only tried quickly.

    :return: the names of the measures that were kept
    """
    kept.mkdir(parents=True, exist_ok=True)
    names = [name for name, raw in read_all(measured).items() if not raw.quick]
    for name in names:
        shutil.copyfile(measured / f"{name}.json", kept / f"{name}.json")
    return names


def to_text(raw):
    """A file's text: short enough to be kept, with lists of numbers on one line."""
    text = json.dumps(_rounded(asdict(raw)), indent=1, ensure_ascii=False)
    # No text has a line's end in it: JSON writes that as two characters.
    return re.sub(r"\[\n\s*([^\[\]{}]*?)\n\s*\]", _on_one_line, text) + "\n"


def from_text(text):
    """The :class:`Raw` of a file's text."""
    found = json.loads(text)
    given = found.pop("result")
    figures = tuple(_figure(one) for one in given["figures"])
    tables = tuple(
        Table(one["title"], tuple(one["header"]), tuple(map(tuple, one["rows"])))
        for one in given["tables"]
    )
    plots = tuple(_plot(one) for one in given["plots"])
    return Raw(**found, result=Result(figures, tables, plots))


def _figure(one):
    goal = Goal(**one["goal"]) if one["goal"] else None
    return Figure(**{**one, "goal": goal, "pairs": tuple(map(tuple, one["pairs"]))})


def _plot(one):
    series = [Series(s["label"], tuple(s["x"]), tuple(s["y"])) for s in one["series"]]
    return Plot(**{**one, "series": tuple(series)})


def _on_one_line(found):
    return "[" + re.sub(r",\n\s*", ", ", found.group(1)) + "]"


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
