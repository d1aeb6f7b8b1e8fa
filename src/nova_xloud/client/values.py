# SPDX-License-Identifier: Apache-2.0
"""Check the values of an answer of the API: a proxy, or another version, may answer anything.

Each function returns its value, and raises ``TypeError`` if the value is of another type.
"""

from __future__ import annotations

from typing import Any

from nova_xloud.core.size import Size


def integer(value: Any) -> int:
    """Return ``value``, which has to be an integer."""
    if type(value) is not int:
        raise TypeError(f"{value!r:.80} is no integer")
    return value


def integer_or_none(value: Any) -> int | None:
    """Return ``value``, which has to be an integer or None."""
    return None if value is None else integer(value)


def text(value: Any) -> str:
    """Return ``value``, which has to be a text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def text_or_none(value: Any) -> str | None:
    """Return ``value``, which has to be a text or None."""
    return None if value is None else text(value)


def truth(value: Any) -> bool:
    """Return ``value``, which has to be true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is neither true nor false")
    return value


def size(vcpus: Any, memory_mb: Any) -> Size:
    """Return the size of two values, which have to be integers."""
    return Size(integer(vcpus), integer(memory_mb))
