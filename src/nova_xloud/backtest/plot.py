# SPDX-License-Identifier: Apache-2.0
"""Draws density against harm: how small a policy keeps machines, and what they then lack.

Density is the share of the maximum that a machine had. Harm is the demand that was not met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_xloud.backtest.run import Result, SourceResult
from nova_xloud.backtest.summary import (
    MEMORY_SHARE,
    UNMET_CPU,
    UNMET_MEMORY,
    VCPU_SHARE,
    Figure,
    Summary,
)

OURS = "ours-"
# Text stays text; ids in an SVG do not depend on chance: the same result gives the same bytes.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nova-xloud",
    "font.size": 8,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
_INCHES = (5.2, 3.4)
# Below this, harm is drawn on a linear scale, so that 0 has its place.
_LINEAR = {UNMET_CPU.name: 1.0, UNMET_MEMORY.name: 100.0}


class NoPlot(Exception):
    """The plot cannot be drawn. The text says what is missing, and what to do."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: the policies of one trace, by one resource.

    :ivar title: the trace and the resource
    :ivar share: the figure of density, on the x-axis
    :ivar unmet: the figure of harm, on the y-axis
    :ivar points: for each policy its name, and the values of ``share`` and ``unmet``, both means
        over all machines
    """

    title: str
    share: Figure
    unmet: Figure
    points: tuple[tuple[str, float, float], ...]


def panels(result: Result) -> tuple[Panel, ...]:
    """Return the pictures of a result: for each trace one of CPU and one of memory.

    A picture without any point is left out, as for a resource that the trace does not have.
    """
    found = []
    for source in result.sources:
        for name, share, unmet in (
            ("CPU", VCPU_SHARE, UNMET_CPU),
            ("memory", MEMORY_SHARE, UNMET_MEMORY),
        ):
            points = tuple(_points(source.summaries, share, unmet))
            if points:
                found.append(Panel(_title(source, name), share, unmet, points))
    return tuple(found)


def _title(source: SourceResult, resource: str) -> str:
    days = source.summaries[0].days
    return f"{source.source}, {resource}: {source.machines} machines, {days:,.0f} VM-days"


def _points(
    summaries: Sequence[Summary], share: Figure, unmet: Figure
) -> list[tuple[str, float, float]]:
    points = (
        (one.policy, one.figures[share.name].mean, one.figures[unmet.name].mean)
        for one in summaries
    )
    # NaN is not equal to itself.
    return [(name, x, y) for name, x, y in points if x == x and y == y]


def draw(result: Result, path: Path) -> None:
    """Write the pictures of ``result`` into the file ``path``; its suffix says the format.

    :raises NoPlot: matplotlib is not installed, or cannot write this format, or the result has no
        figures
    :raises OSError: the file cannot be written
    """
    found = panels(result)
    if not found:
        raise NoPlot(
            "there is nothing to draw: no trace has both what its machines use and what they were "
            "given, of CPU (cpu_used_cores, cpu_cores) or of memory (mem_used_mb, mem_mb)"
        )
    draw_panels(found, path)


def draw_panels(found: Sequence[Panel], path: Path) -> None:
    """Write pictures into the file ``path``, two in a row; its suffix says the format.

    :raises NoPlot: matplotlib is not installed, or cannot write this format
    :raises OSError: the file cannot be written
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure as Picture
    except ImportError as error:
        raise NoPlot(
            "matplotlib is not installed: install nova-xloud[backtest], or leave --plot out"
        ) from error
    columns = min(2, len(found))
    rows = -(-len(found) // columns)
    with matplotlib.rc_context(_STYLE):
        picture = Picture(figsize=(_INCHES[0] * columns, _INCHES[1] * rows), layout="constrained")
        grid = picture.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(found) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, found, strict=False):
            _draw_panel(axes, panel)
        _save(picture, path)


def _draw_panel(axes: Any, panel: Panel) -> None:
    axes.set_yscale("symlog", linthresh=_LINEAR[panel.unmet.name])
    ours = [(x, y) for name, x, y in panel.points if name.startswith(OURS)]
    if len(ours) > 1:
        axes.plot(*zip(*sorted(ours), strict=True), color="C3", linewidth=1)
    for name, x, y in panel.points:
        is_ours = name.startswith(OURS)
        axes.plot(x, y, "o" if is_ours else "s", color="C3" if is_ours else "C0", markersize=4)
        axes.annotate(
            name,
            (x, y),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=6,
            color="C3" if is_ours else "0.2",
        )
    axes.set_xlim(0, 1.15)
    axes.set_ylim(bottom=0)
    axes.set(title=panel.title, xlabel=panel.share.what, ylabel=panel.unmet.what)


def _save(picture: Any, path: Path) -> None:
    metadata = {"Date": None} if path.suffix == ".svg" else None
    try:
        picture.savefig(path, dpi=150, metadata=metadata)
    except ValueError as error:
        raise NoPlot(f"{path}: {error}; give it a name that ends in .svg, .png or .pdf") from error
