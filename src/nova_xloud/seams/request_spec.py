# SPDX-License-Identifier: Apache-2.0
"""The claim at boot: what the scheduler asks Placement for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova.objects import base

from nova_xloud.core.allocation import cpu_resources
from nova_xloud.core.envelope import Envelope
from nova_xloud.scheduling import holdings


def register(original: type[Any]) -> None:
    """Register our RequestSpec, of the same name and version, in place of ``original``."""

    class RequestSpec(original):  # type: ignore[misc]
        """Nova's, but ``vcpus`` and ``memory_mb`` are what the instance boots with."""

        @property
        def vcpus(self) -> int:
            bounds = _bounds(self)
            return super().vcpus if bounds is None else bounds.boot.vcpus

        @property
        def memory_mb(self) -> int:
            bounds = _bounds(self)
            return super().memory_mb if bounds is None else bounds.boot.memory_mb

    base.NovaObjectRegistry.register(RequestSpec)


def translate_pinning(
    original: Callable[..., None], resource_request: Any, flavor: Any, image: Any
) -> None:
    """Nova's translation of CPU policies, for the boot size instead of the flavor's."""
    original(resource_request, flavor, image)
    if not holdings.names_minimum(flavor):
        return
    facts = holdings.facts_of(flavor, image)
    if not facts.dedicated_vcpus:
        return
    bounds = holdings.bounds_of(flavor, image)
    if bounds.blocker_of("vcpus") is not None:
        return
    for resource_class, amount in cpu_resources(bounds.boot.vcpus, facts).items():
        resource_request._add_resource(resource_class, amount)


def _bounds(spec: Any) -> Envelope | None:
    if not holdings.names_minimum(spec.flavor):
        return None
    return holdings.bounds_of(spec.flavor, spec.image if "image" in spec else None)
