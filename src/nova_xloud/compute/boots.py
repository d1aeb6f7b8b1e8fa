# SPDX-License-Identifier: Apache-2.0
"""When the guests of this host were first seen running.

It is kept in memory only. Whoever has forgotten it takes a guest for one that has been running for
long, and claims for it what it holds: the safe side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping


class Boots:
    """The guests that have just started.

    :param now: seconds that only grow
    :param grace: seconds after its start in which a guest's balloon may be on the way
    """

    def __init__(self, now: Callable[[], float], grace: float) -> None:
        self._now = now
        self._grace = grace
        # Of each instance the libvirt id of its running domain, and since when it is known.
        self._known: dict[str, tuple[int, float]] = {}
        self._is_begun = False
        self._lock = threading.Lock()

    def were_there(self, boot_ids: Mapping[str, int]) -> None:
        """These ran already when this service began: nobody knows for how long."""
        long_ago = self._now() - self._grace
        with self._lock:
            self._known |= {uuid: (boot_id, long_ago) for uuid, boot_id in boot_ids.items()}
            self._is_begun = True

    def ran_elsewhere(self, uuid: str, boot_id: int) -> None:
        """This guest has come by live migration, and booted long ago."""
        with self._lock:
            self._known[uuid] = (boot_id, self._now() - self._grace)

    def keep_only(self, uuids: Collection[str]) -> None:
        """Forget all others, which are not on this host any more."""
        with self._lock:
            self._known = {u: known for u, known in self._known.items() if u in uuids}

    def booting(self, uuid: str, boot_id: int | None) -> bool:
        """Whether the guest that runs as ``boot_id`` was first seen less than the grace ago.

        Before it is known what was there already, none is.
        """
        if boot_id is None or not self._is_begun:
            return False
        with self._lock:
            known = self._known.get(uuid)
            if known is None or known[0] != boot_id:
                known = self._known[uuid] = (boot_id, self._now())
        return self._now() - known[1] < self._grace
