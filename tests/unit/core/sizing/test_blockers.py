# SPDX-License-Identifier: Apache-2.0
"""What kinds of guests and hosts cannot, by architecture, machine, encryption and system."""

from __future__ import annotations

import pytest

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, FlavorFacts, HostFacts, bounds_of
from nova_xloud.core.sizing.traits import MEMORY_TRAIT, VCPUS_TRAIT, offered_by

MAXIMUM = Size(4, 1024)
SMALL = {"minimum_cpu": "1", "minimum_memory": "512"}


def of_image(**properties: str) -> FlavorFacts:
    return FlavorFacts(MAXIMUM, SMALL, properties)


@pytest.mark.parametrize(
    "properties",
    [
        {"hw_architecture": "aarch64"},
        {"hw_emulation_architecture": "aarch64"},
        {"hw_architecture": "x86_64", "hw_emulation_architecture": "riscv64"},
        {"hw_machine_type": "virt"},
        {"hw_machine_type": "microvm"},
        {"hw_machine_type": "isapc"},
        {"hw_machine_type": "none"},
        {"hw_architecture": "x86_64", "hw_machine_type": "virt-7.2"},
        {"hw_architecture": "s390x", "hw_machine_type": "q35"},
        {"hw_architecture": "mips"},
    ],
)
def test_an_image_without_vcpu_hotplug_blocks_vcpus_everywhere(properties: dict[str, str]) -> None:
    bounds = bounds_of(of_image(**properties))
    blocker = bounds.blocker_of(VCPUS)
    assert blocker is not None
    assert blocker.code == "xloud.blocked.vcpu_hotplug"
    # It starts with what it is claimed with: all vCPUs, and the memory is not blocked.
    assert (bounds.boot, bounds.blocker_of(MEMORY)) == (Size(4, 512), None)


@pytest.mark.parametrize(
    "properties",
    [
        {"hw_architecture": "x86_64"},
        {"hw_architecture": "i686", "hw_machine_type": "pc-i440fx-7.2"},
        {"hw_machine_type": "pc-q35-rhel9.4.0"},
        {"hw_machine_type": "q35"},
        {"hw_machine_type": "ubuntu-q35"},
        {"hw_architecture": "ppc64le", "hw_machine_type": "pseries-7.2"},
        {"hw_emulation_architecture": "s390x", "hw_machine_type": "s390-ccw-virtio-8.2"},
    ],
)
def test_an_image_with_vcpu_hotplug_blocks_nothing(properties: dict[str, str]) -> None:
    assert bounds_of(of_image(**properties)).blockers == ()


@pytest.mark.parametrize(
    ("architecture", "machine", "plugs"),
    [
        (None, None, True),
        ("x86_64", None, True),
        ("x86_64", "pc", True),
        ("ppc64le", "pseries", True),
        ("s390x", "s390-ccw-virtio", True),
        ("x86_64", "microvm", False),
        ("aarch64", "virt", False),
        ("riscv64", None, False),
    ],
)
def test_a_host_offers_what_its_guests_can(
    architecture: str | None, machine: str | None, plugs: bool
) -> None:
    host = HostFacts(architecture=architecture, machine=machine)
    bounds = bounds_of(FlavorFacts(MAXIMUM, SMALL), host)
    assert (VCPUS_TRAIT in offered_by(bounds)) is plugs
    assert MEMORY_TRAIT in offered_by(bounds)
    # What a host adds does not change the boot size.
    assert bounds.boot == Size(1, 512)


ENCRYPTED = {"hw:mem_encryption": "true"}


@pytest.mark.parametrize(
    ("specs", "image", "vcpus"),
    [
        (ENCRYPTED, {}, False),
        (ENCRYPTED | {"hw:mem_encryption_model": "amd-sev"}, {}, False),
        (ENCRYPTED | {"hw:mem_encryption_model": "amd-sev-es"}, {}, True),
        (ENCRYPTED | {"hw:mem_encryption_model": "AMD-SEV-SNP"}, {}, True),
        (ENCRYPTED, {"hw_mem_encryption_model": "intel-tdx"}, True),
        ({}, {"hw_mem_encryption": "True", "hw_mem_encryption_model": "a-later-one"}, True),
        ({"trait:HW_CPU_X86_AMD_SEV_ES": "required"}, {}, True),
        ({"trait1:HW_CPU_X86_INTEL_TDX": "required"}, {}, True),
        ({}, {"traits_required": "['HW_CPU_X86_AMD_SEV_SNP']"}, True),
    ],
)
def test_encryption_of_more_than_memory_blocks_vcpus_too(
    specs: dict[str, str], image: dict[str, str], vcpus: bool
) -> None:
    bounds = bounds_of(FlavorFacts(MAXIMUM, SMALL | specs, image))
    blocked = {b.resource for b in bounds.blockers if b.why == "memory_encryption"}
    assert blocked == ({VCPUS, MEMORY} if vcpus else {MEMORY})
    assert bounds.boot == Size(4 if vcpus else 1, 1024)


@pytest.mark.parametrize(
    "specs",
    [
        {"trait:HW_CPU_X86_AMD_SEV": "required"},
        {"trait:HW_CPU_X86_AMD_SEV_ES": "forbidden"},
        {"hw:mem_encryption_model": "amd-sev-es"},
    ],
)
def test_what_encrypts_nothing_blocks_nothing(specs: dict[str, str]) -> None:
    assert bounds_of(FlavorFacts(MAXIMUM, SMALL | specs)).blockers == ()


@pytest.mark.parametrize(
    ("properties", "host", "kept"),
    [
        ({"os_type": "windows"}, HostFacts(), True),
        ({"os_distro": "windows"}, HostFacts(), True),
        ({"os_type": "linux", "os_distro": "freebsd"}, HostFacts(), True),
        ({"hw_architecture": "s390x"}, HostFacts(), True),
        ({}, HostFacts(architecture="s390x"), True),
        ({"hw_architecture": "x86_64"}, HostFacts(architecture="s390x"), False),
        ({"os_type": "linux", "os_distro": "debian"}, HostFacts(architecture="x86_64"), False),
        ({}, HostFacts(), False),
    ],
)
def test_who_keeps_vcpus(properties: dict[str, str], host: HostFacts, kept: bool) -> None:
    bounds = bounds_of(of_image(**properties), host)
    assert (bounds.removal is not None) is kept
    # That is no blocker: it grows, and boots with its minimum.
    assert bounds.blocker_of(VCPUS) is None
    assert bounds.boot == Size(1, 512)
