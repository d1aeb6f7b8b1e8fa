# SPDX-License-Identifier: Apache-2.0
"""Refuse ports that need a passed-through device, for servers below their maximum of memory.

Such a device pins all of the guest's memory, also the part that is not claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import exception

from nova_xloud.adapters import nova_objects

# By the vnic_type of a port. With the others (normal, macvtap, virtio-forwarder) the guest has a
# device that QEMU or the host's kernel emulates, and nothing is pinned.
PINS_MEMORY = (
    "direct",
    "direct-physical",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
    "vdpa",
)


class PortPinsMemory(exception.PortNotUsable):  # type: ignore[misc]
    """A port that pins all memory cannot be attached to a server below its maximum of memory.

    Nova's API answers 400.
    """

    msg_fmt = (
        "xloud.blocked.vfio: port %(port_id)s (vnic_type %(vnic_type)s) would pin all of the "
        "%(maximum)s MiB of server %(instance)s, and the server holds %(held)s MiB. Adjust the "
        "server's memory to %(maximum)s MiB first, or attach a port of vnic_type normal or macvtap."
    )


def attach_interface(
    original: Callable[..., Any],
    api: Any,
    context: Any,
    instance: Any,
    network_id: Any,
    port_id: Any,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Attach an interface as Nova does, unless its port would pin more memory than is claimed.

    Only an elastic server is checked. What is claimed is judged by two numbers, of which the
    smaller counts: the memory in the server's columns, and the larger of its live and its
    persisted memory.
    The port is read only if the request names one and the claimed memory is below the maximum. For
    a request that names a network, Nova creates a port of vnic_type normal.

    :raises PortPinsMemory: 400; the port pins all memory, and less than the maximum is claimed
    :raises nova.exception.PortNotFound: 404; the port does not exist or the caller may not see it
    :raises nova.exception.NovaException: Neutron did not return the port for another reason
    """
    if port_id and nova_objects.is_elastic_as_loaded(instance):
        maximum = instance.flavor.memory_mb
        desired = nova_objects.desired_of(instance, nova_objects.facts_of_instance(instance))
        held = min(instance.memory_mb, desired.claim.memory_mb)
        if held < maximum:
            vnic_type = _pinning_type(api, context, port_id)
            if vnic_type is not None:
                raise PortPinsMemory(
                    port_id=port_id,
                    vnic_type=vnic_type,
                    instance=instance.uuid,
                    held=held,
                    maximum=maximum,
                )
    return original(api, context, instance, network_id, port_id, *args, **kwargs)


def why_not_at_create(api: Any, context: Any, networks: Any) -> str | None:
    """Return why a server that boots below its maximum of memory cannot have these ports.

    The ports are read from Neutron one by one, up to the first that pins memory.

    :param api: ``nova.compute.api.API``
    :param networks: ``NetworkRequestList``; None: no ports. Networks without a port are skipped
    :returns: the reason, which names the port; None if no port pins memory
    :raises nova.exception.NovaException: Neutron did not return a port
    """
    for port_id in filter(None, (network.port_id for network in networks or ())):
        vnic_type = _pinning_type(api, context, port_id)
        if vnic_type is not None:
            return f"xloud.blocked.vfio: port {port_id} (vnic_type {vnic_type}) pins all memory"
    return None


def _pinning_type(api: Any, context: Any, port_id: str) -> str | None:
    """Return the ``vnic_type`` of a port if it is one that pins memory, else None.

    :raises nova.exception.NovaException: Neutron did not return the port; ``PortNotFound`` if there
        is no such port for the caller
    """
    port = api.network_api.show_port(context, port_id)["port"]
    vnic_type: str = port.get("binding:vnic_type", "normal")
    return vnic_type if vnic_type in PINS_MEMORY else None
