# SPDX-License-Identifier: Apache-2.0
"""Turn frozen dataclasses into JSON values and back, without a loss.

A dataclass becomes an object, without the fields that have their default. Every float is the same
afterwards. JSON has no number for nan and the infinities, so these become strings.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import types
import typing
from typing import Any

# Counters of guests and of libvirt have 64 bits, so no integer is larger. One with some hundred
# digits cannot become a float.
_LARGEST = 2**64


def packed(value: Any) -> Any:
    """Return ``value`` as the lists, objects and plain values that the module ``json`` writes.

    :param value: a frozen dataclass, a tuple, an enum, a number, a string or None
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, tuple):
        return [packed(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    return {
        name: packed(item)
        for name, default, _ in _fields(value.__class__)
        if (item := getattr(value, name)) is not default and (item != default or _is_odd(item))
    }


def unpacked(kind: Any, data: Any) -> Any:
    """Return the value of type ``kind`` of which :func:`packed` has returned ``data``.

    :raises ValueError: ``data`` is not what :func:`packed` returns for that type
    """
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _unpacked_union(kind, data)
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"not a list: {data!r:.80}")
        item_kind = typing.get_args(kind)[0]
        return tuple(unpacked(item_kind, item) for item in data)
    if kind is float:
        return _unpacked_float(data)
    if kind in (int, str, bool):
        if type(data) is not kind or _is_too_large(data):
            raise ValueError(f"not of type {kind.__name__}: {data!r:.80}")
        return data
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    return _unpacked_object(kind, data)


def _unpacked_union(kind: Any, data: Any) -> Any:
    if data is None:
        return None
    rest = [k for k in typing.get_args(kind) if k is not type(None)]
    return unpacked(rest[0], data)


def _unpacked_float(data: Any) -> float | int:
    """Return the number that :func:`packed` has made ``data`` from; an int stays an int.

    :raises ValueError: ``data`` is not a number, and not ``nan``, ``inf`` or ``-inf``
    """
    if isinstance(data, bool) or not isinstance(data, int | float | str):
        raise ValueError(f"not a number: {data!r:.80}")
    # What is not finite is a string; the module json takes NaN and 1e999 for numbers all the same.
    if _is_too_large(data) or (isinstance(data, float) and not math.isfinite(data)):
        raise ValueError(f"no number that a guest can have: {data!r:.80}")
    if isinstance(data, str):
        if data not in ("nan", "inf", "-inf"):
            raise ValueError(f"not a number: {data!r:.80}")
        return float(data)
    return data


def _unpacked_object(kind: Any, data: Any) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"not an object: {data!r:.80}")
    known = {name: field_kind for name, _, field_kind in _fields(kind)}
    unknown = data.keys() - known.keys()
    if unknown:
        raise ValueError(f"unknown fields of {kind.__name__}: {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: unpacked(known[name], item) for name, item in data.items()})
    except TypeError as missing:
        raise ValueError(str(missing)) from missing


def _is_too_large(data: Any) -> bool:
    return isinstance(data, int) and abs(data) > _LARGEST


def _is_odd(item: Any) -> bool:
    """Return whether a value must be packed although it equals its default: -0.0 equals 0.0."""
    return isinstance(item, float) and math.copysign(1.0, item) < 0


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, Any, Any], ...]:
    """Return name, default and type of each field of a dataclass."""
    hints = typing.get_type_hints(kind)
    return tuple((f.name, f.default, hints[f.name]) for f in dataclasses.fields(kind))
