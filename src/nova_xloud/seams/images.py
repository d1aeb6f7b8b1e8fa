# SPDX-License-Identifier: Apache-2.0
"""Images: what one asks for is not less than what the guest boots with, or is made anew with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from nova import block_device, exception, objects, utils
from nova.compute import api as compute_api
from nova.compute import vm_states
from nova.virt import hardware

from nova_xloud.adapters import nova_objects
from nova_xloud.core.sizing import fit

_REMEDY = "Take another image, or adjust the server first."


def validate_flavor_image(
    original: Callable[..., None], context: Any, image: Any, flavor: Any, *args: Any, **kwargs: Any
) -> None:
    """Nova's checks of a flavor and an image, at create, rebuild and resize, and ours.

    :param image: as Glance has it, a dict; None: a volume without one
    :raises nova.exception.FlavorMemoryTooSmall: 400
    :raises nova.exception.ImageUnacceptable: 400; of a rebuild
    """
    original(context, image, flavor, *args, **kwargs)
    if not image:
        return
    rebuilt = getattr(flavor, "xloud_rebuilt", None)
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
            f"{min_ram_mb}; set the flavor's minimum_memory to at least {min_ram_mb}, or take "
            f"another flavor."
        )


def rebuild(
    original: Callable[..., None], api: Any, context: Any, instance: Any, *args: Any, **kwargs: Any
) -> None:
    """Nova's rebuild, whose image is checked where Nova reads it: see :func:`_check_rebuild`.

    Nova checks flavor and image at every rebuild, with the same image and with a volume too, but
    without the server; so that is noted on its flavor, as long as the request is.
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
    """A rebuild claims nothing: with an image that locks memory, say, the guest would have it all.

    What is claimed is recorded before the image is another one; Nova saves it with its own changes.
    """
    nova_objects.refresh_record(instance)
    before = nova_objects.facts_of_instance(instance)
    after = nova_objects.facts_of(instance.flavor, compute_api._get_image_meta_obj(image))
    why = fit.rebuild_refusal(nova_objects.desired_of(instance, before).persisted, before, after)
    if why is not None:
        raise exception.ImageUnacceptable(image_id=image["id"], reason=f"{why}. {_REMEDY}")
    nova_objects.keep_what_is_claimed(instance)


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
    """Nova's rescue, with an image with which the guest needs no more than is claimed.

    :raises nova.exception.InstanceNotRescuable: 400
    """
    if _begins(context, instance, vm_states.ACTIVE, vm_states.STOPPED, vm_states.ERROR):
        image = _rescue_image(context, api, instance, rescue_image_ref)
        if image is not None:
            check_rescue_image(context, api, instance, image)
    original(api, context, instance, rescue_password, rescue_image_ref, *args, **kwargs)


def check_rescue_image(context: Any, apis: Any, instance: Any, image: Any) -> None:
    """Whether the guest of a rescue can be as small as what is claimed.

    :param apis: has ``image_api`` and ``volume_api``: Nova's API or its compute manager
    :param image: the image to rescue with, a ``nova.objects.ImageMeta``
    :raises nova.exception.InstanceNotRescuable:
    """
    why = _refusal(instance, _guest_image(context, apis, instance, image))
    if why is not None:
        raise exception.InstanceNotRescuable(instance_id=instance.uuid, reason=f"{why}. {_REMEDY}")


def unshelve(
    original: Callable[..., None], api: Any, context: Any, instance: Any, *args: Any, **kwargs: Any
) -> None:
    """Nova's unshelve, of a snapshot with which the guest needs no more than will be claimed.

    :raises nova.exception.InvalidRequest: 400
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
    """On the compute host, before the old guest is ended: as the API has checked it, or had not.

    :param before: the server's ``system_metadata`` before the rebuild
    :raises nova.exception.ImageUnacceptable:
    """
    nova_objects.refresh_record(instance)
    image = objects.ImageMeta.from_image_ref(context, image_api, ref)
    old = objects.ImageMeta.from_dict(utils.get_image_from_system_metadata(before))
    facts = nova_objects.facts_of(instance.flavor, old)
    claimed = nova_objects.desired_of(instance, facts).persisted
    why = fit.rebuild_refusal(claimed, facts, nova_objects.facts_of(instance.flavor, image))
    if why is not None:
        raise exception.ImageUnacceptable(image_id=ref, reason=f"{why}. {_REMEDY}")


def _refusal(instance: Any, image: Any) -> str | None:
    nova_objects.refresh_record(instance)
    claimed = nova_objects.desired_of(instance, nova_objects.facts_of_instance(instance)).persisted
    return fit.refusal(claimed, nova_objects.facts_of(instance.flavor, image))


def _begins(context: Any, instance: Any, *states: str) -> bool:
    """Whether the instance is elastic and Nova will do it; else Nova says why not.

    Nova does not read the flavor there, and for a stock server nothing is read that it does not.
    """
    if not nova_objects.is_elastic_as_loaded(instance):
        return False
    free = instance.task_state is None and (not instance.locked or context.is_admin)
    return free and instance.vm_state in states


def _rescue_image(context: Any, api: Any, instance: Any, ref: str | None) -> Any:
    """The image that the compute host will rescue with; None: there is none, and Nova says so."""
    ref = ref or instance.system_metadata.get("image_base_image_ref") or instance.image_ref
    return _image_meta(context, api, ref) if ref else None


def _guest_image(context: Any, apis: Any, instance: Any, rescue_image: Any) -> Any:
    """The image that the driver makes the guest of.

    With a stable rescue device that is the server's own, as Glance or its volume has it now.
    """
    if not hardware.check_hw_rescue_props(rescue_image):
        return rescue_image
    if instance.image_ref:
        return _image_meta(context, apis, instance.image_ref) or instance.image_meta
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    try:
        of_volume = block_device.get_bdm_image_metadata(
            context, apis.image_api, apis.volume_api, bdms, legacy_bdm=False
        )
    except exception.InvalidBDM:
        # Of a volume that cannot be read; Nova says so, and the driver looks at the image again.
        return instance.image_meta
    return objects.ImageMeta.from_dict(of_volume)


def _image_meta(context: Any, apis: Any, ref: str) -> Any:
    """None: Glance has no such image."""
    try:
        return objects.ImageMeta.from_image_ref(context, apis.image_api, ref)
    except (exception.ImageNotFound, exception.ImageBadRequest, exception.ImageNotAuthorized):
        return None
