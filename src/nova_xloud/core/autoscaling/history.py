# SPDX-License-Identifier: Apache-2.0
"""The history of one guest: what its samples have shown of its needs and changes, in a few KiB.

:func:`observed` makes a history from samples only. After a restart it is made again from the
samples in the journal. Without a journal it begins empty, and the guest is not made smaller before
it was watched for the whole window of its profile (an hour to a day).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.ahead import remembered_need
from nova_xloud.core.autoscaling.need import (
    LARGEST_FIGURE,
    NO_COUNTERS,
    Counters,
    CpuFigures,
    MemoryFigures,
    cpu_figures,
    difference,
    figure,
    is_stale,
    memory_figures,
    swapped_lately,
)
from nova_xloud.core.autoscaling.peaks import BUCKETS, NO_PEAKS, Peaks
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.track import NO_TRACK, Seen, Track, followed
from nova_xloud.core.autoscaling.tuning import MOST_CHANGES, Tuning
from nova_xloud.core.autoscaling.votes import cpu_signs, memory_signs
from nova_xloud.core.sizing.facts import MEMORY, VCPUS

CLOCK_SET_BACK = 60.0
"""A sample that is older than the last one by so many seconds means that the clock was set back."""


@dataclass(frozen=True, slots=True)
class CpuHistory:
    """What samples have shown of a guest's CPU time.

    :ivar counters: the CPU counters of the last sample; a counter that it lacked is None
    :ivar figures: how much was used between the last two samples; None if that is not known
    :ivar track: the needs, signs of distress, changes and shrinks of the vCPUs
    """

    counters: Counters = NO_COUNTERS
    figures: CpuFigures | None = None
    track: Track = NO_TRACK


@dataclass(frozen=True, slots=True)
class MemoryHistory:
    """What samples have shown of a guest's memory.

    :ivar counters: the counters of the last report, since the guest has booted, from which a need
        was computed; the counters of OOM kills and stalls are the last that were known
    :ivar figures: what the last report of the balloon driver says; None if it lacks figures, or is
        too old
    :ivar resized_at: when the guest was first seen to have its present memory
    :ivar overhead: the balloon's size less ``available``, MiB, when the balloon last stood still
    :ivar swapped: what was swapped out lately and counts as needed, MiB
    :ivar oom_need: how much memory the guest needed at the last OOM kill, an estimate, MiB; 0 if
        there was no kill
    :ivar oom_at: when that kill was seen; 0 if there was none
    :ivar track: the needs, signs of distress, changes and shrinks of the memory
    :ivar known: the highest need of the window when it last did not rise, MiB; None if there was no
        such moment yet
    :ivar coming: the highest needs of the window, as they were projected: see
        :func:`.ahead.remembered_need`
    """

    counters: Counters = NO_COUNTERS
    figures: MemoryFigures | None = None
    resized_at: float = 0.0
    overhead: float | None = None
    swapped: float = 0.0
    oom_need: float = 0.0
    oom_at: float = 0.0
    track: Track = NO_TRACK
    known: float | None = None
    coming: Peaks = NO_PEAKS


NO_CPU = CpuHistory()
NO_MEMORY = MemoryHistory()


@dataclass(frozen=True, slots=True)
class History:
    """What samples have shown of one guest, to decide on its size.

    Times are seconds since the epoch.

    :ivar last: the last sample; None if there was none
    :ivar booted_at: when the guest was last seen to have started anew; None if it was not
    :ivar changes: when the desired size has changed, the last :data:`MOST_CHANGES` times
    :ivar cpu: what samples have shown of its CPU time
    :ivar memory: what samples have shown of its memory
    """

    last: GuestSample | None = None
    booted_at: float | None = None
    changes: tuple[float, ...] = ()
    cpu: CpuHistory = NO_CPU
    memory: MemoryHistory = NO_MEMORY


EMPTY = History()
"""The history of a guest of which nothing was read yet."""


def observed(history: History, sample: GuestSample, tuning: Tuning) -> History:
    """Return ``history`` with what ``sample`` shows.

    A sample without a usable time changes nothing, and neither does one that is not newer than the
    last. But if it is older by :data:`CLOCK_SET_BACK` seconds or more, the host's clock was set
    back. Then the last sample and its figures are forgotten, and for how long the guest was
    watched; the highest need, learned floors, changes and the last distress are kept.
    """
    if not 0 <= sample.at <= LARGEST_FIGURE:
        return history
    last = history.last
    if last is not None and sample.at <= last.at:
        if sample.at > last.at - CLOCK_SET_BACK:
            return history
        history, last = _restarted(history, sample.at), None
    booted_at, cpu, memory = history.booted_at, history.cpu, history.memory
    if last is None and booted_at is None and _seems_to_boot(sample, tuning):
        booted_at = sample.at
    is_started = last is not None and sample.boot_id != last.boot_id
    asked = sample.asked
    if is_started:
        # What was shrunk before the start does nothing to the guest that runs now.
        cpu = replace(cpu, track=replace(cpu.track, shrink=None))
        memory = replace(memory, track=replace(memory.track, shrink=None))
        asked = (VCPUS, MEMORY)
    if last is not None and (is_started or _has_reset(sample, memory.counters)):
        booted_at = sample.at
        cpu = CpuHistory(track=cpu.track)
        memory = MemoryHistory(
            oom_need=memory.oom_need,
            oom_at=memory.oom_at,
            track=memory.track,
            coming=memory.coming,
        )
    changes = history.changes
    if last is not None and sample.desired != last.desired:
        changes = (*changes, sample.at)[-MOST_CHANGES:]
    is_booting = booted_at is not None and sample.at - booted_at < tuning.boot_grace
    return History(
        sample,
        booted_at,
        changes,
        _cpu(cpu, sample, last, tuning, is_booting=is_booting, is_asked=VCPUS in asked),
        _memory(memory, sample, last, tuning, is_asked=MEMORY in asked),
    )


def _seems_to_boot(sample: GuestSample, tuning: Tuning) -> bool:
    """Return whether a guest of which nothing was read before seems to have started just now.

    That is so if it has used less CPU time than all its vCPUs have in ``Tuning.boot_grace``
    seconds. A guest that has been idle since its start seems to boot as well, which does no harm.
    """
    used = figure(sample.cpu_seconds)
    return used is not None and used < tuning.boot_grace * max(1, sample.size.vcpus)


def _has_reset(sample: GuestSample, before: Counters) -> bool:
    """Return whether the guest was rebooted within its domain: a counter of its own has fallen.

    The CPU time is not compared, because the host counts it, and it falls when a vCPU is unplugged.
    """
    return (
        _fell(sample.major_faults, before.major_faults)
        or _fell(sample.swapped_out_mb, before.swapped_out_mb)
        or _fell(sample.swapped_in_mb, before.swapped_in_mb)
        or _fell(sample.oom_kills, before.oom_kills)
    )


def _fell(now: float | None, before: float | None) -> bool:
    return now is not None and before is not None and 0 <= now < before


def _cpu(
    history: CpuHistory,
    sample: GuestSample,
    last: GuestSample | None,
    tuning: Tuning,
    *,
    is_booting: bool,
    is_asked: bool,
) -> CpuHistory:
    figures = None if is_booting else cpu_figures(sample, history.counters)
    need = None if figures is None else figures.wanted
    problem = "" if need is not None else "boot" if is_booting else "unknown"
    seen = Seen(
        sample.at,
        0.0 if last is None else sample.at - last.at,
        None if last is None else last.desired.vcpus,
        sample.desired.vcpus,
        sample.size.vcpus,
        need,
        problem,
        figures is not None,
        cpu_signs(figures, tuning),
        is_asked,
    )
    counters = Counters(
        cpu_at=sample.at,
        cpu_seconds=figure(sample.cpu_seconds),
        delay_seconds=figure(sample.delay_seconds),
        vcpus=sample.size.vcpus,
    )
    return CpuHistory(counters, figures, followed(history.track, seen, tuning))


def _memory(
    history: MemoryHistory,
    sample: GuestSample,
    last: GuestSample | None,
    tuning: Tuning,
    *,
    is_asked: bool,
) -> MemoryHistory:
    counters, figures, resized_at = history.counters, history.figures, history.resized_at
    overhead, swapped = history.overhead, history.swapped
    if last is None or sample.size.memory_mb != last.size.memory_mb:
        resized_at = sample.at
    is_new = False
    if is_stale(sample.reported_at, sample.report_period, sample.at):
        figures, problem = None, "unknown" if sample.reported_at is None else "stale"
    elif figures is not None and sample.reported_at == counters.reported_at:
        problem = history.track.problem
    else:
        is_still = sample.reported_at is not None and sample.reported_at >= resized_at
        swapped = swapped_lately(sample, counters, swapped, tuning)
        # A report is older than the balloon's size beside it. While the balloon moves, the two
        # differ by what has moved in between, so that the overhead of before counts, or none.
        kept = None if is_still else max(0.0, overhead or 0.0)
        figures = memory_figures(sample, counters, figures, kept, swapped, tuning.horizon)
        is_new = figures is not None
        problem = "unknown" if figures is None or figures.swap_out is None else ""
        if figures is not None and is_still:
            overhead = sample.size.memory_mb - figures.available
    killed_at = _need_after_kill(history, sample, figures, tuning)
    oom_need, oom_at = (killed_at, sample.at) if killed_at else (history.oom_need, history.oom_at)
    seen = Seen(
        sample.at,
        0.0 if last is None else sample.at - last.at,
        None if last is None else last.desired.memory_mb,
        sample.desired.memory_mb,
        sample.size.memory_mb,
        max(figures.need, killed_at) if is_new and figures is not None else None,
        problem,
        is_new,
        memory_signs(figures if is_new else None, bool(killed_at), tuning),
        is_asked,
    )
    track = followed(history.track, seen, tuning)
    new = figures if is_new else None
    return MemoryHistory(
        _memory_counters(counters, sample, is_new),
        figures,
        resized_at,
        overhead,
        swapped,
        oom_need,
        oom_at,
        track,
        track.peaks.highest(sample.at) if new and not new.rising_for else history.known,
        _coming(history, new, sample.at, tuning),
    )


def _coming(
    history: MemoryHistory, figures: MemoryFigures | None, at: float, tuning: Tuning
) -> Peaks:
    """Return :attr:`MemoryHistory.coming` after a sample.

    :param figures: what the report says; None if there is no new report
    :param at: when the sample was taken, seconds since the epoch
    """
    # What has left the window must not be in it again once the clock was set back, or if another
    # profile has a longer one. Reports without a rise add nothing that would push it out.
    coming = history.coming.within(at)
    if coming.width * BUCKETS != tuning.window:
        coming = coming.rebucketed(tuning.window)
    if figures is None or not figures.trend:
        return coming
    return coming.added(at, remembered_need(figures, history.known, tuning))


def _need_after_kill(
    history: MemoryHistory, sample: GuestSample, figures: MemoryFigures | None, tuning: Tuning
) -> float:
    """Return how much memory was needed at an OOM kill since the last sample, MiB; 0 without one.

    If allocations had to wait, or that is not known, the whole guest was short of memory, and the
    result is more than its size. If none had to wait, only a limit within the guest was reached (a
    memory cgroup's), and the result is more than the last known need. How much more is in
    ``Tuning.oom_ratio`` and ``Tuning.oom_least_mb``.
    """
    counters = history.counters
    if not difference(figure(sample.oom_kills), counters.oom_kills):
        return 0.0
    known = [f.plain for f in (history.figures, figures) if f is not None]
    size = float(max(0, sample.size.memory_mb))
    is_local = difference(figure(sample.stalls), counters.stalls) == 0
    base = max(known, default=size) if is_local else size
    return max(base * tuning.oom_ratio, base + tuning.oom_least_mb)


def _memory_counters(before: Counters, sample: GuestSample, is_new: bool) -> Counters:
    """Return the memory counters that the next sample is compared with.

    :param before: the counters that ``sample`` was compared with
    :param is_new: whether ``sample`` has a report from which a need was computed; else most
        counters stay those of ``before``
    """
    kills, stalls = figure(sample.oom_kills), figure(sample.stalls)
    source: GuestSample | Counters = sample if is_new else before
    return Counters(
        reported_at=source.reported_at,
        swapped_in_mb=figure(source.swapped_in_mb),
        swapped_out_mb=figure(source.swapped_out_mb),
        major_faults=figure(source.major_faults),
        oom_kills=before.oom_kills if kills is None else kills,
        stalls=before.stalls if stalls is None or not is_new else stalls,
    )


def _restarted(history: History, at: float) -> History:
    """Return the part of a history that is still of use after the clock was set back to ``at``.

    No time in the result is later than ``at`` (seconds since the epoch).
    """
    return History(
        booted_at=None if history.booted_at is None else min(history.booted_at, at),
        changes=tuple(min(changed_at, at) for changed_at in history.changes),
        cpu=CpuHistory(track=_restarted_track(history.cpu.track, at)),
        memory=MemoryHistory(
            oom_need=history.memory.oom_need,
            oom_at=min(history.memory.oom_at, at),
            track=_restarted_track(history.memory.track, at),
            coming=history.memory.coming.restarted(at),
        ),
    )


def _restarted_track(track: Track, at: float) -> Track:
    return replace(
        track,
        since=None,
        known_at=None,
        peaks=track.peaks.restarted(at),
        distress_at=None if track.distress_at is None else at,
        grown_at=None if track.grown_at is None else at,
        changed_at=None if track.changed_at is None else at,
        shrink=None if track.shrink is None else replace(track.shrink, at=at),
        learned_at=min(track.learned_at, at),
        unknown_for=0.0,
    )
