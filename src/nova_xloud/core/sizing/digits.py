# SPDX-License-Identifier: Apache-2.0
"""Read a number that a flavor's extra spec or an image's property spells in digits."""

from __future__ import annotations

# The longest value in Nova's database. Python converts no text of more than 4,300 digits.
_LONGEST = 255


def number(text: str) -> int | None:
    """Return the number that ``text`` spells in 1 to 255 ASCII digits; None for any other text."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST
    return int(text) if is_number else None
