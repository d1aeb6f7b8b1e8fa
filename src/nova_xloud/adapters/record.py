# SPDX-License-Identifier: Apache-2.0
"""The adapters of the ``Record`` and ``Actions`` ports, over Nova's objects."""

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
    """Return the view of a ``nova.objects.Instance`` for the compute host ``host``."""
    facts = nova_objects.facts_of_instance(instance)
    return RecordView(
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        on_this_host=instance.host == host,
        facts=facts,
        desired=nova_objects.desired_of(instance, facts),
        recorded=nova_objects.recorded_size(instance),
        # Nova writes task_state at the start and the end of each operation, and updated_at with it.
        version=instance.updated_at,
    )


class NovaRecord:
    """The database record of one ``nova.objects.Instance``.

    :param host: the name of this compute host
    """

    def __init__(self, instance: Any, host: str) -> None:
        self._instance = instance
        self._host = host

    def refresh(self) -> RecordView:
        """Read the instance from the database again, in place, and return the view of it.

        :raises NotFound: the instance was deleted
        """
        try:
            _read_anew(self._instance)
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {self._instance.uuid} was deleted") from error
        return view_of(self._instance, self._host)

    def write(self, desired: Desired, recorded: Size) -> None:
        """Write ``desired``, and ``recorded`` into the instance's columns, if no task is running.

        The instance is read again first. If ``desired`` is what is stored already, only the columns
        are written.

        :raises InvalidState: a task runs, or another operation has changed the host, vm_state,
            flavor, image or record since the last read; nothing was written
        :raises NotFound: the instance was deleted
        """
        # Nova saves system_metadata whole, and other operations have keys in it: what they wrote
        # since the last read must not be lost.
        before = _decided_on(self._instance)
        try:
            _read_anew(self._instance)
            if _decided_on(self._instance) != before:
                raise InvalidState("another operation changed the instance meanwhile; try again")
            facts = nova_objects.facts_of_instance(self._instance)
            if not desired.same_record(nova_objects.desired_of(self._instance, facts)):
                # A never adjusted instance stays without a record: only its columns change.
                nova_objects.set_desired(self._instance, desired)
            self._instance.vcpus = recorded.vcpus
            self._instance.memory_mb = recorded.memory_mb
            self._instance.save(
                expected_vm_state=[self._instance.vm_state], expected_task_state=[None]
            )
        except exception.InstanceUpdateConflict as error:
            # The conflict is of task_state or vm_state.
            self._instance.obj_reset_changes()
            raise InvalidState(f"the instance is busy: {error.format_message()}") from error
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {self._instance.uuid} was deleted") from error


def _read_anew(instance: Any) -> None:
    """Refresh the columns, flavor and ``system_metadata`` of an instance with one query, in place.

    ``Instance.refresh`` reads all attributes that were ever loaded, with a second query for the
    network cache: in the lab it took half as long again and more (medians of 25 to 56 ms instead of
    16 to 26 ms). Changes of the object that were not saved are lost.

    :raises nova.exception.InstanceNotFound: the instance was deleted
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
    """Return what a decision about an instance depends on, to see later whether it has changed."""
    return (
        instance.host,
        instance.vm_state,
        nova_objects.facts_of_instance(instance),
        instance.flavor.flavorid,
        nova_objects.record_of(instance),
    )


class NovaActions:
    """The instance action of one instance with the request id of ``context``.

    :param host: the name of this compute host, which the events name
    :param notifier: from ``nova.rpc.get_notifier``, for legacy (unversioned) notifications
    """

    def __init__(self, context: Any, instance: Any, host: str, notifier: Any) -> None:
        self._context = context
        self._instance = instance
        self._host = host
        self._notifier = notifier

    def start(self, name: str) -> None:
        """Record in Nova's database that the instance action ``name`` has begun."""
        objects.InstanceAction.action_start(
            self._context, self._instance.uuid, name, want_result=False
        )

    @contextlib.contextmanager
    def event(self, name: str) -> Iterator[None]:
        """Record the block as the event ``name`` of the action, with the error if it raises one.

        An event that an earlier run has left open goes on. If the block raises
        :class:`AdjustmentDeferred`, the event stays open: the run that resumes the adjustment
        finishes the event, also after a crash of nova-compute. If the instance action is gone when
        the block ends, that is only logged.
        """
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
            LOG.info(
                "Instance %s: the outcome is recorded in no instance action: %s",
                self._instance.uuid,
                gone,
            )

    def _is_open(self, name: str) -> bool:
        """Return whether an earlier run has started the event and has not finished it."""
        action = objects.InstanceAction.get_by_request_id(
            self._context, self._instance.uuid, self._context.request_id
        )
        if action is None:
            return False
        events = objects.InstanceActionEventList.get_by_action(self._context, action.id)
        return any(event.event == name and event.finish_time is None for event in events)

    def notify(self, name: str, error: Exception | None = None) -> None:
        """Send the notification ``compute.instance.<name>`` with the desired and the recorded size.

        An error of sending is logged and not raised.

        :param name: ``<action>.start``, ``<action>.end`` or ``<action>.error``
        :param error: the error that the notification reports; None if there is none
        """
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
            # An adjustment must not fail because its notification could not be sent.
            LOG.warning("Notification %s was not sent.", name, exc_info=True)
