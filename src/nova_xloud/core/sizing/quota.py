# SPDX-License-Identifier: Apache-2.0
"""What a size counts for in a quota, what an adjustment adds to that, and the refusal in numbers.

The quota drivers have two vocabularies: ``cores`` and ``ram`` (MiB), and Placement's resource
classes as ``class:VCPU``, ``class:PCPU``, ``class:MEMORY_MB``.
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
    """One resource of which more would be held than may be.

    :ivar resource: in the driver's vocabulary
    :ivar asked: how much more
    :ivar used: what is held without that
    :ivar allowed: the quota
    """

    resource: str
    asked: int
    used: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.resource}: asked {self.asked} more, used {self.used}, allowed {self.allowed}"


def legacy_amounts(size: Size) -> dict[str, int]:
    """What ``size`` counts for as ``cores`` and ``ram``."""
    return {"cores": size.vcpus, "ram": size.memory_mb}


def class_amounts(size: Size, facts: FlavorFacts, *, pcpu_as_vcpu: bool = False) -> dict[str, int]:
    """What ``size`` counts for by resource class: what Placement holds for it.

    A class that the flavor fixes (``resources:VCPU``) is left out: no size changes it.

    :param pcpu_as_vcpu: dedicated CPUs count as ``class:VCPU`` too
    """
    held = resized({}, size, facts)
    if pcpu_as_vcpu and PCPU in held:
        held[VCPU] = held.get(VCPU, 0) + held.pop(PCPU)
    return {f"class:{name}": amount for name, amount in held.items()}


def growth(held: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """What ``wanted`` is more than ``held``: only what grows, because less needs no quota."""
    more = {name: amount - held.get(name, 0) for name, amount in wanted.items()}
    return {name: amount for name, amount in more.items() if amount > 0}


def refusal(excesses: Sequence[Excess], whose: str) -> QuotaExceeded:
    """The answer to who asked.

    :param whose: quota it is: ``project``, ``user``, or ``project or user`` where Nova does not say
    """
    numbers = "; ".join(str(one) for one in excesses)
    return QuotaExceeded(
        f"the server's {whose} would hold more than its quota; {numbers}; shrink or delete others "
        f"of its servers, or have the quota raised; nothing was changed"
    )
