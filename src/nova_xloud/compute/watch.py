# SPDX-License-Identifier: Apache-2.0
"""Which balloon drivers report, by who has watched them: never by one reading, nor by the calendar.

QEMU says when the driver reported last, in seconds since 1970 by its host's clock. That clock may
step, a guest that was paused has not reported meanwhile, and one that has just started has not
yet: none of them has no driver. So silence is counted on a clock that only grows, while the guest
is seen to run, and begins anew after whatever was done to it.

It is kept in memory only. Whoever has forgotten it knows nothing, and watches anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from nova_xloud.core.instance.guest import DomainReading, DomainStats

# Seconds: more than that between two readings are not counted as watched. Somebody beside Nova may
# have paused the guest between them.
UNWATCHED_AFTER = 30.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """One guest.

    :ivar boot_id: libvirt's id of its domain
    :ivar stats_at: what its last report had as its time; None: it has not reported
    :ivar at: when it was last read
    :ivar silence: for how many seconds it has been watched since its last report
    :ivar heard: a report was seen to come
    """

    boot_id: int | None
    stats_at: int | None
    at: float
    silence: float = 0.0
    heard: bool = False


class Watch:
    """The guests of one host.

    :param now: seconds that only grow
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()

    def changed(self, uuid: str) -> None:
        """Something was done to this guest: whether it reports is not known from before."""
        with self._lock:
            self._watched.pop(uuid, None)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget all guests but these: the others are not on this host any more."""
        with self._lock:
            self._watched = {u: one for u, one in self._watched.items() if u in uuids}

    def judged(self, uuid: str, reading: DomainReading) -> DomainReading:
        """The same reading with what is known of its driver.

        ``balloon_driver`` is True where it reports, False where it was watched for long enough and
        did not, None where that cannot be told.
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
        """For how many seconds a guest that has reported before was watched and has not since."""
        if not stats.running:
            self.changed(uuid)
            return 0.0
        if stats.stats_at is None and stats.memory_confirmed is not False:
            # The domain is busy, or nobody asks for statistics.
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
                # It has reset itself.
                one = _Watched(boot_id, stats_at, now)
            else:
                watched = min(now - last.at, UNWATCHED_AFTER)
                one = replace(last, at=now, silence=last.silence + watched)
            self._watched[uuid] = one
        return one
