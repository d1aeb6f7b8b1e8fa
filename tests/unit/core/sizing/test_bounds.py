# SPDX-License-Identifier: Apache-2.0
"""Between what and what an instance may be, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, FlavorFacts, HostFacts, bounds_of

MAXIMUM = Size(8, 1024)
SMALL = {"minimum_cpu": "2", "minimum_memory": "512"}


def facts(
    specs: dict[str, str] | None = None, *, image: dict[str, str] | None = None, **other: Any
) -> FlavorFacts:
    return FlavorFacts(MAXIMUM, specs or {}, image or {}, **other)


@pytest.mark.parametrize(
    ("specs", "boot", "minimum", "elastic"),
    [
        ({}, Size(8, 1024), Size(1, 256), False),
        (SMALL, Size(2, 512), Size(2, 512), True),
        ({"minimum_cpu": "2"}, Size(2, 1024), Size(2, 256), True),
        ({"minimum_memory": "512"}, Size(8, 512), Size(1, 512), True),
        ({"minimum_memory": "100"}, Size(8, 100), Size(1, 100), True),
        ({"minimum_cpu": "8", "minimum_memory": "1024"}, Size(8, 1024), Size(8, 1024), False),
        ({"minimum_cpu": "9"}, Size(8, 1024), Size(1, 256), False),
    ],
)
def test_boot_minimum_and_elastic(
    specs: dict[str, str], boot: Size, minimum: Size, elastic: bool
) -> None:
    bounds = bounds_of(facts(specs))
    assert (bounds.boot, bounds.minimum, bounds.elastic) == (boot, minimum, elastic)
    assert bounds.maximum == MAXIMUM
    assert bounds.blockers == ()


def test_an_unusable_minimum_is_told() -> None:
    bounds = bounds_of(facts({"minimum_cpu": "9"}))
    assert [("minimum_cpu=9" in problem) for problem in bounds.problems] == [True]


def test_the_memory_floor_is_the_operators() -> None:
    bounds = bounds_of(facts(), HostFacts(memory_floor_mb=128))
    assert bounds.minimum == Size(1, 128)


def test_the_memory_floor_is_never_above_the_flavor() -> None:
    bounds = bounds_of(FlavorFacts(Size(1, 192)))
    assert bounds.minimum == Size(1, 192)


FLAVOR_BLOCKERS = [
    ({"hw:mem_page_size": "large"}, {}, MEMORY, "huge_pages"),
    ({"hw:mem_page_size": "any"}, {}, MEMORY, "huge_pages"),
    ({"hw:mem_page_size": "2MB"}, {}, MEMORY, "huge_pages"),
    ({"hw:mem_page_size": "1048576"}, {}, MEMORY, "huge_pages"),
    ({}, {"hw_mem_page_size": "LARGE"}, MEMORY, "huge_pages"),
    ({"hw:locked_memory": "true"}, {}, MEMORY, "locked_memory"),
    ({}, {"hw_locked_memory": "True"}, MEMORY, "locked_memory"),
    ({"hw:pmem": "6GB"}, {}, MEMORY, "vpmem"),
    ({"hw:cpu_realtime": "yes"}, {}, MEMORY, "realtime"),
    ({}, {"hw_cpu_realtime": "1"}, MEMORY, "realtime"),
    ({"hw:mem_encryption": "on"}, {}, MEMORY, "memory_encryption"),
    ({}, {"hw_mem_encryption": "true"}, MEMORY, "memory_encryption"),
    ({"pci_passthrough:alias": "gpu:1"}, {}, MEMORY, "vfio"),
    ({"accel:device_profile": "fpga"}, {}, MEMORY, "vfio"),
    ({"resources:VGPU": "1"}, {}, MEMORY, "vfio"),
    ({"resources1:VGPU": "1"}, {}, MEMORY, "vfio"),
    ({"resources_gpu:VGPU": "1"}, {}, MEMORY, "vfio"),
    ({"resources:VCPU": "4"}, {}, VCPUS, "resource_override"),
    ({"resources:PCPU": "4"}, {}, VCPUS, "resource_override"),
    ({"resources1:VCPU": "4"}, {}, VCPUS, "resource_override"),
    ({"resources:MEMORY_MB": "4096"}, {}, MEMORY, "resource_override"),
]


@pytest.mark.parametrize(("specs", "image", "resource", "why"), FLAVOR_BLOCKERS)
def test_what_blocks_in_flavor_or_image_has_its_stable_code(
    specs: dict[str, str], image: dict[str, str], resource: str, why: str
) -> None:
    (blocker,) = bounds_of(facts(specs, image=image)).blockers
    assert (blocker.resource, blocker.code) == (resource, f"xloud.blocked.{why}")
    assert blocker.message


@pytest.mark.parametrize(
    ("specs", "image"),
    [
        ({"hw:mem_page_size": "small"}, {}),
        ({"hw:locked_memory": "false"}, {}),
        ({"hw:cpu_realtime": "no"}, {"hw_mem_encryption": "0"}),
        ({"hw:cpu_policy": "dedicated"}, {}),
        ({"resources:CUSTOM_BAREMETAL": "1", "resources:VGPU_X": "1"}, {}),
        ({"resources:DISK_GB": "1", "trait:HW_CPU_X86_AVX": "required"}, {}),
        ({}, {"hw_mem_page_size": "small"}),
    ],
)
def test_what_does_not_block(specs: dict[str, str], image: dict[str, str]) -> None:
    bounds = bounds_of(facts({**SMALL, **specs}, image=image))
    assert bounds.blockers == ()
    assert bounds.boot == Size(2, 512)


def test_the_flavor_goes_before_the_image() -> None:
    bounds = bounds_of(facts({"hw:mem_page_size": "small"}, image={"hw_mem_page_size": "large"}))
    assert bounds.blockers == ()


@pytest.mark.parametrize(("specs", "image", "resource", "why"), FLAVOR_BLOCKERS)
def test_minimum_of_a_blocked_resource_is_ignored(
    specs: dict[str, str], image: dict[str, str], resource: str, why: str
) -> None:
    boot = bounds_of(facts({**SMALL, **specs}, image=image)).boot
    assert boot == (Size(2, 1024) if resource == MEMORY else Size(8, 512))


@pytest.mark.parametrize(("specs", "image", "resource", "why"), FLAVOR_BLOCKERS)
@pytest.mark.parametrize("named", [{}, SMALL])
def test_minimum_of_a_resource_that_the_flavor_blocks_is_its_maximum(
    specs: dict[str, str], image: dict[str, str], resource: str, why: str, named: dict[str, str]
) -> None:
    minimum = bounds_of(facts({**named, **specs}, image=image)).minimum
    assert getattr(minimum, resource) == getattr(MAXIMUM, resource)


@pytest.mark.parametrize(
    ("flavor", "image", "blocked"),
    [
        ("any", "small", False),
        ("large", "small", False),
        ("any", "2MB", True),
        ("any", "", True),
        ("small", "large", False),
    ],
)
def test_an_image_chooses_the_page_size_that_the_flavor_leaves_open(
    flavor: str, image: str, blocked: bool
) -> None:
    bounds = bounds_of(facts({"hw:mem_page_size": flavor}, image={"hw_mem_page_size": image}))
    assert bool(bounds.blockers) is blocked


def test_bounds_name_all_blockers_and_give_the_first_of_a_resource() -> None:
    bounds = bounds_of(
        facts({"hw:mem_page_size": "large", "hw:pmem": "6GB", "resources:VCPU": "4"}),
        HostFacts(balloon_device=False),
    )
    assert [(b.resource, b.why) for b in bounds.blockers] == [
        (MEMORY, "huge_pages"),
        (MEMORY, "vpmem"),
        (VCPUS, "resource_override"),
        (MEMORY, "no_balloon"),
    ]
    first = bounds.blocker_of(MEMORY)
    assert first is not None
    assert first.why == "huge_pages"


HOST_BLOCKERS = [
    (HostFacts(virt_type="lxc"), [(VCPUS, "hypervisor"), (MEMORY, "hypervisor")]),
    (HostFacts(virt_type="parallels"), [(VCPUS, "hypervisor"), (MEMORY, "hypervisor")]),
    (HostFacts(balloon_device=False), [(MEMORY, "no_balloon")]),
    (HostFacts(file_backed_memory=True), [(MEMORY, "file_backed_memory")]),
    (HostFacts(virt_type="qemu"), []),
    (HostFacts(virt_type="kvm"), []),
]


@pytest.mark.parametrize(("host", "found"), HOST_BLOCKERS)
def test_what_blocks_on_a_host_has_its_stable_code(
    host: HostFacts, found: list[tuple[str, str]]
) -> None:
    bounds = bounds_of(facts(SMALL), host)
    assert [(b.resource, b.why) for b in bounds.blockers] == found


@pytest.mark.parametrize(("host", "found"), HOST_BLOCKERS)
def test_a_host_never_changes_the_boot_size(host: HostFacts, found: list[tuple[str, str]]) -> None:
    scheduled = bounds_of(facts(SMALL))
    on_host = bounds_of(facts(SMALL), host)
    assert (on_host.boot, on_host.elastic) == (scheduled.boot, scheduled.elastic)


def mixed(mask: str, dedicated: int, **other: str) -> FlavorFacts:
    return facts({"hw:cpu_dedicated_mask": mask, **other}, dedicated_vcpus=dedicated)


@pytest.mark.parametrize(
    ("named", "flavor", "boot"),
    [
        ("1", mixed("0-3", 4), 4),
        ("4", mixed("0-3", 4), 4),
        ("6", mixed("0-3", 4), 6),
        # Not just as many as there are dedicated ones, but those.
        ("1", mixed("1", 1), 2),
        ("2", mixed("4-5", 2), 6),
        ("1", mixed("^0", 7), 8),
        # Which are dedicated is not known.
        ("1", facts(dedicated_vcpus=4), 8),
        ("1", facts(dedicated_vcpus=8), 1),
        ("2", facts(), 2),
    ],
)
def test_mixed_is_never_without_one_of_its_dedicated_cpus(
    named: str, flavor: FlavorFacts, boot: int
) -> None:
    bounds = bounds_of(replace(flavor, extra_specs={**flavor.extra_specs, "minimum_cpu": named}))
    assert (bounds.boot.vcpus, bounds.minimum.vcpus) == (boot, boot)


def test_mixed_without_minimum_boots_with_all_and_shrinks_to_dedicated() -> None:
    bounds = bounds_of(mixed("0-2", 3))
    assert (bounds.boot.vcpus, bounds.minimum.vcpus) == (8, 3)


@pytest.mark.parametrize(
    ("specs", "image", "step"),
    [
        ({}, {}, 1),
        ({"hw:cpu_threads": "2"}, {}, 2),
        ({}, {"hw_cpu_threads": "4"}, 4),
        ({"hw:cpu_threads": "2"}, {"hw_cpu_threads": "4"}, 4),
        # Nobody asked for threads, but all 8 in 2 cores leave no other way.
        ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "2"}, {}, 4),
        ({"hw:cpu_threads": "3"}, {}, 1),
        ({"hw:cpu_threads": "16"}, {}, 1),
        ({"hw:cpu_threads": "0"}, {}, 1),
        ({"hw:cpu_threads": "two"}, {}, 1),
        ({"hw:cpu_threads": "\N{SUPERSCRIPT TWO}"}, {}, 1),
    ],
)
def test_vcpu_step_is_the_threads_of_a_core_where_they_divide_the_flavor(
    specs: dict[str, str], image: dict[str, str], step: int
) -> None:
    assert bounds_of(facts(specs, image=image)).vcpu_step == step


@pytest.mark.parametrize(("named", "boot"), [("1", 2), ("2", 2), ("3", 4), ("8", 8)])
def test_a_minimum_is_raised_to_the_step(named: str, boot: int) -> None:
    bounds = bounds_of(facts({"minimum_cpu": named, "hw:cpu_threads": "2"}))
    assert (bounds.boot.vcpus, bounds.minimum.vcpus) == (boot, boot)


def test_the_floor_without_a_minimum_is_one_core() -> None:
    assert bounds_of(facts({"hw:cpu_threads": "4"})).minimum.vcpus == 4


def test_mixed_and_step_are_both_kept() -> None:
    bounds = bounds_of(mixed("0-2", 3, **{"minimum_cpu": "1", "hw:cpu_threads": "2"}))
    assert bounds.minimum.vcpus == 4


@st.composite
def any_facts(draw: st.DrawFn) -> FlavorFacts:
    maximum = Size(draw(st.integers(1, 32)), draw(st.integers(1, 4096)))
    number = st.integers(-1, 40).map(str)
    specs = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "minimum_cpu": number,
                "minimum_memory": st.integers(-1, 5000).map(str),
                "hw:cpu_threads": number,
                "hw:cpu_max_cores": number,
                "hw:cpu_dedicated_mask": st.sampled_from(["0", "0-1", "^0", "3", "x", "9-1"]),
                "hw:mem_page_size": st.sampled_from(["small", "large"]),
                "resources:VCPU": number,
            },
        )
    )
    return FlavorFacts(maximum, specs, {}, draw(st.integers(0, maximum.vcpus)))


@given(any_facts(), st.builds(HostFacts, memory_floor_mb=st.integers(64, 8192)))
def test_whatever_is_stored_the_bounds_are_in_order(flavor: FlavorFacts, host: HostFacts) -> None:
    bounds = bounds_of(flavor, host)
    assert bounds.minimum.vcpus >= 1
    assert bounds.minimum.memory_mb >= 1
    assert bounds.boot.covers(bounds.minimum)
    assert bounds.maximum.covers(bounds.boot)
    assert bounds.maximum == flavor.maximum


@given(any_facts())
def test_whatever_is_stored_the_bounds_are_on_the_step(flavor: FlavorFacts) -> None:
    bounds = bounds_of(flavor)
    for size in (bounds.boot, bounds.minimum, bounds.maximum):
        assert size.vcpus % bounds.vcpu_step == 0


@given(any_facts())
def test_a_flavor_that_names_no_minimum_boots_as_it_always_did(flavor: FlavorFacts) -> None:
    specs = {k: v for k, v in flavor.extra_specs.items() if not k.startswith("minimum_")}
    bounds = bounds_of(FlavorFacts(flavor.maximum, specs, {}, flavor.dedicated_vcpus))
    assert bounds.boot == flavor.maximum
    assert not bounds.elastic


def test_the_share_of_the_maximum_bounds_named_minimums_only() -> None:
    large = replace(facts(), maximum=Size(4, 262144), memory_floor_mb=10646)
    named = replace(large, extra_specs={"minimum_memory": "1024"})
    assert bounds_of(large).minimum.memory_mb == 256
    assert bounds_of(named).minimum.memory_mb == 10646
