# SPDX-License-Identifier: Apache-2.0
"""How a fake guest behaves, how fast it is, and how its libvirt refuses a call."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Behaviour(enum.Enum):
    """How a guest reacts to requests to change its vCPUs and memory."""

    COOPERATIVE = "cooperative"
    """The guest does what it is asked for, as fast as its ``Timing`` says."""
    REMOVAL_TIMES_OUT = "removal_times_out"
    """The guest gives a vCPU back, but libvirt gets no event of it and times out.

    Adding a vCPU afterwards crashes QEMU.
    """
    REFUSES = "refuses"
    """The guest gives back neither vCPUs nor memory."""
    NO_BALLOON_DRIVER = "no_balloon_driver"
    """The guest holds its maximum of memory: a driver that is unloaded deflates the balloon."""
    TAKES_BACK = "takes_back"
    """The guest grows to its maximum again some seconds after its balloon target was set."""
    SILENT_DRIVER = "silent_driver"
    """The balloon driver follows its target and reports no statistics, as FreeBSD's does."""
    INTERMITTENT = "intermittent"
    """The balloon driver works for some seconds, does nothing for as many, and so on."""
    NO_ONLINE = "no_online"
    """The guest does not bring hot-added CPUs online."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a fake guest is. All values but ``balloon_rate`` are in seconds.

    :ivar balloon_rate: MiB per second by which the guest's memory grows or shrinks; the lab's guest
        has 330 to 1200
    :ivar driver_seconds: from a start or reset until the balloon driver works; the lab's guest
        needs 3.5
    :ivar stats_seconds: between two statistics of the balloon driver, until another period is set
        in the running guest; 0: they are always fresh
    :ivar takes_back_seconds: how long a guest that ``TAKES_BACK`` follows its balloon target, until
        it grows again
    :ivar intermittent_seconds: how long the driver of an ``INTERMITTENT`` guest works, and how long
        it then does not
    :ivar online_seconds: from adding a vCPU until the guest uses the CPU
    :ivar removal_timeout: how long libvirt waits for the removal of a vCPU before it gives up
    :ivar removal_seconds: how long the guest takes to give a vCPU back, even if that is longer than
        libvirt waits
    """

    balloon_rate: float = 450.0
    driver_seconds: float = 0.0
    stats_seconds: float = 0.0
    takes_back_seconds: float = 5.0
    intermittent_seconds: float = 5.0
    online_seconds: float = 0.5
    removal_timeout: float = 5.0
    removal_seconds: float = 0.0


class Power(enum.Enum):
    """The state of a fake domain's QEMU process."""

    OFF = "off"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"
    """The guest has crashed, and its QEMU process is kept."""


class Rejected(Exception):
    """Raised in place of a ``libvirtError``, by fakes that do not import libvirt.

    :ivar constant: the name of the error code, ``VIR_ERR_...``
    """

    def __init__(self, constant: str, message: str) -> None:
        super().__init__(message)
        self.constant = constant
