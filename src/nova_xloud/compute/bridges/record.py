# SPDX-License-Identifier: Apache-2.0
"""The ``Record`` and ``Actions`` ports, over Nova's objects."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from nova import exception, objects
from nova.compute import utils as compute_utils

from nova_xloud.compute.ports import RecordView
from nova_xloud.core.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState, NotFound
from nova_xloud.scheduling import holdings

LOG = logging.getLogger(__name__)


def view_of(instance: Any, host: str) -> RecordView:
    """What a ``nova.objects.Instance`` says, as seen from ``host``."""
    facts = holdings.facts_of_instance(instance)
    return RecordView(
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        here=instance.host == host,
        facts=facts,
        desired=holdings.desired_of(instance, facts),
        recorded=Size(instance.vcpus, instance.memory_mb),
    )


class NovaRecord:
    """One ``nova.objects.Instance``.

    :param host: this compute host
    """

    def __init__(self, instance: Any, host: str) -> None:
        self._instance = instance
        self._host = host

    def refresh(self) -> RecordView:
        try:
            self._instance.refresh()
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {self._instance.uuid} was deleted") from error
        return view_of(self._instance, self._host)

    def write(self, desired: Desired, held: Size) -> None:
        holdings.put_desired(self._instance, desired)
        self._instance.vcpus = held.vcpus
        self._instance.memory_mb = held.memory_mb
        try:
            self._instance.save(expected_task_state=[None])
        except exception.UnexpectedTaskStateError as error:
            self._instance.obj_reset_changes()
            raise InvalidState(f"the instance is busy: {error.format_message()}") from error
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {self._instance.uuid} was deleted") from error


class NovaActions:
    """Instance actions of one instance, found by the request id of ``context``.

    :param notifier: ``nova.rpc.get_notifier``'s: legacy (unversioned) notifications
    """

    def __init__(self, context: Any, instance: Any, host: str, notifier: Any) -> None:
        self._context = context
        self._instance = instance
        self._host = host
        self._notifier = notifier

    def start(self, name: str) -> None:
        objects.InstanceAction.action_start(
            self._context, self._instance.uuid, name, want_result=False
        )

    def event(self, name: str) -> AbstractContextManager[Any]:
        return compute_utils.EventReporter(
            self._context, name, self._host, self._instance.uuid, graceful_exit=True
        )

    def notify(self, name: str, error: Exception | None = None) -> None:
        """``compute.instance.<name>``, with the desired and the recorded size."""
        desired = holdings.desired_of(self._instance, holdings.facts_of_instance(self._instance))
        sizes = {
            "desired": asdict(desired.target),
            "recorded": {"vcpus": self._instance.vcpus, "memory_mb": self._instance.memory_mb},
            "generation": desired.generation,
        }
        try:
            compute_utils.notify_about_instance_usage(
                self._notifier,
                self._context,
                self._instance,
                name,
                extra_usage_info={"xloud": sizes},
                fault=error,
                best_effort=True,
            )
        except Exception:
            # Nobody's adjustment fails because nobody could be told of it.
            LOG.warning("Notification %s was not sent.", name, exc_info=True)
