# SPDX-License-Identifier: Apache-2.0
"""Moves: what the conductor has the scheduler claim on the target is what the instance holds.

Each of these runs when the operation has set its task_state, so no adjustment is admitted any
more; one that was admitted before is read here, and the claim is for its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.core import allocation
from nova_xloud.core.size import Size
from nova_xloud.scheduling import holdings


def schedule_migration(original: Callable[..., Any], task: Any) -> Any:
    """Cold migration: the persisted size. Resize: what the new flavor boots with.

    :param task: ``nova.conductor.tasks.migrate.MigrationTask``
    """
    holdings.read_again(task.instance)
    same = holdings.same_flavor(task.flavor, task.instance.flavor)
    task.request_spec.xloud_size = _persisted(task.instance) if same else None
    return original(task)


def live_migration_request(original: Callable[..., Any], task: Any, *args: Any) -> Any:
    """Live migration: all that is reserved for the guest on its source, adjusted half way or not.

    The source's allocation was moved to the migration a moment ago. What is claimed for a guest is
    claimed before it is plugged, and what it gives back is released after; so whatever the guest
    does now, that allocation covers it.

    :param task: ``nova.conductor.tasks.live_migrate.LiveMigrationTask``
    """
    holdings.read_again(task.instance)
    spec = original(task, *args)
    spec.xloud_size = _reserved_on_source(task) if holdings.is_ours(task.instance) else None
    return spec


def restrict_to_cell(
    original: Callable[..., None], context: Any, instance: Any, request_spec: Any
) -> None:
    """Evacuate, unshelve and rebuild with another image: the persisted size.

    Nova calls this just before each of the three is scheduled, and never else.
    """
    original(context, instance, request_spec)
    holdings.read_again(instance)
    request_spec.xloud_size = _persisted(instance)


def resources_to_heal(
    original: Callable[..., dict[str, int]], instance: Any, flavor: Any
) -> dict[str, int]:
    """``nova-manage placement heal_allocations``: an allocation for what the instance holds."""
    resources = original(instance, flavor)
    if not holdings.is_ours(instance) or not holdings.same_flavor(flavor, instance.flavor):
        return resources
    facts = holdings.facts_of_instance(instance)
    return allocation.resized(resources, holdings.held_by(instance), facts)


def _persisted(instance: Any) -> Size | None:
    if not holdings.is_ours(instance):
        return None
    return holdings.desired_of(instance, holdings.facts_of_instance(instance)).persisted


def _reserved_on_source(task: Any) -> Size:
    held = holdings.held_by(task.instance)
    if not task._held_allocations:
        # Placement had nothing for it. Nova goes on without; so do we, with what the record says.
        return held
    source = task._held_allocations.get(task._source_cn.uuid, {}).get("resources", {})
    return allocation.size_held(source, holdings.facts_of_instance(task.instance))
