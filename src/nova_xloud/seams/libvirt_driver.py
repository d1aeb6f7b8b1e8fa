# SPDX-License-Identifier: Apache-2.0
"""Extend the libvirt driver: elastic guests start with their desired size, also after a rescue.

The driver also reports traits, which show whether the host can keep guests below their maximum. It
remembers which guests ran before nova-compute started.
"""

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
    """Initialize the host as Nova does, and keep libvirt's ids of the domains that run already.

    ``driver.xloud_ran_already`` has the ids by UUID. nova-compute calls this before it starts other
    guests again.

    :raises nova_xloud.errors.DomainCallFailed: libvirt did not return the domains
    """
    original(driver, host)
    # Imported here, because a service that runs no guests may have no libvirt-python.
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
    """Update the provider tree as Nova does, and set the traits of nova-xloud on ``nodename``.

    One trait shows that this host can keep a guest below its maximum of vCPUs, and another trait
    shows the same for memory. A trait that does not apply is removed.
    """
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
    """Return Nova's guest config, for an elastic instance with the size that the guest starts with.

    That config also turns autodeflate of the balloon off. An instance that was never adjusted and
    boots with its maximum gets Nova's own config. Side effect for an elastic instance:
    :func:`nova_xloud.adapters.nova_objects.restart_record` updates the record, and saves the
    instance if the record has changed. A size that was asked for only until the next stop is
    dropped by that.

    :param image_meta: the image that Nova makes the guest of. While an instance is rescued or
        unshelved, this may be another image than the instance's own
    :raises nova.exception.ImageUnacceptable: the guest would need more with this image than is
        claimed
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
    """Raise if the guest of another image than the instance's own would need more than is claimed.

    nova-api makes the same check; this one catches an image or an instance that was changed since.
    Nothing is checked if the image has the same facts as the instance's own image. If the guest
    needs more even so, the next pass claims that.

    :param facts: the facts of the flavor and of ``image_meta``
    :raises nova.exception.ImageUnacceptable: the guest would need more than is claimed
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
    """Unrescue as Nova does, after writing an elastic instance's desired size into its old XML.

    Nova starts the guest from ``unrescue.xml``, which was the definition when the rescue began. The
    file may have another size than the desired one, for example because a live migration has
    written the live size into that definition. Side effect: the record of an elastic instance is
    updated as by :func:`guest_config`.

    Nothing of another instance is loaded. Nova's compute manager has loaded the flavor by now, for
    the notification ``unrescue.start``, and nova-api has sent ``system_metadata``.
    """
    if nova_objects.is_elastic_as_loaded(instance):
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
    # The file is replaced at once, because it is the only copy of the guest's own XML.
    new = path.with_suffix(".new")
    new.write_text(etree.tostring(root, encoding="unicode"))
    new.replace(path)


def _size_to_start_with(instance: Any, facts: FlavorFacts) -> ConfiguredSize | None:
    """Return the size to write into the XML of a guest that starts; None to leave Nova's own.

    None if the instance was never adjusted and both its desired and its boot size are the maximum.
    Side effect: :func:`nova_xloud.adapters.nova_objects.restart_record` updates the record.

    :param facts: the facts of the flavor and of the image that the guest is made of
    """
    desired = nova_objects.restart_record(instance)
    bounds = bounds_of(facts)
    if not (bounds.elastic or desired.generation or desired.persisted != bounds.maximum):
        return None
    return ConfiguredSize(
        vcpus=desired.persisted.vcpus,
        # After a rebuild the image may have another vCPU step, and so another minimum.
        removable_from=min(bounds.minimum.vcpus, desired.persisted.vcpus),
        memory_kib=desired.persisted.memory_mb * KIB_PER_MIB,
    )


class BalloonWithoutAutodeflate(config.LibvirtConfigMemoryBalloon):  # type: ignore[misc]
    """Nova's memory balloon device without autodeflate.

    With autodeflate a guest could take back memory that is not claimed for it, and the host might
    run out of memory and kill another guest. Without autodeflate, a guest that has too little
    memory kills one of its own programs. See docs/decisions/0013-no-autodeflate.md.
    """

    def format_dom(self) -> Any:
        """Return the ``<memballoon>`` element with ``autodeflate="off"``."""
        dev = super().format_dom()
        dev.set("autodeflate", "off")
        return dev


def _without_autodeflate(device: Any) -> Any:
    """Return a copy without autodeflate if ``device`` is a balloon, else ``device`` itself."""
    if not isinstance(device, config.LibvirtConfigMemoryBalloon):
        return device
    balloon = BalloonWithoutAutodeflate()
    balloon.model, balloon.period = device.model, device.period
    return balloon
