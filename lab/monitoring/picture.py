"""Draws panels with matplotlib: a sketch of the dashboard, not Grafana's own rendering.

lab.monitoring runs this file in an environment of its own, with the panels as JSON on stdin.
"""

import json
import sys
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter

COLUMNS = 3
NOTE = (
    "deploy/grafana/nova-xloud.json drawn by lab/monitoring/picture.py from a real Prometheus that "
    "scraped the lab's two nova-compute. This is not Grafana's rendering."
)


def main() -> None:
    """Read panels as JSON from stdin, and draw them into the file that the JSON names."""
    given = json.load(sys.stdin)
    panels = given["panels"]
    rows = -(-len(panels) // COLUMNS)
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(15, 2.6 * rows), squeeze=False)
    cells = [cell for row in axes for cell in row]
    for cell, panel in zip(cells, panels, strict=False):
        draw(cell, panel, given["start"])
    for cell in cells[len(panels) :]:
        cell.axis("off")
    figure.suptitle(NOTE, fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    figure.savefig(given["picture"], dpi=75)


def draw(cell: matplotlib.axes.Axes, panel: dict[str, Any], start: float) -> None:
    """Draw one panel into ``cell``, over the seconds since ``start``."""
    cell.set_title(panel["title"], fontsize=9, loc="left")
    cell.tick_params(labelsize=7)
    series = [
        (one["name"], [(float(at) - start, float(value)) for at, value in one["values"]])
        for one in panel["series"]
    ]
    if panel["type"] == "stat":
        last = [f"{values[-1][1]:g}" for _, values in series if values]
        cell.text(0.5, 0.5, " / ".join(last) or "no data", ha="center", va="center", fontsize=26)
        cell.axis("off")
        return
    for name, values in series:
        shown = [(at, value) for at, value in values if value == value]
        if shown:
            cell.plot(*zip(*shown, strict=True), label=name, linewidth=1.2)
    if panel["unit"] == "bytes":
        cell.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 2**20:.0f} MiB"))
    cell.set_ylim(bottom=0)
    cell.set_xlabel("seconds", fontsize=7)
    cell.grid(alpha=0.3)
    if cell.lines:
        cell.legend(fontsize=6, loc="upper left", ncols=2)
    else:
        cell.text(0.5, 0.5, "no data", ha="center", transform=cell.transAxes)


if __name__ == "__main__":
    main()
