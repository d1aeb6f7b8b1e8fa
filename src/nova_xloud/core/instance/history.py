# SPDX-License-Identifier: Apache-2.0
"""The last adjustments of an instance: who asked for which size, and how that ended.

They are entries of the record in ``system_metadata``, in a ring of :data:`LENGTH` keys. Entry
number 23 has the key ``xloud_history_3``, and replaces entry 13. So a change of one entry is one
row of Nova's table, written with the rest of the record. A value is one line::

    23|2026-11-30T14:05:11Z|req-3f...|1x512|3x768|converged|xloud.converged|5d2e...

These are number, time of the admission, request id, the size that was desired before, the size that
was asked for, outcome, reason code, and who asked. The last one may have any character.

==================  ================================================================================
outcome             means
==================  ================================================================================
``admitted``        admitted; no run has ended yet
``deferred``        the last run was put off; another run follows
``guest_refused``   the guest did not follow in the last run; another run may follow
``failed``          the last run ended with an error; another run may follow
``converged``       the size was reached
``gave_up``         the size was not reached, and the size that the guest had was kept
``superseded``      another size was asked for, or the guest was started anew, before this one ended
==================  ================================================================================

Only the newest entry changes, and never after one of the last three outcomes. So what happens to a
guest that had reached the size is not an outcome of the adjustment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.values import UnreadableRecord, integer
from nova_xloud.core.size import Size

# How many adjustments are kept.
LENGTH = 10
PREFIX = "xloud_history_"
# Who has asked, if nobody has: automatic growth.
AUTOSCALE = "autoscale"
GAVE_UP, SUPERSEDED = "gave_up", "superseded"

_KEYS = tuple(f"{PREFIX}{place}" for place in range(LENGTH))
_PARTS = 8
# Keystone's ids of users have at most 64 characters, also those that are mapped from LDAP. With
# that, a value has less than the 255 characters that the column has room for.
_LONGEST_ID = 64
_UNDER_WAY = frozenset((Phase.ADMITTED.value, Phase.DEFERRED.value))
# What the outcome may still change from.
_OPEN = _UNDER_WAY | {Phase.GUEST_REFUSED.value, Phase.FAILED.value}


@dataclass(frozen=True, slots=True)
class Entry:
    """One adjustment that was admitted.

    :ivar number: counts the adjustments of the instance, from 1
    :ivar at: when it was admitted: ISO 8601, UTC
    :ivar request_id: the id of the request, which its instance action has too
    :ivar before: the size that was desired before
    :ivar after: the size that was asked for; a resource that was not named has its number of before
    :ivar outcome: see the table of this module
    :ivar code: the reason code of the outcome, ``xloud.<something>``. If the adjustment was
        superseded, the last code before that
    :ivar by: the id of the user who asked, or :data:`AUTOSCALE`; empty if that is not known
    """

    number: int
    at: str
    request_id: str
    before: Size
    after: Size
    outcome: str
    code: str
    by: str

    def __str__(self) -> str:
        """Return the value that the record has."""
        sizes = (f"{size.vcpus}x{size.memory_mb}" for size in (self.before, self.after))
        parts = (self.number, self.at, self.request_id, *sizes, self.outcome, self.code, self.by)
        return "|".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class History:
    """The last adjustments of an instance, at most :data:`LENGTH`.

    :ivar stored: the values as the record has them, in any order. They are parsed only when they
        are needed, because a pass reads the records of all instances
    """

    stored: tuple[str, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """Return the adjustments, newest first, without those that cannot be read."""
        found = {entry.number: entry for entry in map(_entry, self.stored) if entry is not None}
        return tuple(found[number] for number in sorted(found, reverse=True)[:LENGTH])

    def by_autoscale(self, of: Callable[[Size], int], value: int) -> bool:
        """Return whether automatic growth was the last to change a resource, and to ``value``.

        :param of: returns the number of the resource of a size: vCPUs, or MiB
        """
        last = next((one for one in self.entries() if of(one.before) != of(one.after)), None)
        return last is not None and last.by == AUTOSCALE and of(last.after) == value

    def admitted(self, at: str, request_id: str, before: Size, after: Size, by: str) -> History:
        """Return the history after a request for ``after`` was admitted.

        An adjustment that is under way is superseded, and the oldest of ten is dropped.

        :param at: ISO 8601, UTC
        :param by: the id of a user, or :data:`AUTOSCALE`
        """
        earlier = self.superseded().entries()
        number = earlier[0].number + 1 if earlier else 1
        phase = Phase.ADMITTED.value
        by = by[:_LONGEST_ID]
        new = Entry(number, at, request_id, before, after, phase, f"xloud.{phase}", by)
        return _history(new, *earlier[: LENGTH - 1])

    def superseded(self) -> History:
        """Return the history after the size of an adjustment under way is no longer desired."""
        entries = self.entries()
        if not entries or entries[0].outcome not in _UNDER_WAY:
            return self
        return _history(replace(entries[0], outcome=SUPERSEDED), *entries[1:])

    def ended(self, outcome: str, code: str) -> History:
        """Return the history after a run for the newest adjustment has ended.

        It is this history itself if that adjustment had ended before, or if nothing changes.

        :param outcome: the value of a :class:`~.lifecycle.Phase`, or :data:`GAVE_UP`
        :param code: the reason code
        """
        entries = self.entries()
        if not entries or entries[0].outcome not in _OPEN:
            return self
        if (entries[0].outcome, entries[0].code) == (outcome, code):
            return self
        return _history(replace(entries[0], outcome=outcome, code=code), *entries[1:])

    def to_metadata(self) -> dict[str, str]:
        """Return the history as keys and values of ``system_metadata``."""
        return {_KEYS[entry.number % LENGTH]: str(entry) for entry in self.entries()}


def read(metadata: Mapping[str, str]) -> History:
    """Return the history in a ``system_metadata``; what cannot be read of it is left out later."""
    return History(tuple(value for key in _KEYS if (value := metadata.get(key))))


def _history(*entries: Entry) -> History:
    return History(tuple(map(str, entries)))


def _entry(value: str) -> Entry | None:
    parts = value.split("|", _PARTS - 1)
    if len(parts) != _PARTS:
        return None
    number, at, request_id, before, after, outcome, code, by = parts
    with contextlib.suppress(UnreadableRecord, ValueError):
        return Entry(
            number=integer({"number": number}, "number", least=1),
            at=at,
            request_id=request_id,
            before=_size(before),
            after=_size(after),
            outcome=outcome,
            code=code,
            by=by,
        )
    return None


def _size(text: str) -> Size:
    return Size(*_numbers(text))


def _numbers(text: str) -> Iterator[int]:
    vcpus, memory_mb = text.split("x")
    for name, value in (("vcpus", vcpus), ("memory_mb", memory_mb)):
        yield integer({name: value}, name, least=1)
