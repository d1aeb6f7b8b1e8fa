# SPDX-License-Identifier: Apache-2.0
"""Column formatters: nested values become text in tables, and stay as they are in JSON and YAML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from cliff.columns import FormattableColumn

_INDENT = "  "
# A space at which no line is broken.
_NO_BREAK = "\N{NO-BREAK SPACE}"


class SizeColumn(FormattableColumn):  # type: ignore[type-arg]
    """A size: ``{"vcpus": 3, "memory_mb": 768}`` becomes ``3 vCPUs, 768 MiB``.

    Either member may be absent; the text is empty without both, and for None.
    """

    def human_readable(self) -> str:
        return _size(self._value or {})


class TextColumn(FormattableColumn):  # type: ignore[type-arg]
    """Text that may be long. In a table its lines are wrapped to ``width``.

    :ivar width: characters; 0: the lines stay as they are
    """

    width = 0

    def human_readable(self) -> str:
        return "\n".join(wrap(line, self.width) for line in self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the lines before they are wrapped.

        What is wrapped of a line has the indent of the line.
        """
        raise NotImplementedError


class NumbersColumn(TextColumn):
    """The four numbers of one resource in one line: ``desired 3, reserved 3, ...``.

    A number that is None becomes ``unknown``. A line is not wrapped between a name and its number.
    """

    def human_readable(self) -> str:
        return super().human_readable().replace(_NO_BREAK, " ")

    def lines(self) -> Iterator[str]:
        yield ", ".join(
            f"{name}{_NO_BREAK}{'unknown' if number is None else number}"
            for name, number in self._value.items()
        )


class ConditionsColumn(TextColumn):
    """Each condition as a line with its type and, indented, its reason and message.

    A message that was shown with the same reason before is not repeated.
    """

    def lines(self) -> Iterator[str]:
        said = set()
        for condition in self._value:
            since = f" since {condition['since']}" if condition["since"] else ""
            yield f"{condition['type']}: {condition['status']}{since}"
            code, message = condition["reason"], condition["message"]
            # Converged has the reason of the condition that prevents it, with the same words.
            yield _INDENT + _with_message(code, "" if (code, message) in said else message)
            said.add((code, message))


class BlockersColumn(TextColumn):
    """Each blocker as a line with its resource and code and, indented, its message."""

    def lines(self) -> Iterator[str]:
        for blocker in self._value:
            yield f"{blocker['resource']}: {blocker['code']}"
            yield _INDENT + blocker["message"]


class RefusalColumn(TextColumn):
    """A refusal, a dict of ``code`` and ``message``, as ``code: message``; no text for None."""

    def lines(self) -> Iterator[str]:
        if self._value:
            yield _with_message(self._value["code"], self._value["message"])


class StepsColumn(TextColumn):
    """The steps of a plan in words, one a line, numbered from 1."""

    def lines(self) -> Iterator[str]:
        for number, told in enumerate(self._value, 1):
            yield f"{number}. {step(told)}"


class ListColumn(TextColumn):
    """A list of texts, one a line."""

    def lines(self) -> Iterator[str]:
        yield from self._value


def wrap(text: str, width: int) -> str:
    """Break lines that are longer than ``width``, and indent what follows as the line is indented.

    Words with hyphens are kept whole, because many are commands and options to be copied. A word
    that is longer than ``width`` itself is broken behind a dot, as codes have them, or at ``width``
    if it has none.

    :param width: characters; 0: leave the text as it is
    """
    if not width:
        return text
    return "\n".join(part for line in text.splitlines() for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> Iterator[str]:
    indent = line[: len(line) - len(line.lstrip())]
    room = width - len(indent)
    parts = " ".join(
        "\n".join(_pieces(word, room)) for word in line.strip(" ").split(" ")
    ).splitlines()
    for part in parts:
        yield from textwrap.wrap(
            part,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )


def _pieces(word: str, width: int) -> Iterator[str]:
    while len(word) > width:
        end = word.rfind(".", 0, width) + 1 or width
        yield word[:end]
        word = word[end:]
    yield word


def _with_message(code: str, message: str) -> str:
    return f"{code}: {message}" if message else code


def step(told: Mapping[str, Any]) -> str:
    """Return a step of a plan in words.

    A step that only a later version of the API knows is shown with its name and all its values.
    """
    match told:
        case {"step": "claim"}:
            return f"claim {_size(told)}"
        case {"step": "release"}:
            return f"release what is claimed beyond {_size(told)}"
        case {"step": "set_definition"}:
            return f"set the size of the next start to {_size(told)}"
        case {"step": "set_memory", "mib": mib}:
            return f"set the guest's memory to {mib} MiB"
        case {"step": "set_vcpus", "count": count}:
            return f"set the guest's vCPUs to {count}"
        case {"step": "set_online", "count": count}:
            return f"bring {count} CPUs online in the guest, through the guest's agent"
        case {"step": "begin_removal", "count": count}:
            return f"record that vCPUs are being removed, down to {count}"
        case {"step": "await", "what": what}:
            return f"wait until {what}"
        case {"step": "stuck" | "deferred" as name, "why": why}:
            return f"{name}: {why}"
    rest = ", ".join(f"{name} {value}" for name, value in told.items() if name != "step")
    return f"{told['step']} {rest}".rstrip()


def _size(told: Mapping[str, Any]) -> str:
    units = {"vcpus": "vCPUs", "memory_mb": "MiB"}
    return ", ".join(f"{told[name]} {unit}" for name, unit in units.items() if name in told)
