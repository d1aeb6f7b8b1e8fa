# SPDX-License-Identifier: Apache-2.0
"""Checks the rules for every elastic instance and every host, and returns what breaks them.

:mod:`nova_xloud.core.checks.finding` lists the rules. Nova's database, Placement and libvirt cannot
be read at the same moment, so a finding may be wrong. The caller reads again what a finding is
about, and reports the finding only if it is still there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nova_xloud.core.checks.finding import Finding
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.state import must_be_claimed
from nova_xloud.core.size import Size, of_vcpus
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.allocation import allocated_size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, FlavorFacts, HostFacts, bounds_of


@dataclass(frozen=True, slots=True)
class Guest:
    """What a guest was seen to have.

    :ivar held: ``max(actuated, observed)``, with the maximum of memory if it is not known how much
        the guest has; 0 and 0 for a guest that does not run; None if nothing was reported
    :ivar booting: whether the guest started so lately that its balloon may still be inflating
    :ivar defined: the size that libvirt would start the guest with; None if there is no definition,
        or if it was not reported
    :ivar pinned: whether all of the guest's memory stays in the host's RAM whatever its balloon
        does
    """

    held: Size | None
    booting: bool = False
    defined: Size | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ElasticInstance:
    """An instance whose flavor names a minimum, or that was adjusted.

    :ivar uuid: UUID of the instance
    :ivar host: the instance's compute host by Nova's database; None if it has none
    :ivar provider: UUID of the resource provider of the instance's compute node; None if the
        instance is on no host, or if Nova has no such compute node
    :ivar facts: the facts of the instance's flavor and image
    :ivar desired: the persisted and the live size of the instance's record, without the rest of
        the record; None if the record cannot be read
    :ivar recorded: the size in the instance's columns in Nova's database
    :ivar busy: whether the instance has a task_state
    :ivar migrations: UUIDs of the instance's migrations that are not over; each may be a consumer
        in Placement
    :ivar left_behind_on: hosts that the instance was evacuated from, and that have not come back
        to clean up
    :ivar guest: what the guest was seen to have; None if the guests of its host were not read
    """

    uuid: str
    host: str | None
    provider: str | None
    facts: FlavorFacts
    desired: Desired | None
    recorded: Size
    busy: bool = False
    migrations: frozenset[str] = frozenset()
    left_behind_on: frozenset[str] = frozenset()
    guest: Guest | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One compute node in Placement.

    :ivar host: the compute host
    :ivar provider: UUID of the resource provider
    :ivar inventories: by resource class: ``total``, ``reserved``, ``allocation_ratio``
    :ivar allocations: by consumer: ``{resource class: amount}``
    """

    host: str
    provider: str
    inventories: Mapping[str, Mapping[str, float]]
    allocations: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cloud, or the part of a cloud that is checked.

    :ivar instances: the elastic instances
    :ivar nodes: by UUID of the resource provider, at least the nodes of ``instances``
    :ivar consumers: the consumers on ``nodes`` that are an instance or a migration of the cloud;
        None if that is not known, and then orphaned allocations are not checked
    """

    instances: tuple[ElasticInstance, ...]
    nodes: Mapping[str, Node] = field(default_factory=dict)
    consumers: frozenset[str] | None = None


def findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return each broken rule of each instance and node in ``snapshot``, and the notes.

    A rule may be broken several times by one instance or node: for each resource or provider.
    """
    found: list[Finding] = []
    elsewhere = _elsewhere_by_instance(snapshot)
    for instance in snapshot.instances:
        found += _of_record(instance)
        found += _elsewhere(instance, elsewhere.get(instance.uuid, ()))
        found += _of_allocations(instance, snapshot.nodes)
    for node in snapshot.nodes.values():
        found += _oversold(node)
        if snapshot.consumers is not None:
            found += _orphans(node, snapshot.consumers)
    return tuple(found)


def _of_record(instance: ElasticInstance) -> Iterator[Finding]:
    desired = instance.desired
    if desired is None:
        yield _about(
            instance,
            "record_unreadable",
            "its keys xloud_* in system_metadata do not have the values that nova-xloud writes",
        )
        return
    # The memory floor is an option and may have changed since the size was asked for.
    facts = replace(instance.facts, memory_floor_mb=0)
    bounds = bounds_of(facts, HostFacts(memory_floor_mb=1))
    for size in (desired.persisted, desired.target):
        if not (bounds.maximum.covers(size) and size.covers(bounds.minimum)):
            yield _about(
                instance,
                "desired_out_of_bounds",
                f"it is to have {size}; its flavor allows {bounds.minimum} to {bounds.maximum}",
            )
            return
        if size.vcpus % bounds.vcpu_step:
            yield _about(
                instance,
                "desired_out_of_bounds",
                f"it is to have {size}; its cores have {bounds.vcpu_step} threads, and its vCPUs "
                f"are not a multiple of that",
            )
            return


def _of_allocations(instance: ElasticInstance, nodes: Mapping[str, Node]) -> Iterator[Finding]:
    node = nodes.get(instance.provider or "")
    own = node.allocations.get(instance.uuid) if node is not None else None
    if instance.host is None:
        return
    moving = [node.allocations.get(m) for m in instance.migrations] if node is not None else []
    sizes = [allocated_size(part, instance.facts) for part in (own, *moving) if part]
    if not sizes:
        yield from _no_allocation(instance)
        return
    reserved = sizes[0]
    # While an instance moves, its migration may be the consumer of what is reserved here.
    for other in sizes[1:]:
        reserved = reserved.at_least(other)
    yield from _held_within(instance, reserved)
    if not instance.busy and own:
        yield from _at_rest(instance, allocated_size(own, instance.facts))


def _held_within(instance: ElasticInstance, reserved: Size) -> Iterator[Finding]:
    guest = instance.guest
    if guest is None:
        return
    if guest.held is None:
        if not instance.busy:
            what = "what its guest holds is not known"
            yield _about(instance, "guest_unknown", what, note=True)
        return
    if guest.held.vcpus > reserved.vcpus:
        what = f"it holds {of_vcpus(guest.held.vcpus)}, and {reserved.vcpus} are reserved for it"
        yield _about(instance, "reserved_below_held", what, resource=VCPUS)
    if guest.held.memory_mb > reserved.memory_mb:
        what = f"it holds {guest.held.memory_mb} MiB, and {reserved.memory_mb} are reserved for it"
        pinned_mb = guest.held.memory_mb if guest.pinned else 0
        claimed = must_be_claimed(guest.held, booting=guest.booting, pinned_mb=pinned_mb)
        passes = reserved.memory_mb >= claimed.memory_mb
        if guest.pinned:
            what += " (its memory is pinned)"
        if passes:
            what += " (the guest has just started, and its balloon is still inflating or was not "
            what += "confirmed yet)"
        yield _about(instance, "reserved_below_held", what, resource=MEMORY, note=passes)
    if guest.defined is not None and not reserved.covers(guest.defined) and not instance.busy:
        what = f"libvirt would start it with {guest.defined}, and {reserved} are reserved for it"
        yield _about(instance, "reserved_below_defined", what)


def _at_rest(instance: ElasticInstance, reserved: Size) -> Iterator[Finding]:
    """Yield what breaks ``reserved_below_desired`` and ``columns_differ``; call if no task runs.

    :param reserved: what is allocated to the instance itself on its host, without what is allocated
        to its migrations
    """
    desired = instance.desired
    if desired is not None and not reserved.covers(desired.claim):
        what = f"it is to hold {desired.claim}, and {reserved} are reserved for it"
        yield _about(instance, "reserved_below_desired", what)
    if instance.recorded != reserved:
        what = f"its columns in Nova's database have {instance.recorded}, and {reserved} are "
        what += "reserved for it"
        yield _about(instance, "columns_differ", what)


def _no_allocation(instance: ElasticInstance) -> Iterator[Finding]:
    if instance.busy or instance.migrations:
        return
    what = "Placement has no allocation for it there"
    if instance.provider is None:
        what = "Nova knows no such compute node, and Placement has no allocation for it there"
    yield _about(instance, "no_allocation", what)


def _elsewhere_by_instance(snapshot: Snapshot) -> dict[str, list[Node]]:
    """Return, by UUID of the instance, the nodes that it is not on and where it has an allocation.

    The result is made in one pass over all allocations, because a cloud has too many nodes to look
    for each instance on each of them.
    """
    own = {instance.uuid: instance.provider for instance in snapshot.instances}
    found: dict[str, list[Node]] = {}
    for node in snapshot.nodes.values():
        for consumer, resources in node.allocations.items():
            if resources and own.get(consumer, node.provider) != node.provider:
                found.setdefault(consumer, []).append(node)
    return found


def _elsewhere(instance: ElasticInstance, nodes: Sequence[Node]) -> Iterator[Finding]:
    if instance.busy or instance.migrations:
        return
    for node in nodes:
        resources = node.allocations[instance.uuid]
        if node.host in instance.left_behind_on:
            continue
        yield Finding(
            "allocation_elsewhere",
            instance.uuid,
            node.host,
            f"{_amounts(resources)} of provider {node.provider} are allocated to it, and it is on "
            f"{instance.host or 'no host'}",
            provider=node.provider,
        )


def _oversold(node: Node) -> Iterator[Finding]:
    used: dict[str, int] = {}
    for resources in node.allocations.values():
        for resource_class, amount in resources.items():
            used[resource_class] = used.get(resource_class, 0) + amount
    for resource_class, amount in sorted(used.items()):
        inventory = node.inventories.get(resource_class)
        capacity = 0.0 if inventory is None else allocation.capacity(inventory)
        if amount > capacity:
            yield Finding(
                "host_oversold",
                None,
                node.host,
                f"{amount} of {resource_class} are allocated, and its capacity is {capacity:g}",
                resource=resource_class,
                provider=node.provider,
            )


def _orphans(node: Node, consumers: frozenset[str]) -> Iterator[Finding]:
    for consumer, resources in sorted(node.allocations.items()):
        if resources and consumer not in consumers:
            yield Finding(
                "orphaned_allocation",
                consumer,
                node.host,
                f"{_amounts(resources)} of provider {node.provider} are allocated to it, and it is "
                "no instance and no migration",
                provider=node.provider,
            )


def _amounts(resources: Mapping[str, int]) -> str:
    return ", ".join(f"{amount} {name}" for name, amount in sorted(resources.items()))


def _about(
    instance: ElasticInstance,
    code: str,
    what: str,
    *,
    resource: str | None = None,
    note: bool = False,
) -> Finding:
    return Finding(code, instance.uuid, instance.host, what, resource=resource, note=note)
