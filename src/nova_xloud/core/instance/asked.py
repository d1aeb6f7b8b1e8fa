# SPDX-License-Identifier: Apache-2.0
"""What a person has asked for lately, below which automatic growth does not shrink."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass

from nova_xloud.core.instance.values import UnreadableRecord, integer
from nova_xloud.core.size import Size

_FORM = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Asked:
    """The last size that a person has asked for.

    :ivar at: when it was admitted: ISO 8601, UTC
    :ivar vcpus: the vCPUs asked for; None if the request did not name them
    :ivar memory_mb: the memory asked for, MiB; None if the request did not name it
    """

    at: str
    vcpus: int | None
    memory_mb: int | None

    def held(self, now: float, hold: float) -> Size:
        """Return the size below which nothing shrinks; 0 for a resource that is not held.

        :param now: seconds since the epoch
        :param hold: seconds for which a request is held, ``[xloud] autoscale_hold``
        """
        at = seconds_of(self.at)
        if at is None or now - at >= hold:
            return Size(0, 0)
        return Size(self.vcpus or 0, self.memory_mb or 0)

    def __str__(self) -> str:
        """Return the value that the record has: ``at|vcpus|memory_mb``, empty for None."""
        sizes = ("" if one is None else str(one) for one in (self.vcpus, self.memory_mb))
        return "|".join((self.at, *sizes))


def read(text: str | None) -> Asked | None:
    """Return what a person has asked for, as a record has it; None if it cannot be read.

    It does not make a record unreadable, because no claim depends on it.
    """
    parts = (text or "").split("|")
    if len(parts) != 3 or seconds_of(parts[0]) is None:
        return None
    with contextlib.suppress(UnreadableRecord):
        return Asked(parts[0], _size(parts[1]), _size(parts[2]))
    return None


def seconds_of(at: str) -> float | None:
    """Return the seconds since the epoch of an ISO 8601 time in UTC; None if it is no such time."""
    try:
        found = datetime.datetime.strptime(at, _FORM).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return found.timestamp()


def _size(text: str) -> int | None:
    return integer({"size": text}, "size", least=1) if text else None
