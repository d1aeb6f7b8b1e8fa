# SPDX-License-Identifier: Apache-2.0
"""The values of a record as they are in ``system_metadata``: texts that may be anything."""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.size import Size

CONDITION = "xloud_condition_"
# No size and no count has more; a number of hundreds of digits is a mistake.
_MOST_DIGITS = 15


class UnreadableRecord(ValueError):
    """A record has a value that nova-xloud cannot have written, so nobody knows what was asked."""


def integer(record: Mapping[str, str], name: str, least: int) -> int:
    """:raises UnreadableRecord: the value of ``name`` is no integer of at least ``least``"""
    text = record.get(name) or ""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or int(text) < least:
        raise UnreadableRecord(f"{name} is {text!r}, and no integer of at least {least}")
    return int(text)


def size(record: Mapping[str, str], vcpus: str, memory_mb: str) -> Size | None:
    """The size in two keys; None: one of them is missing.

    :raises UnreadableRecord: one of them is no number
    """
    if vcpus not in record or memory_mb not in record:
        return None
    return Size(integer(record, vcpus, least=1), integer(record, memory_mb, least=1))


def progress(record: Mapping[str, str]) -> Progress:
    """Where the adjustment is; a phase that nobody knows is one that is not finished."""
    phase, since, code = (record.get("xloud_phase", "") + "||").split("|")[:3]
    if phase not in (known.value for known in Phase):
        # Written before there were phases, or by a later version: as good as not finished.
        return Progress(Phase.ADMITTED, "xloud.admitted")
    return Progress(
        phase=Phase(phase),
        code=code,
        message=record.get("xloud_phase_message", ""),
        since=since,
        request_id=record.get("xloud_request_id", ""),
    )


def conditions(record: Mapping[str, str]) -> tuple[Condition, ...]:
    """The recorded conditions, in the order of their types."""
    names = sorted(name for name in record if name.startswith(CONDITION))
    return tuple(condition(name.removeprefix(CONDITION), record[name]) for name in names)


def condition(kind: str, value: str) -> Condition:
    """The condition of that type whose since, reason and message are in one value, by ``|``."""
    since, reason, message = [*value.split("|", 2), "", ""][:3]
    return Condition(kind, True, reason, message, since)
