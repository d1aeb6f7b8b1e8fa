# SPDX-License-Identifier: Apache-2.0
"""The journal: one line of JSON for each decision, with all that decided it.

A journal has two kinds of lines. An :class:`Entry` is a decision with its sample, and a
:class:`Checkpoint` is what was remembered of a guest at that time. A file that begins with
checkpoints is replayed to the byte, although the files before it are gone; without them the first
entries are decided with an empty history, and so nothing shrinks for a whole window.

The decisions can be replayed only if each sample that was observed has its entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

from nova_xloud.core.autoscaling.history import History
from nova_xloud.core.autoscaling.packing import packed, unpacked
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT, Mode, Profile, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS, Tuning

VERSION = 1
"""The version of the lines. A change of fields that older readers do not know raises it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision with all that decided it.

    :ivar uuid: the instance
    :ivar sample: what was observed just before
    :ivar recommendation: the decision
    :ivar action: what became of it, a code of the loop that writes the journal
    :ivar tuning: the constants; None for those of the profile
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
        """The constants that decided."""
        return self.tuning or TUNINGS[self.profile]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was remembered of an instance at the time of the line.

    :ivar uuid: the instance
    """

    uuid: str
    history: History


Record = Entry | Checkpoint


class BadLine(ValueError):
    """A line has no record, or one of another version.

    A writer that was killed leaves half a line.
    """


def encode(record: Record) -> str:
    """Return the line of a record, without its end of line."""
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
    """Return the record of a line.

    :raises BadLine: the line has no record, or one of another version
    """
    try:
        data = json.loads(line)
        version, kind = data.pop("v"), data.pop("kind")
        if version != VERSION or kind not in ("entry", "checkpoint"):
            raise BadLine(f"a line of kind {kind!r} and version {version!r}: {line:.80}")
        if kind == "checkpoint":
            checkpoint: Checkpoint = unpacked(Checkpoint, data)
            return checkpoint
        return _entry(data)
    except BadLine:
        raise
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BadLine(f"not a line of a journal ({error}): {line:.80}") from error


def _entry(data: dict[str, Any]) -> Entry:
    tuning = data.pop("tuning", None)
    entry: Entry = unpacked(Entry, data)
    if tuning is None:
        return entry
    kinds = {field.name: float for field in fields(Tuning)}
    changed = {name: unpacked(kinds[name], value) for name, value in tuning.items()}
    return replace(entry, tuning=replace(TUNINGS[entry.profile], **changed))
