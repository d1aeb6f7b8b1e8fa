# SPDX-License-Identifier: Apache-2.0
"""Sizes as Placement's resources, and whether a resource provider has room for them.

The functions convert between a size and an allocation, compute capacities from inventories, and
make the error for amounts that Placement refuses.

An allocation here is what ``GET /allocations/{consumer}`` returns as the ``resources`` of one
resource provider: ``{resource class: amount}``. Only the classes of CPU and memory are changed.
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
    """Return the amounts of ``VCPU`` and ``PCPU`` that are claimed for ``vcpus`` vCPUs.

    Without dedicated vCPUs all are VCPU. With the CPU policy ``dedicated`` all are PCPU. With
    ``mixed`` all dedicated vCPUs of the flavor are PCPU, even if ``vcpus`` is less, and the others
    are VCPU. With either policy isolated emulator threads take one more PCPU. The result may have
    amounts of 0; :func:`resized` drops them.
    """
    dedicated = facts.dedicated_vcpus
    if not dedicated:
        return {VCPU: vcpus}
    isolated = 1 if facts.isolated_emulator else 0
    if dedicated >= facts.maximum.vcpus:
        return {PCPU: vcpus + isolated}
    return {VCPU: max(0, vcpus - dedicated), PCPU: dedicated + isolated}


def resized(resources: Mapping[str, int], size: Size, facts: FlavorFacts) -> dict[str, int]:
    """Return the allocation ``resources`` with the CPU and memory amounts of ``size``.

    An amount that the flavor fixes by resource class (``resources:MEMORY_MB``) is left unchanged.
    If the flavor fixes one of VCPU and PCPU, both are left unchanged. If ``resources`` has VCPU and
    no PCPU, all vCPUs become VCPU, also the dedicated ones. Classes with an amount of 0 are left
    out.
    """
    changed = dict(resources)
    if not facts.overrides(VCPU, PCPU):
        changed = {k: v for k, v in changed.items() if k not in (VCPU, PCPU)}
        if _has_no_pcpu(resources, facts):
            changed[VCPU] = size.vcpus
        else:
            changed.update(cpu_resources(size.vcpus, facts))
    if not facts.overrides(MEMORY_MB):
        changed[MEMORY_MB] = size.memory_mb
    return {k: v for k, v in changed.items() if v > 0}


def allocated_size(resources: Mapping[str, int], facts: FlavorFacts) -> Size:
    """Return the size that an allocation is for.

    The vCPUs are the sum of VCPU and PCPU, without the PCPU of isolated emulator threads. For a
    resource that the flavor fixes by resource class (``resources:VCPU``) the result has the
    flavor's number, whatever Placement has: that resource cannot be adjusted, and the operator
    has chosen the amount that it counts for.
    """
    cpus = resources.get(VCPU, 0) + resources.get(PCPU, 0)
    if facts.dedicated_vcpus and facts.isolated_emulator and not _has_no_pcpu(resources, facts):
        cpus -= 1
    memory_mb = resources.get(MEMORY_MB, 0)
    return Size(
        facts.maximum.vcpus if facts.overrides(VCPU, PCPU) else max(0, cpus),
        facts.maximum.memory_mb if facts.overrides(MEMORY_MB) else memory_mb,
    )


def _has_no_pcpu(resources: Mapping[str, int], facts: FlavorFacts) -> bool:
    """Return whether an allocation has VCPU in place of PCPU for dedicated vCPUs.

    That is so on a host without an inventory of PCPU (``vcpu_pin_set`` without
    ``[compute] cpu_dedicated_set``). Nova's fallback query (``[workarounds]
    disable_fallback_pcpu_query``) asks such a host for VCPU alone, without one more for emulator
    threads. On any other host, an allocation for dedicated vCPUs has at least one PCPU.
    """
    return bool(facts.dedicated_vcpus and resources.get(VCPU) and not resources.get(PCPU))


def most_of(inventory: Mapping[str, float]) -> int:
    """Return the largest amount of a resource class that one consumer could get from a provider.

    That is the smaller of ``max_unit`` and the capacity, as if the provider had no other consumers.

    :param inventory: the provider's inventory of the class, as Placement returns it
    """
    return min(free(inventory, 0), int(inventory["max_unit"]))


def never_fits(facts: FlavorFacts, most: Mapping[str, int]) -> str | None:
    """Return why a host can never hold the flavor's maximum, as a clause; None if it could.

    For stock Nova, which claims the whole flavor at once, such a host is no candidate either. If
    the host has no inventory of PCPU, dedicated vCPUs are compared with the host's VCPU. A class
    that the flavor fixes (``resources:VCPU``) is not checked here: Placement checks it when it is
    claimed.

    :param most: by resource class, the most that one consumer can ever get of the host
        (:func:`most_of`); without the classes of which the host has no inventory
    """
    maximum = facts.maximum
    amounts = {}
    if not facts.overrides(VCPU, PCPU):
        amounts = cpu_resources(maximum.vcpus, facts)
        if PCPU in amounts and PCPU not in most:
            # A host from before there was PCPU: Nova's fallback query asks it for VCPU.
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
    """Return the capacity of one resource class for all consumers, by Placement's own formula.

    ``reserved`` of an inventory is the host reserve, and not the reserved size of an instance.
    """
    return (inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"]


def free(inventory: Mapping[str, float], used: int) -> int:
    """Return the capacity of one resource class, rounded down, less ``used``; at least 0."""
    return max(0, int(capacity(inventory)) - used)


@dataclass(frozen=True, slots=True)
class Judged:
    """An amount of one resource class, compared with what the resource provider has free.

    :ivar name: the resource class
    :ivar asked: the amount that one consumer is to have
    :ivar free: how much is free for that consumer, with the amount that it has now
    :ivar fault: why Placement may refuse the amount, for people; empty if there is no reason
    :ivar has_too_little: whether the fault is that less than ``asked`` is free. If the consumer has
        at least ``asked`` already, Placement 14.0 and later accept the amount all the same
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
    """Compare each amount of ``asked`` with what the provider has free for the consumer.

    What the consumer has now counts as free to it. The inventory's ``max_unit``, ``min_unit`` and
    ``step_size`` are checked too.

    :param asked: by resource class, the amount that one consumer is to have of a provider
    :param held: by resource class, the amount that this consumer has now
    :param inventories: by resource class, the provider's inventory
    :param usages: by resource class, the amount that all consumers of the provider have, this one
        included
    :returns: one :class:`Judged` for each resource class of ``asked``
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
    """Return the error for an allocation that Placement refuses, with the amounts in its message.

    :param words: Placement's own message; empty if Placement was not asked to write
    :param amounts: all amounts that were asked for; empty if they could not be compared
    :param is_release: whether no more was asked for than the consumer has now
    :returns: ``ClaimRefused`` with the amounts at fault if it is a release, else
        ``NoCapacity`` with all amounts. If ``words`` names resource classes at fault,
        ``ClaimRefused`` has only those. If no amount is at fault, the message has ``words`` in
        place of the amounts. What is recorded of the error has no amounts and no ``words``
    """
    amounts = list(amounts)
    at_fault = [one for one in amounts if one.fault]
    named = set(re.findall(r"\w+", words))
    # A host that is more than full in one class may still have been asked for another class.
    at_fault = [one for one in at_fault if one.name in named] or at_fault
    why = "; ".join(str(one) for one in (at_fault if is_release else amounts))
    if not at_fault:
        # The fault is with another provider than the host's own, such as shared storage.
        why = words
    of_what = ", ".join(one.name for one in at_fault)
    of_what = f" ({of_what})" if of_what else ""
    if is_release:
        # An event's details are cut at 255 characters, so what matters comes first.
        stays = "Placement refuses to release what is not needed now, so that stays reserved"
        accepted = " (Placement 14.0 and later accept that)" if _is_overfull(at_fault) else ""
        return ClaimRefused(f"{stays}: {why}{accepted}", f"{stays}{of_what}")
    no_room = "the host has no room for this size"
    return NoCapacity(
        f"{no_room}; {why}; what the server holds now counts as free to it",
        f"{no_room}{of_what}; the log of its nova-compute says what is free",
    )


def _is_overfull(at_fault: list[Judged]) -> bool:
    return bool(at_fault) and all(one.has_too_little for one in at_fault)
