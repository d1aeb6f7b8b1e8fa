# SPDX-License-Identifier: Apache-2.0
"""Read the image of an instance from ``system_metadata``, where Nova keeps the image's properties.

Nova cuts each value to 255 bytes before it stores it, and reads the image from there later on. So a
value that Nova has accepted may mean something else afterwards, or nothing: of 300 spaces and a
``1`` only spaces are left, and ``Instance.image_meta`` raises ``ValueError`` from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nova import exception, objects, utils

from nova_xloud.printable import one_line

LOG = logging.getLogger(__name__)

# What Nova raises for a property that it cannot parse.
NOT_PARSED = (ValueError, exception.Invalid)
# hw_numa_cpus.N and hw_numa_mem.N are parsed together. No bounds depend on them.
_NUMBERED = "hw_numa_"


def image_meta_of(instance: Any) -> Any:
    """Return the ``nova.objects.ImageMeta`` of a ``nova.objects.Instance``, whatever is stored.

    It is Nova's ``instance.image_meta``. If Nova cannot parse one of the stored properties, the
    result lacks those that cannot be parsed, and the numbered properties ``hw_numa_*``. May load
    ``system_metadata`` from the database.
    """
    try:
        return instance.image_meta
    except NOT_PARSED as error:
        # The error repeats a property of the image, which tenants write.
        LOG.debug(
            "Instance %s: properties of its image that cannot be parsed count as not set: %s",
            instance.uuid,
            one_line(str(error)),
        )
        return image_in(instance.system_metadata)


def image_in(system_metadata: Mapping[str, str]) -> Any:
    """Return the ``nova.objects.ImageMeta`` in the ``system_metadata`` of an instance.

    Properties that cannot be parsed are left out, as by :func:`image_meta_of`.
    """
    image = utils.get_image_from_system_metadata(dict(system_metadata))
    try:
        return objects.ImageMeta.from_dict(image)
    except NOT_PARSED:
        kept = {name: value for name, value in image["properties"].items() if _is_kept(name, value)}
        return objects.ImageMeta.from_dict({**image, "properties": kept})


def image_as_stored(image: Mapping[str, Any]) -> Any:
    """Return the ``ImageMeta`` that :func:`image_meta_of` will return for a server of an image.

    :param image: the image as a dict, as Glance has it
    """
    return image_in(utils.get_system_metadata_from_image(image))


def cut_properties(image: Mapping[str, Any]) -> list[str]:
    """Return the names of the properties of an image whose values Nova cuts off, sorted.

    :param image: the image as a dict, as Glance has it
    """
    properties = image.get("properties", {})
    stored = utils.get_system_metadata_from_image({"properties": properties})
    return sorted(
        name
        for name, value in properties.items()
        if stored.get(f"{utils.SM_IMAGE_PROP_PREFIX}{name}", str(value)) != str(value)
    )


def _is_kept(name: str, value: str) -> bool:
    if name.startswith(_NUMBERED):
        return False
    try:
        objects.ImageMetaProps.from_dict({name: value})
    except NOT_PARSED:
        return False
    return True
