# SPDX-License-Identifier: Apache-2.0
"""Flavors: what the API lets be written into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import exception
from nova.api.openstack import common

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.minimums import ALL_SPECS, MEMORY_SPECS, VCPU_SPECS, read_minimums


def check_extra_specs(
    original: Callable[..., None], controller: Any, req: Any, specs: dict[str, Any]
) -> None:
    """Refuse minimums that are no integers, larger than the flavor, or less than a guest needs to
    live, at every microversion.

    Nova validates values from 2.86 on only; a bad minimum would be ignored later.

    :raises nova.exception.ValidationError: 400; names both numbers
    """
    if any(name in specs for name in ALL_SPECS):
        # Ahead of Nova's validators, whose message does not name the extra spec.
        _check_minimums(req, specs)
    original(controller, req, specs)


def _check_minimums(req: Any, specs: dict[str, Any]) -> None:
    arguments = req.environ["wsgiorg.routing_args"][1]
    flavor = common.get_flavor(req.environ["nova.context"], arguments["flavor_id"])
    # Of the resource that is being set, in both spellings. The other one's stored minimum may be
    # one that was good once, and is not what this request is about.
    asked = [names for names in (VCPU_SPECS, MEMORY_SPECS) if not specs.keys().isdisjoint(names)]
    stored = {n: v for n, v in flavor.extra_specs.items() if any(n in names for names in asked)}
    maximum = Size(flavor.vcpus, flavor.memory_mb)
    floor = nova_objects.memory_floor(maximum)
    problems = read_minimums({**stored, **specs}, maximum, floor).problems
    if problems:
        raise exception.ValidationError(detail="; ".join(problems))
