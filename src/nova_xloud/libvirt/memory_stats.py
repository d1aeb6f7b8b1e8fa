# SPDX-License-Identifier: Apache-2.0
"""Interpret virDomainMemoryStats of a guest and its balloon driver; pure functions, sizes in KiB.

Measured on QEMU 11.1: a driver that is unloaded first deflates the balloon, and its last statistics
stay, with their time. They also stay if the guest dies. A reset drops them.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.instance.reports import reports_within
from nova_xloud.libvirt.guest_xml import KIB

# Statistics that exist without the guest's driver (measured).
HOST_SIDE = frozenset({"actual", "last_update", "rss"})


def usable_mb(stats: Mapping[str, int]) -> int | None:
    """Return the MiB that the guest could still give to a program without swapping.

    Rounded down, because the value may be too small but never too large.

    :returns: None if the guest does not report it
    """
    # "unused" is free memory alone, and the only value that a kernel before 4.6 reports.
    usable = stats.get("usable", stats.get("unused"))
    return None if usable is None else usable // KIB


def reports(stats: Mapping[str, int], *, period: float, now: float) -> bool:
    """Return whether the balloon's driver has reported, and recently by the host's clock.

    Recently is within :func:`nova_xloud.core.instance.reports.reports_within` seconds of ``now``.
    False does not prove that the driver is silent: the clock may have stepped, or the guest may
    have been paused.

    :param stats: the answer of virDomainMemoryStats
    :param period: seconds between two statistics
    :param now: the host's clock, seconds since 1970
    """
    if not stats.keys() - HOST_SIDE:
        return False
    return abs(now - stats.get("last_update", 0)) <= reports_within(period)
