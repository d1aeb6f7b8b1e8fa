# SPDX-License-Identifier: Apache-2.0
"""What an instance is and holds, from Nova's own objects: ``core``'s view for all packages."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import nova.conf
from nova import exception, objects
from nova.objects import fields
from nova.virt import hardware

from nova_xloud.core.instance.desired import (
    PREFIX,
    Desired,
    flavor_key,
    newer,
    read_record,
    record_in,
    recorded_instead,
    replaced,
    resized_from,
)
from nova_xloud.core.instance.values import UnreadableRecord
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import IMAGE_PROPERTIES, Bounds, FlavorFacts, bounds_of
from nova_xloud.core.sizing.minimums import ALL_SPECS, MemoryFloor

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

_MINIMUMS = frozenset(ALL_SPECS)
_WARNED: set[str] = set()
# By instance: what is wrong with its record, so that it is logged once and not with every reading.
_UNREADABLE: dict[str, str] = {}
# No more of them are kept: nova-api is not told when one is deleted.
_MOST_UNREADABLE = 1000


def has_minimums(flavor: Any) -> bool:
    """Whether a ``nova.objects.Flavor`` has a minimum: the quick way out for all others."""
    return "extra_specs" in flavor and not _MINIMUMS.isdisjoint(flavor.extra_specs)


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
        image_min_ram_mb=_min_ram(image_meta),
        memory_floor_mb=memory_floor(maximum),
    )


def memory_floor(maximum: Size) -> int:
    """The least memory of an instance of a flavor of this size, MiB.

    It goes into the boot size, so the options have to be the same on all services.
    """
    options = CONF.xloud
    floor = MemoryFloor(options.memory_floor_mb, options.memory_floor_percent)
    return floor.of(maximum.memory_mb)


def facts_of_instance(instance: Any) -> FlavorFacts:
    """:func:`facts_of` for the flavor and image that a ``nova.objects.Instance`` has now."""
    return facts_of(instance.flavor, instance.image_meta)


def bounds_of_flavor(flavor: Any, image_meta: Any) -> Bounds:
    """The bounds of a flavor and an image on any host; logs a warning of each bad spec once."""
    bounds = bounds_of(facts_of(flavor, image_meta))
    for problem in bounds.problems:
        key = f"{flavor.flavorid}: {problem}"
        if key not in _WARNED:
            _WARNED.add(key)
            LOG.warning(
                "Flavor %s has a minimum that is not used as it stands: %s.",
                flavor.flavorid,
                problem,
            )
    return bounds


def desired_of(instance: Any, facts: FlavorFacts) -> Desired:
    """What is desired of a ``nova.objects.Instance`` with the flavor that it has.

    Where its record is unreadable, what its own columns say: no guest changes its size for that.
    """
    try:
        desired = read_desired(instance, facts)
    except UnreadableRecord as error:
        _log_once(instance.uuid, str(error))
        return recorded_instead(instance.system_metadata, recorded_size(instance), facts.maximum)
    if _UNREADABLE:
        _UNREADABLE.pop(instance.uuid, None)
    return desired


def read_desired(instance: Any, facts: FlavorFacts) -> Desired:
    """:func:`desired_of`, by its record alone.

    :raises nova_xloud.core.instance.desired.UnreadableRecord: nobody can read that
    """
    return read_record(
        instance.system_metadata,
        _key(instance),
        _claimed_at_boot(instance, facts),
        facts.maximum,
        _resized_from(instance),
    )


def desired_with(instance: Any, flavor: Any) -> Desired:
    """:func:`desired_of`, with a flavor that it may have had before, or shall have."""
    facts = facts_of(flavor, instance.image_meta)
    if same_flavor(flavor, instance.flavor):
        return desired_of(instance, facts)
    boot = bounds_of(facts).boot
    try:
        return read_record(instance.system_metadata, _flavor_key(flavor), boot, facts.maximum)
    except UnreadableRecord as error:
        _log_once(instance.uuid, str(error))
        return Desired(boot)


def keep_what_is_claimed(instance: Any) -> None:
    """Have a record of what the instance was claimed with; the caller saves.

    One that was created before there were such records gets it here, and so does one whose record
    is unreadable. To be called before its image or its flavor becomes another.
    """
    if not is_elastic(instance):
        return
    desired = desired_of(instance, facts_of_instance(instance))
    if not desired.readable or _is_missing(instance):
        set_desired(instance, replace(desired, readable=True))


def _is_missing(instance: Any) -> bool:
    """Only where the flavor has a minimum: none is written for one that was never elastic."""
    key = instance.system_metadata.get("xloud_flavor")
    return has_minimums(instance.flavor) and key is None


def record_at_create(flavor: Any, boot: Size) -> dict[str, str]:
    """The keys of ours in the ``system_metadata`` of a new instance: what it is claimed with."""
    return replaced({}, Desired(boot), _flavor_key(flavor))


def _claimed_at_boot(instance: Any, facts: FlavorFacts) -> Size:
    """What an instance without a record was claimed with.

    Not more than its own columns say, whatever the image that it has now, or an option of today,
    makes of its flavor.
    """
    boot, recorded = bounds_of(facts).boot, recorded_size(instance)
    return Size(min(boot.vcpus, recorded.vcpus), min(boot.memory_mb, recorded.memory_mb))


def _log_once(uuid: str, problem: str) -> None:
    if _UNREADABLE.get(uuid) != problem:
        if len(_UNREADABLE) >= _MOST_UNREADABLE:
            _UNREADABLE.clear()
        _UNREADABLE[uuid] = problem
        LOG.warning(
            "Instance %s: its record in system_metadata cannot be read: %s. It keeps the size in "
            "its columns until it is adjusted, which writes the record anew.",
            uuid,
            problem,
        )


def keep_logged_of(uuids: Collection[str]) -> None:
    """Forget what was logged of all others: this service has no other instances any more."""
    for uuid in _UNREADABLE.keys() - uuids:
        _UNREADABLE.pop(uuid, None)


def recorded_size(instance: Any) -> Size:
    """The size in the columns of a ``nova.objects.Instance``."""
    return Size(instance.vcpus, instance.memory_mb)


def size_to_count(instance: Any) -> Size:
    """The size that a move or a host's usage counts an instance with: the larger of its columns
    and of what its record requires, per resource.

    Never less than what is reserved once its adjustment is done. For an instance that is not
    elastic it is the size in its columns.
    """
    return recorded_size(instance).at_least(desired_of(instance, facts_of_instance(instance)).claim)


def has_record(instance: Any) -> bool:
    """Whether it has a record, readable or not. An object that was in no database has none."""
    if instance._context is None and "system_metadata" not in instance:
        return False
    return any(name.startswith(PREFIX) for name in instance.system_metadata)


def has_loaded_record(instance: Any) -> bool:
    """:func:`has_record`, of an instance that a user's operation is done to.

    Those come with their system_metadata, and nothing is read for one that stock Nova would not
    read.
    """
    return "system_metadata" in instance and has_record(instance)


def is_elastic_as_loaded(instance: Any, flavor: Any = None) -> bool:
    """:func:`is_elastic`, by what the instance comes with: for a stock server nothing is read.

    :param flavor: as of that; default: its own, if it comes with one
    """
    if flavor is None and "flavor" in instance:
        flavor = instance.flavor
    return (flavor is not None and has_minimums(flavor)) or has_loaded_record(instance)


def record_of(instance: Any) -> dict[str, str]:
    """Our keys in its ``system_metadata``."""
    return record_in(instance.system_metadata)


def is_elastic(instance: Any, flavor: Any = None) -> bool:
    """Whether an instance may have another size than its flavor's; all others are Nova's alone.

    :param flavor: that it has or shall have; default: its own
    """
    return has_minimums(instance.flavor if flavor is None else flavor) or has_record(instance)


def same_flavor(one: Any, other: Any) -> bool:
    """Whether an instance that goes from one to the other is not resized by it."""
    return _flavor_key(one) == _flavor_key(other)


def set_desired(instance: Any, desired: Desired) -> None:
    """Set the record in ``system_metadata``; the caller saves."""
    instance.system_metadata = replaced(
        instance.system_metadata, desired, _key(instance), _resized_from(instance)
    )


def refresh_record(instance: Any) -> None:
    """Refresh our keys of ``instance.system_metadata`` from the database, in place.

    Needed because an operation may have loaded the instance before an adjustment was admitted. From
    the moment that the operation has set its task_state no more are admitted, so this is the last.
    """
    fresh = objects.Instance.get_by_uuid(
        instance._context, instance.uuid, expected_attrs=["system_metadata"]
    )
    metadata = newer(instance.system_metadata, fresh.system_metadata)
    if metadata != instance.system_metadata:
        instance.system_metadata = metadata


def restart_record(instance: Any) -> Desired:
    """Bring the record up to a guest that is about to start anew, and save it if that changes it.

    What was asked only until the guest stops is over; so is, once it is resized, what was desired
    with a flavor that it comes back to.
    """
    refresh_record(instance)
    desired = desired_of(instance, facts_of_instance(instance))
    fresh = desired.restarted()
    is_of_before = _resized_from(instance) != resized_from(instance.system_metadata)
    if fresh != desired or is_of_before or _is_missing(instance):
        set_desired(instance, fresh)
        instance.save()
    return fresh


def _resized_from(instance: Any) -> str | None:
    """Of an instance whose resize is not confirmed the flavor before; None for all others."""
    old_flavor = instance.old_flavor
    if old_flavor is None or same_flavor(old_flavor, instance.flavor):
        return None
    return _flavor_key(old_flavor)


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
        for name in IMAGE_PROPERTIES
        # Nova has had some of them for a few releases only.
        if name in properties.fields
        and name in properties
        and getattr(properties, name) is not None
    }


def _min_ram(image_meta: Any) -> int:
    if image_meta is None or "min_ram" not in image_meta:
        return 0
    return int(image_meta.min_ram or 0)


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
