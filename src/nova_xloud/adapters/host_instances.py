# SPDX-License-Identifier: Apache-2.0
"""The adapter of the ``HostInstances`` port: all instances of one nova-compute at once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from nova import context as nova_context
from nova import exception, objects

from nova_xloud.adapters import nova_objects
from nova_xloud.adapters.open_instance import InstancePorts
from nova_xloud.adapters.record import view_of
from nova_xloud.compute.ports import Instance, ManagedInstance
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.errors import NotFound, PlacementUnavailable

LOG = logging.getLogger(__name__)

ATTRIBUTES = ["flavor", "metadata", "system_metadata"]


class NovaHostInstances:
    """The instances of one ``nova.compute.manager.ComputeManager``.

    :param ports: opens single instances, and has the connection to libvirt
    :param usual_period: ``[libvirt] mem_stats_period_seconds`` of this host: the seconds between
        two statistics of a guest's balloon driver; 0: guests are not asked for statistics
    """

    def __init__(self, manager: Any, ports: InstancePorts, usual_period: int) -> None:
        self._manager = manager
        self._ports = ports
        self._usual_period = usual_period
        # The last error of reading each instance, so that the same error is logged once only.
        self._unreadable: dict[str, str] = {}
        # The flavor id of each instance that is not elastic. Such an instance becomes elastic only
        # by a resize, which changes the id: an instance whose flavor names no minimum may be
        # adjusted to no other size than its flavor's.
        self._stock: dict[str, int] = {}

    def domain_stats(self, uuids: Collection[str]) -> Mapping[str, DomainStats]:
        """Return the statistics of libvirt's domains on this host, by UUID of the instance.

        Empty if Nova's driver is not that of libvirt. See
        :meth:`nova_xloud.compute.ports.HostInstances.domain_stats`.

        :raises DomainError: libvirt could not be asked
        """
        # Imported here, because nova-api loads this module too and may have no libvirt-python.
        from nova_xloud.libvirt.domain_stats import survey

        connection = self._ports.connection()
        return survey(connection, uuids, self._usual_period) if connection is not None else {}

    def boot_ids(self) -> Mapping[str, int]:
        """Return the ids of the domains that ran already when nova-compute started, by UUID.

        Only the first call returns them; any further one returns an empty mapping.
        """
        driver = self._manager.driver
        found: Mapping[str, int] = getattr(driver, "xloud_ran_already", {})
        # The service starts once, so the ids are needed once: drop them.
        driver.xloud_ran_already = {}
        return found

    def records(self) -> Sequence[ManagedInstance]:
        """Return all elastic instances of this host, read in two queries at most.

        The first pass finds out which instances are not elastic; of these, later passes read only
        the columns, and leave the instance out until it has another flavor. Left out are also
        instances whose data cannot be read, and those on a compute node that is not of this host.
        """
        context, host = nova_context.get_admin_context(), self._manager.host
        here = objects.InstanceList.get_by_host(context, host, expected_attrs=[])
        self._stock = {
            one.uuid: one.instance_type_id
            for one in here
            if self._stock.get(one.uuid) == one.instance_type_id
        }
        self._forget_all_but({one.uuid for one in here})
        uuids = [one.uuid for one in here if one.uuid not in self._stock]
        if not uuids:
            return []
        instances = objects.InstanceList.get_by_filters(
            context, {"uuid": uuids, "host": host, "deleted": False}, expected_attrs=ATTRIBUTES
        )
        followed = [one for one in instances if one.node in self._manager.rt.compute_nodes]
        found = [self._managed(one) for one in followed]
        return [one for one in found if one is not None]

    def _forget_all_but(self, here: set[str]) -> None:
        self._unreadable = {uuid: why for uuid, why in self._unreadable.items() if uuid in here}
        nova_objects.keep_logged_of(here)

    def _managed(self, instance: Any) -> ManagedInstance | None:
        """Return the instance for a pass; None if it is not elastic or Nova's data is unreadable.

        Unreadable data of one instance is logged and does not keep the pass from the others.
        """
        try:
            if not nova_objects.is_elastic(instance):
                self._stock[instance.uuid] = instance.instance_type_id
                return None
            view = view_of(instance, self._manager.host)
        except (exception.NovaException, AttributeError, TypeError, ValueError) as error:
            if self._unreadable.get(instance.uuid) != str(error):
                self._unreadable[instance.uuid] = str(error)
                LOG.warning(
                    "Instance %s is skipped by every pass: Nova's data of it cannot be read: %s",
                    instance.uuid,
                    error,
                )
            return None
        self._unreadable.pop(instance.uuid, None)
        return ManagedInstance(instance.uuid, instance.node, view, instance.project_id)

    def allocations(self, instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        """Return the size that Placement has allocated to each instance on this host, by UUID.

        For an instance without an allocation the amounts count as 0. It takes one call to Placement
        for each compute node.

        :raises PlacementUnavailable: Placement could not be asked
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
        """Read one instance from the database, and return its ports.

        :param request_id: the request whose instance action gets the events; empty: a new one
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
