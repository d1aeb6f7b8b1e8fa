# SPDX-License-Identifier: Apache-2.0
"""What a fake guest does, how fast, and how its libvirt says no."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Behaviour(enum.Enum):
    """What a guest does with what it is asked for."""

    COOPERATIVE = "cooperative"
    REMOVAL_TIMES_OUT = "removal_times_out"
    """The vCPU goes, libvirt never hears of it, and the next add crashes QEMU."""
    REFUSES = "refuses"
    """Gives neither vCPU nor memory back."""
    NO_BALLOON_DRIVER = "no_balloon_driver"
    """Holds the maximum, whatever it is asked; a driver that goes gives all back first."""
    TAKES_BACK = "takes_back"
    """Some seconds after its balloon was told to shrink the guest, lets it grow to its maximum."""
    SILENT_DRIVER = "silent_driver"
    """Its balloon driver does what it is told and reports nothing, as FreeBSD's does."""
    INTERMITTENT = "intermittent"
    """Its balloon driver works for some seconds, then for as many does not."""
    NO_ONLINE = "no_online"
    """Does not bring hot-added CPUs online."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a guest is; seconds, MiB per second.

    :ivar balloon_rate: either way; the lab's guest: 330 to 1200
    :ivar driver_seconds: from start until the balloon driver works; the lab's guest: 3.5
    :ivar stats_seconds: between two statistics of the driver; 0: always fresh
    :ivar takes_back_seconds: how long ``TAKES_BACK`` does what it was told
    :ivar intermittent_seconds: how long the driver of ``INTERMITTENT`` works, and then does not
    :ivar online_seconds: from the add until the guest uses the CPU
    :ivar removal_timeout: how long libvirt waits for a vCPU before it gives up
    :ivar removal_seconds: how long the guest takes to give one back
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
    """What QEMU does."""

    OFF = "off"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"
    """The guest has, and QEMU is kept."""


class Rejected(Exception):
    """A libvirt error.

    :ivar constant: its name, ``VIR_ERR_...``
    """

    def __init__(self, constant: str, message: str) -> None:
        super().__init__(message)
        self.constant = constant
