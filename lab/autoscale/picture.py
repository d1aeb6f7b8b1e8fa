# SPDX-License-Identifier: Apache-2.0
"""Draws what servers needed, were to have, had reserved and had, over time, as an SVG file.

matplotlib is in the environment of the newest Nova only (the extra ``bench``). As a command,
``python -m lab.autoscale.picture SAMPLES PICTURE`` draws samples that were kept.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

from lab.autoscale.judge import seen
from lab.autoscale.sample import Record, Server, from_json
from lab.soak.picture import STYLE

matplotlib.use("svg")
from matplotlib import pyplot

Value = Callable[[Server], float | None]

# One row of panels for each: the scene, its servers, and the resources that are drawn.
PANELS = (
    ("day", "web", "vcpus"),
    ("day", "web", "memory_mb"),
    ("full-host", "heavy", "memory_mb"),
    ("full-host", "light", "memory_mb"),
)
TITLES = {"vcpus": "vCPUs", "memory_mb": "memory, MiB"}


def _needed(resource: str) -> Value:
    field = "need_vcpus" if resource == "vcpus" else "need_mb"
    return lambda one: None if one.advice is None else getattr(one.advice, field)


def _size(source: str, resource: str) -> Value:
    def value(one: Server) -> float | None:
        size = getattr(one, source)
        return None if size is None else float(getattr(size, resource))

    return value


def lines(resource: str) -> Mapping[str, tuple[Value, dict[str, Any]]]:
    """Return the four lines of a panel: the value that each shows, and how it is drawn."""
    return {
        "need": (_needed(resource), {"color": "tab:red", "linewidth": 1.0}),
        "desired": (
            _size("desired", resource),
            {"color": "tab:blue", "linewidth": 1.0, "linestyle": "--"},
        ),
        "reserved": (_size("after", resource), {"color": "tab:orange", "linewidth": 2.4}),
        "guest": (_size("guest", resource), {"color": "black", "linewidth": 1.2}),
    }


def draw(samples: Path, picture: Path) -> None:
    """Draw the samples of a file into another file."""
    records, about = from_json(samples.read_text())
    found = {record.scene: record for record in records}
    panels = [panel for panel in PANELS if panel[0] in found]
    with matplotlib.rc_context(STYLE):
        figure, axes = pyplot.subplots(
            len(panels), 1, figsize=(8, 2.3 * len(panels)), squeeze=False
        )
        for axis, (scene, name, resource) in zip(axes[:, 0], panels, strict=True):
            _panel(axis, found[scene], name, resource)
        axes[0, 0].legend(fontsize=7, ncols=4)
        axes[-1, 0].set_xlabel("seconds; dotted: the guest is given another load")
        figure.suptitle(about["command"], fontsize=9)
        figure.tight_layout()
        figure.savefig(picture, metadata={"Date": None})
        pyplot.close(figure)


def _panel(axis: Any, record: Record, name: str, resource: str) -> None:
    for label, (value, style) in lines(resource).items():
        points = [(at, value(one)) for at, one in seen(record, name)]
        known = [(at, number) for at, number in points if number is not None]
        if known:
            axis.step(*zip(*known, strict=True), where="post", label=label, **style)
    axis.set_ylim(bottom=0)
    axis.set_ylabel(TITLES[resource])
    axis.set_title(f"{record.scene}: {name}", fontsize=9, loc="left")
    top = axis.get_ylim()[1]
    for mark in record.marks:
        if mark.server in ("", name):
            axis.axvline(mark.at, color="0.5", linewidth=0.8, linestyle=":")
            axis.text(mark.at, top, f" {mark.text}", fontsize=6, va="top", rotation=90)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
