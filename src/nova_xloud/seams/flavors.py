# SPDX-License-Identifier: Apache-2.0
"""Check the extra specs of nova-xloud that the flavor extra specs API writes into a flavor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import exception
from nova.api.openstack import common

from nova_xloud.adapters import nova_objects
from nova_xloud.core.autoscaling import mode
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.minimums import (
    ALL_SPECS,
    MEMORY_SPECS,
    VCPU_SPECS,
    VIRTIO_MEM_SPEC,
    read_minimums,
    virtio_mem_problem,
)


def check_extra_specs(
    original: Callable[..., None], controller: Any, req: Any, specs: dict[str, Any]
) -> None:
    """Check extra specs as Nova does, after refusing unusable values of those of nova-xloud.

    A minimum must be an integer of at least 1, and at most the flavor's size. A minimum of memory
    must also be at least the floor (:func:`nova_xloud.adapters.nova_objects.memory_floor`). A
    minimum may be named with and without the prefix ``xloud:``, but not with two values. Mode,
    profile and weight of automatic growth must be among the known ones. All of this is checked at
    every microversion; Nova validates values only from 2.86 on. Without the check a bad minimum
    would be found only when the create of a server is refused because of it, and a bad mode never.
    A flavor with a minimum cannot ask for virtio-mem devices, which no guest would get.

    :param specs: the extra specs that the request sets
    :raises nova.exception.ValidationError: 400; a value cannot be used, or Nova refuses one
    :raises webob.exc.HTTPNotFound: a minimum is set, and there is no such flavor
    """
    if wrong := mode.problems(specs):
        raise exception.ValidationError(detail="; ".join(wrong))
    if any(name in specs for name in ALL_SPECS):
        # Before Nova's validators, because their message does not name the extra spec.
        _check_minimums(req, specs)
    original(controller, req, specs)
    if VIRTIO_MEM_SPEC in specs:
        # After Nova's validators, because without minimums this extra spec is Nova's alone.
        _check_virtio_mem(_flavor(req), specs)


def _flavor(req: Any) -> Any:
    arguments = req.environ["wsgiorg.routing_args"][1]
    return common.get_flavor(req.environ["nova.context"], arguments["flavor_id"])


def _check_virtio_mem(flavor: Any, specs: dict[str, Any]) -> None:
    problem = virtio_mem_problem({**flavor.extra_specs, **specs})
    if problem is not None:
        raise exception.ValidationError(detail=problem)


def _check_minimums(req: Any, specs: dict[str, Any]) -> None:
    flavor = _flavor(req)
    # Check only the resources that the request sets, in both spellings of each. A minimum that is
    # stored for another resource may have been valid when it was set, and this request leaves it.
    asked = [names for names in (VCPU_SPECS, MEMORY_SPECS) if not specs.keys().isdisjoint(names)]
    stored = {n: v for n, v in flavor.extra_specs.items() if any(n in names for names in asked)}
    maximum = Size(flavor.vcpus, flavor.memory_mb)
    floor = nova_objects.memory_floor(maximum)
    problems = read_minimums({**stored, **specs}, maximum, floor).problems
    if problems:
        raise exception.ValidationError(detail="; ".join(problems))
    _check_virtio_mem(flavor, specs)
