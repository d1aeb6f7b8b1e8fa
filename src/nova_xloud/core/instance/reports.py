# SPDX-License-Identifier: Apache-2.0
"""How long a balloon driver may be silent before it is taken for one that does not report."""

from __future__ import annotations


def reports_within(period: float) -> float:
    """Seconds in which a driver that reports has done so: a busy host or guest may be late by some.

    :param period: seconds between two statistics that QEMU asks for
    """
    return 3 * period + 10
