# SPDX-License-Identifier: Apache-2.0
"""What virDomainMemoryStats tells of a guest and of its balloon driver; pure, sizes in KiB.

Measured on QEMU 11.1: a driver that is taken away gives all memory back first, and its last
statistics stay, with their time; a guest that dies leaves them too; a reset drops them.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.instance.reports import reports_within
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
    """Whether the driver has reported, and by the host's clock lately.

    No is no proof that it does not: that clock may have stepped, the guest may have been paused.

    :param period: seconds between two statistics
    :param now: seconds since 1970
    """
    if not stats.keys() - HOST_SIDE:
        return False
    return abs(now - stats.get("last_update", 0)) <= reports_within(period)
