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
class _Known:
    """What is known of one guest.

    :ivar boot_id: libvirt's id of its running domain
    :ivar since: from when on it is known to run
    :ivar stats_at: of when its last statistics were; None: it has not reported since it started
    :ivar came_down: its balloon has taken memory since it started
    """

    boot_id: int
    since: float
    stats_at: int | None = None
    came_down: bool = False


class Boots:
    """The guests that have just started.

    :param now: seconds that only grow
    :param grace: seconds after its start in which a guest's balloon may be on the way
    """

    def __init__(self, now: Callable[[], float], grace: float) -> None:
        self._now = now
        self._grace = grace
        self._known: dict[str, _Known] = {}
        self._is_begun = False
        self._lock = threading.Lock()

    def were_there(self, boot_ids: Mapping[str, int]) -> None:
        """These ran already when this service began: nobody knows for how long."""
        long_ago = self._now() - self._grace
        with self._lock:
            self._known |= {uuid: _Known(number, long_ago) for uuid, number in boot_ids.items()}
            self._is_begun = True

    def ran_elsewhere(self, uuid: str, boot_id: int) -> None:
        """This guest has come by live migration, and booted long ago."""
        with self._lock:
            self._known[uuid] = _Known(boot_id, self._now() - self._grace)

    def keep_only(self, uuids: Collection[str]) -> None:
        """Forget all others, which are not on this host any more."""
        with self._lock:
            self._known = {u: known for u, known in self._known.items() if u in uuids}

    def is_booting(self, uuid: str, guest: DomainReading | DomainStats) -> bool:
        """What :meth:`booting` says of it once :meth:`reported` has what it reports."""
        # Of a domain that is busy, or whose statistics cannot be read, nothing is known of them.
        if guest.memory_confirmed is False or guest.stats_at is not None:
            came_down = guest.memory_mb < guest.max_memory_mb
            self.reported(uuid, guest.boot_id, guest.stats_at, came_down=came_down)
        return self.booting(uuid, guest.boot_id)

    def booting(self, uuid: str, boot_id: int | None) -> bool:
        """Whether the guest that runs as ``boot_id`` was first seen less than the grace ago.

        Before it is known what was there already, none is.
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
            known = self._found(uuid, boot_id)
            if known.stats_at is not None and (stats_at is None or stats_at < known.stats_at):
                since = self._now() if known.came_down else known.since
                known = _Known(boot_id, since)
            came_down = known.came_down or (came_down and stats_at is not None)
            self._known[uuid] = replace(known, stats_at=stats_at, came_down=came_down)

    def _found(self, uuid: str, boot_id: int) -> _Known:
        known = self._known.get(uuid)
        if known is None or known.boot_id != boot_id:
            known = self._known[uuid] = _Known(boot_id, self._now())
        return known
