# SPDX-License-Identifier: Apache-2.0
"""The arithmetic between a size and a Placement allocation.

An allocation here is what ``GET /allocations/{consumer}`` has for one resource
provider: ``{resource class: amount}``. Classes that are not CPU or memory are
never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import ClaimRefused, NoCapacity

VCPU = "VCPU"
PCPU = "PCPU"
MEMORY_MB = "MEMORY_MB"


def cpu_resources(vcpus: int, facts: FlavorFacts) -> dict[str, int]:
    """``VCPU`` and ``PCPU`` that ``vcpus`` of this flavor are claimed as.

    Dedicated: all as PCPU. Mixed: the dedicated ones as PCPU whatever is plugged, the others
    as VCPU, never below 0. One PCPU more where emulator threads are isolated. Amounts of 0
    are in the result: whoever sends it drops them.
    """
    dedicated = facts.dedicated_vcpus
    if not dedicated:
        return {VCPU: vcpus}
    isolated = 1 if facts.isolated_emulator else 0
    if dedicated >= facts.maximum.vcpus:
        return {PCPU: vcpus + isolated}
    return {VCPU: max(0, vcpus - dedicated), PCPU: dedicated + isolated}


def resized(resources: Mapping[str, int], size: Size, facts: FlavorFacts) -> dict[str, int]:
    """``resources`` with CPU and memory as ``size`` has them.

    What the flavor fixes by resource class (``resources:VCPU``) stays as the operator wants it.
    """
    changed = dict(resources)
    if not facts.overrides(VCPU, PCPU):
        changed = {k: v for k, v in changed.items() if k not in (VCPU, PCPU)}
        changed.update(cpu_resources(size.vcpus, facts))
    if not facts.overrides(MEMORY_MB):
        changed[MEMORY_MB] = size.memory_mb
    return {k: v for k, v in changed.items() if v > 0}


def allocated_size(resources: Mapping[str, int], facts: FlavorFacts) -> Size:
    """The size that an allocation is for: the inverse of :func:`resized`.

    Of a resource that the flavor fixes by its class it is the flavor's, whatever Placement holds:
    it cannot be adjusted, and the operator has said what it shall count.
    """
    cpus = resources.get(VCPU, 0) + resources.get(PCPU, 0)
    if facts.dedicated_vcpus and facts.isolated_emulator:
        cpus -= 1
    memory_mb = resources.get(MEMORY_MB, 0)
    return Size(
        facts.maximum.vcpus if facts.overrides(VCPU, PCPU) else max(0, cpus),
        facts.maximum.memory_mb if facts.overrides(MEMORY_MB) else memory_mb,
    )


def most_of(inventory: Mapping[str, float]) -> int:
    """The largest amount of a class that a provider could ever give to one consumer."""
    return min(free(inventory, 0), int(inventory["max_unit"]))


def never_fits(facts: FlavorFacts, most: Mapping[str, int]) -> str | None:
    """Why a host can never hold the flavor's maximum, as a sentence; None: an empty one could.

    Stock Nova claims all of the flavor at once, so such a host is no candidate there either. Of a
    class that the flavor fixes (``resources:VCPU``) the claim itself decides.

    :param most: the most that one consumer could have of each class; a class that is not there is
        one that the host does not have
    """
    maximum = facts.maximum
    amounts = {}
    if not facts.overrides(VCPU, PCPU):
        amounts = cpu_resources(maximum.vcpus, facts)
        if PCPU in amounts and PCPU not in most:
            # A host from before there was PCPU: Nova's second query asks it for VCPU.
            amounts = {VCPU: maximum.vcpus}
    if not facts.overrides(MEMORY_MB):
        amounts[MEMORY_MB] = maximum.memory_mb
    for resource_class, amount in amounts.items():
        limit = most.get(resource_class, 0)
        if amount > limit:
            return (
                f"the flavor's maximum is {amount} {resource_class}, and the host can never give "
                f"more than {limit} to one instance"
            )
    return None


def capacity(inventory: Mapping[str, float]) -> float:
    """How much of one resource class a provider can give: Placement's own formula.

    ``reserved`` of an inventory is what the host keeps for itself, and no size of an instance.
    """
    return (inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"]


def free(inventory: Mapping[str, float], used: int) -> int:
    """What is free of one resource class: its capacity less what is used of it."""
    return max(0, int(capacity(inventory)) - used)


@dataclass(frozen=True, slots=True)
class Judged:
    """An amount of one resource class, held against what its provider has of it.

    :ivar asked: the amount that one consumer is to have
    :ivar free: how much that consumer could have; what it has now is free to it
    :ivar fault: why Placement does not take the amount, for people; empty if it does
    :ivar has_too_little: the fault is that less is free
    """

    name: str
    asked: int
    free: int
    fault: str = ""
    has_too_little: bool = False

    def __str__(self) -> str:
        return f"{self.name}: asked {self.asked}, free {self.free}" + (
            f" ({self.fault})" if self.fault else ""
        )


def judged(
    asked: Mapping[str, int],
    held: Mapping[str, int],
    inventories: Mapping[str, Mapping[str, float]],
    usages: Mapping[str, int],
) -> Iterator[Judged]:
    """What Placement makes of each class of ``asked``, by its own rules.

    :param asked: the resources that one consumer is to have of a provider
    :param held: those that it has
    :param usages: of all consumers of the provider, this one among them
    """
    for name, amount in asked.items():
        inventory = inventories.get(name)
        if inventory is None:
            yield Judged(name, amount, 0, "the host has no inventory of it")
            continue
        room = free(inventory, usages.get(name, 0) - held.get(name, 0))
        fault = _unit_fault(amount, inventory)
        has_too_little = not fault and amount > room
        if has_too_little:
            overfull = amount <= held.get(name, 0)
            fault = "the host is more than full" if overfull else "too much"
        yield Judged(name, amount, room, fault, has_too_little)


def _unit_fault(amount: int, inventory: Mapping[str, float]) -> str:
    most, least = int(inventory["max_unit"]), int(inventory["min_unit"])
    step = int(inventory["step_size"])
    if amount > most:
        return f"its max_unit is {most}: no server may have more"
    if amount < least:
        return f"its min_unit is {least}: no server may have less"
    if amount % step:
        return f"its step_size is {step}: only multiples of that"
    return ""


def refusal_of(
    words: str, amounts: Iterable[Judged], *, is_release: bool
) -> ClaimRefused | NoCapacity:
    """Why Placement refused amounts, with the classes that are at fault.

    :param words: Placement's own
    :param amounts: all that were asked for; none where they could not be compared
    :param is_release: no more was asked for than is held
    """
    amounts = list(amounts)
    at_fault = [one for one in amounts if one.fault]
    named = set(re.findall(r"\w+", words))
    # A host that is more than full in one class may be asked for another.
    at_fault = [one for one in at_fault if one.name in named] or at_fault
    why = "; ".join(str(one) for one in (at_fault if is_release else amounts))
    if not at_fault:
        # Of a provider beside the host's own, such as shared storage.
        why = words
    if is_release:
        # An event's details are cut at 255 characters: what matters comes first.
        return ClaimRefused(
            f"Placement refuses to release what is not needed now, and it stays reserved: {why}"
            + (" (Placement 14.0 and later take that)" if _is_overfull(at_fault) else "")
        )
    return NoCapacity(f"the host has no room for it; {why}; what it holds now counts as free to it")


def _is_overfull(at_fault: list[Judged]) -> bool:
    return bool(at_fault) and all(one.has_too_little for one in at_fault)
