# SPDX-License-Identifier: Apache-2.0
"""The entry to the engine: what RPC requests and nova-compute's manager call on one host.

Requests adjust an instance, claim for an adjustment, plan an adjustment, or read what instances
have. The manager starts the passes over the host, and stops all runs when nova-compute stops.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict
from typing import Any

from nova_xloud.clock import utc_now
from nova_xloud.compute.admit import (
    Admission,
    admit,
    check_answers,
    decide_now,
    reserve,
)
from nova_xloud.compute.admitting import Admitting
from nova_xloud.compute.autoscaling.service import EngineParts, ScalingOf
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.converge import converge
from nova_xloud.compute.deadline import Deadline, HostClock
from nova_xloud.compute.meter import Meter, NoMeter
from nova_xloud.compute.observe import observe
from nova_xloud.compute.outcome import Outcome
from nova_xloud.compute.ports import HostInstances, Instance, ManagedInstance
from nova_xloud.compute.promises import Promises
from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.compute.watch import Watch
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.convergence.dry_run import described, forecast
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import ADJUST, HOTPLUG
from nova_xloud.core.instance.state import NOTHING
from nova_xloud.core.instance.status import autoscale_status, blockers, status
from nova_xloud.core.sizing.bounds import HostFacts, bounds_of
from nova_xloud.errors import GuestRefused, HostUnavailable, Refused
from nova_xloud.fault_points import reached

# A guest's agent may take 5 s to answer, and belongs to the tenant. So at most this many RPC
# threads read guests at a time, and others wait this many seconds for their turn.
READINGS = 4
READING_WAITS = 1.0


# Takes a context and a ``nova.objects.Instance``, and returns the ports of that instance.
OpensInstances = Callable[[Any, Any], Instance]


class Host:
    """One compute host: answers requests, converges its instances, and makes its passes.

    :param facts: what is known of the host, until :meth:`learn` is called
    :param scaling: makes the service of automatic growth; None: nothing grows automatically

    :ivar clock: the clock by which callers name their deadlines
    """

    def __init__(
        self,
        open_instance: OpensInstances,
        host_instances: HostInstances,
        facts: HostFacts,
        options: EngineOptions,
        boot_grace: BootGrace,
        worker: Worker | None = None,
        meter: Meter | None = None,
        watch: Watch | None = None,
        scaling: ScalingOf | None = None,
    ) -> None:
        self.clock = HostClock(lambda: time.monotonic())
        self._open = open_instance
        self._host_instances = host_instances
        self._boot_grace = boot_grace
        self._facts = facts
        self._options = options
        self._meter = meter = meter or NoMeter()
        run = functools.partial(converge, meter=meter)
        self._worker = worker or Worker(options, run, meter)
        self._promises = Promises(time.monotonic)
        self._admitting = Admitting()
        self._readings = threading.BoundedSemaphore(READINGS)
        self._reconciler = Reconciler(
            host_instances,
            boot_grace,
            self._worker,
            options,
            time.monotonic,
            meter,
            watch,
            sleep=lambda seconds: time.sleep(seconds),
            learn=self._learn,
            admitting=self._admitting,
        )
        self._scaling = None if scaling is None else scaling(self._for_scaling())

    def _for_scaling(self) -> EngineParts:
        return EngineParts(
            host_instances=self._host_instances,
            worker=self._worker,
            options=self._options,
            meter=self._meter,
            facts=lambda: self._facts,
            boot_grace=self._boot_grace,
            begun=self._reconciler.request_begun,
        )

    def _learn(self, instances: Sequence[ManagedInstance], began: float) -> None:
        if self._scaling is not None:
            self._scaling.learn(instances, began)

    def learn(self, facts: HostFacts) -> None:
        """Use ``facts``, what is known of the host, for the bounds of all instances from now on."""
        self._facts = facts

    def adjust(
        self,
        context: Any,
        nova_instance: Any,
        request: AdjustRequest,
        answer_within: float = float("inf"),
        answer_by: Deadline | None = None,
    ) -> Admission:
        """Admit an adjustment, and start a run for it; return without waiting for that run.

        No run starts if there is nothing to do. If the instance action cannot be created, the run
        starts all the same, and the error is raised.

        :param answer_within: seconds from now for which the caller waits for the answer; if they
            are over before the adjustment is decided on, it is refused
        :param answer_by: the moment of :attr:`clock` until which the caller waits for the answer;
            if it has passed before the adjustment is decided on, the adjustment is refused
        :raises Refused: the adjustment is not admitted; the message says why
        :raises DomainError: the guest could not be read
        """
        instance = self._open(context, nova_instance)
        with self._admitting.of(instance.uuid):
            admission = self._admit(instance, request, self._too_late(answer_within, answer_by))
            if not admission.nothing_to_do:
                reached("admit.recorded")
                self._start_run(instance, ADJUST, shrinks=admission.shrinks)
        return admission

    def _admit(
        self, instance: Instance, request: AdjustRequest, too_late: Callable[[], bool]
    ) -> Admission:
        began = time.monotonic()
        with self._refusals_counted():
            admission = admit(
                instance,
                request,
                self._facts,
                self._options,
                too_late=too_late,
                reserved=self._promises.take(instance.uuid),
            )
        self._meter.admitted(
            instance.uuid, admission.generation, began, nothing_to_do=admission.nothing_to_do
        )
        if self._scaling is not None and not admission.nothing_to_do:
            self._scaling.requested(instance, names_mode=request.autoscale is not None)
        return admission

    @contextlib.contextmanager
    def _refusals_counted(self) -> Iterator[None]:
        try:
            yield
        except Refused as refusal:
            self._meter.refused(refusal.reason_code)
            raise

    def _too_late(self, answer_within: float, answer_by: Deadline | None) -> Callable[[], bool]:
        began = self.clock.seconds()

        def is_over() -> bool:
            if self.clock.seconds() - began > answer_within:
                return True
            return answer_by is not None and self.clock.is_over(answer_by)

        return is_over

    def reserve(
        self,
        context: Any,
        nova_instance: Any,
        request: AdjustRequest,
        answer_within: float = float("inf"),
        answer_by: Deadline | None = None,
    ) -> None:
        """Claim what :meth:`adjust` would claim, so that quotas count it; change no desired size.

        The claim is remembered for 10 s, so that :meth:`adjust` need not read the guest again. See
        :func:`~.admit.reserve`.

        :param answer_within: seconds from now for which the caller waits; see :meth:`adjust`
        :param answer_by: the moment until which the caller waits; see :meth:`adjust`
        :raises Refused: the adjustment would not be admitted; the message says why. A claim that
            could not be taken back is released by a later run
        :raises DomainError: the guest could not be read
        """
        instance = self._open(context, nova_instance)
        too_late = self._too_late(answer_within, answer_by)
        with self._refusals_counted():
            reserved = reserve(instance, request, self._facts, self._options, too_late=too_late)
        if reserved is not None:
            self._promises.put(instance.uuid, reserved)

    def unreserve(self, context: Any, nova_instance: Any) -> None:
        """Start a run that releases a claim of :meth:`reserve`, without waiting for the run.

        If the adjustment was admitted since, what it needs stays claimed.
        """
        instance = self._open(context, nova_instance)
        self._promises.take(instance.uuid)
        self._worker.submit(instance, shrinks=True)

    def hotplug_vcpus(
        self,
        context: Any,
        nova_instance: Any,
        new_count: int,
        answer_within: float = float("inf"),
        answer_by: Deadline | None = None,
    ) -> None:
        """Set the instance's vCPUs to ``new_count``, and return when the guest has that number.

        A guest that is off gets them when it starts next.

        :param answer_within: seconds from now within which the request has to be decided on
        :param answer_by: the moment of :attr:`clock` until which the request has to be decided on
        :raises Refused: the request is not admitted; the message says why
        :raises HostUnavailable: the request is not admitted, because QEMU does not answer or the
            caller no longer waits; or it is admitted, and nova-compute stopped before the run began
        :raises GuestRefused: the request is admitted, but the guest did not follow; or the run was
            deferred, ended with a :class:`Refused`, or did not end within ``[xloud]
            hotplug_timeout`` seconds
        :raises DomainError: the guest could not be read, or libvirt failed a call of the run
        """
        instance = self._open(context, nova_instance)
        request = AdjustRequest(vcpus=new_count, memory_mb=None)
        too_late = self._too_late(answer_within, answer_by)
        with self._admitting.of(instance.uuid):
            admission = self._admit(instance, request, too_late)
            if admission.nothing_to_do:
                return
            future = self._start_run(instance, HOTPLUG, shrinks=admission.shrinks)
        timeout = self._options.hotplug_timeout
        try:
            outcome = future.result(timeout)
        except FutureTimeoutError as error:
            raise _not_in_time(
                f"the change is admitted, but the guest has not followed within {timeout:g} s; "
                f"the work on it goes on"
            ) from error
        except CancelledError as error:
            raise HostUnavailable(
                "the request is admitted, but nova-compute is stopping; the work goes on once "
                "nova-compute is back"
            ) from error
        except Refused as refused:
            # The run raised this, not the admission: the size is desired, and a pass retries.
            raise _not_in_time(f"the change is admitted, but not done yet: {refused}") from refused
        if outcome.deferred:
            raise _not_in_time(f"the change is admitted, but not done yet: {outcome.deferred}")

    def plan(self, context: Any, nova_instance: Any, request: AdjustRequest) -> dict[str, Any]:
        """Return what :meth:`adjust` would do, without changing anything.

        The instance's lock is not taken, so the answer does not wait for another operation.

        :returns: ``admitted`` (bool); ``refusal`` (``{code, message}``, or None if admitted);
            ``desired`` (the new desired size) and ``claim`` (the size to reserve), both
            ``{vcpus, memory_mb}``, or None if the size is not allowed or this could not be
            decided; ``steps`` (a list of ``{step, ...}`` in their order, empty in these cases and
            if there is nothing to do); ``blockers`` (a list of ``{resource, code, message}``)
        :raises HostUnavailable: the guest's QEMU does not answer
        :raises PlacementUnavailable: Placement does not answer, or not with the allocation. If
            Placement fails later, while the request is decided, that is the ``refusal`` instead
        :raises NotFound: the instance was deleted or has left this host
        :raises InvalidState: other operations changed the instance during each reading
        :raises DomainError: the guest could not be read
        """
        instance = self._open(context, nova_instance)
        check_answers(instance)
        seen = observe(instance)
        answer: dict[str, Any] = {
            "admitted": False,
            "refusal": None,
            "desired": None,
            "claim": None,
            "steps": [],
            "blockers": blockers(seen.state, bounds_of(seen.view.facts, self._facts)),
        }
        try:
            seen, plan = decide_now(instance, request, self._facts, utc_now())
            answer["desired"] = asdict(plan.desired.target)
            answer["claim"] = asdict(plan.claim)
            steps = forecast(seen.state, plan, self._options.limits)
            answer["steps"] = [] if plan.nothing_to_do else [described(step) for step in steps]
            instance.claims.check(seen.reservation, plan.claim)
        except Refused as refusal:
            answer["refusal"] = {"code": refusal.reason_code, "message": refusal.message}
        else:
            answer["admitted"] = True
        return answer

    def _start_run(self, instance: Instance, action: str, *, shrinks: bool) -> Future[Outcome]:
        try:
            instance.actions.start(action)
        except Exception:
            # The adjustment is admitted, so it has to be done even if no instance action shows it.
            self._worker.submit(instance, shrinks=shrinks)
            raise
        reached("action.started")
        self._reconciler.request_begun(instance.uuid, instance.request_id)
        instance.actions.notify(f"{action}.start")
        return self._worker.submit(instance, action, shrinks=shrinks)

    def status(self, context: Any, nova_instance: Any) -> dict[str, Any]:
        """Return the status of an instance, and the size in its libvirt definition.

        :returns: what :func:`nova_xloud.core.instance.status.status` returns, and two more keys.
            ``autoscale`` has what automatic growth knows; while it defers a growth, ``conditions``
            also has ``GrowthDeferred``. ``definition`` is what libvirt would start the guest with,
            ``{vcpus, memory_mb}``, or None if libvirt has no definition. ``definition`` is for
            ``nova-xloud-status``; the API leaves it out
        :raises HostUnavailable: the guest's QEMU does not answer, or the host is reading too many
            other guests
        :raises PlacementUnavailable: Placement could not be asked
        :raises NotFound: the instance was deleted or has left this host
        :raises InvalidState: other operations changed the instance during each reading
        :raises DomainError: the guest could not be read
        """
        instance = self._open(context, nova_instance)
        check_answers(instance)
        with self._one_of_few():
            seen = observe(instance)
        answer = status(
            seen.state,
            bounds_of(seen.view.facts, self._facts),
            utc_now(),
            converging=self._worker.is_busy(instance.uuid),
        )
        guest = seen.state.guest
        defined = None if guest is None or guest.defined is None else asdict(guest.defined)
        autoscale = autoscale_status(seen.view.scaling, seen.view.desired)
        if self._scaling is not None:
            autoscale, deferred = self._scaling.status(
                ManagedInstance(instance.uuid, "", seen.view)
            )
            answer["conditions"] += [asdict(deferred)] if deferred is not None else []
        return answer | {"definition": defined, "autoscale": autoscale}

    def guests(self, uuids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return what the guests of these instances hold, as libvirt reports it.

        :returns: by UUID, without the instances that libvirt does not report just now: ``held``
            (``{vcpus, memory_mb}``, 0 and 0 if the guest is off); ``defined`` (what libvirt would
            start the guest with, in the same form, or None if no definition was read); ``booting``
            (bool: the guest started so lately that its balloon may still be inflating); ``pinned``
            (bool: all of the guest's memory stays in the host's RAM)
        :raises HostUnavailable: the host is reading too many other guests
        :raises DomainError: libvirt could not be asked
        """
        with self._one_of_few():
            domain_stats = self._host_instances.domain_stats(uuids)
        return {
            uuid: _guest_report(
                domain_stats[uuid], booting=self._boot_grace.is_booting(uuid, domain_stats[uuid])
            )
            for uuid in uuids
            if uuid in domain_stats
        }

    @contextlib.contextmanager
    def _one_of_few(self) -> Iterator[None]:
        if not self._readings.acquire(timeout=READING_WAITS):
            raise HostUnavailable("the host is reading too many guests just now; ask again")
        try:
            yield
        finally:
            self._readings.release()

    def service_starts(self) -> None:
        """Start the first pass of this nova-compute, which resumes unfinished runs; do not wait.

        The guests that ran already when nova-compute started count as booted.
        """
        self._reconciler.service_starts()
        self.reconcile()

    def reconcile(self) -> threading.Thread:
        """Start a pass over all elastic instances of the host; return its thread at once.

        If a pass is going on, another one follows it: see :meth:`.Reconciler.begin`.
        """
        return self._reconciler.begin()

    def close(self) -> None:
        """Stop automatic growth, and all runs before their next step; do not wait.

        nova-compute calls this because it is stopping.
        """
        if self._scaling is not None:
            self._scaling.close()
        self._worker.close()


def _guest_report(stats: DomainStats, *, booting: bool) -> dict[str, Any]:
    held = stats.held if stats.running else NOTHING
    return {
        "held": asdict(held),
        "defined": None if stats.defined is None else asdict(stats.defined),
        "booting": booting,
        "pinned": stats.pinned_mb > 0,
    }


def _not_in_time(message: str) -> GuestRefused:
    return GuestRefused("xloud.guest_refused.not_in_time", message)
