# SPDX-License-Identifier: Apache-2.0
"""Which instances of a host are scaled automatically, as passes and requests have found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from nova_xloud.compute.ports import ManagedInstance, RecordView
from nova_xloud.core.size import Size


class Members:
    """The instances of one host whose mode is ``observe`` or ``on``.

    A pass reads all records, once a minute by default. An instance that a request changes in
    between is read again on its own, so nothing has to be read in each round.

    :param now: returns monotonic seconds
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, ManagedInstance] = {}
        # All elastic instances of the host, also those that are not scaled.
        self._here: frozenset[str] = frozenset()
        # By UUID: when a request has changed the record, in monotonic seconds.
        self._changed: dict[str, float] = {}
        # Instances whose record has to be read again.
        self._stale: set[str] = set()

    def learn(self, instances: Sequence[ManagedInstance], began: float) -> None:
        """Take over all elastic instances of the host, as a pass has read them.

        :param began: when the pass began to read them, in monotonic seconds
        """
        here = {one.uuid: one for one in instances}
        with self._lock:
            # An instance that a request has changed may have come after the pass read the others.
            recent = {uuid for uuid, at in self._changed.items() if at >= began}
            self._here = frozenset(here.keys() | (self._here & recent))
            # The pass may have read a record before a request changed it.
            self._changed = {
                uuid: at for uuid, at in self._changed.items() if at >= began and uuid in here
            }
            self._stale = set(self._changed)
            self._known = {
                uuid: one
                for uuid, one in here.items()
                if not one.view.scaling.is_off or uuid in self._changed
            }

    def changed(self, one: ManagedInstance) -> None:
        """Take over an instance whose record a request has changed, as just read."""
        with self._lock:
            self._changed[one.uuid] = self._now()
            # The last pass may have been before the instance came, or was elastic.
            self._here |= {one.uuid}
            self._known.pop(one.uuid, None)
            if not one.view.scaling.is_off:
                self._known[one.uuid] = one

    def admitted(self, one: ManagedInstance, size: Size, generation: int) -> None:
        """Note that ``size`` is the desired size of an instance from now on.

        :param one: the instance as it was before; if it has changed since, nothing is noted
        :param generation: the generation of the record that has ``size``
        """
        with self._lock:
            if self._known.get(one.uuid) is not one:
                return
            desired = replace(one.view.desired, persisted=size, live=None, generation=generation)
            self._known[one.uuid] = replace(one, view=replace(one.view, desired=desired))
            self._changed[one.uuid] = self._now()

    def read_again(self, uuid: str) -> None:
        """Have the record of an instance read again before the next round, if it is scaled."""
        with self._lock:
            if uuid in self._known:
                self._stale.add(uuid)

    def take_stale(self) -> set[str]:
        """Return the UUIDs of the instances to read again, and count them as read."""
        with self._lock:
            stale, self._stale = self._stale, set()
            return stale

    def replace_view(self, uuid: str, view: RecordView | None) -> None:
        """Take over the record of an instance as just read.

        An instance whose mode is ``off`` is dropped. One that is not among the scaled ones is not
        added.

        :param view: None if the instance was deleted: it is dropped
        """
        with self._lock:
            one = self._known.pop(uuid, None)
            if one is not None and view is not None and not view.scaling.is_off:
                self._known[uuid] = replace(one, view=view)

    @property
    def here(self) -> frozenset[str]:
        """The UUIDs of all elastic instances of the host, also of those that are not scaled."""
        with self._lock:
            return self._here

    def scaled(self) -> dict[str, ManagedInstance]:
        """Return the instances that are scaled, by UUID."""
        with self._lock:
            return {uuid: one for uuid, one in self._known.items() if not one.view.scaling.is_off}

    def __contains__(self, uuid: object) -> bool:
        with self._lock:
            return uuid in self._known

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._known)
