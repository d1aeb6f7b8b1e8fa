# SPDX-License-Identifier: Apache-2.0
"""Which instances of a host are scaled automatically.

A pass over all instances, and requests that change an instance, bring this up to date.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from nova_xloud.compute.ports import ManagedInstance, RecordView
from nova_xloud.core.instance.history import AUTOSCALE
from nova_xloud.core.size import Size


class Members:
    """The scaled instances of one host: those whose mode is ``observe`` or ``on``.

    A pass reads the records of all instances, once a minute by default. An instance that a request
    changes in between is read again on its own, so a round need not read the records.

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
        """Replace the stored instances by those that a pass has read.

        The pass may have read a record before a request changed it. Such a record is read again
        before the next round.

        :param instances: all elastic instances of the host, also those that are not scaled
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
        """Store an instance as it is after a request has changed its record; drop it if ``off``.

        :param one: the instance as read after the change
        """
        with self._lock:
            self._changed[one.uuid] = self._now()
            # The last pass may have been before the instance came, or was elastic.
            self._here |= {one.uuid}
            self._known.pop(one.uuid, None)
            if not one.view.scaling.is_off:
                self._known[one.uuid] = one

    def admitted(self, one: ManagedInstance, size: Size, generation: int) -> ManagedInstance:
        """Store that automatic growth has made ``size`` the desired size of an instance.

        The history says so too, without the time and the id of the request: until a pass has read
        the record, it must be known who has changed the size.

        :param one: the instance as it was before; if another one is stored for its UUID by now,
            nothing is stored
        :param generation: the generation of the record that has ``size``
        :returns: the instance with ``size`` as its desired size
        """
        before = one.view.desired
        past = before.history.admitted("", "", before.target, size, AUTOSCALE)
        desired = replace(before, persisted=size, live=None, generation=generation, history=past)
        after = replace(one, view=replace(one.view, desired=desired))
        with self._lock:
            if self._known.get(one.uuid) is one:
                self._known[one.uuid] = after
                self._changed[one.uuid] = self._now()
        return after

    def read_again(self, uuid: str) -> None:
        """Have the record of an instance read again before the next round, if it is scaled."""
        with self._lock:
            if uuid in self._known:
                self._stale.add(uuid)

    def take_stale(self) -> set[str]:
        """Return the UUIDs of the instances whose record has to be read again.

        The next call does not return them again.
        """
        with self._lock:
            stale, self._stale = self._stale, set()
            return stale

    def replace_view(self, uuid: str, view: RecordView | None) -> None:
        """Replace what is stored of an instance by what was just read.

        An instance whose mode is ``off`` is dropped. One that is not stored is not added.

        :param view: what Nova's database has of the instance; None if the instance was deleted: it
            is dropped
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
        """Return the instances whose mode is ``observe`` or ``on``, by UUID."""
        with self._lock:
            return {uuid: one for uuid, one in self._known.items() if not one.view.scaling.is_off}

    def __contains__(self, uuid: object) -> bool:
        with self._lock:
            return uuid in self._known

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._known)
