# SPDX-License-Identifier: Apache-2.0
"""Whether an instance may be made smaller, and how far.

It may shrink to the size that fits the highest need of the profile's window (an hour to a day), in
small steps. Each step is watched for a while before the next one (see :class:`~.track.Shrink`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.growth import fitting_memory, fitting_vcpus, rounded_up
from nova_xloud.core.autoscaling.history import History, MemoryHistory
from nova_xloud.core.autoscaling.need import MemoryFigures
from nova_xloud.core.autoscaling.peaks import NO_PEAKS
from nova_xloud.core.autoscaling.settings import Range
from nova_xloud.core.autoscaling.track import Track, faded_floor
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.autoscaling.votes import words


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a resource is not made smaller now; in :attr:`.decide.Case.capped`, why it does not grow.

    :ivar code: the part of the reason code after ``hold.``, such as ``window``
    :ivar reason: for people, a clause
    """

    code: str
    reason: str


def memory_floor(memory: MemoryHistory, allowed: Range, tuning: Tuning, now: float) -> int | None:
    """Return the least memory to shrink to, MiB; None if no need of the window is known.

    That is the largest of four, within the range: what fits the highest need of the window, the
    highest need that was projected in it (:func:`~.ahead.remembered_need`), what is left of the
    floor that a wrong shrink has taught (:attr:`.track.Track.learned`), and what a person has asked
    for.

    :param memory: what samples have shown of the memory
    :param allowed: the values to which the memory may be set
    :param now: seconds since the epoch
    """
    track = memory.track
    highest = track.peaks.highest(now)
    if highest is None:
        return None
    learned = faded_floor(track.learned, track.learned_at, allowed.smallest, now, tuning)
    coming = memory.coming.highest(now) or 0.0
    fitting = max(fitting_memory(highest, allowed.largest, tuning), coming)
    return rounded_up(max(fitting, learned, allowed.held), allowed)


def is_projected(memory: MemoryHistory, allowed: Range, tuning: Tuning, now: float) -> bool:
    """Return whether :func:`memory_floor` would be lower if no need had been projected."""
    seen = replace(memory, coming=NO_PEAKS)
    return memory_floor(seen, allowed, tuning, now) != memory_floor(memory, allowed, tuning, now)


def vcpus_floor(track: Track, allowed: Range, tuning: Tuning, now: float) -> int | None:
    """Return the fewest vCPUs to shrink to; None if no need of the window is known.

    They are found as in :func:`memory_floor`, with the vCPUs' track and range. What is left of a
    learned floor is rounded to whole vCPUs.
    """
    highest = track.peaks.highest(now)
    if highest is None:
        return None
    # A learned floor counts until half of what is above the vCPU below it is forgotten.
    learned = round(faded_floor(track.learned, track.learned_at, allowed.smallest, now, tuning))
    return rounded_up(max(fitting_vcpus(highest, tuning), learned, allowed.held), allowed)


def memory_step(figures: MemoryFigures, allowed: Range, tuning: Tuning) -> float:
    """Return by how much memory may shrink in one step, MiB.

    That is ``shrink_step`` of the largest memory that is allowed, but no more than the guest's free
    memory and ``cache_share`` of its page cache. If a guest does not report its page cache, all of
    its usable memory counts as page cache.
    """
    usable = figures.usable
    cache = usable if figures.cache is None else min(figures.cache, usable)
    available = usable - (1 - tuning.cache_share) * cache
    return min(max(1.0, tuning.shrink_step * allowed.largest), available)


def hold(
    history: History,
    track: Track,
    other: Track,
    allowed: Range,
    is_settled: bool,
    tuning: Tuning,
    now: float,
) -> Hold | None:
    """Return why a resource must not be made smaller now; None if it may be.

    :param track: what samples have shown of the resource
    :param other: what samples have shown of the guest's other resource
    :param allowed: the values to which the resource may be set
    :param is_settled: whether the guest has the desired value of the resource
    :param now: seconds since the epoch
    """
    return (
        _by_figures(history, track, allowed, tuning, now)
        or _by_distress(track, tuning, now)
        or _by_changes(track, is_settled, tuning, now)
        or _by_other(other, tuning, now)
        or over_cap(history, tuning, now)
    )


def _by_figures(
    history: History, track: Track, allowed: Range, tuning: Tuning, now: float
) -> Hold | None:
    if allowed.not_smaller:
        return Hold("not_smaller", f"it cannot be made smaller ({allowed.not_smaller})")
    if track.problem or track.known_at is None:
        return Hold(track.problem or "unknown", PROBLEMS.get(track.problem, PROBLEMS["unknown"]))
    if track.since is None or now - track.since < tuning.window:
        covered = 0.0 if track.since is None else max(0.0, now - track.since)
        return Hold(
            "window", f"figures are known for {covered:.0f} of {tuning.window:.0f} seconds only"
        )
    if history.booted_at is not None and now - history.booted_at < tuning.boot_settle:
        return Hold("boot", "the guest has started lately")
    return None


def _by_distress(track: Track, tuning: Tuning, now: float) -> Hold | None:
    if track.distress_at is not None and now - track.distress_at < tuning.veto:
        return Hold("distress", f"a short time ago {words(track.distress)}")
    return None


def _by_changes(track: Track, is_settled: bool, tuning: Tuning, now: float) -> Hold | None:
    if not is_settled:
        return Hold("resizing", "the guest does not have the desired size yet")
    if track.shrink is not None:
        return Hold("probation", "the last shrink is still watched")
    if track.changed_at is not None and now - track.changed_at < tuning.between:
        return Hold("interval", "the desired size has changed a short time ago")
    if track.grown_at is not None and now - track.grown_at < tuning.settle:
        return Hold("settling", "it has grown a short time ago")
    return None


def _by_other(other: Track, tuning: Tuning, now: float) -> Hold | None:
    """Return a hold while the last shrink of the other resource is watched; None if none is.

    The two resources then shrink together the next time, in fewer changes. The hold ends after
    twice ``Tuning.probation``, so that a guest that does not give its memory back can still lose
    vCPUs.
    """
    if other.shrink is None or now - other.shrink.at >= 2 * tuning.probation:
        return None
    return Hold("probation", "the last shrink of the other resource is still watched")


def over_cap(history: History, tuning: Tuning, now: float) -> Hold | None:
    """Return a hold if the desired size has changed too often lately; None if it has not.

    Too often is ``Tuning.changes`` times within ``Tuning.changes_period`` seconds.
    """
    lately = sum(1 for at in history.changes if now - at < tuning.changes_period)
    if lately < tuning.changes:
        return None
    return Hold(
        "cap", f"the instance has changed {lately} times within {tuning.changes_period:.0f} seconds"
    )


PROBLEMS = {
    "unknown": "its need is not known",
    "stale": "the last report of its need is too old",
    "boot": "the guest has started just now",
}
"""For people: by code of :attr:`Track.problem`, why a resource is not made smaller, a clause."""

STALE = Hold("stale", PROBLEMS["stale"])
