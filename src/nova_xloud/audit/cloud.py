# SPDX-License-Identifier: Apache-2.0
"""A whole cloud in Nova's databases and in Placement: read, never written."""

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
# The same, where several hosts are read at a time: each has so many in memory.
CHUNK = 100
# How many of its newest actions tell when a guest was last started.
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
    """One compute node and the service that it belongs to.

    :ivar provider: its resource provider, which has the compute node's own UUID
    :ivar context: targeted at its cell
    :ivar up: nova-compute reports that it lives
    """

    name: str
    node: str
    provider: str
    context: Any
    up: bool


@dataclass(frozen=True, slots=True)
class Moves:
    """The migrations of a cloud that are not over.

    :ivar running: their UUIDs by instance
    :ivar left_behind: hosts by instance that it was evacuated from and that hold its allocation
        until they come back
    """

    running: dict[str, frozenset[str]]
    left_behind: dict[str, frozenset[str]]


class Cloud:
    """A whole cloud.

    :raises Unread: there is no Placement
    """

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        # What is allocated, by itself: a cloud has few flavors, so most allocations are equal.
        self._shapes: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
        try:
            self._placement = report.report_client_singleton()
        except (ks_exc.ClientException, SDKException) as error:
            raise Unread(f"Placement could not be reached: {error}", _PLACEMENT) from error

    def hosts(self) -> list[Host]:
        """Every compute node."""
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
        """Every ``nova.objects.Instance`` that is not deleted, or those of ``uuids``."""
        every: dict[str, Any] = {"deleted": False, "soft_deleted": True}
        if uuids is None:
            yield from self.cells.every(lambda context: _pages(context, every))
            return
        for some in chunks(sorted(uuids), PAGE):
            filters = {**every, "uuid": some}
            yield from self.cells.every(functools.partial(_pages, filters=filters))

    def instances_on(self, host: Host, uuids: Sequence[str]) -> Iterator[Any]:
        """Those of ``uuids`` that are on ``host``, as ``nova.objects.Instance``, some at a time.

        May be called in any thread. Each instance has the context that it was read with.

        :raises Unread: the host's cell cannot be read
        """
        # A context is one thread's: its database session hangs on it.
        context = copy.copy(host.context)
        for some in chunks(uuids, CHUNK):
            for instance in self._some_on(host, context, some):
                # One that has moved to another host since is left out here; the second look asks
                # the other host about it.
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
                "check that its cell's database runs",
            ) from error
        return found

    def moves(self, hosts: Iterable[Host]) -> Moves:
        """The migrations from and to ``hosts`` that are not over."""
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
            # The host that it was evacuated from drops its allocation when it is back.
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
        """Which of ``uuids`` are an instance, one that is being built, or a migration."""
        wanted = sorted(uuids)
        if not wanted:
            return frozenset()
        found = {instance.uuid for instance in self.instances(wanted)}
        for some in chunks(wanted, PAGE):
            found |= self._in_no_page(some)
        return frozenset(found)

    def _in_no_page(self, uuids: Sequence[str]) -> set[str]:
        """Which of ``uuids`` are a migration, or an instance that is in no cell yet."""
        migrations = self.cells.every(
            lambda context: objects.MigrationList.get_by_filters(context, {"uuid": list(uuids)})
        )
        mappings = self.cells.api_database(
            lambda context: objects.InstanceMappingList.get_by_instance_uuids(context, list(uuids))
        )
        # Claimed by the scheduler, and not yet in any cell.
        being_built = {m.instance_uuid for m in mappings if m.cell_mapping is None}
        return being_built | {migration.uuid for migration in migrations}

    def seconds_since_start(self, context: Any, instance_uuid: str) -> float | None:
        """How long ago an action last had its guest started; None: not known.

        That a guest was started without Nova, by its host coming up, is no action.
        """
        actions = objects.InstanceActionList.get_by_instance_uuid(
            context, instance_uuid, limit=ACTIONS
        )
        times = [a.updated_at or a.start_time for a in actions if a.action in _STARTS]
        if not times:
            return None
        return float((timeutils.utcnow(with_timezone=True) - max(times)).total_seconds())

    def node(self, host: Host) -> Node:
        """A compute node in Placement; one that Placement does not know has nothing.

        :raises Unread:
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
        """An equal mapping, the same for all allocations that are equal."""
        return self._shapes.setdefault(tuple(sorted(resources.items())), resources)

    def _ask(self, host: Host, what: str) -> dict[str, Any]:
        try:
            answer = self._placement.get(
                f"/resource_providers/{host.provider}/{what}",
                version="1.29",
                global_request_id=self.cells.context.global_id,
            )
        except ks_exc.ClientException as error:
            raise Unread(f"Placement could not be asked: {error}", _PLACEMENT) from error
        if answer.status_code == 404:
            return {}
        if answer.status_code != 200:
            raise Unread(
                f"Placement answered {answer.status_code} to the {what} of host {host.name}: "
                f"{answer.text}",
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
    for start in range(0, len(uuids), size):
        yield uuids[start : start + size]


def _frozen(sets: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {key: frozenset(members) for key, members in sets.items()}
