# SPDX-License-Identifier: Apache-2.0
"""Images: what one asks for is not less than what the guest boots with, or is rebuilt with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import exception
from nova.compute import api as compute_api

from nova_xloud.core.envelope import MEMORY, VCPUS
from nova_xloud.scheduling import holdings


def validate_flavor_image(
    original: Callable[..., None], context: Any, image: Any, flavor: Any, *args: Any, **kwargs: Any
) -> None:
    """Nova's checks of a flavor and an image, at create, rebuild and resize, and ours.

    :param image: as Glance has it, a dict; None: a volume without one
    :raises nova.exception.FlavorMemoryTooSmall: 400
    """
    original(context, image, flavor, *args, **kwargs)
    if not image or not holdings.names_minimum(flavor):
        return
    boot_mb = holdings.bounds_of(flavor, compute_api._get_image_meta_obj(image)).boot.memory_mb
    min_ram_mb = int(image.get("min_ram") or 0)
    if boot_mb < min_ram_mb:
        raise exception.FlavorMemoryTooSmall(
            f"Flavor {flavor.flavorid} boots with {boot_mb} MiB and the image's min_ram is "
            f"{min_ram_mb}; set the flavor's minimum_memory to at least {min_ram_mb}, or take "
            f"another flavor."
        )


def validate_rebuild(original: Callable[..., None], instance: Any, image: Any, flavor: Any) -> None:
    """Nova's checks of another image for a server, and that it may be as small with it as it is.

    A rebuild claims nothing. With an image that locks memory, say, the guest would have all of it.

    :raises nova.exception.FlavorMemoryTooSmall: 400
    """
    original(instance, image, flavor)
    if not holdings.is_ours(instance):
        return
    bounds = holdings.bounds_of(flavor, compute_api._get_image_meta_obj(image))
    size = holdings.desired_of(instance, holdings.facts_of_instance(instance)).persisted
    for resource in (VCPUS, MEMORY):
        blocker = bounds.blocker_of(resource)
        most = getattr(bounds.maximum, resource)
        if blocker and getattr(size, resource) < most:
            raise exception.FlavorMemoryTooSmall(
                f"With this image {blocker.message}. Adjust the server to its maximum of {most} "
                f"{resource} first, or take another image."
            )
