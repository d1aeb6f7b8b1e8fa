# SPDX-License-Identifier: Apache-2.0
"""The run of ``make demo-autoscale``: the scenes, the table, and the samples for the picture."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lab import lifecycle
from lab.autoscale import page, table
from lab.autoscale.judge import Row
from lab.autoscale.reader import NOT_ANSWERED
from lab.autoscale.sample import Record, to_json
from lab.autoscale.scenes import SCENES, play
from lab.autoscale.stage import OPTIONS, Stage, stage
from lab.checker import checker
from lab.cloud import Cloud
from lab.errors import LabError
from lab.layout import REPOSITORY, Layout

SAMPLES = "autoscale.json"
KEPT = REPOSITORY / "docs" / "bench-data" / "autoscale" / "demo.json"
# What ends a scene early.
NOT_ENDED = (LabError, *NOT_ANSWERED)
PICTURE = REPOSITORY / "docs" / "images" / "autoscale.svg"


def chosen(names: Sequence[str]) -> list[str]:
    """Return the names of the scenes to play: those of ``names``, or all if there are none.

    :raises LabError: a name is not that of a scene
    """
    if unknown := [name for name in names if name not in SCENES]:
        raise LabError(f"there is no scene {', '.join(unknown)}; choose from: {', '.join(SCENES)}")
    return list(dict.fromkeys(names or SCENES))


def run(layout: Layout, names: Sequence[str] = (), *, keep: bool = False) -> int:
    """Play the scenes, and print the table of what is promised and what was measured.

    :param names: keys of ``SCENES``; empty: all
    :param keep: the samples, table and picture of the documentation are those of this run from now
        on
    :returns: the exit code: 1 if a row is not met
    """
    cloud, compute = Cloud(layout), layout.computes[0]
    rows: list[Row] = []
    records: list[Record] = []
    about = _about(names)
    file = layout.state / SAMPLES
    with checker(layout) as asks, lifecycle.with_options(layout, compute, OPTIONS):
        for name in chosen(names):
            print(f"\n{name}: {SCENES[name].__doc__}", flush=True)
            with stage(name, cloud, asks, compute) as made:
                rows += _played(made)
            records.append(made.record)
            file.write_text(to_json(records, about))
    print(f"\n{table.text(rows)}\n\nThe samples are in {file}.", flush=True)
    if keep:
        _keep(file.read_text(), rows, about)
    missed = [row for row in rows if not row.is_met]
    print(f"{len(missed)} rows are not met." if missed else "Every row is met.")
    return 1 if missed or not rows else 0


def _played(made: Stage) -> list[Row]:
    """Play a scene, and print its rows; one that ends early has a row that says so."""
    try:
        rows = play(made)
    except NOT_ENDED as error:
        rows = [Row(made.scene, "the scene is played to its end", _named(error), False)]
    for row in rows:
        print(table.line(row), flush=True)
    return rows


def _named(error: Exception) -> str:
    """Return an error in words, with its type: some have no text of their own."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _about(names: Sequence[str]) -> dict[str, object]:
    return {
        "command": " ".join(["lab/run demo-autoscale", *names]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "options": dict(OPTIONS),
    }


def _keep(samples: str, rows: Sequence[Row], about: Mapping[str, object]) -> None:
    from lab.autoscale import picture

    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(samples)
    picture.draw(KEPT, PICTURE)
    page.write(rows, about)
