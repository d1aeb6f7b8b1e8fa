# SPDX-License-Identifier: Apache-2.0
"""What a page has seen of a server since it is open, where there is no Prometheus.

The server writes each reading as a line of text. The script of the page keeps the lines, without
understanding them, and sends them back to have the chart drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nova_xloud.client import Status
from xloud_dashboard.size.chart import KINDS, Sample, Samples

# The last so many readings are drawn. size.js keeps so many: at rest that is more than an hour.
MOST = 400
RESOURCES = ("vcpus", "memory_mb")
_UNKNOWN = "-"
_LINE = re.compile(rf"\d{{1,12}}(?: (?:\d{{1,12}}|-)){{{len(RESOURCES) * len(KINDS)}}}", re.ASCII)


def written(status: Status, at: float) -> str:
    """Return a status as a line of text.

    :param at: when it was read, in seconds since 1970
    """
    numbers = [
        {**status.body[resource], "maximum": getattr(status.maximum, resource)}.get(kind)
        for resource in RESOURCES
        for kind in KINDS
    ]
    return " ".join([str(int(at)), *(_UNKNOWN if one is None else str(one) for one in numbers)])


def samples(text: str) -> Mapping[str, Samples]:
    """Return what lines of text stand for; other lines are left out.

    Somebody may have written the lines: they are shown to nobody but to who has sent them.
    """
    lines = [one.split() for one in text.splitlines() if _LINE.fullmatch(one)][-MOST:]
    found: dict[str, dict[str, list[Sample]]] = {
        resource: {kind: [] for kind in KINDS} for resource in RESOURCES
    }
    places = [line for resource in found.values() for line in resource.values()]
    for at, *values in sorted(lines, key=_moment):
        for place, value in zip(places, values, strict=True):
            place.append((float(at), None if value == _UNKNOWN else int(value)))
    return found


def _moment(line: list[str]) -> Any:
    return int(line[0])
