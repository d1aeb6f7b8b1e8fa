# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request of automatic growth, for each of the resources that it changes.

A request may change both resources. If it is refused for a reason that may be one resource's alone,
each resource is requested alone, so that one that cannot be adjusted does not keep the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.compute.autoscaling.state import GuestState, RefusedValue
from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.core.autoscaling.deferral import of_refusal
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS
from nova_xloud.errors import Blocked, NoCapacity, OutOfBounds, QuotaExceeded, Refused

# Refusals whose reason may be one of the resources. All others are about the whole instance, or
# about a service that does not answer, and come again for each resource.
_OF_A_RESOURCE = (Blocked, NoCapacity, OutOfBounds, QuotaExceeded)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A request that was admitted or refused.

    :ivar one: the instance as it was when it was requested
    :ivar size: the size that was requested
    :ivar refusal: why the request was refused; None if it was admitted
    """

    one: ManagedInstance
    size: Size
    refusal: Refused | None = None

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources that the request changes, see :func:`changed`."""
        return changed(self.one.view.desired.target, self.size)

    @property
    def grows(self) -> bool:
        """Whether more of a resource was requested than was desired before."""
        return not self.one.view.desired.target.covers(self.size)

    @property
    def may_be_of_one_resource(self) -> bool:
        """Whether the request changes both resources, and may have been refused for one of them."""
        return isinstance(self.refusal, _OF_A_RESOURCE) and len(self.resources) > 1


def changed(before: Size, after: Size) -> tuple[str, ...]:
    """Return the resources that differ, ``vcpus`` and ``memory_mb``, in the order to request them.

    What grows comes first. Memory grows before vCPUs, and shrinks after them.
    """
    order = (MEMORY, VCPUS) if after.memory_mb > before.memory_mb else (VCPUS, MEMORY)
    return tuple(name for name in order if getattr(after, name) != getattr(before, name))


def with_value(size: Size, resource: str, other: Size) -> Size:
    """Return ``size`` with the value that ``other`` has of one resource."""
    return replace(size, **{resource: getattr(other, resource)})


def after(state: GuestState, outcome: Outcome) -> GuestState:
    """Return ``state`` with what became of a request.

    Each resource that was refused gets an entry in ``refusals``, with a deferral if it was to grow.
    If the request was to make one resource smaller, and that cannot be adjusted, the resource does
    not shrink again before the guest's next start (``refused``).
    """
    refusals, refused = dict(state.refusals), dict(state.refused)
    before = outcome.one.view.desired.target
    for name in outcome.resources:
        value = getattr(outcome.size, name)
        grows = value > getattr(before, name)
        if outcome.refusal is None:
            refusals.pop(name, None)
            continue
        refusals[name] = RefusedValue(value, of_refusal(outcome.refusal) if grows else None)
        if isinstance(outcome.refusal, Blocked) and outcome.resources == (name,) and not grows:
            refused[name] = outcome.refusal.reason_code
    return replace(state, refusals=refusals, refused=refused)
