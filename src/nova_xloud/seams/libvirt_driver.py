# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver: a guest is defined with the size that is desired of it."""

from __future__ import annotations

from typing import Any

import nova.conf
from nova import exception
from nova.virt.libvirt import config, driver

from nova_xloud.core.envelope import MEMORY, VCPUS, HostFacts, envelope
from nova_xloud.scheduling import holdings
from nova_xloud.seams.libvirt_config import ConfiguredSize

CONF = nova.conf.CONF
KIB_PER_MIB = 1024


class XloudLibvirtDriver(driver.LibvirtDriver):  # type: ignore[misc]
    """Nova's, for instances between a minimum and a maximum; for all others just Nova's."""

    def init_host(self, host: str) -> None:
        super().init_host(host)
        # Before nova-compute starts those again that ran when the host went down.
        from nova_xloud.libvirt.survey import boot_ids

        self.xloud_ran_already = boot_ids(self._host.get_connection())

    def spawn(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        _check_this_host_can(instance)
        return super().spawn(context, instance, *args, **kwargs)

    def _get_guest_config(self, instance: Any, *args: Any, **kwargs: Any) -> Any:
        guest = super()._get_guest_config(instance, *args, **kwargs)
        if not holdings.names_minimum(instance.flavor) and not holdings.has_record(instance):
            return guest
        # The XML is made where the guest starts anew.
        desired = holdings.forget_what_has_ended(instance)
        bounds = envelope(holdings.facts_of_instance(instance))
        if bounds.elastic or desired.generation:
            guest.xloud_size = ConfiguredSize(
                vcpus=desired.persisted.vcpus,
                # Another image, by a rebuild, may have another vCPU step and so another minimum.
                removable_from=min(bounds.minimum.vcpus, desired.persisted.vcpus),
                memory_kib=desired.persisted.memory_mb * KIB_PER_MIB,
            )
            guest.devices = [_held(device) for device in guest.devices]
        return guest


class HeldBalloon(config.LibvirtConfigMemoryBalloon):  # type: ignore[misc]
    """Nova's, without autodeflate: the guest does not take back what its claim does not hold.

    See docs/decisions: a guest that has too little then kills a program, and not its host another
    guest.
    """

    def format_dom(self) -> Any:
        dev = super().format_dom()
        dev.set("autodeflate", "off")
        return dev


def _held(device: Any) -> Any:
    """The same device, or in place of a balloon one that is held."""
    if not isinstance(device, config.LibvirtConfigMemoryBalloon):
        return device
    balloon = HeldBalloon()
    balloon.model, balloon.period = device.model, device.period
    return balloon


def host_facts() -> HostFacts:
    """What nova.conf says of this compute host."""
    is_libvirt = CONF.compute_driver.startswith("libvirt.")
    return HostFacts(
        virt_type=CONF.libvirt.virt_type if is_libvirt else CONF.compute_driver,
        balloon_device=CONF.libvirt.mem_stats_period_seconds > 0,
        file_backed_memory=CONF.libvirt.file_backed_memory > 0,
        memory_floor_mb=CONF.xloud.memory_floor_mb,
    )


def _check_this_host_can(instance: Any) -> None:
    """Refuse to start here a guest that this host could not keep at its minimum.

    The scheduler has claimed the minimum; without a balloon, say, the guest would have the maximum.

    :raises nova.exception.ComputeResourcesUnavailable: Nova tries another host
    """
    if not holdings.names_minimum(instance.flavor):
        return
    bounds = envelope(holdings.facts_of_instance(instance), host_facts())
    for resource in (VCPUS, MEMORY):
        blocker = bounds.blocker_of(resource)
        if blocker is not None and getattr(bounds.boot, resource) < getattr(
            bounds.maximum, resource
        ):
            raise exception.ComputeResourcesUnavailable(
                reason=f"the flavor names a minimum, but {blocker.message}"
            )
