# SPDX-License-Identifier: Apache-2.0
"""End the events of instance actions that no run would end.

A run ends the event of its own request. In three cases an event stays open that no run would end:

- A run writes its outcome into the record first, and then the worker ends the event. A process that
  is killed between the two leaves the event open. Later runs leave it as it is, because the record
  says that the adjustment has ended.
- A run is deferred, and leaves its event open for the run that resumes it. Another request is
  admitted before that, and from then on the runs are those of the new request. The record names
  the last such requests. When it has no room for one any more, its event is ended at once, by the
  admission that drops it (:mod:`nova_xloud.compute.admit`).
- An adjusted server is deleted, or is resized and begins anew at another flavor's boot size.

So after each pass the open events of an instance are ended if its last adjustment has ended, or if
the instance was deleted. Those of earlier requests end with the outcome of the last one.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable

from nova_xloud.compute.ports import HostInstances, ManagedInstance
from nova_xloud.errors import GuestRefused, NotFound

LOG = logging.getLogger(__name__)
MOST_ERRORS = 3


class LeftOpen:
    """Remembers the requests of a host whose events may be open, and ends these events.

    All methods may be called by several threads.

    :param is_busy: takes the UUID of an instance; returns whether a run of the instance is queued
        or going on. Such a run ends its own event, so the instance is left for a later call
    """

    def __init__(self, host_instances: HostInstances, is_busy: Callable[[str], bool]) -> None:
        self._host_instances = host_instances
        self._is_busy = is_busy
        self._lock, self._turn = threading.Lock(), threading.Lock()
        # By instance: the ids of requests.
        self._requests: dict[str, set[str]] = {}

    def begun(self, uuid: str, request_ids: Iterable[str]) -> None:
        """Remember requests that were admitted for an instance, and whose events will begin."""
        with self._lock:
            self._requests.setdefault(uuid, set()).update(filter(None, request_ids))

    def seen(self, instances: Iterable[ManagedInstance], *, are_new: bool) -> None:
        """Remember the requests that these instances' records name and that have not ended.

        :param are_new: this process has begun no run of these instances yet, so also events of
            requests that have ended may have been left open
        """
        for one in instances:
            progress = one.view.desired.progress
            if progress.request_id and (are_new or not progress.finished):
                self.begun(one.uuid, progress.request_ids)

    def finish(self) -> None:
        """End the open events of requests that have ended, with the outcome in the record.

        If the instance was deleted, its events end with :class:`NotFound`. This takes some queries
        to the database for each request that has ended since the last call. So on a host with many
        instances a call may last until the next pass has ended too: a call that comes while another
        thread is in this method does nothing. Never raises: an error is logged, and a later call
        tries again. After :data:`MOST_ERRORS` errors the call ends, because most likely the
        database does not answer.
        """
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._finish_all()
        finally:
            self._turn.release()

    def _finish_all(self) -> None:
        with self._lock:
            remembered = {uuid: set(ids) for uuid, ids in self._requests.items()}
        errors = 0
        for uuid, request_ids in remembered.items():
            if self._is_busy(uuid):
                continue
            try:
                ended = self._finish(uuid, request_ids)
            except Exception:
                LOG.exception(
                    "Instance %s: its instance actions could not be read or written, so the "
                    "instance actions of its adjustments may have no end yet. A later reconcile "
                    "pass tries again.",
                    uuid,
                )
                # The next call begins with the others.
                self._forget(uuid, request_ids)
                self.begun(uuid, request_ids)
                errors += 1
                if errors == MOST_ERRORS:
                    return
            else:
                self._forget(uuid, ended)

    def _finish(self, uuid: str, request_ids: set[str]) -> set[str]:
        """End the open events of those of ``request_ids`` that have ended.

        :returns: the requests to forget: those that have ended, and those that another host follows
        """
        try:
            view = self._host_instances.open(uuid, "").record.refresh()
        except NotFound as deleted:
            self._end(uuid, request_ids, deleted.reason_code, deleted)
            return request_ids
        progress = view.desired.progress
        # The host that an instance has left for follows the requests that the record names.
        followed = set() if view.on_this_host else request_ids & {*progress.request_ids}
        if not progress.finished:
            return followed
        refused = GuestRefused(progress.code, progress.message)
        error = None if progress.reached else refused
        self._end(uuid, request_ids - followed, progress.code, error)
        return request_ids

    def _end(self, uuid: str, ended: set[str], code: str, error: Exception | None) -> None:
        for request_id in sorted(ended):
            actions = self._host_instances.actions(uuid, request_id)
            for event in actions.open_events():
                with contextlib.suppress(GuestRefused, NotFound), actions.event(event):
                    if error is not None:
                        raise error
                LOG.info(
                    "Instance %s: the event %s of request %s was still open after the adjustment "
                    "had ended. The event is ended now, with %s.",
                    uuid,
                    event,
                    request_id,
                    code,
                )

    def _forget(self, uuid: str, request_ids: set[str]) -> None:
        with self._lock:
            left = self._requests.pop(uuid, set()) - request_ids
            if left:
                self._requests[uuid] = left
