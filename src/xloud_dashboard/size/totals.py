# SPDX-License-Identifier: Apache-2.0
"""Sums of what the API answered of several servers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nova_xloud.client import RecordedServer, Size


@dataclass(frozen=True)
class Totals:
    """Sums over servers.

    :ivar servers: how many there are
    :ivar reserved: what is claimed for them
    :ivar maximum: what they could have: the sizes of their flavors
    :ivar gain: what would be free if each had no more than its flavor boots with
    :ivar unfinished: how many do not have the size that was asked for
    """

    servers: int
    reserved: Size
    maximum: Size
    gain: Size
    unfinished: int

    @staticmethod
    def of(servers: Iterable[RecordedServer]) -> Totals:
        """Return the sums over ``servers``."""
        known = list(servers)
        return Totals(
            servers=len(known),
            reserved=_sum(one.reserved for one in known),
            maximum=_sum(one.maximum for one in known),
            gain=_sum(_gain(one) for one in known),
            unfinished=sum(not one.converged for one in known),
        )


def _gain(server: RecordedServer) -> Size:
    reserved, boot = server.reserved, server.boot
    return Size(max(0, reserved.vcpus - boot.vcpus), max(0, reserved.memory_mb - boot.memory_mb))


def _sum(sizes: Iterable[Size]) -> Size:
    known = list(sizes)
    return Size(sum(size.vcpus for size in known), sum(size.memory_mb for size in known))
