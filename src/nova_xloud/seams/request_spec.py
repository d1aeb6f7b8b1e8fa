# SPDX-License-Identifier: Apache-2.0
"""Make the scheduler ask Placement for what an instance will hold.

For a size below the maximum, the scheduler asks only for hosts that can keep a guest below it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.adapters import nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import PCPU, VCPU, cpu_resources
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.core.sizing.traits import needed_by

# The key beside the object's fields in its primitive. A service without nova-xloud ignores it, and
# the object keeps Nova's version and fields.
_ON_THE_WIRE = "xloud_size"


def subclass(original: type[Any]) -> type[Any]:
    """Return a subclass of Nova's RequestSpec whose size is what the instance will hold.

    The caller registers it under Nova's name and version of RequestSpec, in place of Nova's class.
    """

    class RequestSpec(original):  # type: ignore[misc]
        """Nova's RequestSpec, whose ``vcpus`` and ``memory_mb`` are what the instance will hold.

        :ivar xloud_size: what an elastic instance will hold after a move that keeps its flavor.
            None at create, at a resize and for a stock instance: the instance will hold the boot
            size of the flavor, or the flavor's size if it names no minimum. The attribute is sent
            to the scheduler with the object, and is not stored: each move sets its own
        """

        xloud_size: Size | None = None
        # Used in the scheduler only: ask Placement for all candidates; see seams/candidates.py.
        xloud_unlimited: bool = False

        @property
        def vcpus(self) -> int:
            """The vCPUs that the instance will hold."""
            size = size_of(self)
            return super().vcpus if size is None else size.vcpus

        @property
        def memory_mb(self) -> int:
            """The memory that the instance will hold, MiB."""
            size = size_of(self)
            return super().memory_mb if size is None else size.memory_mb

        def obj_to_primitive(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            """Return Nova's primitive, with ``xloud_size`` beside the fields if it is set."""
            primitive: dict[str, Any] = super().obj_to_primitive(*args, **kwargs)
            if self.xloud_size is not None:
                size = [self.xloud_size.vcpus, self.xloud_size.memory_mb]
                primitive[self._obj_primitive_key("data")][_ON_THE_WIRE] = size
            return primitive

        @classmethod
        def _obj_from_primitive(cls, context: Any, objver: str, primitive: Any) -> Any:
            spec = super()._obj_from_primitive(context, objver, primitive)
            size = cls._obj_primitive_field(primitive, "data").get(_ON_THE_WIRE)
            if size is not None:
                spec.xloud_size = Size(*size)
            return spec

    return RequestSpec


def size_of(spec: Any) -> Size | None:
    """Return what the instance of a ``RequestSpec`` will hold: ``xloud_size``, else the boot size.

    None if ``xloud_size`` is not set and the flavor names no minimum: then the instance will hold
    the flavor's size, as in stock Nova.
    """
    if spec.xloud_size is not None:
        size: Size = spec.xloud_size
        return size
    if not nova_objects.has_minimums(spec.flavor):
        return None
    return nova_objects.bounds_of_flavor(spec.flavor, _image(spec)).boot


def facts_below_maximum(spec: Any) -> FlavorFacts | None:
    """Return the facts of the flavor and image if the instance will hold less than its maximum.

    None if it will hold the maximum.
    """
    size = size_of(spec)
    if size is None:
        return None
    facts = nova_objects.facts_of(spec.flavor, _image(spec))
    return None if size.covers(facts.maximum) else facts


def resource_request(
    original: Callable[..., Any], request_spec: Any, enable_pinning_translate: bool = True
) -> Any:
    """Return Nova's resource request, with the amounts that the instance will hold.

    Nova takes memory and shared vCPUs from ``request_spec``, whose properties return the right
    size. This function corrects dedicated vCPUs, unless the flavor fixes CPUs by resource class. It
    requires the traits of a host that can keep a size below the maximum. If
    ``request_spec.xloud_unlimited`` is set, it also removes the limit on the number of candidates.
    If :func:`size_of` returns None, Nova's request is returned unchanged.
    """
    request = original(request_spec, enable_pinning_translate)
    size = size_of(request_spec)
    if size is None:
        return request
    facts = nova_objects.facts_of(request_spec.flavor, _image(request_spec))
    if facts.overrides(VCPU, PCPU) is None:
        for resource_class, amount in _cpus(size, facts, enable_pinning_translate).items():
            request._add_resource(resource_class, amount)
    for trait in needed_by(size, facts.maximum):
        request._add_trait(trait, "required")
    if request_spec.xloud_unlimited:
        request._limit = None
    request.strip_zeros()
    return request


def _cpus(size: Size, facts: FlavorFacts, translate: bool) -> dict[str, int]:
    # An untranslated request is for hosts that have no PCPU inventory yet: all CPUs are VCPU there.
    return cpu_resources(size.vcpus, facts) if translate else {VCPU: size.vcpus}


def _image(spec: Any) -> Any:
    return spec.image if "image" in spec else None
