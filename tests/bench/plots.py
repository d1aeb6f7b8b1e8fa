"""Plots as SVG files, the same bytes for the same data."""

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from tests.bench.figures import RATIO, summary

# Text stays text; ids in the file do not depend on chance.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nova-xloud",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
_INCHES = (8, 3.6)
_ROW_INCHES = 0.28


def draw(plot, folder):
    """Draw one plot; returns the path of its file."""
    with matplotlib.rc_context(_STYLE):
        picture, axes = pyplot.subplots(figsize=_INCHES)
        for series in plot.series:
            style = {"drawstyle": "steps-post"} if plot.steps else {"marker": "."}
            axes.plot(series.x, series.y, label=series.label, linewidth=1.3, **style)
        if plot.logarithmic:
            axes.set_xscale("log")
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
        axes.legend(fontsize=8)
        return _save(picture, folder, plot.name)


def draw_ratios(figures, name, title, folder):
    """Draw the ratio of each figure with its spread, and its goal; returns the path of its file."""
    with matplotlib.rc_context(_STYLE):
        size = (_INCHES[0], 1.2 + _ROW_INCHES * len(figures))
        picture, axes = pyplot.subplots(figsize=size)
        for row, figure in enumerate(reversed(figures)):
            one = summary(figure)
            reach = [[max(0, one.ratio - one.low)], [max(0, one.high - one.ratio)]]
            axes.errorbar(one.ratio, row, xerr=reach, fmt="o", color="C0", markersize=4, capsize=2)
            if figure.goal and figure.goal.of == RATIO:
                axes.plot(figure.goal.limit, row, "|", color="C3", markersize=12)
        axes.axvline(1, color="0.5", linewidth=0.8)
        axes.set_yticks(range(len(figures)), [one.name for one in reversed(figures)])
        axes.set_ylim(-0.7, len(figures) - 0.3)
        axes.set_xlim(left=0)
        axes.set(title=title, xlabel="ours to theirs; the bar is the spread, red the goal")
        return _save(picture, folder, name)


def _save(picture, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.svg"
    picture.tight_layout()
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)
    return path
