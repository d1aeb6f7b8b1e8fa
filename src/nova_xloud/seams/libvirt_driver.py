# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver: a guest is defined with the size that is desired of it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

from lxml import etree
from nova import exception
from nova.virt.libvirt import config
from nova.virt.libvirt import utils as libvirt_utils

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import fit
from nova_xloud.core.sizing.bounds import FlavorFacts, bounds_of
from nova_xloud.core.sizing.traits import TRAITS, offered_by
from nova_xloud.libvirt.guest_xml import apply_size
from nova_xloud.seams.libvirt_config import ConfiguredSize
from nova_xloud.seams.resource_tracker import host_facts

KIB_PER_MIB = 1024


def init_host(original: Callable[..., None], driver: Any, host: str) -> None:
    """Nova's; and note which guests run already, before nova-compute starts the others again."""
    original(driver, host)
    # Here, because where no guest is run there may be no libvirt to import.
    from nova_xloud.libvirt.domain_stats import boot_ids

    driver.xloud_ran_already = boot_ids(driver._host.get_connection())


def update_provider_tree(
    original: Callable[..., None],
    driver: Any,
    provider_tree: Any,
    nodename: str,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Nova's, with the traits that say what this host can keep below its maximum."""
    original(driver, provider_tree, nodename, *args, **kwargs)
    offered = offered_by(bounds_of(FlavorFacts(Size(2, 1024)), host_facts(driver)))
    provider_tree.remove_traits(nodename, *(set(TRAITS) - set(offered)))
    provider_tree.add_traits(nodename, *offered)


def guest_config(
    original: Callable[..., Any],
    driver: Any,
    instance: Any,
    network_info: Any,
    image_meta: Any,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Nova's guest config, with the start size added for elastic instances.

    Side effect: ends what was asked only until the next stop, and saves the instance if that
    changes its record.

    :param image_meta: what Nova makes the guest of: not the instance's own when it is rescued or
        unshelved
    :raises nova.exception.ImageUnacceptable: with this image it would need more than is claimed
    """
    if not nova_objects.is_elastic(instance):
        return original(driver, instance, network_info, image_meta, *args, **kwargs)
    facts = nova_objects.facts_of(instance.flavor, image_meta)
    _check_image(instance, image_meta, facts)
    guest = original(driver, instance, network_info, image_meta, *args, **kwargs)
    size = _size_to_start_with(instance, facts)
    if size is not None:
        guest.xloud_size = size
        guest.devices = [_without_autodeflate(device) for device in guest.devices]
    return guest


def _check_image(instance: Any, image_meta: Any, facts: FlavorFacts) -> None:
    """Refuse the guest of another image than the instance's own, if it would need too much.

    The API has done so before; this is for an image or a server that was changed since. What the
    instance's own image does to a guest that is there is claimed by the next pass.
    """
    own = nova_objects.facts_of_instance(instance)
    if facts == own:
        return
    nova_objects.refresh_record(instance)
    why = fit.refusal(nova_objects.desired_of(instance, own).persisted, facts)
    if why is not None:
        image = image_meta.id if "id" in image_meta else "of its volume"
        raise exception.ImageUnacceptable(image_id=image, reason=why)


def unrescue(
    original: Callable[..., None],
    driver: Any,
    context: Any,
    instance: Any,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Nova's, which starts what the guest was defined as when the rescue began.

    What is desired may have been made smaller since, or the definition may have been one that a
    live migration made of the live size. So the file gets the size that is to be started first.
    """
    if nova_objects.is_elastic(instance):
        size = _size_to_start_with(instance, nova_objects.facts_of_instance(instance))
        if size is not None:
            _resize_unrescue_xml(instance, size)
    original(driver, context, instance, *args, **kwargs)


def _resize_unrescue_xml(instance: Any, size: ConfiguredSize) -> None:
    assert size.vcpus is not None
    assert size.removable_from is not None
    assert size.memory_kib is not None
    path = pathlib.Path(libvirt_utils.get_instance_path(instance), "unrescue.xml")
    root = etree.fromstring(path.read_text())
    apply_size(
        root,
        vcpus=size.vcpus,
        removable_from=size.removable_from,
        memory_kib=size.memory_kib,
    )
    # Not half of it, whatever happens: it is all that is left of the guest's own XML.
    new = path.with_suffix(".new")
    new.write_text(etree.tostring(root, encoding="unicode"))
    new.replace(path)


def _size_to_start_with(instance: Any, facts: FlavorFacts) -> ConfiguredSize | None:
    """The size in XML that is made where the guest starts anew; None: Nova's own.

    :param facts: of the image that the guest is made of
    """
    desired = nova_objects.restart_record(instance)
    bounds = bounds_of(facts)
    if not (bounds.elastic or desired.generation or desired.persisted != bounds.maximum):
        return None
    return ConfiguredSize(
        vcpus=desired.persisted.vcpus,
        # Another image, by a rebuild, may have another vCPU step and so another minimum.
        removable_from=min(bounds.minimum.vcpus, desired.persisted.vcpus),
        memory_kib=desired.persisted.memory_mb * KIB_PER_MIB,
    )


class BalloonWithoutAutodeflate(config.LibvirtConfigMemoryBalloon):  # type: ignore[misc]
    """Nova's, without autodeflate: the guest does not take back what its claim does not hold.

    See docs/decisions: a guest that has too little then kills a program, and not its host another
    guest.
    """

    def format_dom(self) -> Any:
        dev = super().format_dom()
        dev.set("autodeflate", "off")
        return dev


def _without_autodeflate(device: Any) -> Any:
    """The same device; in place of a balloon one without autodeflate."""
    if not isinstance(device, config.LibvirtConfigMemoryBalloon):
        return device
    balloon = BalloonWithoutAutodeflate()
    balloon.model, balloon.period = device.model, device.period
    return balloon
