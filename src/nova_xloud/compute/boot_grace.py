# SPDX-License-Identifier: Apache-2.0
"""Remember when each guest of this host was first seen running, or was seen to reset itself.

This is kept in memory only. A guest that runs already when nova-compute starts counts as booted
long ago, and all that it holds must be claimed, which is the safe side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from nova_xloud.core.instance.guest import DomainReading, DomainStats


@dataclass(frozen=True, slots=True)
class _Start:
    """When one guest started or reset itself last, and what it has reported since.

    :ivar boot_id: libvirt's id of the running domain
    :ivar since: from when the grace counts, in monotonic seconds: when the guest was first seen
        running, or by a reset that counts as a start. For a guest that counts as booted: ``grace``
        seconds before it was noted
    :ivar stats_at: when the last balloon statistics were collected, seconds since 1970; None if
        none were seen since the guest started or reset itself
    :ivar came_down: the balloon was seen to have taken memory since the guest started or reset
        itself
    """

    boot_id: int
    since: float
    stats_at: int | None = None
    came_down: bool = False


class BootGrace:
    """Knows which guests have just started, and so may hold more memory than is reserved.

    :param now: returns monotonic seconds
    :param grace: for how many seconds after its start a guest counts as booting, because its
        balloon may still be inflating
    """

    def __init__(self, now: Callable[[], float], grace: float) -> None:
        self._now = now
        self._grace = grace
        self._starts: dict[str, _Start] = {}
        self._is_begun = False
        self._lock = threading.Lock()

    def assume_booted(self, boot_ids: Mapping[str, int]) -> None:
        """Have the guests of ``boot_ids`` count as booted: they ran when nova-compute started.

        Before the first call of this method no guest counts as booting.

        :param boot_ids: libvirt's id of the running domain, by UUID of the instance
        """
        long_ago = self._now() - self._grace
        with self._lock:
            self._starts |= {uuid: _Start(number, long_ago) for uuid, number in boot_ids.items()}
            self._is_begun = True

    def arrived_by_migration(self, uuid: str, boot_id: int) -> None:
        """Have the guest of ``uuid`` count as booted, because it has arrived by live migration.

        :param boot_id: libvirt's id of the running domain on this host
        """
        with self._lock:
            self._starts[uuid] = _Start(boot_id, self._now() - self._grace)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget all guests but those of ``uuids``."""
        with self._lock:
            self._starts = {u: start for u, start in self._starts.items() if u in uuids}

    def is_booting(self, uuid: str, guest: DomainReading | DomainStats) -> bool:
        """Note what ``guest`` shows of a start or reset, and return whether the guest is booting.

        :meth:`reported` is called if the reading has the time of the guest's last statistics, or
        shows that QEMU requests some and has got none. The result is that of :meth:`booting`.

        :param uuid: the UUID of the instance
        """
        # A reading of a busy domain, or without readable statistics, does not show a reset.
        if guest.memory_confirmed is False or guest.stats_at is not None:
            came_down = guest.memory_mb < guest.max_memory_mb
            self.reported(uuid, guest.boot_id, guest.stats_at, came_down=came_down)
        return self.booting(uuid, guest.boot_id)

    def booting(self, uuid: str, boot_id: int | None) -> bool:
        """Return whether the guest has started, or reset itself, less than ``grace`` seconds ago.

        A guest that is not known yet, or has another ``boot_id`` than before, counts as started
        now. :meth:`reported` says when a reset counts. The result is False for a guest that is off,
        and for every guest before :meth:`assume_booted` was called.

        :param boot_id: libvirt's id of the running domain; None for a guest that is off
        """
        if boot_id is None or not self._is_begun:
            return False
        with self._lock:
            return self._now() - self._found(uuid, boot_id).since < self._grace

    def reported(
        self, uuid: str, boot_id: int | None, stats_at: int | None, *, came_down: bool
    ) -> None:
        """Note the balloon statistics of a guest; a reset that they show may count as a start.

        Nothing is noted of a guest that is off, or before :meth:`assume_booted` was called.

        A guest counts as reset if its domain is the same and its statistics are gone or older than
        before. The reset counts as a start only if the balloon had taken memory since the last
        start or reset. Otherwise a guest that resets itself again and again could hold all of its
        memory for ever without a claim for it.

        :param boot_id: libvirt's id of the running domain; None for a guest that is off
        :param stats_at: when the last statistics were collected, seconds since 1970; None if the
            guest has not reported any since it started or reset itself
        :param came_down: the guest has less than its maximum of memory; ignored if ``stats_at`` is
            None
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
