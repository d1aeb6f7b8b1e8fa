# SPDX-License-Identifier: Apache-2.0
"""Attaching a port whose device is passed through: that pins all of the guest's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import exception

from nova_xloud.scheduling import holdings

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
    """A port cannot be attached to a server that holds less than its maximum of memory: 400."""

    msg_fmt = (
        "xloud.blocked.vfio: port %(port_id)s (vnic_type %(vnic_type)s) would pin all of the "
        "%(maximum)s MiB of server %(instance)s, and %(held)s MiB are held for it. Adjust its "
        "memory to %(maximum)s MiB first, or attach a port of vnic_type normal or macvtap."
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
    """Nova's, for servers that hold their maximum of memory, and for all other ports.

    :raises PortPinsMemory: 400
    """
    if port_id and holdings.comes_as_ours(instance):
        maximum = instance.flavor.memory_mb
        desired = holdings.desired_of(instance, holdings.facts_of_instance(instance))
        held = min(instance.memory_mb, desired.to_hold.memory_mb)
        if held < maximum:
            port = api.network_api.show_port(context.elevated(), port_id)["port"]
            vnic_type = port.get("binding:vnic_type", "normal")
            if vnic_type in PINS_MEMORY:
                raise PortPinsMemory(
                    port_id=port_id,
                    vnic_type=vnic_type,
                    instance=instance.uuid,
                    held=held,
                    maximum=maximum,
                )
    return original(api, context, instance, network_id, port_id, *args, **kwargs)
