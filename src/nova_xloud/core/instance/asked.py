# SPDX-License-Identifier: Apache-2.0
"""The size that a person has asked for last; automatic growth does not shrink below it for a while.

A person is whoever sends a request, in contrast to automatic growth itself.
"""

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
        """Return the size below which automatic growth shrinks nothing now.

        A number is 0 if the request did not name the resource. Both are 0 if the request was
        admitted ``hold`` seconds ago or earlier, or if ``at`` cannot be read.

        :param now: seconds since the epoch
        :param hold: for how many seconds a request counts, ``[xloud] autoscale_hold``
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
    """Return what a person has asked for, from the value in a record; None if it cannot be read.

    Such a value does not make the record unreadable, because no claim depends on it.

    :param text: ``at|vcpus|memory_mb``, see :meth:`Asked.__str__`; None if the record has no value
    """
    parts = (text or "").split("|")
    if len(parts) != 3 or seconds_of(parts[0]) is None:
        return None
    with contextlib.suppress(UnreadableRecord):
        return Asked(parts[0], _size(parts[1]), _size(parts[2]))
    return None


def seconds_of(at: str) -> float | None:
    """Return the seconds since the epoch of a time such as ``2026-01-31T23:59:59Z``.

    None if ``at`` does not have this form.
    """
    try:
        found = datetime.datetime.strptime(at, _FORM).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return found.timestamp()


def _size(text: str) -> int | None:
    return integer({"size": text}, "size", least=1) if text else None
