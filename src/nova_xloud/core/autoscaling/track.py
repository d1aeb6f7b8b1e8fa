# SPDX-License-Identifier: Apache-2.0
"""What samples have shown of one resource of a guest: its needs, distress, changes and shrinks.

The resource is vCPUs (a count) or memory (MiB).
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.autoscaling.peaks import BUCKETS, NO_PEAKS, Peaks
from nova_xloud.core.autoscaling.tuning import Tuning

UNKNOWN_SHARE = 1 / 8
"""For this share of the profile's window the need may be unknown, in one gap or in many.

If it is unknown for longer, the time for which a guest must be watched before it may shrink starts
again. A second in which the need is known makes up for this share of a second in which it was not.
So a guest whose need is unknown for more than a ninth of the time is never watched long enough.
"""

LATE = 1.5
"""A sample may come so many intervals after the one before, however short the window is."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """A shrink that is watched. It is confirmed after some time and samples without distress.

    If the guest shows distress or has to grow before that, the shrink was wrong. Only a shrink that
    automatic growth has made is watched: what a person has asked for is not taken back.

    :ivar at: when the smaller value was first seen to be desired, seconds since the epoch
    :ivar before: the value that was desired before the shrink; after several shrinks in a row,
        before the first of them that is not confirmed
    :ivar is_reached: whether the guest has had the smaller value
    :ivar samples: how many samples with a known need came after that, counted up to
        ``Tuning.fresh_samples``
    """

    at: float
    before: int
    is_reached: bool = False
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Track:
    """What samples have shown of one resource of a guest. Times are seconds since the epoch.

    :ivar problem: why the last sample does not show the need: ``unknown``, ``stale`` or ``boot``;
        empty if it does
    :ivar since: since when the need is known for all but a short time (``unknown_for``); None if it
        was never known
    :ivar known_at: when the need was last known; None if it never was
    :ivar peaks: the highest needs of the profile's window
    :ivar signs: the signs of distress that the last figures show
    :ivar distress: the signs of distress that were seen last
    :ivar distress_at: when these were seen; None if there were none
    :ivar grown_at: when the desired value has last become larger; None if it has not
    :ivar changed_at: when the desired value has last changed; None if it has not
    :ivar shrink: the shrink that is watched; None if there is none
    :ivar learned: the learned floor, which a wrong shrink has taught: the value before the last
        shrink that was followed by growth while it was watched, or what was left of an earlier
        learned floor, if that was more; 0 if there was no such shrink
    :ivar learned_at: when that growth was seen
    :ivar unknown_for: for how many seconds the need was unknown since ``since``, less
        :data:`UNKNOWN_SHARE` of those for which it was known, and never below 0
    """

    problem: str = "unknown"
    since: float | None = None
    known_at: float | None = None
    peaks: Peaks = NO_PEAKS
    signs: tuple[str, ...] = ()
    distress: tuple[str, ...] = ()
    distress_at: float | None = None
    grown_at: float | None = None
    changed_at: float | None = None
    shrink: Shrink | None = None
    learned: int = 0
    learned_at: float = 0.0
    unknown_for: float = 0.0


NO_TRACK = Track()
"""The track of a resource of which nothing was read yet."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one sample shows of one resource: vCPUs (a count) or memory (MiB).

    :ivar at: when the sample was taken, seconds since the epoch
    :ivar passed: how many seconds after the sample before that was; 0 if there was none
    :ivar before: the desired value of the sample before; None if there was none
    :ivar desired: the desired value
    :ivar actual: the value that the guest has
    :ivar need: what the guest needs; None if it is not known, or if an earlier sample had the same
        report
    :ivar problem: why the need is not known, see :class:`Track`; empty if it is
    :ivar is_new: whether the sample has figures that no sample before has had
    :ivar signs: the signs of distress that the figures show
    :ivar is_asked: whether another desired value than before was not made by automatic growth: by
        a person, or by a start of the guest
    """

    at: float
    passed: float
    before: int | None
    desired: int
    actual: int
    need: float | None
    problem: str
    is_new: bool
    signs: tuple[str, ...]
    is_asked: bool = False


def followed(track: Track, seen: Seen, tuning: Tuning) -> Track:
    """Return ``track`` after the sample that ``seen`` describes."""
    at, shrink = seen.at, track.shrink
    learned, learned_at = track.learned, track.learned_at
    grown_at, changed_at = track.grown_at, track.changed_at
    if seen.before is not None and seen.desired != seen.before:
        changed_at = at
        if seen.desired > seen.before:
            grown_at = at
            if shrink is not None:
                # The shrink is taken back, or what it took was needed for something else.
                faded = faded_floor(learned, learned_at, 0, at, tuning)
                learned, learned_at = max(shrink.before, round(faded)), at
                shrink = None
        elif seen.is_asked:
            shrink = None
        else:
            before = seen.before if shrink is None else max(seen.before, shrink.before)
            shrink = Shrink(at, before)
    signs, distress, distress_at = track.signs, track.distress, track.distress_at
    if seen.is_new or seen.problem or seen.signs:
        signs = seen.signs
        if signs:
            distress, distress_at = signs, at
    if shrink is not None:
        shrink = _watched(shrink, seen, distress_at, tuning)
    since, known_at, peaks, unknown_for = _covered(track, seen, tuning)
    return Track(
        seen.problem,
        since,
        known_at,
        peaks,
        signs,
        distress,
        distress_at,
        grown_at,
        changed_at,
        shrink,
        learned,
        learned_at,
        unknown_for,
    )


def _watched(
    shrink: Shrink, seen: Seen, distress_at: float | None, tuning: Tuning
) -> Shrink | None:
    """Return the watched shrink after the sample that ``seen`` describes; None if it is confirmed.

    It is confirmed ``Tuning.probation`` seconds after the shrink and the last distress, if the
    guest has had the smaller value for ``Tuning.fresh_samples`` samples.

    :param distress_at: when signs of distress were last seen; None if there were none
    """
    if not shrink.is_reached:
        is_reached = seen.actual <= seen.desired
        return Shrink(shrink.at, shrink.before, True, 0) if is_reached else shrink
    if not seen.is_new or seen.problem:
        return shrink
    samples = min(shrink.samples + 1, tuning.fresh_samples)
    quiet_since = shrink.at if distress_at is None else max(shrink.at, distress_at)
    if samples >= tuning.fresh_samples and seen.at - quiet_since >= tuning.probation:
        return None
    return Shrink(shrink.at, shrink.before, True, samples)


def _covered(
    track: Track, seen: Seen, tuning: Tuning
) -> tuple[float | None, float | None, Peaks, float]:
    """Return ``since``, ``known_at``, ``peaks`` and ``unknown_for`` of :class:`Track`."""
    since, known_at, peaks = track.since, track.known_at, track.peaks
    if peaks.width * BUCKETS != tuning.window:
        if peaks.width and since is not None:
            # What is older than the other window was forgotten.
            since = max(since, seen.at - peaks.width * BUCKETS)
        peaks = peaks.rebucketed(tuning.window)
    longest = tuning.window * UNKNOWN_SHARE
    unknown_for = _unknown_for(track.unknown_for, seen, tuning)
    if seen.need is not None:
        gap = max(longest, LATE * tuning.interval)
        is_watched = since is not None and known_at is not None and seen.at - known_at <= gap
        if not is_watched or unknown_for > longest:
            since, unknown_for = seen.at, 0.0
        known_at, peaks = seen.at, peaks.added(seen.at, seen.need)
    return since, known_at, peaks, unknown_for


def _unknown_for(before: float, seen: Seen, tuning: Tuning) -> float:
    """Return :attr:`Track.unknown_for` after a sample, at most the profile's window.

    The time since the sample before counts as unknown if this one does not show the need, or if it
    came late: more than twice ``Tuning.interval`` and 1 s after the one before, or more than
    :data:`UNKNOWN_SHARE` of the window after it. A sample that is no later than :data:`LATE`
    intervals is never late: in a window of a few intervals each sample would be.

    :param before: the value before the sample
    """
    usual = max(min(2 * tuning.interval + 1, tuning.window * UNKNOWN_SHARE), LATE * tuning.interval)
    if seen.problem or seen.passed > usual:
        return min(tuning.window, before + seen.passed)
    return max(0.0, before - UNKNOWN_SHARE * seen.passed)


def faded_floor(
    learned: int, learned_at: float, smallest: int, now: float, tuning: Tuning
) -> float:
    """Return what is left of a learned floor (see :class:`Track`), at least ``smallest``.

    The part above ``smallest`` halves every ``Tuning.half_life`` seconds.

    :param learned_at: when the floor was learned, seconds since the epoch
    :param smallest: the smallest value that may be asked for
    """
    if learned <= smallest:
        return float(smallest)
    age = max(0.0, now - learned_at)
    return smallest + (learned - smallest) * 0.5 ** (age / tuning.half_life)
