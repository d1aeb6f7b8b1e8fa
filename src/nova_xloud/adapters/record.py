# SPDX-License-Identifier: Apache-2.0
"""The ``Record`` and ``Actions`` ports, over Nova's objects."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from nova import exception, objects
from nova.compute import utils as compute_utils

from nova_xloud.adapters import nova_objects
from nova_xloud.compute.ports import RecordView
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import AdjustmentDeferred, InvalidState, NotFound

LOG = logging.getLogger(__name__)


def view_of(instance: Any, host: str) -> RecordView:
    """What a ``nova.objects.Instance`` says, as seen from ``host``."""
    facts = nova_objects.facts_of_instance(instance)
    return RecordView(
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        on_this_host=instance.host == host,
        facts=facts,
        desired=nova_objects.desired_of(instance, facts),
        recorded=nova_objects.recorded_size(instance),
        # Nova writes task_state at both ends of each, and with it this.
        version=instance.updated_at,
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
            _read_anew(self._instance)
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {self._instance.uuid} was deleted") from error
        return view_of(self._instance, self._host)

    def write(self, desired: Desired, recorded: Size) -> None:
        # system_metadata is saved whole, and others have keys in it: of what they wrote since it
        # was read, nothing shall be lost.
        before = _decided_on(self._instance)
        try:
            _read_anew(self._instance)
            if _decided_on(self._instance) != before:
                raise InvalidState("the instance was changed meanwhile; try again")
            facts = nova_objects.facts_of_instance(self._instance)
            if not desired.same_record(nova_objects.desired_of(self._instance, facts)):
                # One that was never adjusted stays without a record: only what it holds changes.
                nova_objects.set_desired(self._instance, desired)
            self._instance.vcpus = recorded.vcpus
            self._instance.memory_mb = recorded.memory_mb
            self._instance.save(
                expected_vm_state=[self._instance.vm_state], expected_task_state=[None]
            )
        except exception.InstanceUpdateConflict as error:
            # Of its task_state or its vm_state.
            self._instance.obj_reset_changes()
            raise InvalidState(f"the instance is busy: {error.format_message()}") from error
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {self._instance.uuid} was deleted") from error


def _read_anew(instance: Any) -> None:
    """Bring up to date what a record is made of, in one question.

    ``Instance.refresh`` reads whatever was ever loaded, and asks a second time for the network's
    cache: in the lab it took half as long again and more (medians of 25 to 56 ms for 16 to 26).

    :raises nova.exception.InstanceNotFound:
    """
    current = objects.Instance.get_by_uuid(
        instance._context, instance.uuid, expected_attrs=["flavor", "system_metadata"]
    )
    for field in current.fields:
        if current.obj_attr_is_set(field) and field in instance:
            value = getattr(current, field)
            if getattr(instance, field) != value:
                setattr(instance, field, value)
    instance.obj_reset_changes()


def _decided_on(instance: Any) -> tuple[Any, ...]:
    """What a decision about an instance was made of."""
    return (
        instance.host,
        instance.vm_state,
        nova_objects.facts_of_instance(instance),
        instance.flavor.flavorid,
        nova_objects.record_of(instance),
    )


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

    @contextlib.contextmanager
    def event(self, name: str) -> Iterator[None]:
        """One that is deferred stays open: whoever goes on ends it, a crash later too."""
        if not self._is_open(name):
            objects.InstanceActionEvent.event_start(
                self._context, self._instance.uuid, name, want_result=False, host=self._host
            )
        try:
            yield
        except AdjustmentDeferred:
            raise
        except Exception as error:
            self._finish(name, error)
            raise
        self._finish(name)

    def _finish(self, name: str, error: Exception | None = None) -> None:
        try:
            objects.InstanceActionEvent.event_finish_with_failure(
                self._context,
                self._instance.uuid,
                name,
                exc_val=error,
                exc_tb=error.__traceback__ if error is not None else None,
                want_result=False,
            )
        except (exception.InstanceActionNotFound, exception.InstanceActionEventNotFound) as gone:
            LOG.info("Instance %s: %s", self._instance.uuid, gone)

    def _is_open(self, name: str) -> bool:
        """Whether an earlier run has begun the event and not ended it."""
        action = objects.InstanceAction.get_by_request_id(
            self._context, self._instance.uuid, self._context.request_id
        )
        if action is None:
            return False
        events = objects.InstanceActionEventList.get_by_action(self._context, action.id)
        return any(event.event == name and event.finish_time is None for event in events)

    def notify(self, name: str, error: Exception | None = None) -> None:
        """``compute.instance.<name>``, with the desired and the recorded size."""
        desired = nova_objects.desired_of(
            self._instance, nova_objects.facts_of_instance(self._instance)
        )
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
