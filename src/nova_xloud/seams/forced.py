# SPDX-License-Identifier: Apache-2.0
"""Moves that are forced to a host: nobody has asked the scheduler whether the host can keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keystoneauth1 import exceptions as keystone
from nova import exception

from nova_xloud.adapters import capacity, nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.core.sizing.traits import needed_by


def claim_on_destination(
    original: Callable[..., None],
    context: Any,
    reportclient: Any,
    instance: Any,
    source_node: Any,
    dest_node: Any,
    source_allocations: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Nova's claim on the host that a live migration or an evacuation is forced to.

    Nova calls this when the operation has set its task_state, before it changes anything else. Of
    NoValidHost both operations make an answer that leaves the instance as it was.

    :raises nova.exception.NoValidHost: the instance would have less than its maximum there, and the
        host cannot keep it so, or can never hold the maximum
    """
    if nova_objects.is_elastic_as_loaded(instance, instance.flavor):
        nova_objects.refresh_record(instance)
        reason = _refusal(
            context, reportclient, instance, source_node, dest_node, source_allocations
        )
        if reason is not None:
            what = f"instance {instance.uuid} cannot be forced to host {dest_node.host}"
            raise exception.NoValidHost(reason=f"{what}: {reason}")
    original(context, reportclient, instance, source_node, dest_node, source_allocations, **kwargs)


def _refusal(
    context: Any,
    reportclient: Any,
    instance: Any,
    source_node: Any,
    dest_node: Any,
    source_allocations: Mapping[str, Any] | None,
) -> str | None:
    facts = nova_objects.facts_of_instance(instance)
    smallest = _smallest(instance, facts, source_node, source_allocations)
    needed = needed_by(smallest, facts.maximum)
    if not needed:
        return None
    try:
        traits = reportclient.get_provider_traits(context, dest_node.uuid).traits
    except (exception.ResourceProviderTraitRetrievalFailed, keystone.ClientException) as error:
        return f"Placement did not say what the host can do: {error}"
    missing = [trait for trait in needed if trait not in traits]
    if missing:
        return (
            f"it would have {smallest} there, less than its flavor's maximum of {facts.maximum}, "
            f"and the host has no trait {' and '.join(missing)}: it runs without nova-xloud, or "
            f"cannot adjust that. Adjust the instance to its maximum first, or choose another host"
        )
    most = capacity.most_on(reportclient, context, dest_node.uuid)
    # What Placement did not say now, it says to Nova's own claim.
    return None if most is None else allocation.never_fits(facts, most)


def _smallest(
    instance: Any,
    facts: FlavorFacts,
    source_node: Any,
    source_allocations: Mapping[str, Any] | None,
) -> Size:
    """The least of what it would have there, now or after its next start, each resource for itself.

    :param source_allocations: of a live migration; an evacuated instance starts there anew
    """
    desired = nova_objects.desired_of(instance, facts)
    sizes = [desired.persisted]
    if source_allocations:
        resources = source_allocations.get(source_node.uuid, {}).get("resources", {})
        sizes += [desired.target, allocation.allocated_size(resources, facts)]
    return Size(min(s.vcpus for s in sizes), min(s.memory_mb for s in sizes))
