# SPDX-License-Identifier: Apache-2.0
"""Writes what a run has measured into docs/contribute/autoscale-demo.md."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.autoscale.judge import Row
from lab.errors import LabError
from lab.layout import REPOSITORY

PATH = REPOSITORY / "docs" / "contribute" / "autoscale-demo.md"
BEGIN = "<!-- table: written by make demo-autoscale ARGS=--keep -->"
END = "<!-- end of table -->"


def write(rows: Sequence[Row], about: Mapping[str, Any], path: Path = PATH) -> None:
    """Replace the table of the page.

    :raises LabError: the page has no place for the table
    """
    path.write_text(with_table(path.read_text(), rows, about))


def with_table(page: str, rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """Return the page with the rows between its two comments.

    :raises LabError: the page has no such comments
    """
    place = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
    if not place.search(page):
        raise LabError(f"{PATH} has no place for the table: {BEGIN}")
    text = f"{BEGIN}\n\n{markdown(rows, about)}\n{END}"
    return place.sub(lambda _: text, page, count=1)


def markdown(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """Return the rows as a table in Markdown, below a line about the run."""
    lines = [
        f"`{about['command']}`, {about['date']}; {about['cores']} cores, load averages before "
        f"{' '.join(f'{one:.1f}' for one in about['load_average'])}.",
        "",
        "| scene | promised | measured | |",
        "|---|---|---|---|",
    ]
    for row in rows:
        verdict = "met" if row.is_met else "late" if row.is_timing else "not met"
        cells = (row.scene, row.promised, row.measured.replace("|", "/"), verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
