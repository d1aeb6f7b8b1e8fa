# SPDX-License-Identifier: Apache-2.0
"""The arithmetic between a size and what Placement holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import (
    MEMORY_MB,
    PCPU,
    VCPU,
    allocated_size,
    cpu_resources,
    free,
    resized,
)
from nova_xloud.core.sizing.bounds import FlavorFacts


def facts(dedicated: int = 0, isolated: bool = False, vcpus: int = 8) -> FlavorFacts:
    return FlavorFacts(Size(vcpus, 4096), dedicated_vcpus=dedicated, isolated_emulator=isolated)


@pytest.mark.parametrize(
    ("vcpus", "flavor", "resources"),
    [
        (3, facts(), {VCPU: 3}),
        (3, facts(isolated=True), {VCPU: 3}),
        (3, facts(dedicated=8), {PCPU: 3}),
        (8, facts(dedicated=8), {PCPU: 8}),
        (3, facts(dedicated=8, isolated=True), {PCPU: 4}),
        (8, facts(dedicated=2), {VCPU: 6, PCPU: 2}),
        (3, facts(dedicated=2), {VCPU: 1, PCPU: 2}),
        (3, facts(dedicated=2, isolated=True), {VCPU: 1, PCPU: 3}),
        (2, facts(dedicated=2), {VCPU: 0, PCPU: 2}),
        (1, facts(dedicated=2), {VCPU: 0, PCPU: 2}),
        (1, facts(dedicated=1, vcpus=1), {PCPU: 1}),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
def test_vcpus_are_claimed_as(vcpus: int, flavor: FlavorFacts, resources: dict[str, int]) -> None:
    assert cpu_resources(vcpus, flavor) == resources


def test_what_is_not_cpu_or_memory_is_left_as_it_is() -> None:
    before = {VCPU: 1, MEMORY_MB: 512, "DISK_GB": 20, "CUSTOM_LICENSE": 1, "VGPU": 1}
    after = resized(before, Size(3, 768), facts())
    assert after == {VCPU: 3, MEMORY_MB: 768, "DISK_GB": 20, "CUSTOM_LICENSE": 1, "VGPU": 1}
    assert before[VCPU] == 1


def test_pcpus_do_not_stay_behind_when_the_class_changes() -> None:
    assert resized({PCPU: 4, MEMORY_MB: 512}, Size(2, 512), facts()) == {VCPU: 2, MEMORY_MB: 512}


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("dedicated", [2, 8])
def test_dedicated_vcpus_allocated_as_vcpu_stay_so(dedicated: int, isolated: bool) -> None:
    flavor, held = facts(dedicated, isolated), {VCPU: 4, MEMORY_MB: 512}
    assert allocated_size(held, flavor) == Size(4, 512)
    assert resized(held, Size(6, 512), flavor) == {VCPU: 6, MEMORY_MB: 512}


def test_an_allocation_of_nothing_is_a_size_of_nothing() -> None:
    assert allocated_size({}, facts()) == Size(0, 0)
    assert allocated_size({}, facts(dedicated=8, isolated=True)) == Size(0, 0)


def test_an_emulator_thread_is_not_a_vcpu() -> None:
    held = {PCPU: 4, MEMORY_MB: 512}
    assert allocated_size(held, facts(dedicated=8, isolated=True)) == Size(3, 512)
    assert allocated_size({VCPU: 4, MEMORY_MB: 512}, facts(isolated=True)) == Size(4, 512)


@st.composite
def flavors(draw: st.DrawFn) -> FlavorFacts:
    vcpus = draw(st.integers(1, 64))
    return facts(draw(st.integers(0, vcpus)), draw(st.booleans()), vcpus)


any_size = st.builds(Size, st.integers(0, 64), st.integers(0, 4096))
any_resources = st.dictionaries(
    st.sampled_from([VCPU, PCPU, MEMORY_MB, "DISK_GB", "VGPU", "CUSTOM_X"]), st.integers(1, 4096)
)


@st.composite
def flavors_and_vcpus(draw: st.DrawFn) -> tuple[FlavorFacts, int]:
    """A flavor and vCPUs that an instance of it can have: mixed never less than the dedicated."""
    flavor = draw(flavors())
    mixed = flavor.dedicated_vcpus < flavor.maximum.vcpus
    least = max(1, flavor.dedicated_vcpus) if mixed else 1
    return flavor, draw(st.integers(least, flavor.maximum.vcpus))


@given(any_resources, flavors_and_vcpus(), st.integers(0, 4096))
def test_size_held_is_the_inverse_of_resized(
    before: dict[str, int], flavor_and_vcpus: tuple[FlavorFacts, int], memory_mb: int
) -> None:
    flavor, vcpus = flavor_and_vcpus
    size = Size(vcpus, memory_mb)
    assert allocated_size(resized(before, size, flavor), flavor) == size


@given(any_resources, any_size, flavors())
def test_an_amount_is_never_negative_and_never_zero(
    before: dict[str, int], size: Size, flavor: FlavorFacts
) -> None:
    assert all(amount > 0 for amount in resized(before, size, flavor).values())
    assert all(amount >= 0 for amount in cpu_resources(size.vcpus, flavor).values())


@given(any_resources, any_size, flavors())
def test_other_resource_classes_are_never_touched(
    before: dict[str, int], size: Size, flavor: FlavorFacts
) -> None:
    ours = {VCPU, PCPU, MEMORY_MB}
    after = resized(before, size, flavor)
    assert {k: v for k, v in after.items() if k not in ours} == {
        k: v for k, v in before.items() if k not in ours
    }


@given(any_resources, flavors())
def test_a_size_held_is_never_negative(resources: dict[str, int], flavor: FlavorFacts) -> None:
    assert allocated_size(resources, flavor).covers(Size(0, 0))


@pytest.mark.parametrize(
    ("total", "reserved", "ratio", "used", "left"),
    [
        (16, 0, 1.0, 0, 16),
        (16, 2, 1.0, 4, 10),
        (16, 2, 4.0, 4, 52),
        (10, 1, 1.5, 0, 13),
        (10, 0, 0.25, 0, 2),
        (16, 0, 1.0, 16, 0),
        (16, 0, 1.0, 20, 0),
        (16, 16, 2.0, 0, 0),
    ],
)
def test_free_is_capacity_less_usage_and_never_negative(
    total: int, reserved: int, ratio: float, used: int, left: int
) -> None:
    inventory = {"total": total, "reserved": reserved, "allocation_ratio": ratio}
    assert free(inventory, used) == left
