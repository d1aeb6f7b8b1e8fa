# SPDX-License-Identifier: Apache-2.0
"""The sizes that persons have asked for; automatic growth does not shrink below them for a while.

A person is whoever sends a request, in contrast to automatic growth itself. A request that names
one resource leaves what was asked for of the other one, and when that was.
"""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass

from nova_xloud.core.instance.values import UnreadableRecord, integer
from nova_xloud.core.size import Size

_FORM = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class AskedValue:
    """What a person has asked for of one resource: vCPUs (a count) or memory (MiB).

    :ivar at: when the request was admitted: ISO 8601, UTC
    """

    value: int
    at: str

    def held(self, now: float, hold: float) -> int:
        """Return the value; 0 if the request was admitted ``hold`` seconds ago or earlier.

        It is 0 too if ``at`` cannot be read.
        """
        at = seconds_of(self.at)
        return 0 if at is None or now - at >= hold else self.value


@dataclass(frozen=True, slots=True)
class Asked:
    """What persons have asked for last of each resource; None if nobody has."""

    vcpus: AskedValue | None = None
    memory_mb: AskedValue | None = None

    def after(self, at: str, vcpus: int | None, memory_mb: int | None) -> Asked:
        """Return what was asked for after one more request of a person.

        :param at: when the request was admitted: ISO 8601, UTC
        :param vcpus: the vCPUs asked for; None if the request does not name them
        :param memory_mb: the memory asked for, MiB; None if the request does not name it
        """
        return Asked(
            self.vcpus if vcpus is None else AskedValue(vcpus, at),
            self.memory_mb if memory_mb is None else AskedValue(memory_mb, at),
        )

    def held(self, now: float, hold: float) -> Size:
        """Return the size below which automatic growth shrinks nothing now.

        A number is 0 if nobody has asked for the resource within ``hold`` seconds.

        :param now: seconds since the epoch
        :param hold: for how many seconds a request counts, ``[xloud] autoscale_hold``
        """
        return Size(
            0 if self.vcpus is None else self.vcpus.held(now, hold),
            0 if self.memory_mb is None else self.memory_mb.held(now, hold),
        )

    def __str__(self) -> str:
        """Return the value that the record has, see :func:`read`.

        Versions that know one time only read it as well, unless it has two.
        """
        vcpus, memory = self.vcpus, self.memory_mb
        first = vcpus or memory
        parts = ["" if one is None else str(one.value) for one in (vcpus, memory)]
        parts = ["" if first is None else first.at, *parts]
        if vcpus is not None and memory is not None and vcpus.at != memory.at:
            parts.append(memory.at)
        return "|".join(parts)


def read(text: str | None) -> Asked | None:
    """Return what persons have asked for, from the value in a record; None if it cannot be read.

    Such a value does not make the record unreadable, because no claim depends on it.

    :param text: ``at|vcpus|memory_mb``, or ``at|vcpus|memory_mb|at`` if the memory was asked for at
        another time than the vCPUs; a number is empty if nobody has asked for the resource. None if
        the record has no value
    """
    at, *sizes = (text or "").split("|")
    memory_at = sizes.pop() if len(sizes) == 3 else at
    if len(sizes) != 2 or seconds_of(at) is None or seconds_of(memory_at) is None:
        return None
    with contextlib.suppress(UnreadableRecord):
        return Asked().after(at, _size(sizes[0]), None).after(memory_at, None, _size(sizes[1]))
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
