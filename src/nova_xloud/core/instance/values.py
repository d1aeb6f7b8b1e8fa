# SPDX-License-Identifier: Apache-2.0
"""Read the values of a record in ``system_metadata``, which may be any text."""

from __future__ import annotations

from collections.abc import Mapping

from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.size import Size

CONDITION = "xloud_condition_"
# No size and no count has more digits than this.
_MOST_DIGITS = 15


class UnreadableRecord(ValueError):
    """The record of an instance cannot be read, so its desired size is unknown.

    A value is missing, or nova-xloud cannot have written it.
    """


def integer(record: Mapping[str, str], name: str, least: int) -> int:
    """Return the value of ``name`` as an integer.

    :raises UnreadableRecord: it is missing, is not an integer of at least ``least``, or has more
        than 15 digits
    """
    text = record.get(name) or ""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or int(text) < least:
        raise UnreadableRecord(
            f"{name} is {text!r}; it must be an integer of at least {least}, with at most "
            f"{_MOST_DIGITS} digits"
        )
    return int(text)


def size(record: Mapping[str, str], vcpus: str, memory_mb: str) -> Size | None:
    """Return the size in the keys ``vcpus`` and ``memory_mb``; None if one key is missing.

    :raises UnreadableRecord: one of the values is not an integer of at least 1, or has more than 15
        digits
    """
    if vcpus not in record or memory_mb not in record:
        return None
    return Size(integer(record, vcpus, least=1), integer(record, memory_mb, least=1))


def progress(record: Mapping[str, str]) -> Progress:
    """Return the progress in a record.

    If the phase is missing or unknown, the result is ADMITTED without any other value of the
    record.
    """
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
        superseded=tuple(filter(None, record.get("xloud_superseded", "").split(","))),
    )


def conditions(record: Mapping[str, str]) -> tuple[Condition, ...]:
    """Return the conditions in a record's keys ``xloud_condition_<type>``, sorted by type.

    Each has the status True.
    """
    names = sorted(name for name in record if name.startswith(CONDITION))
    return tuple(condition(name.removeprefix(CONDITION), record[name]) for name in names)


def condition(kind: str, value: str) -> Condition:
    """Return the condition of type ``kind`` with the status True.

    :param value: since, reason code and message, separated by ``|``; a part that is missing is
        empty
    """
    since, reason, message = [*value.split("|", 2), "", ""][:3]
    return Condition(kind, True, reason, message, since)
