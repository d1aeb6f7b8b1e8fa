# SPDX-License-Identifier: Apache-2.0
"""Find out which guests have a balloon driver that does not report, by watching them for some time.

One reading can show that a driver reports: its last report is recent by the host's clock. No
reading can show that a driver does not. QEMU gives the time of the last report by that clock, which
may step; a guest that was paused has not reported meanwhile, and a guest that has just started has
not reported yet. All of these may have a driver. So silence is counted in monotonic seconds, only
while the guest is seen to run, and from zero again after an operation of Nova that may have changed
the guest.

This is kept in memory only. When nova-compute restarts, silence is counted from zero again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from nova_xloud.core.instance.guest import DomainReading, DomainStats

# Seconds; of a longer time between two readings only this many count as watched. Somebody may have
# paused the guest meanwhile without Nova.
UNWATCHED_AFTER = 30.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """What is known of the balloon driver of one guest.

    :ivar boot_id: libvirt's id of the running domain
    :ivar stats_at: the time of the driver's last report, seconds since 1970; None without a report
    :ivar at: when this was last updated, in monotonic seconds
    :ivar silence: for how many seconds the guest has been watched since the last new report, or
        since the watch began
    :ivar heard: whether a new report has come since the watch began
    """

    boot_id: int | None
    stats_at: int | None
    at: float
    silence: float = 0.0
    heard: bool = False


class Watch:
    """Watches the guests of one host, and counts how long each balloon driver has been silent.

    :param now: returns monotonic seconds
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()

    def changed(self, uuid: str) -> None:
        """Forget what is known of a guest's balloon driver, because the guest was changed."""
        with self._lock:
            self._watched.pop(uuid, None)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget all guests but those of ``uuids``."""
        with self._lock:
            self._watched = {u: one for u, one in self._watched.items() if u in uuids}

    def judged(self, uuid: str, reading: DomainReading) -> DomainReading:
        """Return ``reading`` with ``balloon_driver`` set to what is known of the guest's driver.

        ``balloon_driver`` becomes True if the driver reports, False if it was silent for
        ``reading.reports_within`` seconds of watching, and None if neither is known. For a paused
        guest it is True if the driver has reported since the guest started or reset itself, else
        None.

        If the guest is off, or has no balloon that QEMU asks for statistics, ``reading`` is
        returned as it is, and what was known of the driver is forgotten.
        """
        if not reading.running or not reading.has_balloon:
            self.changed(uuid)
            return reading
        one = self._watched_now(uuid, reading.boot_id, reading.stats_at, paused=reading.paused)
        if reading.paused:
            reports: bool | None = reading.stats_at is not None or None
        elif one.silence >= reading.reports_within:
            reports = False
        else:
            reports = True if one.heard else reading.balloon_driver
        return replace(reading, balloon_driver=reports)

    def silence(self, uuid: str, stats: DomainStats) -> float:
        """Return for how many seconds of watching a driver that reported before has been silent.

        The result is 0.0 if the guest is off or paused, if its driver has not reported since it
        started or reset itself, if the domain is busy, or if QEMU requests no statistics.
        """
        if not stats.running:
            self.changed(uuid)
            return 0.0
        if stats.stats_at is None and stats.memory_confirmed is not False:
            # The domain is busy, or QEMU does not ask the driver for statistics.
            return 0.0
        one = self._watched_now(uuid, stats.boot_id, stats.stats_at, paused=stats.paused)
        return one.silence if stats.stats_at is not None else 0.0

    def _watched_now(
        self, uuid: str, boot_id: int | None, stats_at: int | None, *, paused: bool
    ) -> _Watched:
        now = self._now()
        with self._lock:
            last = self._watched.get(uuid)
            if last is None or last.boot_id != boot_id or paused:
                one = _Watched(boot_id, stats_at, now)
            elif stats_at is not None and stats_at != last.stats_at:
                one = _Watched(boot_id, stats_at, now, heard=True)
            elif stats_at is None and last.stats_at is not None:
                # The guest has reset itself.
                one = _Watched(boot_id, stats_at, now)
            else:
                watched = min(now - last.at, UNWATCHED_AFTER)
                one = replace(last, at=now, silence=last.silence + watched)
            self._watched[uuid] = one
        return one
