# SPDX-License-Identifier: Apache-2.0
"""Make moves and ``heal_allocations`` claim an elastic instance's own size, not its flavor's.

The functions for moves run after the operation has set its ``task_state``, so no adjustment is
admitted any more. An adjustment that was admitted before is read from the database here, and the
claim is for its size. A stock instance is not read again. If its first adjustment was admitted in
the moment in which the ``task_state`` was set, the maximum is claimed. That covers the adjusted
size, and a later reconcile pass releases the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation


def schedule_migration(original: Callable[..., Any], task: Any) -> Any:
    """Schedule a cold migration or a resize as Nova does, for the size that the guest starts with.

    For a cold migration that is the persisted size, and for a resize the boot size of the new
    flavor. For a stock instance Nova's claim is unchanged.

    :param task: ``nova.conductor.tasks.migrate.MigrationTask``
    """
    # Not the flavor of the request, which is the new one already.
    flavor = task.instance.flavor
    size = _persisted(task.instance, flavor)
    task.request_spec.xloud_size = size if nova_objects.same_flavor(task.flavor, flavor) else None
    return original(task)


def live_migration_request(original: Callable[..., Any], task: Any, *args: Any) -> Any:
    """Return the request spec of a live migration, which claims all that is reserved on the source.

    Nova has just moved the source's allocation to the migration. Resources are claimed before they
    are plugged and released after they are given back. So that allocation covers whatever the guest
    does now, even in the middle of an adjustment. If Placement had no allocation, the size is that
    of the columns and the record. For a stock instance the spec has no size of its own.

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
    """Restrict a request spec to its cell as Nova does, and set the persisted size as its size.

    For a stock instance no size is set. Nova calls this just before it schedules an evacuation, an
    unshelve, or a rebuild with another image, and nowhere else.
    """
    original(context, instance, request_spec)
    request_spec.xloud_size = _persisted(instance, _flavor(request_spec))


def resources_to_heal(
    original: Callable[..., dict[str, int]], instance: Any, flavor: Any
) -> dict[str, int]:
    """Return the resources of an instance for ``nova-manage placement heal_allocations``.

    For an elastic instance these are what it holds. They are the flavor's for all others, and also
    if ``flavor`` is not the instance's own.
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

    :param flavor: the flavor of the request; None: only a loaded record makes it elastic
    """
    if flavor is None:
        return nova_objects.has_loaded_record(instance)
    return nova_objects.is_elastic_as_loaded(instance, flavor)


def _persisted(instance: Any, flavor: Any) -> Size | None:
    """Return the persisted size as the database has it now; None for a stock instance."""
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
