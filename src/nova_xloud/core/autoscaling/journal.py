# SPDX-License-Identifier: Apache-2.0
"""The journal: one line of JSON for each decision, with all that the decision depends on.

A journal has two kinds of lines. An :class:`Entry` is a decision about one guest with its sample.
A :class:`Checkpoint` is the history of one guest at that time, and replaces what the lines before
say of it. A file begins with those of all guests; within it there is one where a guest was
forgotten, with an empty history. To replay a journal is to make its decisions again. That gives the
same decisions to the byte if the file begins with checkpoints, although the files before it are
gone. Without checkpoints the first entries are decided with an empty history: no guest shrinks
before its samples cover the window of its profile.

The decisions can be replayed only if each sample that was observed since the last checkpoint has
its entry.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, TextIO

from nova_xloud.core.autoscaling.history import History
from nova_xloud.core.autoscaling.packing import packed, unpacked
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT, Mode, Profile, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS, Tuning

VERSION = 1
"""The version of a line's format, raised when lines of before cannot be read any more.

A new field has a default, and does not raise it: a reader that does not know a field of a line
refuses that line.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision about one instance, with all that it depends on but the history.

    :ivar uuid: the instance's UUID
    :ivar ranges: the values to which vCPUs and memory might be set
    :ivar sample: what was read of the guest just before the decision
    :ivar recommendation: the decision
    :ivar action: what became of the decision, a code such as ``grow``, ``hold.busy`` or
        ``observe``; empty if nobody has acted on it
    :ivar tuning: the constants of the decision; None for those of the profile
    """

    uuid: str
    mode: Mode
    profile: Profile
    ranges: Ranges
    sample: GuestSample
    recommendation: Recommendation
    action: str = ""
    weight: int = DEFAULT_WEIGHT
    tuning: Tuning | None = None

    @property
    def constants(self) -> Tuning:
        """The constants of the decision: ``tuning``, or those of the profile."""
        return self.tuning or TUNINGS[self.profile]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The history of an instance's guest before the entries that follow.

    :ivar uuid: the instance's UUID
    """

    uuid: str
    history: History


Record = Entry | Checkpoint

LONGEST_LINE = 2**20
"""How many characters a line may have; those that are written have a few thousand."""

_LAST_TIME = 253402300799
"""The last second of the year 9999, for which there is a date."""


class BadLine(ValueError):
    """A line has no record, or one of another version of the format.

    A nova-compute that was killed while it wrote leaves half a line, for example.
    """


def encode(record: Record) -> str:
    """Return the line of a record: an object of JSON, without the line break."""
    data = packed(record)
    if isinstance(record, Entry) and record.tuning is not None:
        usual = TUNINGS[record.profile]
        data["tuning"] = {
            field.name: packed(value)
            for field in fields(Tuning)
            if (value := getattr(record.tuning, field.name)) != getattr(usual, field.name)
        }
    kind = "entry" if isinstance(record, Entry) else "checkpoint"
    return json.dumps({"v": VERSION, "kind": kind, **data}, separators=(",", ":"), allow_nan=False)


def decode(line: str) -> Record:
    """Return the record of a line: an :class:`Entry` or a :class:`Checkpoint`.

    :raises BadLine: the line has no record, or one of another version of the format
    """
    if len(line) > LONGEST_LINE:
        raise BadLine(f"a line of more than {LONGEST_LINE} characters: {line:.80}")
    try:
        data = json.loads(line)
        version, kind = data.pop("v"), data.pop("kind")
        if version != VERSION or kind not in ("entry", "checkpoint"):
            raise BadLine(f"a line of kind {kind!r:.20} and version {version!r:.20}: {line:.80}")
        if kind == "checkpoint":
            checkpoint: Checkpoint = unpacked(Checkpoint, data)
            return checkpoint
        return _entry(data)
    except BadLine:
        raise
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BadLine(f"not a line of a journal ({error!s:.200}): {line:.80}") from error


def lines_of(stream: TextIO) -> Iterator[str]:
    """Yield the lines of a journal, without their ends.

    Of a line that is longer than :data:`LONGEST_LINE` only so much is yielded that :func:`decode`
    refuses it: it may be of any length, in a file that is compressed too.
    """
    while line := stream.readline(LONGEST_LINE + 1):
        rest = line
        while rest and not rest.endswith("\n"):
            rest = stream.readline(LONGEST_LINE)
        yield line.removesuffix("\n")


def _entry(data: dict[str, Any]) -> Entry:
    tuning = data.pop("tuning", None)
    entry: Entry = unpacked(Entry, data)
    _check(entry.recommendation)
    if tuning is None:
        return entry
    kinds = {field.name: float for field in fields(Tuning)}
    changed = {name: unpacked(kinds[name], value) for name, value in tuning.items()}
    return replace(entry, tuning=replace(TUNINGS[entry.profile], **changed))


def _check(told: Recommendation) -> None:
    """Raise unless a decision has a time for which there is a date, and needs that are finite.

    :raises ValueError: it does not: no such decision was ever made
    """
    needs = [one.need for one in (told.vcpus, told.memory_mb) if one.need is not None]
    if not 0 <= told.at <= _LAST_TIME or not all(map(math.isfinite, needs)):
        raise ValueError(f"a decision of the time {told.at} with the needs {needs}")
