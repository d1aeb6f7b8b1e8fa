# SPDX-License-Identifier: Apache-2.0
"""Nova's own quota checks: a request is counted by what it will hold, not by the flavor's size.

Nova hands a flavor to all of them. What that flavor counts for in the request at hand is noted on
the object, which lives as long as the request; where nothing is noted, the check is Nova's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import nova.conf
from nova import exception, objects
from nova.limit import utils as limit_utils

from nova_xloud import releases
from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import quota

CONF = nova.conf.CONF


@dataclass(frozen=True, slots=True)
class Counted:
    """What a flavor counts for.

    :ivar size: by cores and memory
    :ivar classes: by Placement's resource classes, ``class:VCPU`` and so on
    """

    size: Size
    classes: Mapping[str, int]


def count_as(flavor: Any, size: Size, image_meta: Any) -> None:
    """Note that ``flavor``, with this image, counts as ``size`` from now on."""
    facts = nova_objects.facts_of(flavor, image_meta)
    classes = quota.class_amounts(size, facts)
    if facts.dedicated_vcpus and not nova_objects.facts_of(flavor, None).dedicated_vcpus:
        # The image makes them dedicated, and Nova counts without one: not twice.
        classes.setdefault("class:VCPU", 0)
    flavor.xloud_counted = Counted(size, classes)


@contextlib.contextmanager
def _counted_as(flavor: Any, size: Size, image_meta: Any) -> Iterator[None]:
    count_as(flavor, size, image_meta)
    try:
        yield
    finally:
        del flavor.xloud_counted


def _counted(flavor: Any) -> Counted | None:
    return getattr(flavor, "xloud_counted", None)


def check_num_instances(
    original: Callable[..., int], context: Any, flavor: Any, *args: Any, **kwargs: Any
) -> int:
    """Create, its recheck, and restore; by cores and memory.

    The recheck knows of no image. It adds nothing to what is held: there the size is only told.
    """
    counted: Any = flavor
    if (counts_as := _counted(flavor)) is not None:
        counted = counts_as.size
    elif not isinstance(flavor, Size) and nova_objects.has_minimums(flavor):
        counted = nova_objects.bounds_of_flavor(flavor, None).boot
    # Of a flavor it reads vcpus and memory_mb only, which a size has too; it may ask again, with
    # the same and fewer instances.
    return original(context, counted, *args, **kwargs)


def enforce(
    original: Callable[..., int],
    context: Any,
    project_id: str,
    request_spec: Any,
    min_count: int,
    max_count: int,
    enforcer: Any = None,
    delta_updates: Mapping[str, int] | None = None,
) -> int:
    """Create, restore and resize; by unified limits. It may ask again, with fewer instances."""
    has_flavor = request_spec is not None and "flavor" in request_spec
    if has_flavor:
        delta_updates = _with_counted(request_spec.flavor, max_count, delta_updates)
    return original(
        context, project_id, request_spec, min_count, max_count, enforcer, delta_updates
    )


def enforce_flavor(
    original: Callable[..., int],
    context: Any,
    project_id: str,
    flavor: Any,
    is_bfvm: bool,
    min_count: int,
    max_count: int,
    enforcer: Any = None,
    delta_updates: Mapping[str, int] | None = None,
) -> int:
    """:func:`enforce` before Nova 34."""
    delta_updates = _with_counted(flavor, max_count, delta_updates)
    return original(
        context, project_id, flavor, is_bfvm, min_count, max_count, enforcer, delta_updates
    )


def _with_counted(
    flavor: Any, count: int, delta_updates: Mapping[str, int] | None
) -> Mapping[str, int] | None:
    counts_as = _counted(flavor)
    if counts_as is None:
        return delta_updates
    counted_classes = {name: amount * count for name, amount in counts_as.classes.items()}
    return {**counted_classes, **(delta_updates or {})}


def upsize_delta(
    original: Callable[..., dict[str, int]], new_flavor: Any, old_flavor: Any
) -> dict[str, int]:
    """Resize and its revert; by cores and memory."""
    new, old = _counted(new_flavor), _counted(old_flavor)
    if new is None or old is None:
        return original(new_flavor, old_flavor)
    return original(asdict(new.size), asdict(old.size))


def check_upsize(
    original: Callable[..., None],
    context: Any,
    instance: Any,
    current_flavor: Any,
    new_flavor: Any,
    is_bfv: bool,
    is_revert: bool,
) -> None:
    """From what it holds now to what the new flavor boots with, or to what it held before.

    :raises nova.exception.OverQuota: 403
    :raises nova.exception.Forbidden: 403; a revert
    """
    if not (nova_objects.is_elastic(instance) or nova_objects.has_minimums(new_flavor)):
        original(context, instance, current_flavor, new_flavor, is_bfv, is_revert)
        return
    if is_revert and _counted_in_placement():
        # There it holds both sizes until the resize is confirmed: to revert only gives back.
        return
    image = instance.image_meta
    if is_revert:
        wanted = nova_objects.desired_with(instance, new_flavor).claim
    else:
        wanted = nova_objects.bounds_of_flavor(new_flavor, image).boot
    with (
        _counted_as(current_flavor, nova_objects.recorded_size(instance), image),
        _counted_as(new_flavor, wanted, image),
    ):
        try:
            original(context, instance, current_flavor, new_flavor, is_bfv, is_revert)
        except exception.OverQuota as over:
            if not is_revert:
                raise
            # Nova does not expect it there, and would answer 500; this is 403.
            raise exception.Forbidden(over.format_message()) from over


def check_unshelve(
    original: Callable[..., None], context: Any, instance: Any, request_spec: Any
) -> None:
    """An offloaded instance holds nothing in Placement, and will hold its persisted size.

    :raises nova.exception.OverQuota: 403
    """
    if not nova_objects.is_elastic(instance):
        original(context, instance, request_spec)
        return
    if not _counted_in_placement():
        return
    facts = nova_objects.facts_of_instance(instance)
    size = nova_objects.desired_of(instance, facts).persisted
    project_id, user_id = instance.project_id, instance.user_id
    if limit_utils.use_unified_limits():
        more = {"servers": 0, **quota.class_amounts(size, facts)}
        releases.enforce_unified_limits(context, project_id, request_spec, more)
    else:
        objects.Quotas.check_deltas(
            context,
            {"instances": 0, **quota.legacy_amounts(size)},
            project_id,
            user_id=user_id,
            check_project_id=project_id,
            check_user_id=user_id,
        )


def restore(original: Callable[..., None], api: Any, context: Any, instance: Any) -> None:
    """A soft-deleted instance is counted again with what it held when it was deleted."""
    if not nova_objects.is_elastic(instance):
        original(api, context, instance)
        return
    with _counted_as(instance.flavor, nova_objects.recorded_size(instance), instance.image_meta):
        original(api, context, instance)


def _counted_in_placement() -> bool:
    return bool(CONF.quota.count_usage_from_placement or limit_utils.use_unified_limits())
