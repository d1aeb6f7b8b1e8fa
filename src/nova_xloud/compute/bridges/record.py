# SPDX-License-Identifier: Apache-2.0
"""The ``Record`` and ``Actions`` ports, over Nova's objects."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from nova import exception, objects
from nova.compute import utils as compute_utils

from nova_xloud.compute.ports import RecordView
from nova_xloud.core.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState, NotFound
from nova_xloud.scheduling import holdings


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
        facts = holdings.facts_of_instance(self._instance)
        return RecordView(
            vm_state=self._instance.vm_state,
            task_state=self._instance.task_state,
            here=self._instance.host == self._host,
            facts=facts,
            desired=holdings.desired_of(self._instance, facts),
            recorded=Size(self._instance.vcpus, self._instance.memory_mb),
        )

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
    """Instance actions of one instance, found by the request id of ``context``."""

    def __init__(self, context: Any, instance_uuid: str, host: str) -> None:
        self._context = context
        self._uuid = instance_uuid
        self._host = host

    def start(self, name: str) -> None:
        objects.InstanceAction.action_start(self._context, self._uuid, name, want_result=False)

    def event(self, name: str) -> AbstractContextManager[Any]:
        return compute_utils.EventReporter(
            self._context, name, self._host, self._uuid, graceful_exit=True
        )
