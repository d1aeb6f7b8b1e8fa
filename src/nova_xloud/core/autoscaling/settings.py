# SPDX-License-Identifier: Apache-2.0
"""How an instance is scaled: its mode, its profile, and the sizes between which it is scaled."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Mode(enum.Enum):
    """Whether an instance is scaled automatically. The values are API."""

    OFF = "off"
    """Nothing is read, decided or written."""
    OBSERVE = "observe"
    """What would be done is decided and written into the journal; no server is changed."""
    ON = "on"
    """What is decided is written into the journal and done."""


class Profile(enum.Enum):
    """Stands for the time in which an instance does not shrink below what its guest has needed.

    :data:`WINDOWS` has that time, in seconds: an hour, 6 hours or a day. The values are API.
    """

    DENSE = "dense"
    BALANCED = "balanced"
    CAREFUL = "careful"


WINDOWS = {Profile.DENSE: 3600.0, Profile.BALANCED: 6 * 3600.0, Profile.CAREFUL: 24 * 3600.0}
DEFAULT_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Range:
    """The values to which one resource of an instance may be set: vCPUs (a count) or memory (MiB).

    :ivar smallest: the smallest value that may be asked for
    :ivar largest: the largest value that may be asked for
    :ivar step: a value must be a multiple of this, unless it is ``smallest`` or ``largest``
    :ivar held: what a person has asked for in the last ``[xloud] autoscale_hold`` seconds, below
        which the resource does not shrink; 0 if nobody has
    :ivar blocked: why the resource cannot be adjusted at all, a reason code; empty if it can be
    :ivar not_smaller: why the resource cannot be made smaller, a reason code; empty if it can be
    """

    smallest: int
    largest: int
    step: int = 1
    held: int = 0
    blocked: str = ""
    not_smaller: str = ""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The values to which the vCPUs and the memory of one instance may be set."""

    vcpus: Range
    memory_mb: Range
