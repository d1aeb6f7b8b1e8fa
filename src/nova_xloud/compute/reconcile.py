# SPDX-License-Identifier: Apache-2.0
"""Make a pass over all elastic instances of this host: find those that differ from their record.

A pass reads all instances together: with at most two readings of the database, one call to libvirt
with three more for each instance, and one call to Placement for each compute node. It changes
nothing: for an instance with a drift it queues a run of the worker. So an instance without a drift
costs no more than its part of these readings.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Container, Sequence
from typing import Protocol

from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.attempts import Attempts
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.host_reading import HostReading, entries_of, is_driven, is_followed
from nova_xloud.compute.left_open import LeftOpen
from nova_xloud.compute.meter import Meter, NoMeter
from nova_xloud.compute.ports import HostInstances, Instance, ManagedInstance
from nova_xloud.compute.watch import Watch
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.drift import Drift, find_drift
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import ADJUST, HOTPLUG, Progress
from nova_xloud.core.instance.reports import reports_within
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainError, NotFound, Refused

LOG = logging.getLogger(__name__)

# Seconds for which a host must have no elastic instance before it forgets all that it had. A live
# migration ends before the database names the new host, and this host knows something of an
# arriving instance before that.
EMPTY_FOR = 60.0
# Seconds after which a pass counts as hanging; it usually takes a fraction of a second.
HANGS_AFTER = 30.0
# Seconds from the end of a pass to the next: operations that end together each ask for a pass.
REST = 1.0
# Seconds within which a driver that works has reported, with Nova's default statistics period.
SILENT_AFTER = reports_within(10)


class Converges(Protocol):
    """The methods of :class:`nova_xloud.compute.worker.Worker` that a pass needs."""

    def is_busy(self, uuid: str) -> bool:
        """Return whether a run of this instance is queued or going on."""

    def on_idle(self, uuid: str, then: Callable[[], object]) -> bool:
        """If the instance has a run, call ``then`` once it has none; return whether it has one now.

        See :meth:`nova_xloud.compute.worker.Worker.on_idle`.
        """

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> object:
        """Queue a run for ``instance``; see :meth:`nova_xloud.compute.worker.Worker.submit`."""


class Reconciler:
    """Makes the passes of one host, and remembers when to try each instance again.

    :param now: returns monotonic seconds
    :param sleep: sleeps for so many seconds
    :param admitting: the UUIDs of instances with a request that this process is admitting
    :param learn: called in each pass with all elastic instances of the host, as the pass has read
        them, and with the monotonic seconds at which the pass began
    """

    def __init__(
        self,
        host_instances: HostInstances,
        boot_grace: BootGrace,
        worker: Converges,
        options: EngineOptions,
        now: Callable[[], float],
        meter: Meter | None = None,
        watch: Watch | None = None,
        sleep: Callable[[float], None] = time.sleep,
        learn: Callable[[Sequence[ManagedInstance], float], None] = lambda instances, began: None,
        admitting: Container[str] = (),
    ) -> None:
        self._host_instances = host_instances
        self._boot_grace = boot_grace
        self._watch = watch or Watch(now)
        self._worker = worker
        self._options = options
        self._now = now
        self._sleep = sleep
        self._learn = learn
        self._admitting = admitting
        self._meter = meter or NoMeter()
        # Since when passes have found no elastic instance; None: the last pass found some.
        self._empty_since: float | None = None
        self._attempts = Attempts(options, now)
        self._lock = threading.Lock()
        self._pass: threading.Thread | None = None
        self._begun_at = 0.0
        self._ended_at = -math.inf
        self._again = False
        # Whether the next pass is the first of a service.
        self._is_first = False
        self._left_open = LeftOpen(host_instances, worker.is_busy)

    def service_starts(self) -> None:
        """Have the guests that ran already when nova-compute started count as booted.

        It is not known when they started. After the next pass, the events that a killed
        nova-compute has left open are ended too: :mod:`nova_xloud.compute.left_open`.
        """
        self._boot_grace.assume_booted(self._host_instances.boot_ids())
        self._is_first = True

    def request_begun(self, uuid: str, request_id: str) -> None:
        """Have later passes end the event of an admitted request if no run ends it."""
        self._left_open.begun(uuid, [request_id])

    def begin(self) -> threading.Thread:
        """Start a pass in a thread of its own, and return the thread without waiting.

        If a pass is going on already, another one follows it in the same thread. If the pass that
        was asked for before has not begun yet, no further one is added. No pass begins sooner than
        :data:`REST` seconds after the last one has ended.

        If the pass that is going on is older than :data:`HANGS_AFTER` seconds, it is abandoned, and
        another begins: libvirt blocks on a QEMU that hangs, and a later call to libvirt is not kept
        waiting by that (both measured). The thread does not keep the process from ending.
        """
        with self._lock:
            if self._pass is not None:
                if self._now() - self._begun_at <= HANGS_AFTER:
                    self._again = True
                    return self._pass
                LOG.warning(
                    "The last reconcile pass has not ended after %d s: most likely the QEMU of a "
                    "guest hangs, or the database or Placement is slow. Another pass begins.",
                    HANGS_AFTER,
                )
            self._again, self._begun_at = False, self._now()
            thread = threading.Thread(target=self._passes, name="xloud-reconcile", daemon=True)
            self._pass = None
            # If it cannot start, the next call tries again. It waits for the lock first.
            thread.start()
            self._pass = thread
            return thread

    def _passes(self) -> None:
        self._pass_while_asked_for()
        # This takes some queries for each request, so it is no part of a pass, which would seem to
        # hang on a host with many of them.
        self._left_open.finish()

    def _pass_while_asked_for(self) -> None:
        while True:
            self._rest()
            try:
                self.run()
            except Exception:
                LOG.exception(
                    "A reconcile pass over the host's instances failed; the next pass checks them."
                )
            with self._lock:
                self._ended_at = self._now()
                if self._pass is not threading.current_thread():
                    return
                if not self._again:
                    self._pass = None
                    return
                self._again, self._begun_at = False, self._now()

    def _rest(self) -> None:
        left = self._ended_at + REST - self._now()
        if left <= 0:
            return
        self._sleep(left)
        with self._lock:
            # A pass that was asked for during the rest is this one.
            self._again, self._begun_at = False, self._now()

    def run(self) -> int:
        """Make one pass in this thread: read all instances, and queue a run for each with a drift.

        No run is queued for an instance with a task_state, with a run that is queued or going on
        already, or with a request that was admitted since the reading. Nor is one queued during the
        pause after the last try, unless the instance has changed since or the drift is urgent.
        If an instance has a run now, another pass begins once that run has ended.

        The pass is reported to the meter. If libvirt or Placement cannot be asked, a warning is
        logged instead, and no run is queued. An error in reading all instances from the database is
        raised; one in checking a single instance is logged.

        :returns: for how many instances it has queued a run
        """
        began = self._now()
        instances = self._host_instances.records()
        self._left_open.seen(instances, are_new=self._is_first)
        self._is_first = False
        self._learn(instances, began)
        if not instances:
            self._forget_those_who_left(began)
            self._meter.pass_finished(self._now() - began, {})
            return 0
        self._empty_since = None
        busy = self._busy(instances)
        try:
            read = self._read(instances)
        except (DomainError, Refused) as error:
            LOG.warning(
                "Skipping this reconcile pass: libvirt or Placement could not be asked, and no "
                "instance was checked. The next pass tries again: %s",
                error,
            )
            return 0
        # A busy domain has no statistics; that does not mean that its guest has started again.
        self._boot_grace.forget_others(read.here)
        self._watch.forget_others(read.here)
        self._attempts.forget_others({one.uuid for one in read.instances})
        resumed = sum(
            self._check_safely(one, read.domain_stats.get(one.uuid), read.reserved[one.uuid])
            for one in read.instances
        )
        LOG.debug(
            "A reconcile pass has checked %d instances, and queued a run for %d of them.",
            len(read.instances),
            resumed,
        )
        busy |= self._busy(read.instances)
        entries = entries_of(read, busy, self._boot_grace)
        self._meter.pass_finished(self._now() - began, entries)
        return resumed

    def _busy(self, instances: Sequence[ManagedInstance]) -> set[str]:
        return {one.uuid for one in instances if self._worker.is_busy(one.uuid)}

    def _read(self, instances: Sequence[ManagedInstance]) -> HostReading:
        """Read the domains of the host, and the allocations of the ``instances`` that are checked.

        :raises DomainError: libvirt could not be asked
        :raises PlacementUnavailable: Placement could not be asked
        """
        domain_stats = self._host_instances.domain_stats({one.uuid for one in instances})
        followed = [one for one in instances if is_followed(one, domain_stats.get(one.uuid))]
        return HostReading(followed, domain_stats, self._host_instances.allocations(followed))

    def _forget_those_who_left(self, now: float) -> None:
        """Forget all instances once the host has had no elastic one for :data:`EMPTY_FOR` seconds.

        Neither libvirt nor Placement is asked, so a pass costs only the reading of the database.

        :param now: when this pass began, in monotonic seconds
        """
        if self._empty_since is None:
            self._empty_since = now
        if now - self._empty_since >= EMPTY_FOR:
            self._boot_grace.forget_others(())
            self._watch.forget_others(())
            self._attempts.forget_others(())

    def _check_safely(
        self, one: ManagedInstance, stats: DomainStats | None, reserved: Size
    ) -> bool:
        try:
            return self._check(one, stats, reserved)
        except Exception:
            # The other instances are checked all the same.
            LOG.exception(
                "Instance %s could not be checked by this reconcile pass; the next pass checks it.",
                one.uuid,
            )
            return False

    def _check(self, one: ManagedInstance, stats: DomainStats | None, reserved: Size) -> bool:
        # A run may yield to an operation that ends before the run does. The pass that follows the
        # operation finds the instance busy, and without on_idle no other pass would check it.
        if one.view.task_state is not None or self._worker.on_idle(one.uuid, self.begin):
            return False
        desired = one.view.desired
        boot_id = None if stats is None else stats.boot_id
        booting = stats is not None and self._boot_grace.is_booting(one.uuid, stats)
        silent = stats is not None and self._is_silent(one.uuid, stats) and not booting
        found = find_drift(
            desired,
            one.view.recorded,
            reserved,
            stats,
            booting=booting,
            driven=is_driven(one),
            silent=silent,
        )
        if found is None:
            self._attempts.forget(one.uuid)
            return False
        seen = None
        if stats is not None:
            seen = (stats.vcpus, stats.defined, stats.pinned_mb, stats.paused)
        phase, code = desired.progress.phase, desired.progress.code
        like = (desired.generation, phase, code, reserved, boot_id, seen, booting)
        if not (self._attempts.is_due(one.uuid, like) or found.urgent):
            return False
        shrinks = stats is not None and stats.held.covers(desired.target)
        return self._take_up(one.uuid, desired.progress, found, shrinks=shrinks)

    def _is_silent(self, uuid: str, stats: DomainStats) -> bool:
        """Return whether a balloon driver has stopped reporting while its balloon holds memory.

        That is so if the driver has reported before and has been silent for longer than
        :data:`SILENT_AFTER` seconds and the option ``boot_grace``, and the guest has less than its
        maximum of memory.
        """
        longest = max(self._options.boot_grace, SILENT_AFTER)
        silence = self._watch.silence(uuid, stats)
        return silence > longest and stats.memory_mb < stats.max_memory_mb

    def _take_up(self, uuid: str, progress: Progress, found: Drift, *, shrinks: bool) -> bool:
        """Queue a run for the instance; return whether it was queued.

        If the request whose size is desired has no outcome yet, the run is an event of its instance
        action. No run is queued if the instance was deleted, if another request was admitted since
        the pass read the instance, or if this process is admitting one: that has its own run.
        """
        try:
            instance = self._host_instances.open(uuid, progress.request_id)
            # The pass read all records some time ago, and a run may have ended since.
            progress_now = instance.record.refresh().desired.progress
        except NotFound:
            return False
        if progress_now.request_id != progress.request_id or uuid in self._admitting:
            # Another request has been admitted since, or is just now, and has its own run.
            return False
        with instance.logged():
            LOG.info("Instance %s: the pass queues a run, because %s.", uuid, found.why)
        self._meter.drifted(uuid, found.code)
        unanswered = progress_now.request_id and not progress_now.finished
        urgency = Urgency.OWED if found.urgent else Urgency.AGAIN
        action = _action_of(instance) if unanswered else None
        self._worker.submit(instance, action, urgency, shrinks=shrinks)
        return True


def _action_of(instance: Instance) -> str:
    """Return the name of the instance action whose event the run goes on with."""
    return HOTPLUG if f"compute_{HOTPLUG}" in instance.actions.open_events() else ADJUST
