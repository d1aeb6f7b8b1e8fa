"""Draws what the services and the journals have over a soak run, as an SVG file.

matplotlib is in the environment of the newest Nova only. As a command, ``python -m
lab.soak.picture SAMPLES PICTURE`` draws samples that were kept.
"""

import sys
from pathlib import Path
from typing import Any

import matplotlib

from lab.soak import bounds, growth
from lab.soak.sample import Sample, Stage, from_json

matplotlib.use("svg")
from matplotlib import pyplot

# The same bytes for the same samples, as tests/bench has them.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nova-xloud",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
PANELS = (
    ("private_mb", "private memory, MiB"),
    ("threads", "threads"),
    ("descriptors", "descriptors"),
)


def draw(samples: Path, picture: Path) -> None:
    """Draw the samples of a file into another file."""
    taken, about = from_json(samples.read_text())
    names = [name for name in taken[0].uses if name.startswith(bounds.JUDGED)]
    with matplotlib.rc_context(STYLE):
        journals = growth.journals(taken[0])
        panels = len(PANELS) + bool(journals)
        size = (8, 8 * panels / len(PANELS))
        figure, axes = pyplot.subplots(panels, 1, figsize=size, sharex=True)
        for panel, (field, title) in zip(axes[: len(PANELS)], PANELS, strict=True):
            for name in names:
                points = [(one.minute, getattr(one.uses[name], field)) for one in _loaded(taken)]
                panel.plot(*zip(*points, strict=True), label=name, linewidth=1.3)
            panel.set_ylabel(title)
        if journals:
            _draw_journals(axes[-1], journals, taken)
        for panel in axes:
            for rest in (one for one in taken if one.stage in (Stage.WARM, Stage.END)):
                panel.axvline(rest.minute, color="0.5", linewidth=0.8, linestyle=":")
            panel.set_ylim(bottom=0)
        axes[0].set_title(about["command"])
        axes[0].legend(fontsize=7, ncols=2)
        axes[-1].set_xlabel("minutes; dotted: without load")
        figure.tight_layout()
        figure.savefig(picture, metadata={"Date": None})
        pyplot.close(figure)


def _draw_journals(panel: Any, journals: list[str], taken: list[Sample]) -> None:
    """Draw the KiB of each host's journal, and what it may have."""
    for name in journals:
        points = [(one.minute, one.host[f"{name}: bytes"] / 1024) for one in _loaded(taken)]
        panel.plot(*zip(*points, strict=True), label=name, linewidth=1.3)
    panel.axhline(bounds.JOURNAL_MB * 1024, color="0.5", linewidth=0.8, linestyle="--")
    panel.set_ylabel("journal, KiB")
    panel.legend(fontsize=7)


def _loaded(samples: list[Sample]) -> list[Sample]:
    return [one for one in samples if one.stage is not Stage.START]


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
