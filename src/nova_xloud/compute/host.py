# SPDX-License-Identifier: Apache-2.0
"""The compute room's front door: everything that RPC may ask of a compute host."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from nova_xloud.compute.admit import Admission, admit
from nova_xloud.compute.converge import Outcome
from nova_xloud.compute.observe import observe
from nova_xloud.compute.ports import Instance
from nova_xloud.compute.status import status
from nova_xloud.compute.worker import Worker
from nova_xloud.conf import EngineOptions
from nova_xloud.core.envelope import HostFacts, envelope
from nova_xloud.core.plan import AdjustRequest
from nova_xloud.errors import GuestRefused

ADJUST = "xloud_adjust"
HOTPLUG = "hotplug_vcpus"


# From a context and a ``nova.objects.Instance`` to its ports, for one request.
OpensInstances = Callable[[Any, Any], Instance]


class Host:
    """One compute host."""

    def __init__(
        self,
        open_instance: OpensInstances,
        facts: HostFacts,
        options: EngineOptions,
        worker: Worker | None = None,
    ) -> None:
        self._open = open_instance
        self._facts = facts
        self._options = options
        self._worker = worker or Worker(options)

    def adjust(
        self,
        context: Any,
        nova_instance: Any,
        request: AdjustRequest,
        answer_within: float = float("inf"),
    ) -> Admission:
        """Admit, and begin to converge; returns without waiting for the guest.

        :param answer_within: seconds after which nobody waits for the answer
        :raises Refused:
        """
        instance = self._open(context, nova_instance)
        begun = time.monotonic()
        admission = admit(
            instance,
            request,
            self._facts,
            self._options,
            too_late=lambda: time.monotonic() - begun > answer_within,
        )
        if not admission.nothing_to_do:
            self._begin(instance, ADJUST)
        return admission

    def hotplug_vcpus(self, context: Any, nova_instance: Any, new_count: int) -> None:
        """Make it ``new_count`` vCPUs; returns when the guest has them.

        :raises Refused:
        :raises GuestRefused: not within ``[xloud] hotplug_timeout``
        """
        instance = self._open(context, nova_instance)
        request = AdjustRequest(vcpus=new_count, memory_mb=None)
        if admit(instance, request, self._facts, self._options).nothing_to_do:
            return
        future = self._begin(instance, HOTPLUG)
        timeout = self._options.hotplug_timeout
        try:
            outcome = future.result(timeout)
        except FutureTimeoutError as error:
            raise GuestRefused(f"not done within {timeout:g} s; it is being worked on") from error
        if outcome.deferred:
            raise GuestRefused(f"admitted, but not done yet: {outcome.deferred}")

    def _begin(self, instance: Instance, action: str) -> Future[Outcome]:
        try:
            instance.actions.start(action)
        except Exception:
            # It is admitted: it has to be done, though nobody will read of it.
            self._worker.submit(instance)
            raise
        return self._worker.submit(instance, f"compute_{action}")

    def status(self, context: Any, nova_instance: Any) -> dict[str, Any]:
        """See :func:`nova_xloud.compute.status.status`."""
        instance = self._open(context, nova_instance)
        view = instance.record.refresh()
        return status(observe(instance, view).state, envelope(view.facts, self._facts))

    def settle(self, context: Any, nova_instance: Any) -> None:
        """Look at an instance again after something else was done to it."""
        self._worker.submit(self._open(context, nova_instance))

    def close(self) -> None:
        """The service ends."""
        self._worker.close()
