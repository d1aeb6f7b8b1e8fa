"""Draws memory, threads and descriptors of the services over a soak run, as an SVG file.

matplotlib is in the environment of the newest Nova only. As a command, ``python -m
lab.soak.picture SAMPLES PICTURE`` draws samples that were kept.
"""

import sys
from pathlib import Path

import matplotlib

from lab.soak import bounds
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
        figure, axes = pyplot.subplots(len(PANELS), 1, figsize=(8, 8), sharex=True)
        for panel, (field, title) in zip(axes, PANELS, strict=True):
            for name in names:
                points = [(one.minute, getattr(one.uses[name], field)) for one in _loaded(taken)]
                panel.plot(*zip(*points, strict=True), label=name, linewidth=1.3)
            for rest in (one for one in taken if one.stage in (Stage.WARM, Stage.END)):
                panel.axvline(rest.minute, color="0.5", linewidth=0.8, linestyle=":")
            panel.set_ylim(bottom=0)
            panel.set_ylabel(title)
        axes[0].set_title(about["command"])
        axes[0].legend(fontsize=7, ncols=2)
        axes[-1].set_xlabel("minutes; dotted: without load")
        figure.tight_layout()
        figure.savefig(picture, metadata={"Date": None})
        pyplot.close(figure)


def _loaded(samples: list[Sample]) -> list[Sample]:
    return [one for one in samples if one.stage is not Stage.START]


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
