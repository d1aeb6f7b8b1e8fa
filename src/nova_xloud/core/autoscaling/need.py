# SPDX-License-Identifier: Apache-2.0
"""What a guest needs, computed from two samples of it.

Memory: what the guest's kernel could not give to a program (available less usable), what its kernel
keeps for itself (the balloon's size less available), and what it has swapped out lately, because
swapping makes ``usable`` larger. CPU: the cores used, and the cores wanted, which count also the
time for which vCPUs have waited for a CPU of the host. The load average is not used, because it
counts tasks that wait for disks.

A figure that is missing, negative, not finite, older than two report periods and a second, or less
than before within the same boot is unknown. It is never taken for 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.tuning import Tuning

LARGEST_FIGURE = 1e12
"""No figure of a guest is larger: MiB, seconds or events."""

CLOCK_JITTER = 1.0
"""Seconds by which the time of a report may be later than the host's clock."""

SHORTEST_INTERVAL = 0.5
"""From two samples that are fewer seconds apart no rate is computed."""

SLOW_SHARE, SLOW_SECONDS = 0.1, 0.2
"""A guest may be read so late: by this share of the interval, or so many seconds if that is more.

Threads of a busy host wait for some tenths of a second, however short the interval is.
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters that the next sample of the same boot is compared with; None if unknown.

    Each counter is that of :class:`~.sample.GuestSample` with the same name.

    :ivar cpu_at: when the CPU counters were read, seconds since the epoch
    :ivar vcpus: how many vCPUs the guest had then; 0 if unknown
    :ivar reported_at: when the counters of memory were reported, seconds since the epoch
    """

    cpu_at: float | None = None
    cpu_seconds: float | None = None
    delay_seconds: float | None = None
    vcpus: int = 0
    reported_at: float | None = None
    swapped_in_mb: float | None = None
    swapped_out_mb: float | None = None
    major_faults: float | None = None
    oom_kills: float | None = None
    stalls: float | None = None


NO_COUNTERS = Counters()
"""No counter is known: nothing was read of this boot of the guest yet."""


@dataclass(frozen=True, slots=True)
class CpuFigures:
    """How much CPU a guest has used between two samples, in cores.

    :ivar at: the end of the interval, seconds since the epoch
    :ivar interval: seconds between the two samples
    :ivar used: the cores used
    :ivar wanted: the cores used, and those that the host did not give in time; at most the vCPUs.
        None if unknown
    :ivar share: ``used`` divided by the number of vCPUs, which is the larger one if the two samples
        differ
    """

    at: float
    interval: float
    used: float
    wanted: float | None
    share: float

    @property
    def delay(self) -> float:
        """The share of ``wanted`` that the host did not give in time, 0 to 1; 0 if unknown."""
        return 1 - self.used / self.wanted if self.wanted else 0.0

    @property
    def share_of_given(self) -> float:
        """What share of the time that the host has given to the vCPUs they have used.

        Time for which a vCPU waited for the host is neither used nor idle. If the delay is unknown,
        all of the time counts as given.
        """
        if not self.share or self.wanted is None:
            return self.share
        idle = self.used / self.share - self.wanted
        return self.used / (self.used + max(0.0, idle))


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """What one report of the balloon driver says of a guest's memory; None if unknown.

    :ivar at: when the driver has made the report, seconds since the epoch
    :ivar need: MiB that the guest's balloon should have at least: what its programs and its kernel
        use, and what was swapped out lately. It may be more than the balloon has
    :ivar plain: the need without what was swapped out, MiB
    :ivar usable: MiB that the guest can use without swapping
    :ivar available: MiB that the guest's kernel manages
    :ivar cache: MiB of buffers and page cache
    :ivar trend: MiB per second by which the need has risen since the report before, above the
        highest need of the last ``Tuning.horizon`` seconds, less half of what the page cache has
        grown by; 0 if that is below 0, or if there was no report before
    :ivar swap_out: MiB swapped out per second since the report before
    :ivar faults: major faults per second since the report before
    :ivar stalls: allocations that had to wait since the report before
    :ivar rising_for: for how many seconds the need has been rising, from the last report that had
        no trend on; 0 if the trend is 0
    :ivar crest: the highest sum of ``used`` and what was swapped out lately, of the last
        ``Tuning.horizon`` seconds, MiB
    :ivar crest_at: when that sum was reported, seconds since the epoch
    """

    at: float
    need: float
    plain: float
    usable: float
    available: float
    cache: float | None
    trend: float = 0.0
    swap_out: float | None = None
    faults: float | None = None
    stalls: float | None = None
    rising_for: float = 0.0
    crest: float = 0.0
    crest_at: float = 0.0

    @property
    def used(self) -> float:
        """The memory that the guest's kernel manages and could not give to a program, MiB."""
        return self.available - self.usable


def figure(value: float | None) -> float | None:
    """Return ``value`` if it is from 0 to :data:`LARGEST_FIGURE`; None otherwise."""
    return value if value is not None and 0 <= value <= LARGEST_FIGURE else None


def difference(now: float | None, before: float | None) -> float | None:
    """Return by how much a counter has grown; None if a value is unknown, or it has fallen."""
    if now is None or before is None or now < before:
        return None
    return now - before


def is_stale(reported_at: float | None, period: float, now: float) -> bool:
    """Return whether a report of the balloon driver is of no use at ``now``.

    That is so if the report is missing, is more than :data:`CLOCK_JITTER` seconds in the future, or
    is older than two periods and 1 s, or if the period is not a usable figure.

    :param reported_at: seconds since the epoch; None if there is no report
    :param period: seconds between two reports
    :param now: seconds since the epoch
    """
    if reported_at is None or not 0 <= period <= LARGEST_FIGURE:
        return True
    return not -CLOCK_JITTER <= now - reported_at <= 2 * period + 1


def late_by(interval: float) -> float:
    """Return by how many seconds a guest may be read late without the interval being unknown.

    :param interval: seconds between two samples
    """
    return max(SLOW_SECONDS, SLOW_SHARE * interval)


def cpu_figures(sample: GuestSample, before: Counters) -> CpuFigures | None:
    """Return how much CPU was used between the counters ``before`` and ``sample``.

    None if the CPU time is missing or has fallen, if the two are less than
    :data:`SHORTEST_INTERVAL` seconds apart, if no vCPU is known, or if more CPU time was used than
    all vCPUs have in the interval and :func:`late_by`: the interval was another one. If a little
    more was used than all vCPUs have in the interval, that counts as all of them. If the two differ
    in vCPUs, the larger number counts.
    """
    cpu_seconds = figure(sample.cpu_seconds)
    used = difference(cpu_seconds, before.cpu_seconds)
    if used is None or before.cpu_at is None:
        return None
    interval = sample.at - before.cpu_at
    vcpus = max(sample.size.vcpus, before.vcpus)
    if interval < SHORTEST_INTERVAL or vcpus < 1:
        return None
    if used > (interval + late_by(interval)) * vcpus:
        return None
    cores = min(used / interval, vcpus * 1.0)
    delay = difference(figure(sample.delay_seconds), before.delay_seconds)
    wanted = None if delay is None else min(vcpus * 1.0, cores + delay / interval)
    return CpuFigures(sample.at, interval, cores, wanted, cores / vcpus)


def memory_figures(
    sample: GuestSample,
    before: Counters,
    last: MemoryFigures | None,
    overhead: float | None,
    swapped: float,
    horizon: float,
) -> MemoryFigures | None:
    """Return what a new report of the balloon driver says of the guest's memory.

    None if the time of the report, ``available`` or ``usable`` is missing, or ``usable`` is more
    than ``available``. Without a report before, or less than :data:`SHORTEST_INTERVAL` seconds
    after it, the trend is 0, and the rates and stalls are None.

    The trend is that of what programs use and of what was swapped out. The overhead is not in it,
    because it is known better at some moments than at others. Half of what the page cache has grown
    by is taken off. A need that falls and comes back within ``horizon`` seconds has no trend:
    programs take memory and free it all the time.

    :param before: the counters of the report before
    :param last: the figures of the report before; None if there are none
    :param overhead: the balloon's size less ``available``, MiB, of a moment when the balloon did
        not move; None to take it from this sample
    :param swapped: what was swapped out lately and counts as needed, MiB
    :param horizon: ``Tuning.horizon``, seconds
    """
    available, usable = figure(sample.available_mb), figure(sample.usable_mb)
    reported_at = sample.reported_at
    if available is None or usable is None or reported_at is None or usable > available:
        return None
    if overhead is None:
        overhead = sample.size.memory_mb - available
    plain = max(0.0, available - usable + overhead)
    need = plain + swapped
    taken = available - usable + swapped - _not_free_yet(available, last)
    basis, basis_at, crest, crest_at = _crest(taken, reported_at, last, horizon)
    figures = MemoryFigures(
        reported_at,
        need,
        plain,
        usable,
        available,
        figure(sample.cache_mb),
        crest=crest,
        crest_at=crest_at,
    )
    elapsed = None if before.reported_at is None else reported_at - before.reported_at
    risen_before = last.rising_for if last is not None else 0.0
    if elapsed is None:
        return figures
    if elapsed < SHORTEST_INTERVAL:
        # Too early to tell a trend: a rise goes on until a later report says otherwise.
        return replace(figures, rising_for=risen_before)
    swap_out = difference(figure(sample.swapped_out_mb), before.swapped_out_mb)
    faults = difference(figure(sample.major_faults), before.major_faults)
    rise = taken - basis - _filled_half(figures, last)
    return replace(
        figures,
        trend=max(0.0, rise / max(elapsed, reported_at - basis_at)),
        rising_for=risen_before + elapsed if rise > 0 else 0.0,
        swap_out=None if swap_out is None else swap_out / elapsed,
        faults=None if faults is None else faults / elapsed,
        stalls=difference(figure(sample.stalls), before.stalls),
    )


def _not_free_yet(available: float, last: MemoryFigures | None) -> float:
    """Return how much of what a balloon has given back may not be free yet, MiB.

    The kernel counts such a page as available before it is free, so it looks used. 58 of 256 MiB
    were measured in a report in the middle of such a move.
    """
    return 0.0 if last is None else max(0.0, available - last.available) / 4


def _filled_half(figures: MemoryFigures, last: MemoryFigures | None) -> float:
    """Return half of what the page cache has grown by since the report before, MiB; 0 if unknown.

    While a cache is small, Linux counts half of it as not usable (si_mem_available in
    mm/show_mem.c). So a cache that fills looks like a need that rises, until it is larger than
    twice the kernel's low watermark.
    """
    if last is None or last.cache is None or figures.cache is None:
        return 0.0
    return max(0.0, figures.cache - last.cache) / 2


def _crest(
    taken: float, at: float, last: MemoryFigures | None, horizon: float
) -> tuple[float, float, float, float]:
    """Return what a trend is measured from, and the crest after a report, each in MiB and its time.

    :param taken: what programs use, and what was swapped out lately, MiB
    :param at: when that was reported, seconds since the epoch
    """
    if last is None:
        return taken, at, taken, at
    before = last.used + last.need - last.plain
    if at - last.crest_at > horizon:
        # What was higher is too long ago. Of what came after it only the last is known.
        return before, last.at, *max((taken, at), (before, last.at))
    return last.crest, last.crest_at, *max((taken, at), (last.crest, last.crest_at))


def swapped_lately(sample: GuestSample, before: Counters, swapped: float, tuning: Tuning) -> float:
    """Return how much of what was swapped out counts as needed after ``sample``, MiB.

    Half of ``swapped`` is forgotten in ``tuning.swap_half_life`` seconds, because what nobody swaps
    in again is not needed. What was swapped out since ``before`` is added. What was swapped in
    since is taken off, because it counts as used memory again. Less than 1 MiB is 0.

    :param swapped: the result for the report before, MiB; returned as it is if the time of either
        report is not known
    """
    if sample.reported_at is None or before.reported_at is None:
        return swapped
    elapsed = max(0.0, sample.reported_at - before.reported_at)
    out = difference(figure(sample.swapped_out_mb), before.swapped_out_mb) or 0.0
    back = difference(figure(sample.swapped_in_mb), before.swapped_in_mb) or 0.0
    if not swapped and not out:
        return 0.0
    rest = swapped * 0.5 ** (elapsed / tuning.swap_half_life) + out - back
    return rest if rest >= 1 else 0.0
