# SPDX-License-Identifier: Apache-2.0
"""How long a balloon driver may be silent before it counts as one that does not report."""

from __future__ import annotations


def reports_within(period: float) -> float:
    """Return the seconds within which a driver that works should report, even on a busy host.

    That is three periods and 10 s.

    :param period: seconds between two statistics that QEMU requests
    """
    return 3 * period + 10
