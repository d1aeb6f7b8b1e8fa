# SPDX-License-Identifier: Apache-2.0
"""Reads the values of a record in ``system_metadata``, which may be any text."""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.size import Size

CONDITION = "xloud_condition_"
# No size and no count has more digits than this.
_MOST_DIGITS = 15


class UnreadableRecord(ValueError):
    """The desired size is unknown, because nova-xloud cannot have written the record as it is.

    A value is missing or is not possible.
    """


def integer(record: Mapping[str, str], name: str, least: int) -> int:
    """Return the value of ``name`` as an integer.

    :raises UnreadableRecord: when it is missing, is no integer of at least ``least``, or has more
        than 15 digits
    """
    text = record.get(name) or ""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or int(text) < least:
        raise UnreadableRecord(f"{name} is {text!r}; it must be an integer of at least {least}")
    return int(text)


def size(record: Mapping[str, str], vcpus: str, memory_mb: str) -> Size | None:
    """Return the size in the keys ``vcpus`` and ``memory_mb``; None if one key is missing.

    :raises UnreadableRecord: when one of the values is no integer of at least 1, or has more than
        15 digits
    """
    if vcpus not in record or memory_mb not in record:
        return None
    return Size(integer(record, vcpus, least=1), integer(record, memory_mb, least=1))


def progress(record: Mapping[str, str]) -> Progress:
    """Return the progress in a record; if its phase is missing or unknown, ``admitted``."""
    phase, since, code = (record.get("xloud_phase", "") + "||").split("|")[:3]
    if phase not in (known.value for known in Phase):
        # Written before there were phases, or by a later version: a run has to look.
        return Progress(Phase.ADMITTED, "xloud.admitted")
    return Progress(
        phase=Phase(phase),
        code=code,
        message=record.get("xloud_phase_message", ""),
        since=since,
        request_id=record.get("xloud_request_id", ""),
    )


def conditions(record: Mapping[str, str]) -> tuple[Condition, ...]:
    """Return the conditions in a record, sorted by type; each is true."""
    names = sorted(name for name in record if name.startswith(CONDITION))
    return tuple(condition(name.removeprefix(CONDITION), record[name]) for name in names)


def condition(kind: str, value: str) -> Condition:
    """Return the true condition of type ``kind`` whose since, reason and message are in ``value``.

    The three are separated by ``|``; what is missing is empty.
    """
    since, reason, message = [*value.split("|", 2), "", ""][:3]
    return Condition(kind, True, reason, message, since)
