# SPDX-License-Identifier: Apache-2.0
"""Reads a whole cloud from Nova's databases and from Placement, and never writes to them."""

from __future__ import annotations

import copy
import functools
import gc
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from nova import objects, servicegroup
from nova.compute import instance_actions
from nova.scheduler.client import report
from openstack.exceptions import SDKException
from oslo_utils import timeutils

from nova_xloud.audit.cells import DATABASE_ERRORS, Cells
from nova_xloud.audit.report import Unread
from nova_xloud.core.checks.invariants import Node

# Instances read by one query.
PAGE = 500
# Instances read by one query of :meth:`Cloud.instances_on`: several hosts are read at a time, and
# each has so many instances in memory.
CHUNK = 100
# How many of an instance's newest actions are searched for the last start of its guest.
ACTIONS = 20

_ATTRIBUTES = ["flavor", "system_metadata"]

_PLACEMENT = "check [placement] of nova.conf, and that Placement and Keystone run"

_STARTS = frozenset(
    {
        instance_actions.CREATE,
        instance_actions.START,
        instance_actions.REBOOT,
        instance_actions.REBUILD,
        instance_actions.EVACUATE,
        instance_actions.RESIZE,
        instance_actions.MIGRATE,
        instance_actions.REVERT_RESIZE,
        instance_actions.RESUME,
        instance_actions.RESCUE,
        instance_actions.UNRESCUE,
        instance_actions.UNSHELVE,
        instance_actions.RESTORE,
    }
)


@dataclass(frozen=True, slots=True)
class Host:
    """One compute node and its nova-compute service.

    :ivar name: the host name of the service
    :ivar node: the hypervisor's host name
    :ivar provider: UUID of the node's resource provider, which is the compute node's own UUID
    :ivar context: ``nova.context.RequestContext``, targeted at the cell of the host
    :ivar up: whether nova-compute is up, as Nova's service group judges it; False if Nova has no
        record of the service
    """

    name: str
    node: str
    provider: str
    context: Any
    up: bool


@dataclass(frozen=True, slots=True)
class Moves:
    """The migrations of a cloud for which Placement may still have an allocation.

    :ivar running: by UUID of the instance, the UUIDs of its migrations in progress
    :ivar left_behind: by UUID of the instance, the hosts from which it was evacuated and where it
        may still have an allocation: nova-compute of such a host removes the allocation once it is
        up again
    """

    running: dict[str, frozenset[str]]
    left_behind: dict[str, frozenset[str]]


class Cloud:
    """A whole cloud, as Nova's databases and Placement have it.

    :raises Unread: no client of Placement can be made: ``[placement]`` of nova.conf is incomplete
        or wrong, or Keystone or Placement does not answer
    """

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        # One mapping for all equal allocations: a cloud has few flavors, so most are equal.
        self._shapes: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
        try:
            self._placement = report.report_client_singleton()
        except (ks_exc.ClientException, SDKException) as error:
            raise Unread(f"Placement could not be reached: {error}", _PLACEMENT) from error

    def hosts(self) -> list[Host]:
        """Return every compute node of each cell that can be read."""
        group = servicegroup.API()

        def read(context: Any) -> list[Host]:
            services = objects.ServiceList.get_by_binary(
                context, "nova-compute", include_disabled=True
            )
            up = {service.host: group.service_is_up(service) for service in services}
            return [
                Host(n.host, n.hypervisor_hostname, n.uuid, context, up.get(n.host, False))
                for n in objects.ComputeNodeList.get_all(context)
            ]

        return list(self.cells.every(read))

    def instances(self, uuids: Iterable[str] | None = None) -> Iterator[Any]:
        """Yield every ``nova.objects.Instance`` that is not deleted, or only those of ``uuids``.

        Soft-deleted instances are yielded too, because they keep their allocations. Instances of a
        cell that cannot be read are left out.
        """
        every: dict[str, Any] = {"deleted": False, "soft_deleted": True}
        if uuids is None:
            yield from self.cells.every(lambda context: _pages(context, every))
            return
        for some in chunks(sorted(uuids), PAGE):
            filters = {**every, "uuid": some}
            yield from self.cells.every(functools.partial(_pages, filters=filters))

    def instances_on(self, host: Host, uuids: Sequence[str]) -> Iterator[Any]:
        """Yield the ``nova.objects.Instance`` of each of ``uuids`` that is on ``host``.

        ``CHUNK`` instances are read at a time. This may be called in any thread: the instances have
        a context of their own, and not that of ``host``.

        :raises Unread: the host's cell cannot be read
        """
        # Only one thread may use a context, because the database session belongs to the context.
        context = copy.copy(host.context)
        for some in chunks(uuids, CHUNK):
            for instance in self._some_on(host, context, some):
                # An instance that has moved to another host since is left out here; the recheck
                # asks the other host about it.
                if instance.host == host.name:
                    yield instance

    def _some_on(self, host: Host, context: Any, uuids: Sequence[str]) -> Iterable[Any]:
        filters = {"uuid": list(uuids), "deleted": False, "soft_deleted": True}
        try:
            found: Iterable[Any] = objects.InstanceList.get_by_filters(
                context, filters, expected_attrs=_ATTRIBUTES
            )
        except DATABASE_ERRORS as error:
            raise Unread(
                f"the instances of host {host.name} could not be read: {error}",
                "check that the database of the host's cell runs",
            ) from error
        return found

    def moves(self, hosts: Iterable[Host]) -> Moves:
        """Return the migrations in progress from or to ``hosts``, and what evacuations have left.

        ``Moves.left_behind`` has the evacuations from every host of the cloud, and not only from
        ``hosts``. An evacuation counts while its status is ``done``: nova-compute of the source
        host sets ``completed`` when it is up again and removes the allocation. Cells that cannot be
        read are left out.
        """
        running: dict[str, set[str]] = {}
        left_behind: dict[str, set[str]] = {}
        by_cell: dict[str, list[Host]] = {}
        for host in hosts:
            by_cell.setdefault(host.context.cell_uuid, []).append(host)

        def read(context: Any) -> list[tuple[str, Any]]:
            found = []
            for host in by_cell.get(context.cell_uuid, ()):
                migrations = objects.MigrationList.get_in_progress_by_host_and_node(
                    context, host.name, host.node
                )
                found += [("running", migration) for migration in migrations]
            # nova-compute of the source host drops the allocation when it is up again.
            done = {"status": "done", "migration_type": "evacuation"}
            evacuated = objects.MigrationList.get_by_filters(context, done)
            return found + [("evacuated", migration) for migration in evacuated]

        for kind, migration in self.cells.every(read):
            if kind == "running":
                running.setdefault(migration.instance_uuid, set()).add(migration.uuid)
            else:
                left = left_behind.setdefault(migration.instance_uuid, set())
                left.add(migration.source_compute)
        return Moves(_frozen(running), _frozen(left_behind))

    def consumers_among(self, uuids: Iterable[str]) -> frozenset[str]:
        """Return those of ``uuids`` that are UUIDs of instances or of migrations.

        An instance that is not in any cell yet, because it is being built, is among them. What is
        in a cell that cannot be read is missing.

        :raises Unread: the API database cannot be read
        """
        wanted = sorted(uuids)
        if not wanted:
            return frozenset()
        found = {instance.uuid for instance in self.instances(wanted)}
        for some in chunks(wanted, PAGE):
            found |= self._in_no_page(some)
        return frozenset(found)

    def _in_no_page(self, uuids: Sequence[str]) -> set[str]:
        """Return those of ``uuids`` that are of a migration, or of an instance in no cell yet.

        :raises Unread: the API database cannot be read
        """
        migrations = self.cells.every(
            lambda context: objects.MigrationList.get_by_filters(context, {"uuid": list(uuids)})
        )
        mappings = self.cells.api_database(
            lambda context: objects.InstanceMappingList.get_by_instance_uuids(context, list(uuids))
        )
        # The scheduler has claimed resources for them, and they are not in any cell yet.
        being_built = {m.instance_uuid for m in mappings if m.cell_mapping is None}
        return being_built | {migration.uuid for migration in migrations}

    def seconds_since_start(self, context: Any, instance_uuid: str) -> float | None:
        """Return how many seconds ago Nova last worked on an instance action that starts a guest.

        Such an action is a create, start, reboot, rebuild or resize, for example. Its time is that
        of its last update, or of its begin if it was never updated. Only the newest 20 actions are
        searched (``ACTIONS``). An action that failed counts too. A start that is no instance action
        is not found: by virsh, for example, or when the host boots.

        :param context: targeted at the instance's cell
        :returns: None if none of these actions starts a guest
        :raises Unread: the database of the cell cannot be read
        """
        try:
            actions = objects.InstanceActionList.get_by_instance_uuid(
                context, instance_uuid, limit=ACTIONS
            )
        except DATABASE_ERRORS as error:
            raise Unread(
                f"the actions of instance {instance_uuid} could not be read: {error}",
                "check that the database of the instance's cell runs",
            ) from error
        times = [a.updated_at or a.start_time for a in actions if a.action in _STARTS]
        if not times:
            return None
        return float((timeutils.utcnow(with_timezone=True) - max(times)).total_seconds())

    def node(self, host: Host) -> Node:
        """Return the inventories and allocations that Placement has for a compute node.

        Both are empty for a node that Placement does not know.

        :raises Unread: Placement could not be asked, or answered with an error
        """
        inventories = self._ask(host, "inventories")
        allocations = self._ask(host, "allocations")
        return Node(
            host.name,
            host.provider,
            inventories,
            {sys.intern(who): self._shape(held["resources"]) for who, held in allocations.items()},
        )

    def _shape(self, resources: Mapping[str, int]) -> Mapping[str, int]:
        """Return one and the same mapping for all allocations with these amounts.

        That saves memory, because most allocations of a cloud are equal.
        """
        return self._shapes.setdefault(tuple(sorted(resources.items())), resources)

    def _ask(self, host: Host, what: str) -> dict[str, Any]:
        try:
            answer = self._placement.get(
                f"/resource_providers/{host.provider}/{what}",
                version="1.29",
                global_request_id=self.cells.context.global_id,
            )
        except ks_exc.ClientException as error:
            raise Unread(
                f"Placement could not be asked for the {what} of host {host.name}: {error}",
                _PLACEMENT,
            ) from error
        if answer.status_code == 404:
            return {}
        if answer.status_code != 200:
            raise Unread(
                f"Placement answered {answer.status_code} when asked for the {what} of host "
                f"{host.name}: {answer.text}",
                _PLACEMENT,
            )
        members: dict[str, Any] = answer.json()[what]
        return members


def _pages(context: Any, filters: dict[str, Any]) -> Iterator[Any]:
    marker = None
    while True:
        page = objects.InstanceList.get_by_filters(
            context,
            filters,
            expected_attrs=_ATTRIBUTES,
            sort_keys=["created_at", "id"],
            sort_dirs=["asc", "asc"],
            limit=PAGE,
            marker=marker,
        )
        yield from page
        if len(page) < PAGE:
            return
        marker = page[-1].uuid
        # Nova's objects are cycles: each dict in one has the object. They would stay until Python
        # looks for cycles by itself, and there would be thousands of them by then (measured).
        del page
        gc.collect()


def chunks(uuids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield ``uuids`` in slices of at most ``size`` UUIDs, in order."""
    for start in range(0, len(uuids), size):
        yield uuids[start : start + size]


def _frozen(sets: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {key: frozenset(members) for key, members in sets.items()}
