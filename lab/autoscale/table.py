# SPDX-License-Identifier: Apache-2.0
"""The table of ``make demo-autoscale``: what is promised, what was measured, and the verdict."""

from collections.abc import Sequence

from lab.autoscale.judge import Row

WIDTHS = (9, 54, 50)


def text(rows: Sequence[Row]) -> str:
    """Return a line for each row, below a head."""
    head = _line("scene", "promised", "measured", "")
    scene, promised, measured = ("-" * width for width in WIDTHS)
    return "\n".join([head, _line(scene, promised, measured, ""), *map(line, rows)])


def line(row: Row) -> str:
    """Return a row as a line; one that is not met is marked, and named late if only that."""
    verdict = "" if row.is_met else "!! late" if row.is_timing else "!!"
    return _line(row.scene, row.promised, row.measured, verdict)


def _line(scene: str, promised: str, measured: str, verdict: str) -> str:
    cells = (scene, promised, measured)
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)]
    return "  ".join([*padded, verdict]).rstrip()
