# SPDX-License-Identifier: Apache-2.0
"""Parse sizes as people write them on a command line."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {"": 1, "M": 1, "MIB": 1, "G": 1024, "GIB": 1024, "T": 1024**2, "TIB": 1024**2}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?) *([A-Za-z]*)", re.ASCII)


def memory_mb(text: str) -> int:
    """Parse a size of memory and return it in MiB: ``512``, ``512M``, ``512MiB``, ``1.5GiB``.

    The units are ``M``, ``MiB``, ``G``, ``GiB``, ``T`` and ``TiB``, in upper or lower case. They
    are powers of 1024, as in flavors. ``MB``, ``GB`` and ``TB`` are refused, because many people
    read them as powers of 1000.

    :raises ValueError: the text is no size, or not a whole number of MiB, or less than 1 MiB; the
        message says how to write the size
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size; write MiB as 512 or 512M, GiB as 2G")
    amount, unit = Fraction(found[1]), found[2].upper()
    if unit in ("MB", "GB", "TB"):
        letter = unit[0]
        raise ValueError(
            f"{text!r} may be powers of 1000 or of 1024; write {found[1]}{letter} or "
            f"{found[1]}{letter}iB, which are powers of 1024"
        )
    if unit not in _UNITS:
        raise ValueError(f"{text!r} has an unknown unit; use M, G or T, or MiB, GiB or TiB")
    return _whole(text, amount * _UNITS[unit])


def vcpus(text: str) -> int:
    """Parse a number of vCPUs, a whole number of at least 1, and return it.

    :raises ValueError: the text is no such number; the message says how to write it
    """
    if not re.fullmatch(r"0*[1-9][0-9]*", text.strip(), re.ASCII):
        raise ValueError(f"{text!r} is not a number of vCPUs; write a whole number, at least 1")
    return int(text)


def _whole(text: str, size: Fraction) -> int:
    below = int(size)
    if below == 0:
        raise ValueError(f"{text!r} is less than 1 MiB; write at least 1M")
    if size != below:
        raise ValueError(
            f"{text!r} is {float(size):g} MiB, and memory is whole MiB; write {below}M or "
            f"{below + 1}M"
        )
    return below
