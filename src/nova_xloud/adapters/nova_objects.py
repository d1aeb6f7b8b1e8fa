# SPDX-License-Identifier: Apache-2.0
"""Read sizes, records and flavor facts for ``core`` from Nova's objects, and write records."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import nova.conf
from nova import exception, objects
from nova.objects import fields
from nova.virt import hardware

from nova_xloud.adapters.image_meta import image_meta_of
from nova_xloud.core.autoscaling import mode
from nova_xloud.core.autoscaling.mode import Scaling
from nova_xloud.core.autoscaling.settings import Mode
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
from nova_xloud.printable import one_line

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

# What Nova's objects raise for data in the database that they cannot parse.
NOT_PARSED = (exception.NovaException, AttributeError, TypeError, ValueError)

_MINIMUMS = frozenset(ALL_SPECS)
_WARNED: set[str] = set()
# What is wrong with the record of each instance, so that it is logged once and not at each read.
_UNREADABLE: dict[str, str] = {}
# The most entries of _UNREADABLE: nova-api does not learn when an instance is deleted.
_MOST_UNREADABLE = 1000


def has_minimums(flavor: Any) -> bool:
    """Return whether the extra specs of a ``nova.objects.Flavor`` name a minimum, usable or not.

    False if the extra specs are not loaded.
    """
    return "extra_specs" in flavor and not _MINIMUMS.isdisjoint(flavor.extra_specs)


def facts_of(flavor: Any, image_meta: Any) -> FlavorFacts:
    """Return the facts of a flavor and an image from which ``core`` computes the bounds.

    :param flavor: ``nova.objects.Flavor``; if its extra specs are not loaded, it counts as having
        none
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

    This floor follows from ``[xloud] memory_floor_mb`` and ``[xloud] memory_floor_percent``. The
    boot size depends on the floor, so both options have to be the same in the nova.conf of all
    services.
    """
    options = CONF.xloud
    floor = MemoryFloor(options.memory_floor_mb, options.memory_floor_percent)
    return floor.of(maximum.memory_mb)


def facts_of_instance(instance: Any) -> FlavorFacts:
    """Return :func:`facts_of` the flavor and the image of a ``nova.objects.Instance``.

    Properties of the image that cannot be parsed count as not set. May load the flavor and
    ``system_metadata`` from the database.
    """
    return facts_of(instance.flavor, image_meta_of(instance))


def bounds_of_flavor(flavor: Any, image_meta: Any) -> Bounds:
    """Return the bounds that follow from a flavor and an image, without the limits of any host.

    For a minimum that is not used as the flavor names it, a warning is logged, once in each
    process.
    """
    bounds = bounds_of(facts_of(flavor, image_meta))
    for problem in bounds.problems:
        key = f"{flavor.flavorid}: {problem}"
        if key not in _WARNED:
            _WARNED.add(key)
            LOG.warning(
                "Flavor %s, or the copy of it that a server has: %s. No server can be created with "
                "such a flavor. For servers that have it, a memory minimum below the floor "
                "([xloud] memory_floor_mb, memory_floor_percent) counts as the floor, and any "
                "other wrong minimum as not named.",
                flavor.flavorid,
                problem,
            )
    return bounds


def desired_of(instance: Any, facts: FlavorFacts) -> Desired:
    """Return the record of a ``nova.objects.Instance`` for its current flavor.

    If the instance has no such record, the result is what :func:`read_desired` returns then. If the
    record cannot be read, a warning is logged, but not again at each call. The result then has
    ``readable`` False, and desires the size in the instance's columns, at most the maximum.

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
    """Return the record of an instance for its current flavor, if it can be read.

    If the instance has no record of that flavor, the result desires the flavor's boot size, but of
    each resource at most what the instance's column has.

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
    """Return the record that an instance has, had or will have with ``flavor``.

    For the instance's current flavor that is the result of :func:`desired_of`. For another flavor
    it is the record from before a resize, if the instance has one of that flavor. If it has none,
    or the record cannot be read (which is logged), the result desires the boot size of ``flavor``.
    """
    facts = facts_of(flavor, image_meta_of(instance))
    if same_flavor(flavor, instance.flavor):
        return desired_of(instance, facts)
    boot = bounds_of(facts).boot
    try:
        return read_record(instance.system_metadata, _flavor_key(flavor), boot, facts.maximum)
    except UnreadableRecord as error:
        _log_once(instance.uuid, str(error))
        return Desired(boot)


def keep_what_is_claimed(instance: Any) -> None:
    """Set the record of an elastic instance that has none, or none that can be read.

    An instance has none if it was created by a stock Nova, or by a nova-xloud that did not write
    records at create. The new record then desires what :func:`read_desired` returns without a
    record. If the record was unreadable, the new one desires the size in the instance's columns, at
    most the maximum. The caller saves the instance. For any other instance nothing is done. Call
    this before the image or the flavor of the instance is replaced.
    """
    if not is_elastic(instance):
        return
    desired = desired_of(instance, facts_of_instance(instance))
    if not desired.readable or _is_missing(instance):
        set_desired(instance, replace(desired, readable=True))


def _is_missing(instance: Any) -> bool:
    """Return whether the flavor of the instance names a minimum, and no record names a flavor."""
    key = instance.system_metadata.get("xloud_flavor")
    return has_minimums(instance.flavor) and key is None


def record_at_create(flavor: Any, boot: Size) -> dict[str, str]:
    """Return the record of a new instance, as keys of ``system_metadata``.

    :param boot: the boot size, which is what the record makes desired
    """
    return replaced({}, Desired(boot), _flavor_key(flavor))


def _claimed_at_boot(instance: Any, facts: FlavorFacts) -> Size:
    """Return the size that is desired for an instance without a record of its flavor.

    For each resource that is the smaller of two numbers: the flavor's boot size now, and what the
    instance's column has. The boot size may have grown since it was claimed, because the image or
    an option has changed.
    """
    return bounds_of(facts).boot.at_most(recorded_size(instance))


def _log_once(uuid: str, problem: str) -> None:
    if _UNREADABLE.get(uuid) != problem:
        if len(_UNREADABLE) >= _MOST_UNREADABLE:
            _UNREADABLE.clear()
        _UNREADABLE[uuid] = problem
        LOG.warning(
            "Instance %s: its xloud_* keys in system_metadata cannot be read: %s. The instance "
            "keeps the size in its columns; adjust the instance to write a new record.",
            uuid,
            problem,
        )


def keep_logged_of(uuids: Collection[str]) -> None:
    """Forget which unreadable records were logged, except those of the instances ``uuids``.

    If a forgotten record is read again, its problem is logged again.

    :param uuids: all instances of this host
    """
    for uuid in _UNREADABLE.keys() - uuids:
        _UNREADABLE.pop(uuid, None)


def recorded_size(instance: Any) -> Size:
    """Return the size in the columns ``vcpus`` and ``memory_mb`` of a ``nova.objects.Instance``."""
    return Size(instance.vcpus, instance.memory_mb)


def size_to_count(instance: Any) -> Size:
    """Return the size that an instance counts for in the resource tracker.

    ``heal_allocations`` claims this size too, and so does a live migration if Placement has no
    allocation for the instance.

    For each resource it is the larger of two numbers: what the instance's column has, and what
    stays claimed by its record once the desired size is reached. For an instance that is not
    elastic, or whose flavor or image cannot be read, it is the size in its columns. In the second
    case a warning is logged: one instance must not keep a host from counting all others.
    """
    recorded = recorded_size(instance)
    try:
        return recorded.at_least(desired_of(instance, facts_of_instance(instance)).claim)
    except NOT_PARSED as error:
        LOG.warning(
            "Instance %s counts with the size in its columns, %s, because Nova's data of it cannot "
            "be read: %s",
            instance.uuid,
            recorded,
            one_line(str(error)),
        )
        return recorded


def has_record(instance: Any) -> bool:
    """Return whether an instance has a record of nova-xloud, readable or not.

    May load ``system_metadata`` from the database. False if ``system_metadata`` is not loaded and
    the object has no context, so that it cannot be loaded.
    """
    if instance._context is None and "system_metadata" not in instance:
        return False
    return any(name.startswith(PREFIX) for name in instance.system_metadata)


def has_loaded_record(instance: Any) -> bool:
    """Return whether the loaded ``system_metadata`` of an instance has a record of nova-xloud.

    Nothing is read from the database: False if ``system_metadata`` is not loaded. Use it in a
    user's operation, so that for a stock instance nothing is read that stock Nova would not read.
    """
    return "system_metadata" in instance and has_record(instance)


def is_elastic_as_loaded(instance: Any, flavor: Any = None) -> bool:
    """Return :func:`is_elastic` from what is loaded of the instance, without reading the database.

    A flavor or ``system_metadata`` that is not loaded does not make the instance elastic.

    :param flavor: the flavor that the instance has or will have; None: its own, if it is loaded
    """
    if flavor is None and "flavor" in instance:
        flavor = instance.flavor
    return (flavor is not None and has_minimums(flavor)) or has_loaded_record(instance)


def record_of(instance: Any) -> dict[str, str]:
    """Return the ``xloud_*`` keys of an instance's ``system_metadata``, with their values."""
    return record_in(instance.system_metadata)


def is_elastic(instance: Any, flavor: Any = None) -> bool:
    """Return whether an instance is elastic: its flavor names a minimum, or it has a record.

    May load the flavor and ``system_metadata`` from the database.

    :param flavor: the flavor that the instance has or will have; None: its own
    """
    return has_minimums(instance.flavor if flavor is None else flavor) or has_record(instance)


def scaling_of_instance(instance: Any, desired: Desired) -> Scaling:
    """Return how a ``nova.objects.Instance`` is scaled automatically.

    An instance that is not elastic is not scaled, and neither is one whose record cannot be read.

    :param desired: the record of the instance
    """
    if not desired.readable or not is_elastic(instance):
        return mode.OFF
    specs = instance.flavor.extra_specs if "extra_specs" in instance.flavor else {}
    return mode.scaling_of(specs, desired.autoscale, Mode(CONF.xloud.autoscale))


def is_scaled_as_loaded(instance: Any) -> bool:
    """Return whether an elastic instance has a mode other than ``off``, from what is loaded of it.

    Nothing is read from the database. False if the flavor is not loaded. If ``system_metadata`` is
    not loaded, the mode is that of the flavor, or else of nova.conf.
    """
    if "flavor" not in instance or not is_elastic_as_loaded(instance):
        return False
    flavor = instance.flavor
    named = (
        mode.mode_of(flavor.extra_specs.get(mode.MODE_SPEC)) if "extra_specs" in flavor else None
    )
    requested = None
    if "system_metadata" in instance:
        requested = mode.mode_of(instance.system_metadata.get("xloud_autoscale"))
    return (requested or named or Mode(CONF.xloud.autoscale)) is not Mode.OFF


def same_flavor(one: Any, other: Any) -> bool:
    """Return whether two flavors have the same ``flavorid``, vCPUs and memory."""
    return _flavor_key(one) == _flavor_key(other)


def set_desired(instance: Any, desired: Desired) -> None:
    """Make ``desired`` the record in an instance's ``system_metadata``; the caller saves it.

    Until a resize is confirmed, the record of the previous flavor is kept beside it, for a revert.
    """
    instance.system_metadata = replaced(
        instance.system_metadata, desired, _key(instance), _resized_from(instance)
    )


def refresh_record(instance: Any) -> None:
    """Read the record in ``instance.system_metadata`` again from the database, in place.

    If the object has a newer record, which is not saved yet, that one stays. Other keys are left as
    they are. An operation may have loaded the instance before an adjustment was admitted. Once the
    operation has set its ``task_state`` no adjustment is admitted, so a record that is read after
    that stays current until the operation ends.

    :raises nova.exception.InstanceNotFound: the instance was deleted
    """
    fresh = objects.Instance.get_by_uuid(
        instance._context, instance.uuid, expected_attrs=["system_metadata"]
    )
    metadata = newer(instance.system_metadata, fresh.system_metadata)
    if metadata != instance.system_metadata:
        instance.system_metadata = metadata


def restart_record(instance: Any) -> Desired:
    """Update the record of an instance whose guest is about to start, and return the new record.

    The record is first read again from the database. A size that was asked for until the next stop
    (``persist: false``) is dropped, and so is a removal of vCPUs. If a resize was confirmed or
    reverted since the record was written, only what belongs to the current flavor is kept. If there
    is no record and the flavor names a minimum, one is made. The instance is saved if its record
    has changed.

    :raises nova.exception.InstanceNotFound: the instance was deleted
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

    None if there is no such resize, or only a cold migration, which keeps the flavor.
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
        LOG.debug(
            "Flavor %s has no usable CPU policy with this image, so it counts as without "
            "dedicated CPUs: %s",
            flavor.flavorid,
            one_line(str(error)),
        )
    return 0


def _isolated_emulator(flavor: Any) -> bool:
    if "extra_specs" not in flavor:
        return False
    return bool(flavor.extra_specs.get("hw:emulator_threads_policy") == "isolate")
