# SPDX-License-Identifier: Apache-2.0
"""Carry out what automatic growth has decided for one instance, through the engine.

A request of automatic growth is admitted like a person's, with these differences. It is refused if
the instance was changed since the decision. Its quota is checked through nova-conductor. It is not
recorded as what a person has asked for. Its run comes after all others. All requests of automatic
growth for one instance on one day have the same request id, and so one instance action. A server
whose size follows its load would otherwise leave some thousand instance actions a year.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Protocol

from nova_xloud.compute.admit import Admission, admit, check_adjustable
from nova_xloud.compute.agenda import Urgency
from nova_xloud.compute.autoscaling.ports import ScaledGuests
from nova_xloud.compute.meter import Meter
from nova_xloud.compute.ports import HostInstances, Instance, ManagedInstance, RecordView
from nova_xloud.conf import EngineOptions
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.lifecycle import ADJUST
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import InvalidState

LOG = logging.getLogger(__name__)

_SECONDS_A_DAY = 86400
_NAMESPACE = uuid.UUID("6f6a4c1e-6a8c-4c53-9d3b-1d1c7a2f0b17")


class Starts(Protocol):
    """The part of the engine's worker that a request of automatic growth needs: it queues a run."""

    def submit(
        self,
        instance: Instance,
        action: str | None = None,
        urgency: Urgency = Urgency.ASKED,
        *,
        shrinks: bool = False,
    ) -> object:
        """Queue a run for ``instance``: see :meth:`nova_xloud.compute.worker.Worker.submit`."""


def request_id_of(instance_uuid: str, now: float) -> str:
    """Return the id of all requests of automatic growth for an instance on one day (UTC).

    It is in the form of Nova's own ids, and the same after a restart of nova-compute.

    :param now: seconds since the epoch
    """
    day = int(now // _SECONDS_A_DAY)
    return f"req-{uuid.uuid5(_NAMESPACE, f'{instance_uuid} {day}')}"


def why_not(view: RecordView) -> str:
    """Return the code of why automatic growth may not change an instance; empty if it may.

    The code is the mode's value if that is not ``on``, ``hold.locked`` while the instance is
    locked, and ``hold.busy`` while an operation on the instance is going on, if the instance is not
    active, and if it is not on this host.

    :param view: what Nova's database has of the instance
    """
    if view.scaling.mode is not Mode.ON:
        return view.scaling.mode.value
    if view.locked:
        return "hold.locked"
    if view.task_state is not None or view.vm_state != "active" or not view.on_this_host:
        return "hold.busy"
    return ""


class Actor:
    """Has the engine admit the requests of automatic growth on one host, and queues their runs.

    :param guests: checks the quota of growth
    :param worker: gets the runs
    :param facts: returns the host's facts that an instance's bounds depend on
    :param begun: called with the instance's UUID and the request id once a request is admitted
    :param wall: returns seconds since the epoch
    """

    def __init__(
        self,
        host_instances: HostInstances,
        guests: ScaledGuests,
        worker: Starts,
        options: EngineOptions,
        meter: Meter,
        facts: Callable[[], HostFacts],
        begun: Callable[[str, str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._host_instances = host_instances
        self._guests = guests
        self._worker = worker
        self._options = options
        self._meter = meter
        self._facts = facts
        self._begun = begun
        self._wall = wall

    def act(
        self, one: ManagedInstance, size: Size, is_current: Callable[[], bool] = lambda: True
    ) -> Admission:
        """Request ``size`` for an instance, and queue the run; do not wait for the guest.

        :param one: the instance as it was when ``size`` was decided
        :param is_current: returns whether the last round still decides so; it is called under the
            instance's lock
        :returns: what was admitted; no run is queued if there is nothing to do
        :raises Refused: the request is not admitted, and nothing has changed; also if the quota
            does not allow it, the record was changed since ``one`` was read, or ``is_current`` is
            False
        :raises DomainError: the guest could not be read
        """
        desired = one.view.desired.target
        if not desired.covers(size):
            self._guests.check_growth(one.uuid, desired.at_least(size))
        instance = self._host_instances.open(one.uuid, request_id_of(one.uuid, self._wall()))
        request = AdjustRequest(
            vcpus=None if size.vcpus == desired.vcpus else size.vcpus,
            memory_mb=None if size.memory_mb == desired.memory_mb else size.memory_mb,
            automatic=True,
        )
        began = time.monotonic()
        with instance.logged():
            admission = admit(
                instance,
                request,
                self._facts(),
                self._options,
                check=_as_decided(one, is_current),
            )
            self._meter.admitted(
                one.uuid, admission.generation, began, nothing_to_do=admission.nothing_to_do
            )
            if not admission.nothing_to_do:
                self._start(instance, shrinks=admission.shrinks)
        return admission

    def _start(self, instance: Instance, *, shrinks: bool) -> None:
        try:
            instance.actions.start_once(ADJUST)
        except Exception:
            # It is admitted, so it has to be done even if no instance action shows it.
            LOG.exception(
                "Instance %s: no instance action could be created for a request of automatic "
                "growth; the request is carried out all the same.",
                instance.uuid,
            )
        self._begun(instance.uuid, instance.request_id)
        instance.actions.notify(f"{ADJUST}.start")
        self._worker.submit(instance, ADJUST, Urgency.AUTOMATIC, shrinks=shrinks)


def _as_decided(
    one: ManagedInstance, is_current: Callable[[], bool]
) -> Callable[[RecordView], None]:
    """Return a check that raises if a decision about an instance must not be carried out.

    The check gets what Nova's database has of the instance at admission. It raises
    ``InvalidState`` if the record or the flavor is not that of ``one``, if automatic growth may not
    change the instance now, or if the decision is outdated.

    :param one: the instance as it was when the decision was made
    :param is_current: returns whether the last round still decides so
    """

    def check(view: RecordView) -> None:
        check_adjustable(view)
        desired = one.view.desired
        same = (view.desired.generation, view.desired.target) == (
            desired.generation,
            desired.target,
        )
        if not same or view.desired.asked != desired.asked or view.facts != one.view.facts:
            raise InvalidState(
                "the instance was changed since automatic growth decided; the next round decides "
                "anew"
            )
        if code := why_not(view):
            raise InvalidState(f"automatic growth leaves the instance as it is now ({code})")
        if not is_current():
            raise InvalidState(
                "the guest may need more than when automatic growth decided; the next round "
                "decides anew"
            )

    return check
