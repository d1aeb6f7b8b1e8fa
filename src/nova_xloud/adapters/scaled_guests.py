# SPDX-License-Identifier: Apache-2.0
"""The adapter of the ``ScaledGuests`` port: libvirt, Placement and nova-conductor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from nova import context as nova_context

from nova_xloud.adapters.open_instance import InstancePorts
from nova_xloud.core.autoscaling.contest import HostRoom, Pool
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.allocation import MEMORY_MB, PCPU, VCPU
from nova_xloud.errors import NotFound, PlacementUnavailable
from nova_xloud.rpc.conductor import ConductorAPI

_CLASSES = (VCPU, PCPU, MEMORY_MB)


class NovaScaledGuests:
    """Reads guests and capacity of the host of one ``nova.compute.manager.ComputeManager``.

    It also has the quota checked, by nova-conductor.

    :param ports: has the connection to libvirt, and the Placement client
    """

    def __init__(self, manager: Any, ports: InstancePorts) -> None:
        self._manager = manager
        self._ports = ports
        self._conductor = ConductorAPI()

    def samples(
        self, desired: Mapping[str, Size], periods: Mapping[str, float]
    ) -> Mapping[str, GuestSample]:
        """Return a sample of each guest of ``desired``, by UUID, from one call to libvirt.

        A guest that is off, paused or crashed has no sample. The result is empty if Nova's
        virt driver is not that of libvirt.

        :param desired: the size that each instance is to have, by UUID
        :param periods: seconds between two reports of each guest's balloon driver, by UUID
        :raises DomainError: libvirt could not be asked
        """
        # Imported here, because nova-api loads this module too and may have no libvirt-python.
        from nova_xloud.libvirt.guest_samples import read_samples

        connection = self._ports.connection()
        return {} if connection is None else read_samples(connection, desired, periods)

    def room(self, node: str) -> HostRoom:
        """Return capacity and usage of a compute node in Placement, for CPUs and memory.

        Placement is called twice. A class of VCPU, PCPU and MEMORY_MB without an inventory is left
        out.

        :param node: the hypervisor hostname of the compute node
        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        :raises NotFound: the compute node is not one of this host's
        """
        known = self._manager.rt.compute_nodes.get(node)
        if known is None:
            raise NotFound(f"nova-compute of this host has no compute node {node}")
        url = f"/resource_providers/{known.uuid}"
        inventories = self._get(f"{url}/inventories")["inventories"]
        usages = self._get(f"{url}/usages")["usages"]
        return HostRoom(
            tuple(
                Pool(name, int(allocation.capacity(inventories[name])), usages.get(name, 0))
                for name in _CLASSES
                if name in inventories
            )
        )

    def _get(self, url: str) -> dict[str, Any]:
        context = nova_context.get_admin_context()
        try:
            answer = self._ports.placement.get(url, global_request_id=context.global_id)
        except ks_exc.ClientException as error:
            raise PlacementUnavailable(f"Placement did not answer {url}: {error}") from error
        if answer.status_code != 200:
            raise PlacementUnavailable(f"Placement answered {url} with {answer.status_code}")
        body: dict[str, Any] = answer.json()
        return body

    def check_growth(self, uuid: str, size: Size) -> None:
        """Ask nova-conductor whether the quota allows an instance to grow to ``size``.

        :raises Refused: the quota does not allow it, or could not be checked; the code says which
        """
        self._conductor.check_growth(nova_context.get_admin_context(), uuid, size)
