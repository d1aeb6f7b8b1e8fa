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


class Statistics(NamedTuple):
    """The last statistics of the guest's balloon driver.

    :ivar available_kib: the total memory that the guest has by its own account; with autodeflate
        that is the maximum, whatever the balloon has taken
    :ivar usable_kib: the memory that the guest's programs do not need
    :ivar at: when the driver reported, in seconds of the clock's ``now``
    :ivar wall: when the driver reported, in whole seconds since 1970
    """

    available_kib: int
    usable_kib: int
    at: float
    wall: int


class GuestMemory:
    """A balloon that moves to its target at a rate, in a guest that needs some of its memory.

    :ivar actual_kib: the guest's memory as of the last :meth:`advance`
    :ivar uses_kib: the KiB that the guest's programs need. With less than that the guest dies of
        OOM or, with autodeflate, takes memory back from the balloon
    :ivar keeps_kib: the KiB below which the guest gives back no memory
    :ivar autodeflate: whether the guest takes memory back from the balloon before it dies of OOM
    :ivar device: whether there is a balloon
    :ivar collects: whether QEMU asks the balloon driver for statistics
    :ivar oom_kills: how often the guest died of OOM, over all boots
    :ivar dead: whether the guest died of OOM since its last start; a dead guest does not react
    :ivar statistics: the last statistics since the last start or reset; None before the driver has
        reported any
    """

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self.uses_kib = DEFAULT_USES_KIB
        self.keeps_kib = 0
        self.oom_kills = 0
        self.autodeflate = False
        self.device = self.collects = True
        self._timing = timing
        self._clock = clock
        # Services and tests call advance() from different threads, and time must count only once.
        self._lock = threading.Lock()

    def boot(self, *, maximum_kib: int, target_kib: int) -> None:
        """Start the guest, with all of its memory, and with the balloon's target set."""
        self.actual_kib = self._maximum_kib = maximum_kib
        self._before_reset_kib: int | None = None
        self.dead = False
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
        """The balloon's size that QEMU reports."""
        return self.actual_kib if self._before_reset_kib is None else self._before_reset_kib

    def tell(self, target_kib: int) -> None:
        """Set the balloon's target in KiB; call :meth:`advance` first."""
        self._target_kib = target_kib
        self._told_at = self._clock.now()

    def collect_every(self, seconds: float) -> None:
        """Set the statistics period, which begins now; call :meth:`advance` first."""
        self._stats_seconds = seconds
        self._collects_from = max(self._driver_from, self._clock.now())

    def advance(self, behaviour: Behaviour, *, runs: bool) -> None:
        """Move the balloon, and collect statistics, for the time since the last call.

        :param runs: whether the guest has run since the last call; nothing moves if not
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
        """Return whether the driver has reported, and its next statistics are not overdue.

        :param paused: whether the guest is paused; its statistics are not overdue then
        """
        if self.statistics is None:
            return False
        now = self.statistics.at if paused else self._clock.now()
        return now - self.statistics.at <= reports_within(self._stats_seconds)

    def stats(self) -> dict[str, int]:
        """Return the same as virDomainMemoryStats for a guest that runs, in KiB."""
        if not self.device:
            return {"rss": self.actual_kib}
        of_host = {"actual": self.told_kib, "last_update": 0, "rss": self.actual_kib}
        if self.statistics is None or not self.collects:
            return of_host
        usable = self.statistics.usable_kib
        of_guest = {"available": self.statistics.available_kib, "unused": usable, "usable": usable}
        return of_host | of_guest | {"last_update": self.statistics.wall}

    def _collect(self, at: float) -> None:
        # With autodeflate a guest still counts the memory in the balloon as its own.
        available = self._maximum_kib if self.autodeflate else self.actual_kib
        usable = max(self.actual_kib - self.uses_kib, 0)
        wall = int(self._clock.wall() - (self._clock.now() - at))
        self.statistics = Statistics(available, usable, at, wall)

    def _move(self, to: float, behaviour: Behaviour) -> None:
        seconds = self._worked(to, behaviour) - self._worked(self._at, behaviour)
        self._at = max(self._at, to)
        if self.dead:
            return
        if seconds > 0:
            if behaviour is not Behaviour.NO_BALLOON_DRIVER:
                self._before_reset_kib = None
            self._move_balloon(seconds, behaviour)
        if self.actual_kib < self.uses_kib:
            self.actual_kib = min(self.uses_kib, self._maximum_kib)
            if not self.autodeflate:
                self.dead = True
                self.oom_kills += 1

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
        """Return for how many seconds from the boot to ``until`` the balloon driver has worked."""
        seconds = max(until - self._driver_from, 0.0)
        if behaviour is not Behaviour.INTERMITTENT:
            return seconds
        period = self._timing.intermittent_seconds
        rounds, rest = divmod(seconds, 2 * period)
        return rounds * period + min(rest, period)

    def _last_collection(self, now: float, behaviour: Behaviour) -> float | None:
        """Return when the driver last reported.

        :returns: None if the driver does not report now, or has not reported since the statistics
            that are kept
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
