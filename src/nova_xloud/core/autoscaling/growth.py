# SPDX-License-Identifier: Apache-2.0
"""How large an instance should be for what it needs now.

Memory grows at once to the size that fits the need, however far that is; in distress it grows by an
eighth, if that is more. A need that rises is projected (:mod:`~.autoscaling.ahead`), but not much
further than it has been seen to rise, because what has risen for a second may end in the next one.
vCPUs that are busy all the time do not show how much more is wanted, so they are doubled, and the
need is measured again. A guest is never shrunk below the size that fits its need, so memory that
was grown to that size is not shrunk for the same need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nova_xloud.core.autoscaling.ahead import coming_need
from nova_xloud.core.autoscaling.history import CpuHistory, MemoryHistory
from nova_xloud.core.autoscaling.need import CpuFigures, MemoryFigures
from nova_xloud.core.autoscaling.settings import Range
from nova_xloud.core.autoscaling.track import Track
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.autoscaling.votes import (
    CPU_BUSY,
    OOM_KILL,
    RISING,
    USABLE_LOW,
    is_at_ceiling,
)

ROUNDING = 1e-6
"""A value above a whole number by less than this counts as that: sums of fractions are inexact."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What speaks for growth of one resource, and to which value.

    :ivar target: the value to grow to: vCPUs, or MiB; 0 if nothing speaks for growth. It may be out
        of range. With ``is_undo`` it is at least the value before the last shrink
    :ivar votes: the codes of what speaks for growth, see :mod:`nova_xloud.core.autoscaling.votes`;
        empty if nothing does
    :ivar is_urgent: whether the guest is in distress for want of memory
    :ivar is_undo: whether the last shrink did harm and should be taken back
    """

    target: float = 0.0
    votes: tuple[str, ...] = ()
    is_urgent: bool = False
    is_undo: bool = False


NO_WISH = Wish()


def memory_reserve(largest: int, tuning: Tuning) -> float:
    """Return how much memory a guest should have beyond its need, so that it stays usable, in MiB.

    That is ``reserve_base_mb`` plus ``reserve_share`` of ``largest``, at most ``reserve_most_mb``.

    :param largest: the largest memory that the guest may have, MiB
    """
    wanted = tuning.reserve_base_mb + tuning.reserve_share * largest
    return min(wanted, tuning.reserve_most_mb)


def fitting_memory(need: float, largest: int, tuning: Tuning) -> float:
    """Return how much memory a guest with a need should have, in MiB.

    With that memory the need is at most the share ``memory_fill`` of the memory, and
    :func:`memory_reserve` stays usable. The result is not rounded, and may be out of range.

    :param need: what the guest needs, MiB
    :param largest: the largest memory that the guest may have, MiB
    """
    return max(need / tuning.memory_fill, need + memory_reserve(largest, tuning))


def fitting_vcpus(need: float, tuning: Tuning) -> int:
    """Return how many vCPUs a guest that needs ``need`` cores should have; at least 1.

    The need is then at most the share ``cpu_fill`` of the vCPUs.
    """
    return max(1, math.ceil(need / tuning.cpu_fill - ROUNDING))


def memory_wish(
    history: MemoryHistory,
    figures: MemoryFigures | None,
    size_mb: int,
    range_mb: Range,
    tuning: Tuning,
    now: float,
) -> Wish:
    """Return what speaks for more memory: see :class:`Wish`.

    :param figures: the last figures; None if they are unknown or too old. An OOM kill counts also
        without them
    :param size_mb: the memory that the guest has, MiB
    :param range_mb: the values to which the memory may be set
    :param now: seconds since the epoch
    """
    votes: tuple[str, ...] = ()
    target, is_urgent = 0.0, False
    track = history.track
    if figures is not None:
        coming = coming_need(figures, history.known, tuning)
        target, votes, is_urgent = _by_figures(figures, coming, track, size_mb, range_mb, tuning)
    if history.oom_need and now - history.oom_at <= tuning.veto:
        votes += (OOM_KILL,)
        target = max(target, fitting_memory(history.oom_need, range_mb.largest, tuning))
        is_urgent = True
    return _or_undo(Wish(target, votes, is_urgent), track)


def _by_figures(
    figures: MemoryFigures,
    coming: float,
    track: Track,
    size_mb: int,
    range_mb: Range,
    tuning: Tuning,
) -> tuple[float, tuple[str, ...], bool]:
    """Return ``target``, ``votes`` and ``is_urgent`` of the wish for memory, without OOM kills.

    :param coming: :func:`~.ahead.coming_need`, MiB
    :param track: what samples have shown of the memory, with the last signs of distress
    """
    need, target, is_urgent = figures.need, 0.0, False
    votes: tuple[str, ...] = ()
    fitting = fitting_memory(need, range_mb.largest, tuning)
    reserve, slack = fitting - need, size_mb - need
    if slack < tuning.low_share * reserve:
        votes += (USABLE_LOW,)
        is_urgent = slack < tuning.low_share * reserve / 2
    if coming > size_mb:
        votes += (RISING,)
    if votes:
        target = max(fitting, coming + memory_reserve(range_mb.largest, tuning))
    signs = tuple(sign for sign in track.signs if sign != OOM_KILL)
    if signs and figures.usable < tuning.plenty_share * figures.available:
        votes, is_urgent = votes + signs, True
        target = max(target, fitting)
        if track.grown_at is None or figures.at > track.grown_at:
            # Once for each report: what has grown since is not in this one.
            target = max(target, size_mb * (1 + tuning.notch))
    return target, votes, is_urgent


def cpu_wish(history: CpuHistory, figures: CpuFigures | None, vcpus: int, tuning: Tuning) -> Wish:
    """Return what speaks for more vCPUs: see :class:`Wish`.

    vCPUs that are busy all the time do not show how much more is wanted. So their number is
    multiplied by ``Tuning.cpu_ratio``, and the need is measured again.

    :param figures: the last figures; None if they are unknown or too old
    :param vcpus: the vCPUs that the guest has
    """
    wish = NO_WISH
    if figures is not None and is_at_ceiling(figures, tuning):
        target = max(vcpus + 1, math.ceil(vcpus * tuning.cpu_ratio - ROUNDING))
        wish = Wish(float(target), (CPU_BUSY,))
    return _or_undo(wish, history.track)


def _or_undo(wish: Wish, track: Track) -> Wish:
    """Return ``wish``, raised to the value before the last shrink if that shrink did harm.

    A shrink did harm if, while it is still watched, distress was seen after it or something speaks
    for growth.
    """
    shrink = track.shrink
    if shrink is None:
        return wish
    has_distress = track.distress_at is not None and track.distress_at > shrink.at
    if not has_distress and not wish.votes:
        return wish
    votes = wish.votes or track.distress
    return Wish(max(wish.target, float(shrink.before)), votes, wish.is_urgent, True)


def rounded_up(value: float, allowed: Range) -> int:
    """Return the smallest value of a range that is at least ``value``; the largest if none is."""
    if value >= allowed.largest:
        return allowed.largest
    if value <= allowed.smallest:
        return allowed.smallest
    step = max(1, allowed.step)
    return min(allowed.largest, math.ceil(value / step - ROUNDING) * step)
