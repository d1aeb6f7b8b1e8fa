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

    Before that, the host is checked if the instance would have less than its maximum there. The
    host is refused if it cannot keep the instance at that size, if it can never give it the
    maximum, or if Placement does not return its traits. After ``NoValidHost`` both operations leave
    the instance as it was: a live migration moves the source's allocation back to the instance.

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
            f"the instance would have {smallest} there, now or after its next start, less than its "
            f"flavor's maximum of {facts.maximum}, and the host has no trait "
            f"{' and '.join(missing)}: the host runs without nova-xloud, or cannot adjust that. "
            f"Adjust the instance to its maximum first, for its next start too, or choose another "
            f"host"
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

    An instance that is evacuated starts there with its persisted size. An instance that is live
    migrated may also have its live size there, or the size that is allocated on the source.

    :param source_allocations: the allocations of a live migration's source; None for an evacuation
    """
    desired = nova_objects.desired_of(instance, facts)
    sizes = [desired.persisted]
    if source_allocations:
        resources = source_allocations.get(source_node.uuid, {}).get("resources", {})
        sizes += [desired.target, allocation.allocated_size(resources, facts)]
    return Size(min(s.vcpus for s in sizes), min(s.memory_mb for s in sizes))
