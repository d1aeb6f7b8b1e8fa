# SPDX-License-Identifier: Apache-2.0
"""Create a server with its boot size: in its columns, in its record, and in quota checks.

A create is refused if the flavor's minimums cannot be used as they stand, or if a port would pin
more memory than the boot size has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nova import exception
from nova.compute import api as compute_api

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.minimums import MEMORY_SPECS, VCPU_SPECS
from nova_xloud.seams import attach, quotas


def build_base_options(
    original: Callable[..., tuple[Any, ...]],
    api: Any,
    context: Any,
    flavor: Any,
    boot_meta: Any,
    *args: Any,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Return Nova's options of the new instance, with the boot size in place of the flavor's.

    The record is added to ``system_metadata``. For each minimum that the flavor names, and that the
    user has not set, ``minimum_cpu`` or ``minimum_memory`` in ``metadata`` shows the boot size to
    the user, if the quota of metadata items allows it; nothing reads it from there. Side effect:
    the flavor object counts as the boot size in the quota checks of this request. If the flavor
    names no minimum, the options are Nova's own.

    :returns: the tuple that Nova's function returns, whose first item is the dict of options
    :raises nova.exception.ValidationError: 400; a minimum of the flavor cannot be used as it
        stands, or the server boots with less than the flavor's memory and has a port that pins all
    :raises nova.exception.NovaException: Neutron did not return a port of such a server
    """
    if not nova_objects.has_minimums(flavor):
        return original(api, context, flavor, boot_meta, *args, **kwargs)
    image = compute_api._get_image_meta_obj(boot_meta)
    bounds = nova_objects.bounds_of_flavor(flavor, image)
    if bounds.problems:
        raise exception.ValidationError(
            detail=f"flavor {flavor.flavorid}: {'; '.join(bounds.problems)}"
        )
    # Binding gives requested_networks, the nineteenth argument, its name.
    call = inspect.signature(original).bind(api, context, flavor, boot_meta, *args, **kwargs)
    answer = original(*call.args, **call.kwargs)
    if bounds.boot.memory_mb < flavor.memory_mb:
        networks = call.arguments["requested_networks"]
        _check_ports(api, context, networks, flavor, bounds.boot.memory_mb)
    # Quotas are checked next, with this flavor and without the image.
    quotas.count_as(flavor, bounds.boot, image)
    options = answer[0]
    options["vcpus"] = bounds.boot.vcpus
    options["memory_mb"] = bounds.boot.memory_mb
    # The record keeps what is claimed, whatever the image or the flavor's extra specs become.
    record = nova_objects.record_at_create(flavor, bounds.boot)
    options["system_metadata"] = {**options["system_metadata"], **record}
    options["metadata"] = _with_mirror(api, context, flavor, bounds.boot, options["metadata"])
    return answer


def _with_mirror(
    api: Any, context: Any, flavor: Any, boot: Size, metadata: dict[str, str]
) -> dict[str, str]:
    """Return a user's metadata, with the boot size where the flavor names a minimum.

    A key that the user has set stays as the user has set it. If the quota of metadata items does
    not allow the keys that would be added, none is: the user could change no key any more.
    """
    mirror = {}
    if any(name in flavor.extra_specs for name in VCPU_SPECS):
        mirror["minimum_cpu"] = str(boot.vcpus)
    if any(name in flavor.extra_specs for name in MEMORY_SPECS):
        mirror["minimum_memory"] = str(boot.memory_mb)
    shown = {**mirror, **metadata}
    try:
        api._check_metadata_properties_quota(context, shown)
    except exception.MetadataLimitExceeded:
        return metadata
    return shown


def _check_ports(api: Any, context: Any, networks: Any, flavor: Any, boot_mb: int) -> None:
    why_not = attach.why_not_at_create(api, context, networks)
    if why_not is not None:
        raise exception.ValidationError(
            detail=f"{why_not}, and with flavor {flavor.flavorid} a server boots with {boot_mb} of "
            f"{flavor.memory_mb} MiB. Use a port of vnic_type normal or macvtap, or a flavor whose "
            f"minimum_memory is {flavor.memory_mb}."
        )
