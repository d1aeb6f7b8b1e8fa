# SPDX-License-Identifier: Apache-2.0
"""XLoud's Skyline console as a client of the API: what it sends, and what it makes of an answer.

Nothing here talks to a cloud. A test sends what this module says, and gives it the answers::

    form = skyline.open_form(status, body, flavor)     # the answer to xloud-status
    body = form.submit(vcpus=3)                        # the body of the adjustment
    skyline.message(status, body)                      # what the user is shown

The console is a fork of Skyline. This is a description of what it does, in words of our own, made
by reading it; ``docs/user/skyline.md`` says what that means for its users. Memory is shown in GB
with two decimals (a GB here is 1024 MiB), and that rounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# With each request to Nova. Nova checks no extra specs at this microversion.
MICROVERSION = "compute 2.79"
# What is read of the status.
FIELDS = (
    "current_vcpus",
    "current_memory_mb",
    "max_vcpus",
    "max_memory_mb",
    "min_vcpus",
    "min_memory_mb",
    "balloon_driver_active",
    "attached_dimms_mb",
    "has_virtiomem",
)
# The slider of the memory moves by this, GB.
MEMORY_STEP = 0.25
# The Horizon fork, which came before it, shows so much of the body of a failure.
HORIZON_SHOWS = 500
FELL_BACK = "could not fetch the live status"
NO_DECREASE = "memory cannot be decreased: no balloon driver"


def gb(mb: int) -> float:
    """Return what is shown for some MiB: GB with two decimals."""
    return _rounded(mb / 1024 * 100) / 100


def mb(shown: float) -> int:
    """Return the MiB that are sent for some GB."""
    return _rounded(shown * 1024)


def _rounded(number: float) -> int:
    # As JavaScript rounds: Python's round() takes halves to the even number.
    return math.floor(number + 0.5)


@dataclass(frozen=True)
class Flavor:
    """A flavor, as the server's page has it.

    :ivar ram: MiB
    """

    vcpus: int
    ram: int
    extra_specs: Mapping[str, str]

    @property
    def is_elastic(self) -> bool:
        """Whether the console takes it for a flavor with minimums: by the short names only."""
        return "minimum_cpu" in self.extra_specs or "minimum_memory" in self.extra_specs

    @property
    def threads(self) -> int:
        """The step of the vCPUs, which is not read from the status."""
        return max(int(self.extra_specs.get("hw:cpu_threads", "1")), 1)


def has_button(vm_state: str, flavor: Flavor, *, locked: bool = False) -> bool:
    """Return whether the menu of a server has "Adjust Resources". No policy is asked."""
    return vm_state == "active" and not locked and flavor.is_elastic


def card(status: int, body: Any) -> dict[str, Any] | None:
    """Return what the page of a server shows of its size; None if there was an error: no card."""
    return _read(status, body)


def _read(status: int, body: Any) -> dict[str, Any] | None:
    if status != 200:
        return None
    told = body.get("xloud_status", body)
    return {name: told[name] for name in FIELDS}


@dataclass(frozen=True)
class Form:
    """The form, as it is when it opens.

    :ivar read: the fields of the status; after an error the flavor's sizes, with the maximum as the
        present size
    :ivar step: the vCPUs are rounded to a multiple of this, which may be above the maximum
    :ivar hints: what is said above the form
    """

    read: Mapping[str, Any]
    step: int
    hints: tuple[str, ...]

    @property
    def vcpus(self) -> int:
        return int(self.read["current_vcpus"])

    @property
    def memory_gb(self) -> float:
        return gb(self.read["current_memory_mb"])

    @property
    def memory_range(self) -> tuple[float, float]:
        """The ends of the memory's slider, GB."""
        return gb(self.read["min_memory_mb"]), gb(self.read["max_memory_mb"])

    @property
    def vcpus_range(self) -> tuple[int, int]:
        """The ends of the vCPUs' slider."""
        return self.read["min_vcpus"], self.read["max_vcpus"]

    def submit(
        self, *, vcpus: int | None = None, memory_gb: float | None = None, persist: bool = True
    ) -> dict[str, Any]:
        """Return the body that is sent, with all three values whatever the user has changed.

        :param vcpus: what the user has chosen; None: the field is as it was
        :param memory_gb: the same
        """
        wanted = self.vcpus if vcpus is None else vcpus
        if self.step > 1:
            wanted = max(_rounded(wanted / self.step) * self.step, min(self.vcpus_range))
        return {
            "current_vcpus": wanted,
            "current_memory_mb": mb(self.memory_gb if memory_gb is None else memory_gb),
            "persist": persist,
        }


def open_form(status: int, body: Any, flavor: Flavor) -> Form:
    """Return the form for the answer to ``GET servers/{id}/xloud-status``, whatever that was."""
    read = _read(status, body)
    hints = []
    if read is None:
        hints.append(FELL_BACK)
        read = {
            "current_vcpus": flavor.vcpus,
            "current_memory_mb": flavor.ram,
            "max_vcpus": flavor.vcpus,
            "max_memory_mb": flavor.ram,
            "min_vcpus": int(flavor.extra_specs.get("minimum_cpu", "1")),
            "min_memory_mb": int(flavor.extra_specs.get("minimum_memory", "1024")),
            "balloon_driver_active": False,
            "attached_dimms_mb": 0,
            "has_virtiomem": False,
        }
    # null is false to it.
    if not read["has_virtiomem"] and not read["balloon_driver_active"]:
        hints.append(NO_DECREASE)
    return Form(read, flavor.threads, tuple(hints))


def message(status: int, body: Any) -> str:
    """Return what the user is shown after an adjustment was sent: nobody waits for the guest."""
    if status < 400:
        return "adjusted"
    ((_, fault),) = body.items()
    return str(fault["message"])


def horizon_message(status: int, text: str) -> str:
    """Return what the Horizon fork shows: it takes the body as it is, and cuts it."""
    return "adjusted" if status in (200, 202, 204) else f"{status} {text[:HORIZON_SHOWS]}"


def wizard(
    vcpus: int,
    memory_gb: float,
    minimum_cpu: int = 0,
    minimum_gb: float = 0,
    *,
    virtio_mem: bool = False,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body of a new flavor, and then the extra specs that are set, in one request.

    A number that is not given is not sent. No number is checked against another.
    """
    specs = {":architecture": "x86_architecture", ":category": "general_purpose"}
    if minimum_cpu:
        specs["minimum_cpu"] = str(minimum_cpu)
    if minimum_gb:
        specs["minimum_memory"] = _spelled(minimum_gb * 1024)
    if virtio_mem:
        specs |= {"hw:mem_hotplug_virtio": "true", "hw:machine_type": "q35"}
    return {"vcpus": vcpus, "ram": int(memory_gb * 1024), "disk": 0}, specs


def _spelled(number: float) -> str:
    # As JavaScript spells a number: 512, and 716.8.
    return str(int(number)) if number == int(number) else str(number)
