# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver: a guest is defined with the size that is desired of it."""

from __future__ import annotations

from typing import Any

from nova.virt.libvirt import config, driver

from nova_xloud.core.envelope import FlavorFacts, envelope
from nova_xloud.core.size import Size
from nova_xloud.core.traits import TRAITS, offered_by
from nova_xloud.scheduling import holdings
from nova_xloud.seams.libvirt_config import ConfiguredSize
from nova_xloud.seams.resource_tracker import host_facts

KIB_PER_MIB = 1024


class XloudLibvirtDriver(driver.LibvirtDriver):  # type: ignore[misc]
    """Nova's, for instances between a minimum and a maximum; for all others just Nova's."""

    def init_host(self, host: str) -> None:
        super().init_host(host)
        # Before nova-compute starts those again that ran when the host went down.
        from nova_xloud.libvirt.survey import boot_ids

        self.xloud_ran_already = boot_ids(self._host.get_connection())

    def update_provider_tree(
        self, provider_tree: Any, nodename: str, *args: Any, **kwargs: Any
    ) -> None:
        super().update_provider_tree(provider_tree, nodename, *args, **kwargs)
        offered = offered_by(envelope(FlavorFacts(Size(2, 1024)), host_facts()))
        provider_tree.remove_traits(nodename, *(set(TRAITS) - set(offered)))
        provider_tree.add_traits(nodename, *offered)

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
