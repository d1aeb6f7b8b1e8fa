# SPDX-License-Identifier: Apache-2.0
"""Moves: what the conductor has the scheduler claim on the target is what the instance holds.

Each of these runs when the operation has set its task_state, so no adjustment is admitted any
more; one that was admitted before is read here, and the claim is for its size. A stock instance is
not read again. Should its first adjustment ever have come in the very transaction that set the
task_state, the maximum is claimed, which that size is below; a pass gives back what is too much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation


def schedule_migration(original: Callable[..., Any], task: Any) -> Any:
    """Cold migration: the persisted size. Resize: what the new flavor boots with.

    :param task: ``nova.conductor.tasks.migrate.MigrationTask``
    """
    # The request has the new flavor already.
    flavor = task.instance.flavor
    size = _persisted(task.instance, flavor)
    task.request_spec.xloud_size = size if nova_objects.same_flavor(task.flavor, flavor) else None
    return original(task)


def live_migration_request(original: Callable[..., Any], task: Any, *args: Any) -> Any:
    """Live migration: all that is reserved for the guest on its source, adjusted half way or not.

    The source's allocation was moved to the migration a moment ago. What is claimed for a guest is
    claimed before it is plugged, and what it gives back is released after; so whatever the guest
    does now, that allocation covers it.

    :param task: ``nova.conductor.tasks.live_migrate.LiveMigrationTask``
    """
    spec = original(task, *args)
    elastic = _is_elastic(task.instance, _flavor(spec))
    if elastic:
        nova_objects.refresh_record(task.instance)
    spec.xloud_size = _reserved_on_source(task) if elastic else None
    return spec


def restrict_to_cell(
    original: Callable[..., None], context: Any, instance: Any, request_spec: Any
) -> None:
    """Evacuate, unshelve and rebuild with another image: the persisted size.

    Nova calls this just before each of the three is scheduled, and never else.
    """
    original(context, instance, request_spec)
    request_spec.xloud_size = _persisted(instance, _flavor(request_spec))


def resources_to_heal(
    original: Callable[..., dict[str, int]], instance: Any, flavor: Any
) -> dict[str, int]:
    """``nova-manage placement heal_allocations``: an allocation for what the instance holds."""
    resources = original(instance, flavor)
    if not nova_objects.is_elastic(instance, flavor):
        return resources
    if not nova_objects.same_flavor(flavor, instance.flavor):
        return resources
    facts = nova_objects.facts_of_instance(instance)
    return allocation.resized(resources, nova_objects.size_to_count(instance), facts)


def _flavor(request_spec: Any) -> Any:
    return request_spec.flavor if "flavor" in request_spec else None


def _is_elastic(instance: Any, flavor: Any) -> bool:
    """By what the operation came with: of a stock instance nothing more is read."""
    if flavor is None:
        return nova_objects.has_loaded_record(instance)
    return nova_objects.is_elastic_as_loaded(instance, flavor)


def _persisted(instance: Any, flavor: Any) -> Size | None:
    """As it is in the database now; None: of a stock instance."""
    if not _is_elastic(instance, flavor):
        return None
    nova_objects.refresh_record(instance)
    return nova_objects.desired_of(instance, nova_objects.facts_of_instance(instance)).persisted


def _reserved_on_source(task: Any) -> Size:
    held = nova_objects.size_to_count(task.instance)
    if not task._held_allocations:
        # Placement had nothing for it. Nova goes on without; so do we, with what the record says.
        return held
    source = task._held_allocations.get(task._source_cn.uuid, {}).get("resources", {})
    return allocation.allocated_size(source, nova_objects.facts_of_instance(task.instance))
