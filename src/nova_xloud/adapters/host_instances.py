# SPDX-License-Identifier: Apache-2.0
"""The adapter of the ``HostInstances`` port, which reads all elastic instances of a host."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from nova import context as nova_context
from nova import exception, objects
from oslo_utils import timeutils

from nova_xloud.adapters import nova_objects
from nova_xloud.adapters.open_instance import InstancePorts
from nova_xloud.adapters.record import NovaActions, view_of
from nova_xloud.compute.ports import Instance, ManagedInstance
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.errors import NotFound, PlacementUnavailable
from nova_xloud.printable import one_line

LOG = logging.getLogger(__name__)

ATTRIBUTES = ["flavor", "metadata", "system_metadata"]

# Seconds. The database has whole seconds, and hosts have clocks of their own: a row that was
# changed this long ago would show a further change.
SETTLED_AFTER = 10


def _changed_at(instance: Any) -> datetime:
    """Return when Nova's database last changed a column of the instance."""
    changed: datetime = instance.updated_at or instance.created_at
    return changed


class NovaHostInstances:
    """Reads the instances of the host of one ``nova.compute.manager.ComputeManager``.

    :param ports: opens single instances, and has the connection to libvirt
    :param usual_period: ``[libvirt] mem_stats_period_seconds`` of this host: every so many seconds
        QEMU asks a guest's balloon driver for statistics; 0: it does not ask
    """

    def __init__(self, manager: Any, ports: InstancePorts, usual_period: int) -> None:
        self._manager = manager
        self._ports = ports
        self._usual_period = usual_period
        # The last error of reading each instance, so that the same error is logged once only.
        self._unreadable: dict[str, str] = {}
        # When the database row of each instance that is not elastic was changed last. Such an
        # instance becomes elastic by a resize or an adjustment, and both change the row.
        self._stock: dict[str, datetime] = {}
        # The instances that are scaled automatically, by the last reading of all records.
        self._scaled: frozenset[str] = frozenset()

    def domain_stats(self, uuids: Collection[str]) -> Mapping[str, DomainStats]:
        """Return the statistics of libvirt's domains on this host, by UUID of the instance.

        The result has all domains, but a domain that is busy just now may be missing. It is empty
        if Nova's virt driver is not that of libvirt.

        :param uuids: the instances whose definition and devices are read too
        :raises DomainError: libvirt could not be asked
        """
        # Imported here, because nova-api loads this module too and may have no libvirt-python.
        from nova_xloud.libvirt.domain_stats import survey

        connection = self._ports.connection()
        if connection is None:
            return {}
        return survey(connection, uuids, self._usual_period, self._scaled)

    def boot_ids(self) -> Mapping[str, int]:
        """Return libvirt's ids of the domains that ran already when nova-compute started, by UUID.

        Only the first call returns them. Any further call returns an empty mapping.
        """
        driver = self._manager.driver
        found: Mapping[str, int] = getattr(driver, "xloud_ran_already", {})
        # The service starts once, so the ids are needed once: drop them.
        driver.xloud_ran_already = {}
        return found

    def records(self) -> Sequence[ManagedInstance]:
        """Return all elastic instances of this host, as Nova's database has them now.

        An instance is left out if its data cannot be read, which is logged, or if its compute node
        is none of this nova-compute's. Of an instance that an earlier call found not to be elastic,
        only the columns are read, until its row in the database changes. It counts as found only
        if its row had not changed for 10 s, because the database has whole seconds.
        """
        context, host = nova_context.get_admin_context(), self._manager.host
        here = objects.InstanceList.get_by_host(context, host, expected_attrs=[])
        self._stock = {
            one.uuid: _changed_at(one)
            for one in here
            if self._stock.get(one.uuid) == _changed_at(one)
        }
        self._forget_all_but({one.uuid for one in here})
        uuids = [one.uuid for one in here if one.uuid not in self._stock]
        if not uuids:
            return []
        instances = objects.InstanceList.get_by_filters(
            context, {"uuid": uuids, "host": host, "deleted": False}, expected_attrs=ATTRIBUTES
        )
        followed = [one for one in instances if one.node in self._manager.rt.compute_nodes]
        found = [one for one in map(self._managed, followed) if one is not None]
        self._scaled = frozenset(one.uuid for one in found if not one.view.scaling.is_off)
        return found

    def _forget_all_but(self, here: set[str]) -> None:
        self._unreadable = {uuid: why for uuid, why in self._unreadable.items() if uuid in here}
        nova_objects.keep_logged_of(here)

    def _managed(self, instance: Any) -> ManagedInstance | None:
        """Return what a pass needs of an instance; None if the pass has to leave it out.

        That is so if the instance is not elastic, or if Nova's data of it cannot be read. In the
        second case a warning is logged, but not again in each pass.
        """
        try:
            if not nova_objects.is_elastic(instance):
                if timeutils.is_older_than(_changed_at(instance), SETTLED_AFTER):
                    self._stock[instance.uuid] = _changed_at(instance)
                return None
            view = view_of(instance, self._manager.host)
        except nova_objects.NOT_PARSED as error:
            # The error may repeat a property of the image, which tenants write.
            why = one_line(str(error))
            if self._unreadable.get(instance.uuid) != why:
                self._unreadable[instance.uuid] = why
                LOG.warning(
                    "Instance %s is skipped by every reconcile pass until Nova's data of it can be "
                    "read: %s",
                    instance.uuid,
                    why,
                )
            return None
        self._unreadable.pop(instance.uuid, None)
        return ManagedInstance(instance.uuid, instance.node, view, instance.project_id)

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        """Return the size that Placement has allocated to each of ``instances``, by UUID.

        Only allocations on this host count. An amount that is not allocated is 0, but a resource
        that the flavor fixes by resource class (``resources:VCPU``) always has the flavor's number.
        Placement is called once for each compute node.

        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        """
        held: dict[str, dict[str, Any]] = {}
        for node in {one.node for one in instances}:
            held |= self._allocations(self._manager.rt.compute_nodes[node].uuid)
        return {
            one.uuid: allocation.allocated_size(
                held.get(one.uuid, {}).get("resources", {}), one.view.facts
            )
            for one in instances
        }

    def _allocations(self, provider: str) -> Mapping[str, Any]:
        context = nova_context.get_admin_context()
        client = self._ports.placement
        try:
            found: Mapping[str, Any] = client.get_allocations_for_resource_provider(
                context, provider
            ).allocations
        except (
            ks_exc.ClientException,
            exception.ResourceProviderAllocationRetrievalFailed,
        ) as error:
            raise PlacementUnavailable(
                f"Placement did not return the allocations of resource provider {provider}: {error}"
            ) from error
        return found

    def open(self, uuid: str, request_id: str) -> Instance:
        """Read one instance from Nova's database, and return its ports.

        :param request_id: the id of the request whose instance action gets the events; empty: a new
            id, which has no instance action
        :raises NotFound: the instance was deleted
        """
        context = nova_context.get_admin_context()
        if request_id:
            # Nova finds the instance action, and so where events go, by the request id.
            context.request_id = request_id
        try:
            instance = objects.Instance.get_by_uuid(context, uuid, expected_attrs=ATTRIBUTES)
        except exception.InstanceNotFound as error:
            raise NotFound(f"instance {uuid} was deleted") from error
        return self._ports.open(context, instance)

    def actions(self, uuid: str, request_id: str) -> NovaActions:
        """Return the instance action of a request for an instance, which may have been deleted.

        Nothing is read yet. No notification can be sent by what is returned.
        """
        context = nova_context.get_admin_context()
        context.request_id = request_id
        manager = self._manager
        return NovaActions(context, objects.Instance(uuid=uuid), manager.host, manager.notifier)
