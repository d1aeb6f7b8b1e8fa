# SPDX-License-Identifier: Apache-2.0
"""Check the destination of moves that are forced to a host, since no scheduler checks it."""

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
    """Claim as Nova does on the host that a live migration or an evacuation is forced to.

    Before that, the host is refused if the instance would hold less than its maximum there, and the
    host cannot keep it at that size or can never give it the maximum, or Placement does not return
    the traits of the host. Nova calls this after the operation has set its ``task_state``; a live
    migration has also moved the source's allocation to the migration, and moves it back after an
    error. So if this raises ``NoValidHost``, both operations leave the instance as it was.

    :param source_allocations: the allocations of a live migration's source; None for an evacuation
    :raises nova.exception.NoValidHost: the host is refused, or Nova's own claim fails
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
        return f"Placement did not return the traits of the host: {error}"
    missing = [trait for trait in needed if trait not in traits]
    if missing:
        return (
            f"the instance would have {smallest} there, less than its flavor's maximum of "
            f"{facts.maximum}, and the host has no trait {' and '.join(missing)}: the host runs "
            f"without nova-xloud, or cannot adjust that. Adjust the instance to its maximum first, "
            f"or choose another host"
        )
    most = capacity.most_on(reportclient, context, dest_node.uuid)
    # If Placement did not return the inventories, Nova's own claim finds out what is wrong.
    return None if most is None else allocation.never_fits(facts, most)


def _smallest(
    instance: Any,
    facts: FlavorFacts,
    source_node: Any,
    source_allocations: Mapping[str, Any] | None,
) -> Size:
    """Return the smallest size, per resource, that the instance may have on the destination.

    An evacuated instance starts there with its persisted size. A live migrated one may keep its
    live size or what is allocated on the source until the next start.

    :param source_allocations: the allocations of a live migration's source; None if evacuated
    """
    desired = nova_objects.desired_of(instance, facts)
    sizes = [desired.persisted]
    if source_allocations:
        resources = source_allocations.get(source_node.uuid, {}).get("resources", {})
        sizes += [desired.target, allocation.allocated_size(resources, facts)]
    return Size(min(s.vcpus for s in sizes), min(s.memory_mb for s in sizes))
