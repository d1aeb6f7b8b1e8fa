# SPDX-License-Identifier: Apache-2.0
"""Choose the size in usage reports: the flavor's, or what the instance holds now.

Usage reports are ``GET /os-simple-tenant-usage`` and unversioned notifications, which billing
systems read. With ``[xloud] usage_reports = flavor`` they are those of stock Nova. With ``held``
they have the size that the instance's columns have now. Earlier sizes are not kept: in
``GET /os-simple-tenant-usage`` an hour at the maximum no longer shows once the instance is small
again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nova.conf

CONF = nova.conf.CONF


def instances_of_tenants(
    original: Callable[..., list[Any]], *args: Any, **kwargs: Any
) -> list[Any]:
    """Return the instances whose usage ``GET /os-simple-tenant-usage`` adds up.

    Nova adds up the sizes of their flavors. With ``[xloud] usage_reports = held`` each instance has
    a copy of its flavor with the size in its columns.
    """
    instances = original(*args, **kwargs)
    if _held_counts():
        for instance in instances:
            # A copy of the flavor, for this answer only; the instance is never saved.
            flavor = instance.flavor.obj_clone()
            flavor.vcpus, flavor.memory_mb = instance.vcpus, instance.memory_mb
            instance.flavor = flavor
    return instances


def info_from_instance(
    original: Callable[..., dict[str, Any]], context: Any, instance: Any, *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """Return Nova's payload of an unversioned notification, such as ``compute.instance.exists``.

    With ``[xloud] usage_reports = held`` the payload has the size in the instance's columns instead
    of the flavor's.
    """
    info = original(context, instance, *args, **kwargs)
    if _held_counts():
        info |= {"vcpus": instance.vcpus, "memory_mb": instance.memory_mb}
    return info


def _held_counts() -> bool:
    return bool(CONF.xloud.usage_reports == "held")
