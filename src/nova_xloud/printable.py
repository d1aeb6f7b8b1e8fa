# SPDX-License-Identifier: Apache-2.0
"""Make text that others have written safe to log, to show on a terminal, and to encode.

Users, guest agents and other services choose the text of names and messages. A line break in such a
text would make a second line in a log, which looks like one of Nova's own; an escape sequence would
be carried out by the terminal of whoever reads it; and a lone surrogate cannot be encoded at all.
"""

from __future__ import annotations

import unicodedata

# Control characters, lone surrogates, separators of lines and paragraphs.
_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
# What changes the direction of the text around it, so that it reads as something else.
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def one_line(text: str) -> str:
    r"""Return ``text`` with everything escaped that a log or a terminal would act on.

    What is escaped looks as in Python source: a line break becomes ``\n``, an escape ``\x1b``. Text
    without such characters is returned as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(one) if _is_unsafe(one) else one for one in text)


def _is_unsafe(character: str) -> bool:
    return (
        unicodedata.category(character) in _CATEGORIES
        or unicodedata.bidirectional(character) in _DIRECTIONS
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
