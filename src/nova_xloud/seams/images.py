# SPDX-License-Identifier: Apache-2.0
"""Refuse images with which a guest would need more memory or vCPUs than are claimed for it.

In nova-api a create, rebuild, resize, rescue and unshelve are checked. On the compute host a
rebuild and a rescue are checked once more, and :mod:`.libvirt_driver` checks the image of a guest
that is rescued or unshelved.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nova import block_device, exception, objects
from nova.compute import api as compute_api
from nova.compute import vm_states
from nova.virt import hardware

from nova_xloud.adapters import nova_objects
from nova_xloud.adapters.image_meta import (
    NOT_PARSED,
    cut_properties,
    image_as_stored,
    image_in,
    image_meta_of,
)
from nova_xloud.core.sizing import fit
from nova_xloud.printable import one_line

LOG = logging.getLogger(__name__)

_REMEDY = (
    "Take another image; or, if the server may have the size that this image needs, adjust the "
    "server to that size first."
)


def validate_flavor_image(
    original: Callable[..., None], context: Any, image: Any, flavor: Any, *args: Any, **kwargs: Any
) -> None:
    """Check a flavor and an image as Nova does, and then the boot size against the image.

    Nova calls this at create, at rebuild, and at a resize of a server that boots from an image.
    Nova's own check comes first, and may raise. The boot size is checked if the flavor names a
    minimum. At a rebuild the server that :func:`rebuild` has set is checked too.

    :param image: the image as a dict, as Glance or the server's ``system_metadata`` has it. With an
        empty one or None only Nova's check is made
    :raises nova.exception.FlavorMemoryTooSmall: 400; the boot size is below the image's min_ram
    :raises nova.exception.ImageUnacceptable: 400; a rebuilt guest would need more than is claimed,
        or Nova does not keep the image's properties as they are
    """
    original(context, image, flavor, *args, **kwargs)
    if not image:
        return
    rebuilt = getattr(flavor, "xloud_rebuilt", None)
    if rebuilt is not None or nova_objects.has_minimums(flavor):
        _check_kept(flavor, image)
    if rebuilt is not None:
        _check_rebuild(rebuilt, image)
    if not nova_objects.has_minimums(flavor):
        return
    boot_mb = nova_objects.bounds_of_flavor(
        flavor, compute_api._get_image_meta_obj(image)
    ).boot.memory_mb
    min_ram_mb = int(image.get("min_ram") or 0)
    if boot_mb < min_ram_mb:
        raise exception.FlavorMemoryTooSmall(
            f"Flavor {flavor.flavorid} boots with {boot_mb} MiB and the image's min_ram is "
            f"{min_ram_mb} MiB; set the flavor's minimum_memory to at least {min_ram_mb}, or take "
            f"another flavor."
        )


def rebuild(
    original: Callable[..., None], api: Any, context: Any, instance: Any, *args: Any, **kwargs: Any
) -> None:
    """Rebuild as Nova does, and have :func:`validate_flavor_image` check the image as well.

    Nova calls that function at every rebuild, with the flavor and the image, but without the
    server. So while Nova's rebuild runs, an elastic server is set as an attribute of its flavor
    object. The rebuild of a stock server is Nova's own.

    :raises nova.exception.ImageUnacceptable: 400; the guest would need more than is claimed
    """
    if not nova_objects.is_elastic_as_loaded(instance, instance.flavor):
        original(api, context, instance, *args, **kwargs)
        return
    with _noted_on(instance.flavor, instance):
        original(api, context, instance, *args, **kwargs)


@contextlib.contextmanager
def _noted_on(flavor: Any, instance: Any) -> Iterator[None]:
    flavor.xloud_rebuilt = instance
    try:
        yield
    finally:
        del flavor.xloud_rebuilt


def _check_rebuild(instance: Any, image: Any) -> None:
    """Raise if a guest that is rebuilt with ``image`` would need more than is claimed.

    A rebuild claims nothing in Placement. With an image that locks memory, for example, the guest
    would have its maximum. Side effect: an instance without a readable record gets one with what is
    claimed, before its image is replaced. Nova saves that record with its own changes.

    :param image: the image as a dict
    :raises nova.exception.ImageUnacceptable: the guest would need more than is claimed
    """
    nova_objects.refresh_record(instance)
    before = nova_objects.facts_of_instance(instance)
    after = nova_objects.facts_of(instance.flavor, compute_api._get_image_meta_obj(image))
    why = fit.rebuild_refusal(nova_objects.desired_of(instance, before).persisted, before, after)
    if why is not None:
        raise exception.ImageUnacceptable(image_id=image["id"], reason=f"{why}. {_REMEDY}")
    nova_objects.keep_what_is_claimed(instance)


def _check_kept(flavor: Any, image: Mapping[str, Any]) -> None:
    """Raise if a server of an image would have other bounds later on than it has now.

    Nova stores 255 bytes of each property of a server's image, and reads the image from there.

    :param image: the image as a dict, as Glance has it
    :raises nova.exception.ImageUnacceptable: 400; the bounds depend on what is cut off
    """
    now = nova_objects.facts_of(flavor, compute_api._get_image_meta_obj(image))
    if now == nova_objects.facts_of(flavor, image_as_stored(image)):
        return
    names = one_line(", ".join(cut_properties(image)))
    raise exception.ImageUnacceptable(
        image_id=image.get("id", "of the volume"),
        reason=f"the bounds of the server depend on properties of the image of which Nova keeps "
        f"255 bytes only, and would be others with what is left of them: {names}. Give these "
        f"properties shorter values.",
    )


def rescue(
    original: Callable[..., None],
    api: Any,
    context: Any,
    instance: Any,
    rescue_password: Any = None,
    rescue_image_ref: Any = None,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Rescue as Nova does, unless the guest would need more with the rescue image than is claimed.

    Only an elastic server is checked. Nothing is checked either if Nova refuses the rescue because
    of the server's state or lock, or if Glance does not return the image: Nova's own rescue may
    need no image here, and the compute host makes the check again.

    :raises nova.exception.InstanceNotRescuable: 400; the guest would need more than is claimed
    """
    if _begins(context, instance, vm_states.ACTIVE, vm_states.STOPPED, vm_states.ERROR):
        image = _rescue_image(context, api, instance, rescue_image_ref)
        if image is not None:
            check_rescue_image(context, api, instance, image)
    original(api, context, instance, rescue_password, rescue_image_ref, *args, **kwargs)


def check_rescue_image(context: Any, apis: Any, instance: Any, image: Any) -> None:
    """Raise if the guest of a rescue would need more than is claimed for its elastic instance.

    nova-api makes this check, and the compute host makes it again.

    :param apis: Nova's compute API or its compute manager, with ``image_api`` and ``volume_api``
    :param image: the image to rescue with, a ``nova.objects.ImageMeta``
    :raises nova.exception.InstanceNotRescuable: the guest would need more than is claimed
    """
    why = _refusal(instance, _guest_image(context, apis, instance, image))
    if why is not None:
        raise exception.InstanceNotRescuable(instance_id=instance.uuid, reason=f"{why}. {_REMEDY}")


def unshelve(
    original: Callable[..., None], api: Any, context: Any, instance: Any, *args: Any, **kwargs: Any
) -> None:
    """Unshelve as Nova does, unless the guest of the snapshot would need more than will be claimed.

    Only an elastic server that is offloaded is checked, and only if Glance returns the snapshot.
    Otherwise the driver makes the check, when it makes the guest.

    :raises nova.exception.InvalidRequest: 400; the guest would need more than will be claimed
    """
    if _begins(context, instance, vm_states.SHELVED_OFFLOADED):
        snapshot = instance.system_metadata.get("shelved_image_id")
        image = _image_meta(context, api, snapshot) if snapshot else None
        why = _refusal(instance, image) if image is not None else None
        if why is not None:
            raise exception.InvalidRequest(
                f"Server {instance.uuid} cannot be unshelved from image {snapshot}: {why}. Set the "
                f"image's properties back to what the server was shelved with."
            )
    original(api, context, instance, *args, **kwargs)


def check_rebuild_image(context: Any, image_api: Any, instance: Any, before: Any, ref: str) -> None:
    """Raise if a rebuilt guest would need more than is claimed; for the compute host.

    The compute host calls this before it destroys the old guest. nova-api makes the same check, but
    the image may have changed since, or nova-api may run without nova-xloud.

    :param before: the server's ``system_metadata`` before the rebuild
    :param ref: the id of the image to rebuild with
    :raises nova.exception.ImageUnacceptable: the guest would need more than is claimed
    :raises nova.exception.NovaException: Glance did not return the image
    """
    nova_objects.refresh_record(instance)
    image = objects.ImageMeta.from_image_ref(context, image_api, ref)
    facts = nova_objects.facts_of(instance.flavor, image_in(before))
    claimed = nova_objects.desired_of(instance, facts).persisted
    why = fit.rebuild_refusal(claimed, facts, nova_objects.facts_of(instance.flavor, image))
    if why is not None:
        raise exception.ImageUnacceptable(image_id=ref, reason=f"{why}. {_REMEDY}")


def _refusal(instance: Any, image: Any) -> str | None:
    nova_objects.refresh_record(instance)
    claimed = nova_objects.desired_of(instance, nova_objects.facts_of_instance(instance)).persisted
    return fit.refusal(claimed, nova_objects.facts_of(instance.flavor, image))


def _begins(context: Any, instance: Any, *states: str) -> bool:
    """Return whether the instance is elastic, and Nova will begin the operation.

    Nova begins it if ``vm_state`` is one of ``states``, there is no ``task_state``, and the
    instance is not locked or the caller is an admin. Nothing is read from the database to find out
    whether the instance is elastic.

    :param states: the ``vm_state`` values in which the caller checks an image
    """
    if not nova_objects.is_elastic_as_loaded(instance):
        return False
    free = instance.task_state is None and (not instance.locked or context.is_admin)
    return free and instance.vm_state in states


def _rescue_image(context: Any, api: Any, instance: Any, ref: str | None) -> Any:
    """Return the image that the compute host will rescue with, as ``ImageMeta``.

    None if the server has no image, or Glance does not return it.

    :param ref: the id of the image that the request names; None: the server's base image, or its
        own image if no base image is recorded
    """
    ref = ref or instance.system_metadata.get("image_base_image_ref") or instance.image_ref
    return _image_meta(context, api, ref) if ref else None


def _guest_image(context: Any, apis: Any, instance: Any, rescue_image: Any) -> Any:
    """Return the image whose properties the driver uses to make the guest of a rescue.

    Without a stable rescue device that is the rescue image. With one it is the server's own image,
    as Glance or the server's volume has it now. If Glance does not return it, or the volume cannot
    be read, it is that image as the server's ``system_metadata`` has it.
    """
    if not hardware.check_hw_rescue_props(rescue_image):
        return rescue_image
    if instance.image_ref:
        return _image_meta(context, apis, instance.image_ref) or image_meta_of(instance)
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    try:
        of_volume = block_device.get_bdm_image_metadata(
            context, apis.image_api, apis.volume_api, bdms, legacy_bdm=False
        )
        return objects.ImageMeta.from_dict(of_volume)
    except (*NOT_PARSED, exception.CinderConnectionFailed):
        # A volume, or what a tenant has written as its image, cannot be read: Nova reports that,
        # and the driver checks the image once more.
        return image_meta_of(instance)


def _image_meta(context: Any, apis: Any, ref: str) -> Any:
    """Return the ``ImageMeta`` of an image; None if Glance does not return one that can be read.

    Glance may have no such image for the caller, refuse the id, or not answer. Except for the first
    two the error is logged.
    """
    try:
        return objects.ImageMeta.from_image_ref(context, apis.image_api, ref)
    except (exception.ImageNotFound, exception.ImageBadRequest, exception.ImageNotAuthorized):
        return None
    except Exception as error:  # noqa: BLE001 - several libraries raise here
        LOG.warning(
            "Image %s cannot be read, so it is not checked here whether a guest of it would need "
            "more than is claimed; that is checked once more before the guest is made: %s",
            ref,
            one_line(str(error)),
        )
        return None
