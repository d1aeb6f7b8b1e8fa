# SPDX-License-Identifier: Apache-2.0
"""Column formatters: nested values become text in tables, and stay as they are in JSON and YAML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from cliff.columns import FormattableColumn

from nova_xloud.client import in_words
from nova_xloud.printable import one_line

_INDENT = "  "
# A space at which no line is broken.
_NO_BREAK = "\N{NO-BREAK SPACE}"


class SizeColumn(FormattableColumn):  # type: ignore[type-arg]
    """A size: ``{"vcpus": 3, "memory_mb": 768}`` becomes ``3 vCPUs, 768 MiB``.

    A member that is missing is left out; the text is empty if both are missing, and for None.
    """

    def human_readable(self) -> str:
        return one_line(in_words.sizes(self._value or {}))


class TextColumn(FormattableColumn):  # type: ignore[type-arg]
    """Text that may be long; in a table its lines are wrapped to ``width``.

    What a terminal would act on is escaped, because tenants and guests choose names and messages.

    :ivar width: the longest line, in characters; 0: lines are not wrapped
    """

    width = 0

    def human_readable(self) -> str:
        return "\n".join(wrap(one_line(line), self.width) for line in self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text as they are before they are wrapped and escaped.

        All parts of a wrapped line get the indent of that line.
        """
        raise NotImplementedError


class NumbersColumn(TextColumn):
    """The four numbers of one resource in one line: ``desired 3, reserved 3, ...``.

    A number that is None becomes ``unknown``. A name and its number stay on one line.
    """

    def human_readable(self) -> str:
        return super().human_readable().replace(_NO_BREAK, " ")

    def lines(self) -> Iterator[str]:
        yield ", ".join(
            f"{name}{_NO_BREAK}{'unknown' if number is None else number}"
            for name, number in self._value.items()
        )


class ConditionsColumn(TextColumn):
    """Conditions: for each a line with type, status and time, and below it reason and message.

    If an earlier condition has the same reason and message, the message is not repeated.
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
    """Blockers: for each a line with its resource and code, and below it its message."""

    def lines(self) -> Iterator[str]:
        for blocker in self._value:
            yield f"{blocker['resource']}: {blocker['code']}"
            yield _INDENT + blocker["message"]


class RefusalColumn(TextColumn):
    """A refusal, a dict with ``code`` and ``message``, as ``code: message``; no text for None."""

    def lines(self) -> Iterator[str]:
        if self._value:
            yield _with_message(self._value["code"], self._value["message"])


class StepsColumn(TextColumn):
    """The steps of a plan in words, each on a line of its own, numbered from 1."""

    def lines(self) -> Iterator[str]:
        for number, told in enumerate(self._value, 1):
            yield f"{number}. {in_words.step(told)}"


class AutoscaleColumn(TextColumn):
    """How a server is scaled automatically: mode, profile, weight, recommendation and reasons.

    If the mode is ``off``, the text is only that.
    """

    def lines(self) -> Iterator[str]:
        told = self._value
        if told["mode"] == "off":
            yield "off"
            return
        whose = "requested" if told["requested"] is not None else "the flavor's, or the cloud's"
        yield f"{told['mode']} ({whose}), profile {told['profile']}, weight {told['weight']}"
        if told["recommendation"] is None:
            yield (
                "no recommendation: the guest does not run, or has no figures yet, or the "
                "server's compute host was not asked"
            )
            return
        since = f" since {told['since']}" if told["since"] else ""
        yield f"recommended: {in_words.sizes(told['recommendation'])}{since}"
        for reason in told["reasons"]:
            yield f"{reason['resource']}: {_with_message(reason['code'], reason['message'])}"
        if told["age_seconds"] is not None:
            yield f"the guest's figures are {told['age_seconds']} s old"


class NameColumn(TextColumn):
    """The name of a server, or None."""

    def lines(self) -> Iterator[str]:
        yield str(self._value)


class ListColumn(TextColumn):
    """A list of texts, each on a line of its own."""

    def lines(self) -> Iterator[str]:
        yield from self._value


def wrap(text: str, width: int) -> str:
    """Return ``text`` with its lines broken that are longer than ``width``.

    All parts of a broken line have the indent of that line. Words are not broken at hyphens,
    because many are commands and options to be copied. A word that does not fit on a line is broken
    after a dot, because reason codes have dots, or else where the line ends.

    :param width: the longest line, in characters; 0: return ``text`` as it is
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
