# SPDX-License-Identifier: Apache-2.0
"""What an instance holds, from Nova's own objects: the one adapter to ``core`` for all rooms."""

from __future__ import annotations

import logging
from typing import Any

from nova import exception, objects
from nova.objects import fields
from nova.virt import hardware

from nova_xloud.core.desired import PREFIX, Desired, flavor_key, from_metadata, to_metadata
from nova_xloud.core.envelope import Envelope, FlavorFacts, envelope
from nova_xloud.core.minimums import ALL_SPECS
from nova_xloud.core.size import Size

LOG = logging.getLogger(__name__)

_WARNED: set[str] = set()


def names_minimum(flavor: Any) -> bool:
    """Whether a ``nova.objects.Flavor`` names a minimum: the quick way out for all others."""
    if "extra_specs" not in flavor:
        return False
    return any(name in flavor.extra_specs for name in ALL_SPECS)


def facts_of(flavor: Any, image_meta: Any) -> FlavorFacts:
    """``core``'s view of a flavor and an image.

    :param flavor: ``nova.objects.Flavor``
    :param image_meta: ``nova.objects.ImageMeta``, or None
    """
    maximum = Size(flavor.vcpus, flavor.memory_mb)
    extra_specs = dict(flavor.extra_specs) if "extra_specs" in flavor else {}
    return FlavorFacts(
        maximum=maximum,
        extra_specs=extra_specs,
        image_properties=_image_properties(image_meta),
        dedicated_vcpus=_dedicated(flavor, image_meta),
        isolated_emulator=_isolated_emulator(flavor),
    )


def facts_of_instance(instance: Any) -> FlavorFacts:
    """:func:`facts_of` for the flavor and image that a ``nova.objects.Instance`` has now."""
    return facts_of(instance.flavor, instance.image_meta)


def bounds_of(flavor: Any, image_meta: Any) -> Envelope:
    """The envelope of a flavor and an image wherever they will be put; warns of bad specs once."""
    bounds = envelope(facts_of(flavor, image_meta))
    for problem in bounds.problems:
        key = f"{flavor.flavorid}: {problem}"
        if key not in _WARNED:
            _WARNED.add(key)
            LOG.warning(
                "Flavor %s is treated as if it had no such minimum: %s.", flavor.flavorid, problem
            )
    return bounds


def desired_of(instance: Any, facts: FlavorFacts) -> Desired:
    """What is desired of a ``nova.objects.Instance``."""
    return from_metadata(instance.system_metadata, _key(instance), envelope(facts).boot)


def has_record(instance: Any) -> bool:
    """Whether it was ever adjusted."""
    return "xloud_flavor" in instance.system_metadata


def record_of(instance: Any) -> dict[str, str]:
    """Our keys in its ``system_metadata``."""
    return {k: v for k, v in instance.system_metadata.items() if k.startswith(PREFIX)}


def is_ours(instance: Any) -> bool:
    """Whether it may have another size than its flavor's; all others are Nova's alone."""
    return has_record(instance) or names_minimum(instance.flavor)


def put_desired(instance: Any, desired: Desired) -> None:
    """Set the record in ``system_metadata``; the caller saves."""
    kept = {k: v for k, v in instance.system_metadata.items() if not k.startswith(PREFIX)}
    instance.system_metadata = {**kept, **to_metadata(desired, _key(instance))}


def forget_what_has_ended(instance: Any) -> Desired:
    """Bring the record up to a guest that is about to start anew, and save it if that changes it.

    What was asked only until the guest stops is over. So is a record of this flavor on an instance
    that is being resized to it: it is of a time before, and the scheduler has claimed the minimum.
    """
    facts = facts_of_instance(instance)
    desired = desired_of(instance, facts)
    old_flavor = instance.old_flavor
    if old_flavor is not None and _flavor_key(old_flavor) != _key(instance):
        fresh = Desired(envelope(facts).boot)
    else:
        fresh = desired.restarted()
    if fresh != desired:
        put_desired(instance, fresh)
        instance.save()
    return fresh


def _key(instance: Any) -> str:
    return _flavor_key(instance.flavor)


def _flavor_key(flavor: Any) -> str:
    return flavor_key(flavor.flavorid, Size(flavor.vcpus, flavor.memory_mb))


def _image_properties(image_meta: Any) -> dict[str, str]:
    if image_meta is None or "properties" not in image_meta:
        return {}
    properties = image_meta.properties
    return {
        name: str(getattr(properties, name))
        for name in (
            "hw_mem_page_size",
            "hw_locked_memory",
            "hw_cpu_realtime",
            "hw_mem_encryption",
            "hw_cpu_threads",
        )
        if name in properties and getattr(properties, name) is not None
    }


def _dedicated(flavor: Any, image_meta: Any) -> int:
    if image_meta is None:
        image_meta = objects.ImageMeta(properties=objects.ImageMetaProps())
    try:
        policy = hardware.get_cpu_policy_constraint(flavor, image_meta)
        if policy == fields.CPUAllocationPolicy.DEDICATED:
            return int(flavor.vcpus)
        if policy == fields.CPUAllocationPolicy.MIXED:
            cpus = hardware.get_dedicated_cpu_constraint(flavor)
            cpus = cpus or hardware.get_realtime_cpu_constraint(flavor, image_meta)
            return len(cpus or ())
    except exception.NovaException as error:
        # Nova's own validation refuses such a flavor where it matters; here it has no policy.
        LOG.debug("Flavor %s has no usable CPU policy: %s", flavor.flavorid, error)
    return 0


def _isolated_emulator(flavor: Any) -> bool:
    if "extra_specs" not in flavor:
        return False
    return bool(flavor.extra_specs.get("hw:emulator_threads_policy") == "isolate")
