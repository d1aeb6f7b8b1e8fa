# SPDX-License-Identifier: Apache-2.0
"""Interpret the balloon statistics of a guest, as virDomainMemoryStats returns them, in KiB.

Measured on QEMU 11.1: a driver that is unloaded first deflates the balloon. QEMU keeps the driver's
last statistics with their time, also if the guest dies. A reset of the guest drops them.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.instance.reports import reports_within
from nova_xloud.libvirt.guest_xml import KIB

# Statistics that exist without the guest's driver (measured).
HOST_SIDE = frozenset({"actual", "last_update", "rss"})


def last_report(stats: Mapping[str, int]) -> int | None:
    """Return when the guest's driver has last reported, in seconds since 1970.

    QEMU also sets this time if it gets something else than statistics from the guest (measured: a
    Linux driver that reports free pages and no statistics uses the queue of the statistics for
    them). So the time counts only beside figures of the guest.

    :returns: None if the driver has not reported since the guest started or reset itself
    """
    if not stats.keys() - HOST_SIDE:
        return None
    return stats.get("last_update") or None


def usable_mb(stats: Mapping[str, int]) -> int | None:
    """Return the MiB that the guest could still give to a program without swapping, rounded down.

    A guest with an old kernel reports only its free memory; then that is returned.

    :returns: None if the guest reports neither
    """
    # "unused" is free memory alone, and the only value that a kernel before 4.6 reports.
    usable = stats.get("usable", stats.get("unused"))
    return None if usable is None else usable // KIB


def reports(stats: Mapping[str, int], *, period: float, now: float) -> bool:
    """Return whether the last report of the balloon's driver is recent by the host's clock.

    A report is recent if at most :func:`nova_xloud.core.instance.reports.reports_within` seconds
    lie between the report and ``now``. False also if the driver has not reported. False does not
    prove that the driver is silent: the clock may have stepped, or the guest may have been paused.

    :param stats: the answer of virDomainMemoryStats
    :param period: seconds between two statistics
    :param now: the host's clock, seconds since 1970
    """
    if not stats.keys() - HOST_SIDE:
        return False
    return abs(now - stats.get("last_update", 0)) <= reports_within(period)
