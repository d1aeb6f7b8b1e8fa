# SPDX-License-Identifier: Apache-2.0
"""What virDomainMemoryStats tells of a guest and of its balloon driver; pure, sizes in KiB.

Measured on QEMU 11.1: a driver that is taken away gives all memory back first, and its last
statistics stay, with their time; a guest that dies leaves them too; a reset drops them.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.libvirt.guest_xml import KIB

# What is there without any help of the guest's driver (measured).
HOST_SIDE = frozenset({"actual", "last_update", "rss"})


def usable_mb(stats: Mapping[str, int]) -> int | None:
    """What the guest could still give to a program without swapping, MiB; None: it does not say.

    Rounded down: it may be taken too small, never too large.
    """
    # "unused" is free memory alone: all that a kernel before 4.6 tells.
    usable = stats.get("usable", stats.get("unused"))
    return None if usable is None else usable // KIB


def reports(stats: Mapping[str, int], *, period: float, now: float) -> bool:
    """Whether the driver reports: it has, and not too long ago; it begins some seconds after boot.

    :param period: seconds between two statistics
    :param now: seconds since 1970
    """
    if not stats.keys() - HOST_SIDE:
        return False
    return is_recent(stats.get("last_update", 0), period=period, now=now)


def is_recent(collected_at: float, *, period: float, now: float) -> bool:
    """Whether no statistics are overdue; a busy host or guest may be late by some."""
    return now - collected_at <= 3 * period + 10
