# SPDX-License-Identifier: Apache-2.0
"""Guests and hosts for the tests of arbitration."""

from __future__ import annotations

from typing import Any

from nova_xloud.core.autoscaling.contest import Claimant, HostRoom, Pool, Stake
from nova_xloud.core.sizing.allocation import MEMORY_MB, VCPU

CALM = 1000


def room(
    vcpus: int = 1000, memory_mb: int = 1_000_000, *, used: tuple[int, int] = (0, 0)
) -> HostRoom:
    """A host of which ``used`` (vCPUs, MiB) is allocated."""
    return HostRoom((Pool(VCPU, vcpus, used[0]), Pool(MEMORY_MB, memory_mb, used[1])))


def stake(value: int, wanted: int | None = None, **changes: Any) -> Stake:
    """A guest that has ``value`` of a resource, all of it needed, and wants ``wanted``."""
    fields = {
        "reserved": value,
        "held": value,
        "desired": value,
        "recommended": value if wanted is None else wanted,
        "minimum": 1,
        "floor": value,
        "largest": 100_000,
    }
    return Stake(**(fields | changes))


def of_memory(uuid: str, value: int, wanted: int | None = None, **changes: Any) -> Claimant:
    """A guest of one vCPU that has ``value`` MiB and wants ``wanted``."""
    whole = {name: changes.pop(name) for name in ("weight", "is_urgent") if name in changes}
    return Claimant(uuid, stake(1), stake(value, wanted, **changes), **whole)


def of_vcpus(uuid: str, value: int, wanted: int | None = None, **changes: Any) -> Claimant:
    """A guest of 1024 MiB that has ``value`` vCPUs and wants ``wanted``."""
    whole = {
        name: changes.pop(name) for name in ("weight", "is_urgent", "cpu_class") if name in changes
    }
    return Claimant(uuid, stake(value, wanted, **changes), stake(1024), **whole)
