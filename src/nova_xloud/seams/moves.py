# SPDX-License-Identifier: Apache-2.0
"""Make moves and ``heal_allocations`` claim an elastic instance's own size, not its flavor's.

The functions for moves run after the operation has set its ``task_state``, so no adjustment is
admitted any more. They read the record from the database once more, so they see an adjustment that
was admitted just before. An instance that was stock when the operation loaded it is not read again.
If its first adjustment was admitted at that moment, the maximum is claimed, and a later reconcile
pass releases what is too much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation


def schedule_migration(original: Callable[..., Any], task: Any) -> Any:
    """Schedule a cold migration or a resize as Nova does, for the size that the guest starts with.

    A cold migration claims the persisted size, and a resize the boot size of the new flavor. The
    cold migration of a stock instance claims its flavor, as in Nova.

    :param task: ``nova.conductor.tasks.migrate.MigrationTask``
    """
    # Not the flavor of the request, which is the new one already.
    flavor = task.instance.flavor
    size = _persisted(task.instance, flavor)
    task.request_spec.xloud_size = size if nova_objects.same_flavor(task.flavor, flavor) else None
    return original(task)


def live_migration_request(original: Callable[..., Any], task: Any, *args: Any) -> Any:
    """Return the request spec of a live migration, which claims what is reserved on the source.

    Nova has just moved the source's allocation to the migration. That allocation covers what the
    guest holds, even in the middle of an adjustment. If Placement had no allocation, the larger of
    the columns and the record counts, per resource. The spec of a stock instance is Nova's own.

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
    """Restrict a request spec to its cell as Nova does, and set its size to the persisted size.

    The spec of a stock instance gets no size. Nova calls this just before it schedules an
    evacuation, an unshelve, or a rebuild with another image, and nowhere else.
    """
    original(context, instance, request_spec)
    request_spec.xloud_size = _persisted(instance, _flavor(request_spec))


def resources_to_heal(
    original: Callable[..., dict[str, int]], instance: Any, flavor: Any
) -> dict[str, int]:
    """Return the resources of an instance for ``nova-manage placement heal_allocations``.

    For an elastic instance the vCPUs and memory are the larger of its columns and its record, per
    resource. For any other instance they are those of ``flavor``, as in Nova. The same holds if
    ``flavor`` is not the instance's own.

    :returns: amounts by resource class
    """
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
    """Return whether an instance is elastic, from what the operation has loaded of it.

    :param flavor: the flavor in the request spec. None: there is none, and the instance is elastic
        only if a record is loaded
    """
    if flavor is None:
        return nova_objects.has_loaded_record(instance)
    return nova_objects.is_elastic_as_loaded(instance, flavor)


def _persisted(instance: Any, flavor: Any) -> Size | None:
    """Return the persisted size by the record in the database; None for a stock instance."""
    if not _is_elastic(instance, flavor):
        return None
    nova_objects.refresh_record(instance)
    return nova_objects.desired_of(instance, nova_objects.facts_of_instance(instance)).persisted


def _reserved_on_source(task: Any) -> Size:
    held = nova_objects.size_to_count(task.instance)
    if not task._held_allocations:
        # Placement had no allocation for the instance. Nova goes on without it, and so does this,
        # with the size of the record.
        return held
    source = task._held_allocations.get(task._source_cn.uuid, {}).get("resources", {})
    return allocation.allocated_size(source, nova_objects.facts_of_instance(task.instance))
