# SPDX-License-Identifier: Apache-2.0
"""When each guest of this host was first seen running, or was seen to have reset itself.

This is kept in memory only. When nova-compute restarts, it takes every guest that runs for one that
has been running for long, and claims all that the guest holds, which is the safe side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from nova_xloud.core.instance.guest import DomainReading, DomainStats


@dataclass(frozen=True, slots=True)
class _Start:
    """When one guest started, and what it has reported since.

    :ivar boot_id: libvirt's id of the running domain
    :ivar since: from when the grace counts, in monotonic seconds: when the guest was first seen
        running, or was seen to have reset itself. For a guest that is taken for booted: ``grace``
        seconds before that
    :ivar stats_at: the time of the last balloon statistics; None if the guest has not reported any
        since it started
    :ivar came_down: the balloon has taken memory from the guest since the guest started
    """

    boot_id: int
    since: float
    stats_at: int | None = None
    came_down: bool = False


class BootGrace:
    """Knows which guests have just started, and so may hold more than is reserved for a while.

    :param now: returns monotonic seconds
    :param grace: seconds after the start of a guest in which its balloon may still be inflating
    """

    def __init__(self, now: Callable[[], float], grace: float) -> None:
        self._now = now
        self._grace = grace
        self._starts: dict[str, _Start] = {}
        self._is_begun = False
        self._lock = threading.Lock()

    def assume_booted(self, boot_ids: Mapping[str, int]) -> None:
        """Take the guests of ``boot_ids`` for booted: they ran already when nova-compute started.

        :param boot_ids: libvirt's id of the running domain, by UUID of the instance
        """
        long_ago = self._now() - self._grace
        with self._lock:
            self._starts |= {uuid: _Start(number, long_ago) for uuid, number in boot_ids.items()}
            self._is_begun = True

    def arrived_by_migration(self, uuid: str, boot_id: int) -> None:
        """Take the guest of ``uuid`` for booted: it has arrived by live migration.

        :param boot_id: libvirt's id of the running domain on this host
        """
        with self._lock:
            self._starts[uuid] = _Start(boot_id, self._now() - self._grace)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget all guests but those of ``uuids``: the others are not on this host any more."""
        with self._lock:
            self._starts = {u: start for u, start in self._starts.items() if u in uuids}

    def is_booting(self, uuid: str, guest: DomainReading | DomainStats) -> bool:
        """Note what ``guest`` shows of a reset, and return whether the guest is booting.

        The reading is passed to :meth:`reported`, unless the domain was busy or its statistics
        could not be read. The answer is that of :meth:`booting`.
        """
        # A reading of a busy domain, or without readable statistics, does not show a reset.
        if guest.memory_confirmed is False or guest.stats_at is not None:
            came_down = guest.memory_mb < guest.max_memory_mb
            self.reported(uuid, guest.boot_id, guest.stats_at, came_down=came_down)
        return self.booting(uuid, guest.boot_id)

    def booting(self, uuid: str, boot_id: int | None) -> bool:
        """Return whether the guest has started, or reset itself, less than ``grace`` seconds ago.

        A guest that is not known yet, or has another ``boot_id`` than before, counts as started
        now. False for a guest that is off, for a guest that was taken for booted until it resets
        itself, and always before :meth:`assume_booted` was called.

        :param boot_id: libvirt's id of the running domain; None for a guest that is off
        """
        if boot_id is None or not self._is_begun:
            return False
        with self._lock:
            return self._now() - self._found(uuid, boot_id).since < self._grace

    def reported(
        self, uuid: str, boot_id: int | None, stats_at: int | None, *, came_down: bool
    ) -> None:
        """Note the balloon statistics of a guest, and count a reset of the guest as a start.

        Nothing is noted of a guest that is off, or before :meth:`assume_booted` was called. A guest
        has reset itself if the domain is the same and its statistics begin again. A guest may reset
        itself again and again, so a reset counts as a start only if the balloon had taken memory
        since the last start or reset: otherwise the guest could keep all of its memory for ever.

        :param boot_id: libvirt's id of the running domain; None for a guest that is off
        :param stats_at: the time of the last statistics; None if the guest has not reported any
            since it started or reset itself
        :param came_down: the guest has less than its maximum of memory; without statistics this is
            not counted
        """
        if boot_id is None or not self._is_begun:
            return
        with self._lock:
            start = self._found(uuid, boot_id)
            if start.stats_at is not None and (stats_at is None or stats_at < start.stats_at):
                since = self._now() if start.came_down else start.since
                start = _Start(boot_id, since)
            came_down = start.came_down or (came_down and stats_at is not None)
            self._starts[uuid] = replace(start, stats_at=stats_at, came_down=came_down)

    def _found(self, uuid: str, boot_id: int) -> _Start:
        start = self._starts.get(uuid)
        if start is None or start.boot_id != boot_id:
            start = self._starts[uuid] = _Start(boot_id, self._now())
        return start
