# SPDX-License-Identifier: Apache-2.0
"""nova-compute: our RPC endpoint beside Nova's, and the ports of an instance over Nova."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import nova.conf
from nova import exception
from nova.compute import manager
from oslo_concurrency import lockutils

from nova_xloud import conf
from nova_xloud.compute.bridges.placement import PlacementClaims
from nova_xloud.compute.bridges.record import NovaActions, NovaRecord
from nova_xloud.compute.host import Host
from nova_xloud.compute.ports import Domain, Instance
from nova_xloud.core.envelope import HostFacts
from nova_xloud.errors import DomainNotFound
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.scheduling import holdings

CONF = nova.conf.CONF

MANAGER = "nova_xloud.seams.compute_manager.XloudComputeManager"

# After these the guest may be another one than before: it is looked at again.
_LOOK_AFTER = (
    "start_instance",
    "stop_instance",
    "reboot_instance",
    "unpause_instance",
    "resume_instance",
)


class XloudComputeManager(manager.ComputeManager):  # type: ignore[misc]
    """Nova's, with the ``xloud`` namespace among its endpoints."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.xloud = Host(self._open_instance, self._host_facts(), conf.engine_options(CONF))
        self.additional_endpoints.append(XloudEndpoint(self.xloud))

    def hotplug_vcpus(self, context: Any, instance: Any, new_count: int) -> None:
        """See :meth:`nova_xloud.compute.host.Host.hotplug_vcpus`."""
        self.xloud.hotplug_vcpus(context, instance, new_count)

    def _open_instance(self, context: Any, instance: Any) -> Instance:
        node = self.rt.compute_nodes[instance.node]
        return Instance(
            uuid=instance.uuid,
            domain=functools.partial(self._domain, instance),
            claims=PlacementClaims(
                self.reportclient,
                context,
                instance.uuid,
                node.uuid,
                holdings.facts_of_instance(instance),
            ),
            record=NovaRecord(instance, self.host),
            actions=NovaActions(context, instance.uuid, self.host),
            lock=functools.partial(_instance_lock, instance.uuid),
        )

    def _domain(self, instance: Any) -> Domain:
        from nova_xloud.libvirt.domain import LibvirtDomain

        try:
            guest = self.driver._host.get_guest(instance)
        except exception.InstanceNotFound as error:
            raise DomainNotFound(f"libvirt has no domain of instance {instance.uuid}") from error
        return LibvirtDomain(guest._domain)

    def _host_facts(self) -> HostFacts:
        is_libvirt = CONF.compute_driver.startswith("libvirt.")
        return HostFacts(
            virt_type=CONF.libvirt.virt_type if is_libvirt else CONF.compute_driver,
            balloon_device=CONF.libvirt.mem_stats_period_seconds > 0,
            file_backed_memory=CONF.libvirt.file_backed_memory > 0,
            memory_floor_mb=CONF.xloud.memory_floor_mb,
        )


def _instance_lock(uuid: str) -> AbstractContextManager[Any]:
    """The lock that ``@nova.utils.synchronized(uuid)`` takes."""
    lock: AbstractContextManager[Any] = lockutils.lock(uuid, lock_file_prefix="nova-")
    return lock


def _looked_after(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, context: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, context, instance, *args, **kwargs)
        if holdings.has_record(instance):
            self.xloud.settle(context, instance)
        return result

    return call


for _name in _LOOK_AFTER:
    setattr(XloudComputeManager, _name, _looked_after(getattr(manager.ComputeManager, _name)))
