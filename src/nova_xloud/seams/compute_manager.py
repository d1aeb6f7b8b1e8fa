# SPDX-License-Identifier: Apache-2.0
"""nova-compute: our RPC endpoint beside Nova's, and the ports of an instance over Nova."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import nova.conf
from nova import exception, objects
from nova.compute import manager
from nova.virt.libvirt import driver
from oslo_concurrency import lockutils

from nova_xloud import conf
from nova_xloud.compute.bridges.placement import PlacementClaims
from nova_xloud.compute.bridges.record import NovaActions, NovaRecord
from nova_xloud.compute.host import Host
from nova_xloud.compute.ports import Domain, Instance
from nova_xloud.errors import DomainCallFailed, DomainNotFound
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.scheduling import holdings
from nova_xloud.seams.libvirt_driver import host_facts

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

MANAGER = "nova_xloud.seams.compute_manager.XloudComputeManager"

# After these the guest may be another one than before: it is looked at again.
_LOOK_AFTER = (
    "start_instance",
    "stop_instance",
    "reboot_instance",
    "unpause_instance",
    "resume_instance",
    "rebuild_instance",
)


class XloudComputeManager(manager.ComputeManager):  # type: ignore[misc]
    """Nova's, with the ``xloud`` namespace among its endpoints."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.xloud = Host(self._open_instance, host_facts(), conf.engine_options(CONF))
        self.additional_endpoints.append(XloudEndpoint(self.xloud))

    def hotplug_vcpus(self, context: Any, instance: Any, new_count: int) -> None:
        """See :meth:`nova_xloud.compute.host.Host.hotplug_vcpus`."""
        self.xloud.hotplug_vcpus(context, instance, new_count)

    def cleanup_host(self) -> None:
        self.xloud.close()
        super().cleanup_host()

    @staticmethod
    def _set_instance_info(instance: Any, flavor: Any) -> None:
        """After a resize or a revert the columns say what the instance holds, not the flavor's."""
        manager.ComputeManager._set_instance_info(instance, flavor)
        if holdings.names_minimum(flavor) or holdings.has_record(instance):
            desired = holdings.desired_of(instance, holdings.facts_of_instance(instance))
            instance.vcpus = desired.to_hold.vcpus
            instance.memory_mb = desired.to_hold.memory_mb

    def _look_again(self, context: Any, done_to: Any) -> None:
        """Settle an instance that another operation has just been done to, if it is one of ours.

        That operation is over or goes on without us: whatever happens here is not its failure. And
        it may go on with its own ``Instance``, so this works on another one.
        """
        try:
            if not (holdings.has_record(done_to) or holdings.names_minimum(done_to.flavor)):
                return
            instance = objects.Instance.get_by_uuid(
                context, done_to.uuid, expected_attrs=["flavor", "metadata", "system_metadata"]
            )
            self.xloud.settle(context, instance)
        except Exception:
            LOG.warning("Instance %s could not be looked at again.", done_to.uuid, exc_info=True)

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
        if not isinstance(self.driver, driver.LibvirtDriver):
            raise DomainNotFound(f"{CONF.compute_driver} has no libvirt domains")
        # Here, because this module is loaded in nova-api too, and there may be no libvirt there.
        from nova_xloud.libvirt.domain import LibvirtDomain

        try:
            guest = self.driver._host.get_guest(instance)
        except exception.InstanceNotFound as error:
            raise DomainNotFound(f"libvirt has no domain of instance {instance.uuid}") from error
        except exception.InternalError as error:
            raise DomainCallFailed(f"libvirt was not to be asked: {error}") from error
        return LibvirtDomain(guest._domain)


def _instance_lock(uuid: str) -> AbstractContextManager[Any]:
    """The lock that ``@nova.utils.synchronized(uuid)`` takes."""
    lock: AbstractContextManager[Any] = lockutils.lock(uuid, lock_file_prefix="nova-")
    return lock


def _looked_after(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, context: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, context, instance, *args, **kwargs)
        self._look_again(context, instance)
        return result

    return call


for _name in _LOOK_AFTER:
    setattr(XloudComputeManager, _name, _looked_after(getattr(manager.ComputeManager, _name)))
