# SPDX-License-Identifier: Apache-2.0
"""Make Nova's own quota checks count what an instance will hold, and not the flavor's size.

Nova passes a flavor to nearly all of these checks. :func:`count_as` sets on the flavor object what
the flavor counts for; the object lives as long as the request. A flavor on which nothing is set
counts as in Nova. One that names a minimum counts as its boot size in :func:`check_num_instances`.
:func:`check_unshelve` makes its own check.
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
from nova_xloud.adapters.image_meta import image_meta_of
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import quota

CONF = nova.conf.CONF


@dataclass(frozen=True, slots=True)
class Counted:
    """What a flavor counts for in quota checks.

    :ivar size: vCPUs and memory, for Nova's own quotas of cores and ram
    :ivar classes: amounts by resource class (``class:VCPU`` and so on), for unified limits. Nova's
        amount counts for a class that is missing
    """

    size: Size
    classes: Mapping[str, int]


def count_as(flavor: Any, size: Size, image_meta: Any) -> None:
    """Make Nova's quota checks count ``flavor`` as ``size`` for the rest of this request.

    Sets ``flavor.xloud_counted``, which the other functions of this module read.

    :param image_meta: the server's image, which may make vCPUs dedicated; None: no image
    """
    facts = nova_objects.facts_of(flavor, image_meta)
    classes = quota.class_amounts(size, facts)
    if facts.dedicated_vcpus and not nova_objects.facts_of(flavor, None).dedicated_vcpus:
        # Only the image makes the vCPUs dedicated, and Nova counts the flavor without an image, as
        # VCPU: they must not be counted twice.
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
    """Check the quota of instances, cores and ram as Nova does, with what the flavor counts for.

    If :func:`count_as` has set nothing and the flavor names a minimum, the flavor counts as the
    boot size that it has without an image. Nova calls this at create, at restore, and at the
    recheck after a create. The recheck adds nothing to the usage, so there the size only appears in
    the message.

    :returns: how many instances the quota allows, at most ``max_count``
    :raises nova.exception.TooManyInstances: 403; fewer than ``min_count`` fit the quota
    """
    counted: Any = flavor
    if (counts_as := _counted(flavor)) is not None:
        counted = counts_as.size
    elif not isinstance(flavor, Size) and nova_objects.has_minimums(flavor):
        counted = nova_objects.bounds_of_flavor(flavor, None).boot
    # Nova reads only vcpus and memory_mb of a flavor, which a Size has too. Nova's function may
    # call itself with this Size and fewer instances, and so come through here again.
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
    """Enforce unified limits as Nova does, with what the request's flavor counts for.

    Nova calls this at create, at the recheck after a create, at restore, resize and unshelve. It
    may call this again with fewer instances.

    :param delta_updates: amounts by resource that replace those of Nova, and those that the flavor
        counts for; None: no amounts
    :returns: how many instances the limits allow, at most ``max_count``
    :raises nova.exception.TooManyInstances: 403; fewer than ``min_count`` fit the limits
    """
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
    """Do what :func:`enforce` does, for a Nova before 34, which passes a flavor and no spec."""
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
    """Return by how much a resize or its revert makes ``cores`` and ``ram`` (MiB) grow.

    If :func:`count_as` was called for both flavors, that is what they count for. Otherwise both
    count as in Nova. What does not grow is left out of the result.
    """
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
    """Check the quota of a resize or a revert by what the instance holds and will hold.

    A resize goes from what the instance holds, by its columns, to the new flavor's boot size. A
    revert goes back to what was claimed before the resize. A revert is not checked if usage is
    counted in Placement. If the instance is not elastic and ``new_flavor`` names no minimum, the
    check is Nova's own.

    :param new_flavor: the flavor of the resize; for a revert, the flavor before the resize
    :raises nova.exception.OverQuota: 403; a resize exceeds the quota
    :raises nova.exception.Forbidden: 403; a revert exceeds the quota
    """
    if not (nova_objects.is_elastic(instance) or nova_objects.has_minimums(new_flavor)):
        original(context, instance, current_flavor, new_flavor, is_bfv, is_revert)
        return
    if is_revert and _counted_in_placement():
        # In Placement the instance holds both sizes until the resize ends: a revert only releases.
        return
    image = image_meta_of(instance)
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
            # Nova does not expect OverQuota at a revert and would answer 500; Forbidden is 403.
            raise exception.Forbidden(over.format_message()) from over


def check_unshelve(
    original: Callable[..., None], context: Any, instance: Any, request_spec: Any
) -> None:
    """Check the quota of an unshelve with the persisted size, if usage is counted in Placement.

    An instance that is offloaded has nothing allocated in Placement, and will hold its persisted
    size. If usage is not counted in Placement, nothing is checked, as in Nova. For an instance that
    is not elastic the check is Nova's own.

    :raises nova.exception.OverQuota: 403; the quota is exceeded
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
    """Restore a soft-deleted instance as Nova does.

    In Nova's quota check an elastic instance counts as the size in its columns.
    """
    if not nova_objects.is_elastic(instance):
        original(api, context, instance)
        return
    with _counted_as(
        instance.flavor, nova_objects.recorded_size(instance), image_meta_of(instance)
    ):
        original(api, context, instance)


def _counted_in_placement() -> bool:
    return bool(CONF.quota.count_usage_from_placement or limit_utils.use_unified_limits())
