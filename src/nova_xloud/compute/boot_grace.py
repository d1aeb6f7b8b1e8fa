# SPDX-License-Identifier: Apache-2.0
"""When the guests of this host were first seen running, or to have restarted themselves.

It is kept in memory only. Whoever has forgotten it takes a guest for one that has been running for
long, and claims for it what it holds: the safe side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from nova_xloud.core.instance.guest import DomainReading, DomainStats


@dataclass(frozen=True, slots=True)
class _Start:
    """When one guest started, and what it has reported since.

    :ivar boot_id: libvirt's id of its running domain
    :ivar since: from when on it is known to run
    :ivar stats_at: of when its last statistics were; None: it has not reported since it started
    :ivar came_down: its balloon has taken memory since it started
    """

    boot_id: int
    since: float
    stats_at: int | None = None
    came_down: bool = False


class BootGrace:
    """The guests that have just started, which may hold more than is reserved for a while.

    :param now: seconds that only grow
    :param grace: seconds after its start in which a guest's balloon may be on the way
    """

    def __init__(self, now: Callable[[], float], grace: float) -> None:
        self._now = now
        self._grace = grace
        self._starts: dict[str, _Start] = {}
        self._is_begun = False
        self._lock = threading.Lock()

    def assume_booted(self, boot_ids: Mapping[str, int]) -> None:
        """Take these guests for booted: they ran already when this service began."""
        long_ago = self._now() - self._grace
        with self._lock:
            self._starts |= {uuid: _Start(number, long_ago) for uuid, number in boot_ids.items()}
            self._is_begun = True

    def arrived_by_migration(self, uuid: str, boot_id: int) -> None:
        """Take this guest for booted: it has come by live migration."""
        with self._lock:
            self._starts[uuid] = _Start(boot_id, self._now() - self._grace)

    def forget_others(self, uuids: Collection[str]) -> None:
        """Forget all guests but these: the others are not on this host any more."""
        with self._lock:
            self._starts = {u: start for u, start in self._starts.items() if u in uuids}

    def is_booting(self, uuid: str, guest: DomainReading | DomainStats) -> bool:
        """What :meth:`booting` says of it once :meth:`reported` has what it reports."""
        # Of a domain that is busy, or whose statistics cannot be read, nothing is known of them.
        if guest.memory_confirmed is False or guest.stats_at is not None:
            came_down = guest.memory_mb < guest.max_memory_mb
            self.reported(uuid, guest.boot_id, guest.stats_at, came_down=came_down)
        return self.booting(uuid, guest.boot_id)

    def booting(self, uuid: str, boot_id: int | None) -> bool:
        """True if the guest that runs as ``boot_id`` was first seen less than the grace ago.

        False for a guest that is off, and always before :meth:`assume_booted` was called.
        """
        if boot_id is None or not self._is_begun:
            return False
        with self._lock:
            return self._now() - self._found(uuid, boot_id).since < self._grace

    def reported(
        self, uuid: str, boot_id: int | None, stats_at: int | None, *, came_down: bool
    ) -> None:
        """Have statistics that begin anew, of the same domain, be a start: it has reset itself.

        A guest may do so again and again. It has another grace only if its balloon had come down
        since the last, so that none has all of its memory for ever by that.

        :param stats_at: of when its last statistics are; None: it has not reported (again)
        :param came_down: its balloon holds memory, by its driver's own report
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
