# SPDX-License-Identifier: Apache-2.0
"""A pass over all elastic instances of this host: find those that differ from their record.

A pass reads all instances together: at most two queries to the database, one call to libvirt with
three more for each instance, and one call to Placement for each compute node. It changes nothing:
each instance that it finds goes to the worker, which converges it like any other. So an instance
that does not differ costs no more than its part of these readings.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.meter import Meter, NoMeter, PassEntry
from nova_xloud.compute.ports import HostInstances, Instance, ManagedInstance
from nova_xloud.compute.watch import Watch
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.drift import Drift, find_drift, pause_after
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import ADJUST, Progress
from nova_xloud.core.instance.sample import Sample, of_pass
from nova_xloud.core.instance.state import DRIVEN_STATES, lacks_guest
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


class Converges(Protocol):
    """The methods of :class:`nova_xloud.compute.worker.Worker` that a pass needs."""

    def is_busy(self, uuid: str) -> bool:
        """Return whether a run of this instance is queued or going on."""

    def on_idle(self, uuid: str, then: Callable[[], object]) -> bool:
        """Call ``then`` once the instance has no run any more; return False if it has none now.

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


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last try to repair an instance.

    :ivar like: what the instance was like then; any change makes the next try the first again
    :ivar count: how many tries were made in a row while the instance was like that, with this one
    :ivar again_at: when the next try is due, in monotonic seconds
    """

    like: object
    count: int
    again_at: float


def _is_driven(one: ManagedInstance) -> bool:
    return one.view.vm_state in DRIVEN_STATES


def _is_followed(one: ManagedInstance, stats: DomainStats | None) -> bool:
    """Return whether a pass checks the instance: it is driven to its size, or its guest runs."""
    return _is_driven(one) or (stats is not None and stats.running)


class Reconciler:
    """Runs the passes of one host, and remembers when to try each instance again.

    :param now: returns monotonic seconds
    :param sleep: sleeps for so many seconds
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
    ) -> None:
        self._host_instances = host_instances
        self._boot_grace = boot_grace
        self._watch = watch or Watch(now)
        self._worker = worker
        self._options = options
        self._now = now
        self._sleep = sleep
        self._meter = meter or NoMeter()
        # Since when passes have found no elastic instance; None: the last pass found some.
        self._empty_since: float | None = None
        self._attempts: dict[str, _Attempt] = {}
        self._lock = threading.Lock()
        self._pass: threading.Thread | None = None
        self._begun_at = 0.0
        self._ended_at = -math.inf
        self._again = False

    def service_starts(self) -> None:
        """Take the guests that ran already when nova-compute started for booted.

        Nobody knows when they started.
        """
        self._boot_grace.assume_booted(self._host_instances.boot_ids())

    def begin(self) -> threading.Thread:
        """Start a pass in its own thread, and return the thread.

        If a pass is running, another one follows it in the same thread; if a pass is still waiting
        to begin, it is the one that was asked for. No pass begins sooner than :data:`REST`
        seconds after the last one has ended. A pass older than :data:`HANGS_AFTER` seconds is
        abandoned and another begins: libvirt blocks on a QEMU that hangs, and a later call to
        libvirt is not kept waiting by that (both measured). Nothing waits for a pass, not even the
        end of the process.
        """
        with self._lock:
            if self._pass is not None:
                if self._now() - self._begun_at <= HANGS_AFTER:
                    self._again = True
                    return self._pass
                LOG.warning(
                    "The last reconcile pass has not ended after %d s: most likely the QEMU of "
                    "a guest "
                    "hangs, or the database or Placement is slow. Another pass begins.",
                    HANGS_AFTER,
                )
            self._again, self._begun_at = False, self._now()
            self._pass = threading.Thread(target=self._passes, name="xloud-reconcile", daemon=True)
            self._pass.start()
            return self._pass

    def _passes(self) -> None:
        while True:
            self._rest()
            try:
                self.run()
            except Exception:
                LOG.exception("A reconcile pass over the host's instances failed.")
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
        """Make one pass in this thread: read all instances, and submit those with a drift.

        An instance is skipped while an operation has set its task_state, while a run of it is
        queued or going on, or, unless its drift is urgent, while the pause after its last try
        lasts. The pass is reported to the meter, unless libvirt or Placement does not answer: then
        a warning is logged instead.

        :returns: how many instances it has submitted to the worker
        """
        began = self._now()
        instances = self._host_instances.records()
        if not instances:
            self._forget_those_who_left(began)
            self._meter.pass_finished(self._now() - began, {})
            return 0
        self._empty_since = None
        busy = {one.uuid for one in instances if self._worker.is_busy(one.uuid)}
        try:
            domain_stats = self._host_instances.domain_stats({one.uuid for one in instances})
            instances = [one for one in instances if _is_followed(one, domain_stats.get(one.uuid))]
            reserved = self._host_instances.allocations(instances)
        except (DomainError, Refused) as error:
            LOG.warning("Skipping this reconcile pass: %s", error)
            return 0
        # A busy domain has no statistics; that does not mean that its guest has started again.
        here = {*domain_stats, *(one.uuid for one in instances)}
        self._boot_grace.forget_others(here)
        self._watch.forget_others(here)
        self._attempts = {one.uuid: a for one in instances if (a := self._attempts.get(one.uuid))}
        resumed = sum(
            self._check_safely(one, domain_stats.get(one.uuid), reserved[one.uuid])
            for one in instances
        )
        LOG.debug("Checked %d instances, resumed %d.", len(instances), resumed)
        busy |= {one.uuid for one in instances if self._worker.is_busy(one.uuid)}
        entries = {
            one.uuid: PassEntry(
                None if one.uuid in busy else self._sample(one, domain_stats, reserved),
                one.view.facts.maximum,
                one.project_id,
            )
            for one in instances
        }
        self._meter.pass_finished(self._now() - began, entries)
        return resumed

    def _forget_those_who_left(self, now: float) -> None:
        """Forget all instances once the host has had no elastic one for :data:`EMPTY_FOR` seconds.

        libvirt is not asked which guests are here, so a host without elastic instances costs
        nothing more.
        """
        if self._empty_since is None:
            self._empty_since = now
        if now - self._empty_since >= EMPTY_FOR:
            self._boot_grace.forget_others(())
            self._watch.forget_others(())
            self._attempts = {}

    def _sample(
        self,
        one: ManagedInstance,
        domain_stats: Mapping[str, DomainStats],
        reserved: Mapping[str, Size],
    ) -> Sample:
        """Return the sample of an instance, made of its record, its statistics and its allocation.

        No run of the instance may have gone on while these three were read.
        """
        stats = domain_stats.get(one.uuid)
        booting = stats is not None and self._boot_grace.is_booting(one.uuid, stats)
        view = one.view
        return of_pass(
            view.desired,
            reserved[one.uuid],
            stats,
            booting=booting,
            is_off=view.vm_state == "stopped",
            lacks_guest=bool(lacks_guest(view.vm_state, view.task_state)),
        )

    def _check_safely(
        self, one: ManagedInstance, stats: DomainStats | None, reserved: Size
    ) -> bool:
        try:
            return self._check(one, stats, reserved)
        except Exception:
            # The other instances are checked all the same.
            LOG.exception("Instance %s could not be checked by this reconcile pass.", one.uuid)
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
            driven=_is_driven(one),
            silent=silent,
        )
        if found is None:
            self._attempts.pop(one.uuid, None)
            return False
        seen = None if stats is None else (stats.vcpus, stats.defined, stats.pinned_mb)
        phase, code = desired.progress.phase, desired.progress.code
        like = (desired.generation, phase, code, reserved, boot_id, seen, booting)
        if not (self._is_due(one.uuid, like) or found.urgent):
            return False
        shrinks = stats is not None and stats.held.covers(desired.target)
        return self._take_up(one.uuid, desired.progress, found, shrinks=shrinks)

    def _is_silent(self, uuid: str, stats: DomainStats) -> bool:
        """Return whether a balloon driver has stopped reporting while its balloon holds memory.

        It has reported before, and has been silent for longer than ``boot_grace``.
        """
        silence = self._watch.silence(uuid, stats)
        return silence > self._options.boot_grace and stats.memory_mb < stats.max_memory_mb

    def _is_due(self, uuid: str, like: object) -> bool:
        """Return whether a try is due: something has changed, or the pause is over.

        The first try of an instance is always due. If a try is due, it is counted.
        """
        last, now = self._attempts.get(uuid), self._now()
        count = 1
        if last is not None and last.like == like:
            if now < last.again_at:
                return False
            count = last.count + 1
        pause = pause_after(count, self._options.retry_interval, self._options.retry_max_interval)
        self._attempts[uuid] = _Attempt(like, count, now + pause)
        return True

    def _take_up(self, uuid: str, progress: Progress, found: Drift, *, shrinks: bool) -> bool:
        """Submit the instance to the worker; return whether it was submitted.

        The run is an event of the instance action if that has no outcome yet. The instance is not
        submitted if it was deleted, or if another request was admitted since the pass read it.
        """
        try:
            instance = self._host_instances.open(uuid, progress.request_id)
            # The pass read all records some time ago, and a run may have ended since.
            progress_now = instance.record.refresh().desired.progress
        except NotFound:
            return False
        if progress_now.request_id != progress.request_id:
            # Another request has been admitted since, and has its own run.
            return False
        with instance.logged():
            LOG.info("Instance %s: resuming convergence: %s.", uuid, found.why)
        self._meter.drifted(uuid, found.code)
        unanswered = progress_now.request_id and not progress_now.finished
        urgency = Urgency.OWED if found.urgent else Urgency.AGAIN
        action = ADJUST if unanswered else None
        self._worker.submit(instance, action, urgency, shrinks=shrinks)
        return True
