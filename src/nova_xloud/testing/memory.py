# SPDX-License-Identifier: Apache-2.0
"""The memory of a fake guest: the balloon, the memory in use, and the driver's statistics."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

from nova_xloud.core.instance.reports import reports_within
from nova_xloud.libvirt.guest_xml import KIB
from nova_xloud.testing.behaviour import Behaviour, Timing
from nova_xloud.testing.clock import Clock

DEFAULT_USES_KIB = 32 * KIB
_PAGE_KIB = 4


class Statistics(NamedTuple):
    """One report of the guest's balloon driver.

    :ivar available_kib: the total memory that the guest has by its own account; with autodeflate
        that is the maximum, whatever the balloon has taken
    :ivar usable_kib: the memory that the guest's programs do not need
    :ivar cache_kib: the page cache, which is part of what is usable
    :ivar swapped_in_kib: what was swapped in since the guest's start
    :ivar swapped_out_kib: what was swapped out since the guest's start
    :ivar at: when the driver reported, in seconds of the clock's ``now``
    :ivar wall: when the driver reported, in whole seconds since 1970
    """

    available_kib: int
    usable_kib: int
    cache_kib: int
    swapped_in_kib: int
    swapped_out_kib: int
    at: float
    wall: int


class GuestMemory:
    """A balloon that moves to its target at a rate, in a guest that needs some of its memory.

    :ivar actual_kib: the guest's memory in KiB as of the last :meth:`advance`
    :ivar uses_kib: the KiB that the guest's programs need. With less than that the guest dies of
        OOM or, with autodeflate, takes memory back from the balloon
    :ivar keeps_kib: the KiB below which the guest gives back no memory
    :ivar cache_kib: the KiB of page cache that the guest would have if it had the memory for it
    :ivar swap_kib: the KiB of swap space in the guest; what it needs and does not have goes there
        before it dies of OOM
    :ivar autodeflate: whether the guest takes memory back from the balloon before it dies of OOM
    :ivar device: whether the domain has a balloon device
    :ivar collects: whether QEMU asks the balloon driver for statistics
    :ivar oom_kills: how often the guest has died of OOM, over all starts
    :ivar dead: whether the guest has died of OOM since its last start or reset; a dead guest does
        not react
    :ivar statistics: the driver's last report, also if ``collects`` is false; None if it has not
        reported since the last start or reset
    """

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self.uses_kib = DEFAULT_USES_KIB
        self.keeps_kib = 0
        self.cache_kib = 0
        self.swap_kib = 0
        self.oom_kills = 0
        self.autodeflate = False
        self.device = self.collects = True
        self._timing = timing
        self._clock = clock
        # Services and tests call advance() from different threads, and time must count only once.
        self._lock = threading.Lock()

    def boot(self, *, maximum_kib: int, target_kib: int) -> None:
        """Start the guest with ``maximum_kib`` of memory, and set the balloon's target."""
        self.actual_kib = self._maximum_kib = maximum_kib
        self._before_reset_kib: int | None = None
        self.dead = False
        self._swapped_kib = self._swapped_in_kib = self._swapped_out_kib = 0
        self.statistics: Statistics | None = None
        self._at = self._clock.now()
        self._driver_from = self._told_at = self._at + self._timing.driver_seconds
        self._stats_seconds, self._collects_from = self._timing.stats_seconds, self._driver_from
        self._target_kib = target_kib

    def reset(self) -> None:
        """Reset the guest: it has all of its memory again. Call :meth:`advance` first.

        QEMU keeps reporting the size from before the reset until a driver sets a size, and keeps
        its statistics period (both measured).
        """
        before, seconds = self.told_kib, self._stats_seconds
        self.boot(maximum_kib=self._maximum_kib, target_kib=self._target_kib)
        self._before_reset_kib, self._stats_seconds = before, seconds

    @property
    def told_kib(self) -> int:
        """The guest's memory in KiB that QEMU reports; after a reset it may be out of date."""
        return self.actual_kib if self._before_reset_kib is None else self._before_reset_kib

    def tell(self, target_kib: int) -> None:
        """Set the balloon's target in KiB. Call :meth:`advance` first.

        If not, the time since its last call counts with the new target.
        """
        self._target_kib = target_kib
        self._told_at = self._clock.now()

    def collect_every(self, seconds: float) -> None:
        """Set the statistics period in seconds. Call :meth:`advance` first.

        If not, a report that was due since its last call is lost.
        """
        self._stats_seconds = seconds
        self._collects_from = max(self._driver_from, self._clock.now())

    def advance(self, behaviour: Behaviour, *, runs: bool) -> None:
        """Move the balloon and collect its driver's reports for the time since the last call.

        :param runs: whether the guest has run in that time; if not, nothing moves
        """
        now = self._clock.now()
        if not self.device:
            behaviour = Behaviour.NO_BALLOON_DRIVER
        with self._lock:
            if not runs:
                self._at = max(self._at, now)
                return
            collected_at = self._last_collection(now, behaviour)
            moments = {now}
            if collected_at is not None:
                moments.add(collected_at)
            if behaviour is Behaviour.TAKES_BACK:
                moments.add(min(self._told_at + self._timing.takes_back_seconds, now))
            for moment in sorted(moments):
                self._move(moment, behaviour)
                if moment == collected_at and not self.dead:
                    self._collect(moment)

    def reports(self, *, paused: bool) -> bool:
        """Return whether the driver has reported, and its next report is not overdue.

        :param paused: whether the guest is paused; the next report is then never overdue
        """
        if self.statistics is None:
            return False
        now = self.statistics.at if paused else self._clock.now()
        return now - self.statistics.at <= reports_within(self._stats_seconds)

    def stats(self) -> dict[str, int]:
        """Return the figures of virDomainMemoryStats for a guest that runs, by name.

        They are in KiB; ``last_update`` is in seconds since 1970, 0 if there is no report. Without
        a balloon device there is only ``rss``.
        """
        if not self.device:
            return {"rss": self.actual_kib}
        of_host = {"actual": self.told_kib, "last_update": 0, "rss": self.actual_kib}
        if self.statistics is None or not self.collects:
            return of_host
        told = self.statistics
        of_guest = {
            "available": told.available_kib,
            "unused": told.usable_kib - told.cache_kib,
            "usable": told.usable_kib,
            "disk_caches": told.cache_kib,
            "swap_in": told.swapped_in_kib,
            "swap_out": told.swapped_out_kib,
            "major_fault": told.swapped_in_kib // _PAGE_KIB,
        }
        return of_host | of_guest | {"last_update": told.wall}

    def _collect(self, at: float) -> None:
        # With autodeflate a guest still counts the memory in the balloon as its own.
        available = self._maximum_kib if self.autodeflate else self.actual_kib
        usable = max(self.actual_kib - (self.uses_kib - self._swapped_kib), 0)
        wall = int(self._clock.wall() - (self._clock.now() - at))
        self.statistics = Statistics(
            available_kib=available,
            usable_kib=usable,
            cache_kib=min(self.cache_kib, usable),
            swapped_in_kib=self._swapped_in_kib,
            swapped_out_kib=self._swapped_out_kib,
            at=at,
            wall=wall,
        )

    def _move(self, to: float, behaviour: Behaviour) -> None:
        seconds = self._worked(to, behaviour) - self._worked(self._at, behaviour)
        self._at = max(self._at, to)
        if self.dead:
            return
        if seconds > 0:
            if behaviour is not Behaviour.NO_BALLOON_DRIVER:
                self._before_reset_kib = None
            self._move_balloon(seconds, behaviour)
        self._swap()
        if self.actual_kib < self.uses_kib - self._swapped_kib:
            self.actual_kib = min(self.uses_kib, self._maximum_kib)
            if not self.autodeflate:
                self.dead = True
                self.oom_kills += 1

    def _swap(self) -> None:
        """Swap out what the guest has no memory for; swap in what it has memory for again."""
        swapped = min(max(self.uses_kib - self.actual_kib, 0), self.swap_kib)
        self._swapped_out_kib += max(swapped - self._swapped_kib, 0)
        self._swapped_in_kib += max(self._swapped_kib - swapped, 0)
        self._swapped_kib = swapped

    def _move_balloon(self, seconds: float, behaviour: Behaviour) -> None:
        goal = max(self._goal_kib(behaviour), min(self.keeps_kib, self.actual_kib))
        # With an infinite rate the balloon arrives at the next advance(), not when it is set.
        step = self._timing.balloon_rate * KIB * seconds
        if step >= abs(goal - self.actual_kib):
            self.actual_kib = goal
        else:
            self.actual_kib += math.ceil(math.copysign(step, goal - self.actual_kib))

    def _goal_kib(self, behaviour: Behaviour) -> int:
        if behaviour is Behaviour.REFUSES:
            return max(self._target_kib, self.actual_kib)
        # A driver that is unloaded deflates the balloon first.
        takes_back = (
            behaviour is Behaviour.TAKES_BACK
            and self._at > self._told_at + self._timing.takes_back_seconds
        )
        if takes_back or behaviour is Behaviour.NO_BALLOON_DRIVER:
            return self._maximum_kib
        return self._target_kib

    def _worked(self, until: float, behaviour: Behaviour) -> float:
        """Return for how many seconds the driver has worked from the last boot to ``until``."""
        seconds = max(until - self._driver_from, 0.0)
        if behaviour is not Behaviour.INTERMITTENT:
            return seconds
        period = self._timing.intermittent_seconds
        rounds, rest = divmod(seconds, 2 * period)
        return rounds * period + min(rest, period)

    def _last_collection(self, now: float, behaviour: Behaviour) -> float | None:
        """Return the last time, not after ``now``, at which a report of the driver was due.

        :returns: None if none was due, if the driver did not report then, or if ``statistics`` is
            that report
        """
        silent = (Behaviour.NO_BALLOON_DRIVER, Behaviour.SILENT_DRIVER)
        if behaviour in silent or now < self._collects_from:
            return None
        since, period = now - self._collects_from, self._stats_seconds
        at = now if period == 0 else self._collects_from + since // period * period
        if at == self._collects_from > self._driver_from:
            # The first statistics come one period after the period was set.
            return None
        if self.statistics is not None and at <= self.statistics.at and period:
            return None
        rest = (at - self._driver_from) % (2 * self._timing.intermittent_seconds)
        idle = behaviour is Behaviour.INTERMITTENT and rest >= self._timing.intermittent_seconds
        return None if idle else at
