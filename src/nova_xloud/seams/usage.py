# SPDX-License-Identifier: Apache-2.0
"""Usage reports, which billing reads: the flavor's size as in stock Nova, or what is held now.

``[xloud] usage_reports`` chooses. What is held now is no history: an hour at the maximum is not in
it once the instance is small again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nova.conf

CONF = nova.conf.CONF


def instances_of_tenants(
    original: Callable[..., list[Any]], *args: Any, **kwargs: Any
) -> list[Any]:
    """What ``GET /os-simple-tenant-usage`` adds up."""
    instances = original(*args, **kwargs)
    if _held_counts():
        for instance in instances:
            # Of the answer alone: nobody saves it.
            flavor = instance.flavor.obj_clone()
            flavor.vcpus, flavor.memory_mb = instance.vcpus, instance.memory_mb
            instance.flavor = flavor
    return instances


def info_from_instance(
    original: Callable[..., dict[str, Any]], context: Any, instance: Any, *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """The payload of unversioned notifications, ``compute.instance.exists`` among them."""
    info = original(context, instance, *args, **kwargs)
    if _held_counts():
        info |= {"vcpus": instance.vcpus, "memory_mb": instance.memory_mb}
    return info


def _held_counts() -> bool:
    return bool(CONF.xloud.usage_reports == "held")
