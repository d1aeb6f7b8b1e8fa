# SPDX-License-Identifier: Apache-2.0
"""What a size counts for in a quota, what an adjustment adds, and the error if that is too much.

Nova's quota drivers use one of two sets of names: ``cores`` and ``ram`` (MiB); or with unified
limits Placement's resource classes, as ``class:VCPU``, ``class:PCPU``, ``class:MEMORY_MB``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import PCPU, VCPU, resized
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import QuotaExceeded


@dataclass(frozen=True, slots=True)
class Excess:
    """A resource of which an adjustment would take more than the quota allows.

    :ivar resource: the quota driver's name of the resource, such as ``cores`` or ``class:VCPU``
    :ivar asked: how much the adjustment would add: a count of CPUs, or MiB
    :ivar used: how much is used without the adjustment, in the same unit
    :ivar allowed: the quota, in the same unit
    """

    resource: str
    asked: int
    used: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.resource}: asked {self.asked} more, used {self.used}, allowed {self.allowed}"


def legacy_amounts(size: Size) -> dict[str, int]:
    """Return what ``size`` counts for as ``cores`` and ``ram`` (MiB)."""
    return {"cores": size.vcpus, "ram": size.memory_mb}


def class_amounts(size: Size, facts: FlavorFacts, *, pcpu_as_vcpu: bool = False) -> dict[str, int]:
    """Return the amounts that ``size`` counts for by resource class, as Placement allocates them.

    A class that the flavor fixes (``resources:MEMORY_MB``) is left out, because no size changes it.
    If the flavor fixes one of VCPU and PCPU, both are left out. So is a class with an amount of 0.

    :param pcpu_as_vcpu: count dedicated CPUs as ``class:VCPU`` instead of ``class:PCPU``
    :returns: amounts by name, such as ``{"class:VCPU": 2, "class:MEMORY_MB": 1024}``
    """
    held = resized({}, size, facts)
    if pcpu_as_vcpu and PCPU in held:
        held[VCPU] = held.get(VCPU, 0) + held.pop(PCPU)
    return {f"class:{name}": amount for name, amount in held.items()}


@dataclass(frozen=True, slots=True)
class Demand:
    """What an adjustment adds to a usage, by the quota driver's names; nothing that does not grow.

    :ivar asked: how much more than what was admitted before is wanted
    :ivar unreserved: how much of that is not reserved yet; the rest is a part of the usage already
    """

    asked: Mapping[str, int]
    unreserved: Mapping[str, int]

    @staticmethod
    def of(
        admitted: Mapping[str, int], held: Mapping[str, int], wanted: Mapping[str, int]
    ) -> Demand:
        """Return the demand of a growth from ``admitted`` to ``wanted``, with ``held`` reserved.

        :param held: at least ``admitted``
        """
        return Demand(_growth(admitted, wanted), _growth(held, wanted))

    def deltas(self, *, is_held: bool) -> dict[str, int]:
        """Return what to add to the usage for a check, for each name that is asked for.

        :param is_held: whether all of the growth is reserved now
        """
        return {name: 0 if is_held else self.unreserved.get(name, 0) for name in self.asked}


def _growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    more = {name: amount - before.get(name, 0) for name, amount in after.items()}
    return {name: amount for name, amount in more.items() if amount > 0}


def refusal(excesses: Sequence[Excess], whose: str) -> QuotaExceeded:
    """Return the error for an adjustment that would exceed a quota, with all numbers.

    :param whose: the owner of the quota: ``project``, ``user``, or ``project or user`` where Nova
        does not report which
    """
    numbers = "; ".join(str(one) for one in excesses)
    return QuotaExceeded(
        f"the server's {whose} would hold more than its quota; {numbers}; shrink or delete others "
        f"of its servers, or have the quota raised; nothing was changed"
    )
