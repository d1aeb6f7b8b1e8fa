# SPDX-License-Identifier: Apache-2.0
"""Read and write the sizes, records and flavor facts of ``core`` in Nova's own objects."""

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
# What is wrong with the record of each instance, so that it is logged once and not at each read.
_UNREADABLE: dict[str, str] = {}
# The most entries of _UNREADABLE: nova-api does not learn when an instance is deleted.
_MOST_UNREADABLE = 1000


def has_minimums(flavor: Any) -> bool:
    """Return whether a ``nova.objects.Flavor`` names a minimum of vCPUs or memory.

    False if its extra specs are not loaded.
    """
    return "extra_specs" in flavor and not _MINIMUMS.isdisjoint(flavor.extra_specs)


def facts_of(flavor: Any, image_meta: Any) -> FlavorFacts:
    """Return what ``core`` needs to know of a flavor and an image.

    :param flavor: ``nova.objects.Flavor``
    :param image_meta: ``nova.objects.ImageMeta``; None: as an image without properties
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
    """Return the least memory, in MiB, that a flavor of size ``maximum`` may name as its minimum.

    It is computed from ``[xloud] memory_floor_mb`` and ``memory_floor_percent``. The boot size
    depends on it, so both options have to be the same in the nova.conf of all services.
    """
    options = CONF.xloud
    floor = MemoryFloor(options.memory_floor_mb, options.memory_floor_percent)
    return floor.of(maximum.memory_mb)


def facts_of_instance(instance: Any) -> FlavorFacts:
    """Return what ``core`` needs to know of the flavor and image of a ``nova.objects.Instance``."""
    return facts_of(instance.flavor, instance.image_meta)


def bounds_of_flavor(flavor: Any, image_meta: Any) -> Bounds:
    """Return the bounds of a flavor and an image, regardless of the host.

    Logs one warning per flavor, process and minimum that is not used as it stands.
    """
    bounds = bounds_of(facts_of(flavor, image_meta))
    for problem in bounds.problems:
        key = f"{flavor.flavorid}: {problem}"
        if key not in _WARNED:
            _WARNED.add(key)
            LOG.warning(
                "Flavor %s: %s. No server can be created with this flavor until that is "
                "corrected. For "
                "servers that have it, a minimum below the floor counts as the floor, and any "
                "other "
                "as not named.",
                flavor.flavorid,
                problem,
            )
    return bounds


def desired_of(instance: Any, facts: FlavorFacts) -> Desired:
    """Return the desired sizes of a ``nova.objects.Instance`` with its current flavor.

    If the record is unreadable, the size in the instance's columns is desired, at most the maximum,
    so that no guest changes its size because of it. A warning is logged once for each instance and
    problem.

    :param facts: the facts of the instance's current flavor and its image
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
    """Return the desired sizes of an instance from its record alone.

    An instance without a record of its current flavor desires what it was claimed with at boot.

    :raises nova_xloud.core.instance.values.UnreadableRecord: the record cannot be read
    """
    return read_record(
        instance.system_metadata,
        _key(instance),
        _claimed_at_boot(instance, facts),
        facts.maximum,
        _resized_from(instance),
    )


def desired_with(instance: Any, flavor: Any) -> Desired:
    """Return the desired sizes that an instance has, had or will have with ``flavor``.

    If ``flavor`` is not the instance's own, and the record does not name it or cannot be read, the
    desired size is the boot size of ``flavor``.
    """
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
    """Set the record of an elastic instance if it has none that can be read; the caller saves.

    The record then has what the instance was claimed with at boot, or for an unreadable record the
    size in its columns. An instance has no record if it was created by a stock Nova or by a
    nova-xloud that did not write records at create. Call this before the image or the flavor of the
    instance is replaced.
    """
    if not is_elastic(instance):
        return
    desired = desired_of(instance, facts_of_instance(instance))
    if not desired.readable or _is_missing(instance):
        set_desired(instance, replace(desired, readable=True))


def _is_missing(instance: Any) -> bool:
    """Return whether the flavor of the instance names a minimum and the instance has no record."""
    key = instance.system_metadata.get("xloud_flavor")
    return has_minimums(instance.flavor) and key is None


def record_at_create(flavor: Any, boot: Size) -> dict[str, str]:
    """Return the ``system_metadata`` keys of a new instance, which record its boot size."""
    return replaced({}, Desired(boot), _flavor_key(flavor))


def _claimed_at_boot(instance: Any, facts: FlavorFacts) -> Size:
    """Return the size that an instance without a record was claimed with when it was created.

    That is the boot size of the flavor, but at most the size in the instance's columns: the image
    or an option may have changed since, and the boot size with it.
    """
    boot, recorded = bounds_of(facts).boot, recorded_size(instance)
    return Size(min(boot.vcpus, recorded.vcpus), min(boot.memory_mb, recorded.memory_mb))


def _log_once(uuid: str, problem: str) -> None:
    if _UNREADABLE.get(uuid) != problem:
        if len(_UNREADABLE) >= _MOST_UNREADABLE:
            _UNREADABLE.clear()
        _UNREADABLE[uuid] = problem
        LOG.warning(
            "Instance %s: the record in system_metadata cannot be read: %s. The instance keeps the "
            "size in its columns; adjust the instance to write a new record.",
            uuid,
            problem,
        )


def keep_logged_of(uuids: Collection[str]) -> None:
    """Forget which unreadable records were logged, except for the instances ``uuids``.

    :param uuids: all instances of this host
    """
    for uuid in _UNREADABLE.keys() - uuids:
        _UNREADABLE.pop(uuid, None)


def recorded_size(instance: Any) -> Size:
    """Return the size in the columns of a ``nova.objects.Instance``."""
    return Size(instance.vcpus, instance.memory_mb)


def size_to_count(instance: Any) -> Size:
    """Return the size with which a move or the usage of a host counts an instance.

    That is the larger of the instance's columns and of what its record requires, per resource. It
    is never less than what is reserved once the adjustment is done. For an instance that is not
    elastic it is the size in its columns.
    """
    return recorded_size(instance).at_least(desired_of(instance, facts_of_instance(instance)).claim)


def has_record(instance: Any) -> bool:
    """Return whether an instance has a record of nova-xloud, readable or not.

    May load ``system_metadata`` from the database. An object without a context has no record if its
    ``system_metadata`` is not loaded.
    """
    if instance._context is None and "system_metadata" not in instance:
        return False
    return any(name.startswith(PREFIX) for name in instance.system_metadata)


def has_loaded_record(instance: Any) -> bool:
    """Return :func:`has_record` without any database access.

    False if ``system_metadata`` is not loaded. Use it for instances that a user's operation is done
    to: Nova has loaded their ``system_metadata``, and for a stock instance nothing is read that
    stock Nova would not read.
    """
    return "system_metadata" in instance and has_record(instance)


def is_elastic_as_loaded(instance: Any, flavor: Any = None) -> bool:
    """Return :func:`is_elastic` from what is loaded of the instance, without any database access.

    :param flavor: the flavor that the instance has or will have; default: its own, if it is loaded
    """
    if flavor is None and "flavor" in instance:
        flavor = instance.flavor
    return (flavor is not None and has_minimums(flavor)) or has_loaded_record(instance)


def record_of(instance: Any) -> dict[str, str]:
    """Return the ``system_metadata`` of an instance, reduced to the keys of nova-xloud."""
    return record_in(instance.system_metadata)


def is_elastic(instance: Any, flavor: Any = None) -> bool:
    """Return whether an instance is elastic: it may have another size than its flavor's.

    It is if the flavor names a minimum or if the instance has a record. May load the flavor and
    ``system_metadata`` from the database.

    :param flavor: the flavor that the instance has or will have; default: its own
    """
    return has_minimums(instance.flavor if flavor is None else flavor) or has_record(instance)


def same_flavor(one: Any, other: Any) -> bool:
    """Return whether two flavors have the same ``flavorid``, vCPUs and memory."""
    return _flavor_key(one) == _flavor_key(other)


def set_desired(instance: Any, desired: Desired) -> None:
    """Set the record in the ``system_metadata`` of an instance; the caller saves the instance."""
    instance.system_metadata = replaced(
        instance.system_metadata, desired, _key(instance), _resized_from(instance)
    )


def refresh_record(instance: Any) -> None:
    """Refresh our keys of ``instance.system_metadata`` from the database, in place.

    They stay if the object has a newer record, which is not saved yet. Needed because an operation
    may have loaded the instance before an adjustment was admitted. Once the operation has set its
    ``task_state`` no adjustment is admitted, so a record that is read after that stays current
    until the operation ends.

    :raises nova.exception.InstanceNotFound: the instance was deleted
    """
    fresh = objects.Instance.get_by_uuid(
        instance._context, instance.uuid, expected_attrs=["system_metadata"]
    )
    metadata = newer(instance.system_metadata, fresh.system_metadata)
    if metadata != instance.system_metadata:
        instance.system_metadata = metadata


def restart_record(instance: Any) -> Desired:
    """Update the record of an instance whose guest is about to start, and return what it desires.

    Sizes that were asked only until the guest stops end here, and so does a removal of vCPUs. If a
    resize was confirmed or reverted since the record was written, the record becomes that of the
    current flavor alone. A flavor that names a minimum gets a record if there is none. Refreshes
    the record from the database first, and saves the instance if the record changes.
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
    """Return the ``flavor_key`` of the flavor before a resize that is not confirmed yet.

    None if there is no such resize, or a migration keeps the flavor.
    """
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
        # Older supported releases of Nova do not have all of these properties.
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
        # Nova's own validation refuses such a flavor; here the flavor counts as without a policy.
        LOG.debug("Flavor %s has no usable CPU policy: %s", flavor.flavorid, error)
    return 0


def _isolated_emulator(flavor: Any) -> bool:
    if "extra_specs" not in flavor:
        return False
    return bool(flavor.extra_specs.get("hw:emulator_threads_policy") == "isolate")
