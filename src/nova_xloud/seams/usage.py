# SPDX-License-Identifier: Apache-2.0
"""Choose the size in usage reports, which billing reads: the flavor's, or what is held now.

The option ``[xloud] usage_reports`` chooses; the flavor's size is that of stock Nova. What is held
now is no history: an hour at the maximum no longer shows once the instance is small again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nova.conf

CONF = nova.conf.CONF


def instances_of_tenants(
    original: Callable[..., list[Any]], *args: Any, **kwargs: Any
) -> list[Any]:
    """Return the instances that ``GET /os-simple-tenant-usage`` adds up, with the chosen size."""
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
    """Return the payload of an unversioned notification, with the chosen size.

    ``compute.instance.exists`` is one of them.
    """
    info = original(context, instance, *args, **kwargs)
    if _held_counts():
        info |= {"vcpus": instance.vcpus, "memory_mb": instance.memory_mb}
    return info


def _held_counts() -> bool:
    return bool(CONF.xloud.usage_reports == "held")
