# SPDX-License-Identifier: Apache-2.0
"""The two bars of a server: for each resource its bounds and its four numbers, drawn to scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from nova_xloud.client import RecordedServer, Status


@dataclass(frozen=True)
class Lane:
    """One of the four numbers of a resource.

    :ivar name: the API's name of the number, such as ``reserved``
    :ivar label: its name for people
    :ivar value: None if it is not known
    :ivar width: how much of the bar that is, such as ``75.00%``; empty if not known
    :ivar top: where its lane begins, in pixels
    """

    name: str
    label: Any
    value: int | None
    width: str
    top: int


@dataclass(frozen=True)
class Bar:
    """One resource of a server.

    :ivar resource: ``vcpus`` or ``memory_mb``
    :ivar title: the name of the resource for people
    :ivar unit: what its numbers count
    :ivar step: a size has to be a multiple of this
    :ivar current: what a form begins with
    :ivar left: where the minimum is, such as ``25.00%`` of the bar, whose end is the maximum
    :ivar room: how much of the bar is between minimum and maximum, such as ``75.00%``
    """

    resource: str
    title: Any
    unit: str
    minimum: int
    maximum: int
    step: int
    current: int
    left: str
    room: str
    lanes: tuple[Lane, ...]

    @property
    def least(self) -> int:
        """The smallest number that a form takes.

        The API admits the number that is desired already, also where the bounds have changed since.
        """
        return min(self.minimum, self.current)

    @property
    def most(self) -> int:
        """The largest number that a form takes."""
        return max(self.maximum, self.current)

    @property
    def stride(self) -> int:
        """The step of a form, which browsers count from the least number.

        It is 1 if the step of the server would leave out what the API admits.
        """
        fits = self.least % self.step == 0 and self.current % self.step == 0
        return self.step if fits else 1

    @property
    def is_fixed(self) -> bool:
        """Whether there is one size only."""
        return self.least >= self.most

    @property
    def in_words(self) -> str:
        """What the bar shows, for those who do not see it."""
        told = [
            f"{lane.label} {'unknown' if lane.value is None else lane.value}" for lane in self.lanes
        ]
        bounds = f"minimum {self.minimum}, maximum {self.maximum}"
        return f"{self.title}: {', '.join(told)}; {bounds} {self.unit}"


# In the order in which an adjustment reaches them.
_LANES = (
    ("desired", _("desired"), _("What was asked for last and admitted.")),
    ("reserved", _("claimed"), _("What Placement has allocated to the server.")),
    ("actuated", _("set"), _("What QEMU was set to, and has.")),
    ("observed", _("in the guest"), _("What the guest was seen to have.")),
)
_LANE_HEIGHT = 9
# The names of the four numbers for people.
LABELS = {name: label for name, label, _means in _LANES}
# What stands below a bar, and what it is, in sentences.
MEANINGS = (
    (_("minimum"), _("The smallest size that may be asked for.")),
    *((label, means) for _name, label, means in _LANES),
    (_("maximum"), _("The size of the server's flavor.")),
)


def bars_of(status: Status) -> tuple[Bar, Bar]:
    """Return the bars of vCPUs and memory."""
    body = status.body
    return (
        _bar(
            "vcpus",
            _("vCPUs"),
            "vCPUs",
            (status.minimum.vcpus, status.current.vcpus, status.maximum.vcpus),
            status.vcpu_step,
            body["vcpus"],
        ),
        _bar(
            "memory_mb",
            _("Memory"),
            "MiB",
            (status.minimum.memory_mb, status.current.memory_mb, status.maximum.memory_mb),
            1,
            body["memory_mb"],
        ),
    )


def _bar(
    resource: str,
    title: Any,
    unit: str,
    sizes: tuple[int, int, int],
    step: int,
    numbers: Mapping[str, int | None],
) -> Bar:
    minimum, current, maximum = sizes
    lanes = tuple(
        Lane(name, label, numbers[name], _part(numbers[name], maximum), _LANE_HEIGHT * index)
        for index, (name, label, _means) in enumerate(_LANES)
    )
    return Bar(
        resource=resource,
        title=title,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        step=step,
        current=current,
        left=_part(minimum, maximum),
        room=_part(maximum - minimum, maximum),
        lanes=lanes,
    )


def _part(value: int | None, maximum: int) -> str:
    """Return ``value`` as a part of a bar; more than the bar has is all of it."""
    if value is None or maximum <= 0:
        return ""
    return f"{min(100.0, 100 * value / maximum):.2f}%"


@dataclass(frozen=True)
class Cell:
    """One resource of a server of a list, small enough for a cell of a table.

    :ivar desired: what was asked for last and admitted
    :ivar reserved: what was recorded as claimed
    """

    minimum: int
    maximum: int
    desired: int
    reserved: int
    unit: str

    @staticmethod
    def of(server: RecordedServer, resource: str) -> Cell:
        """Return the cell for ``vcpus`` or ``memory_mb`` of a server of a list."""
        sizes = (server.minimum, server.maximum, server.desired, server.reserved)
        minimum, maximum, desired, reserved = (getattr(size, resource) for size in sizes)
        return Cell(minimum, maximum, desired, reserved, "vCPUs" if resource == "vcpus" else "MiB")

    @property
    def reserved_width(self) -> str:
        """How much of the bar is claimed."""
        return _part(self.reserved, self.maximum)

    @property
    def desired_width(self) -> str:
        """How much of the bar is desired."""
        return _part(self.desired, self.maximum)

    @property
    def left(self) -> str:
        """Where in the bar the minimum is."""
        return _part(self.minimum, self.maximum)
