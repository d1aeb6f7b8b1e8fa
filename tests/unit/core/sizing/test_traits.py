# SPDX-License-Identifier: Apache-2.0
"""What a host must be able to do, and says that it can."""

from __future__ import annotations

import pytest

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts, HostFacts, bounds_of
from nova_xloud.core.sizing.traits import MEMORY_TRAIT, VCPUS_TRAIT, needed_by, offered_by

MAXIMUM = Size(4, 1024)


@pytest.mark.parametrize(
    ("size", "needed"),
    [
        (MAXIMUM, ()),
        (Size(3, 1024), (VCPUS_TRAIT,)),
        (Size(4, 512), (MEMORY_TRAIT,)),
        (Size(1, 512), (VCPUS_TRAIT, MEMORY_TRAIT)),
    ],
)
def test_only_less_than_the_maximum_needs_a_host_that_can(
    size: Size, needed: tuple[str, ...]
) -> None:
    assert needed_by(size, MAXIMUM) == needed


@pytest.mark.parametrize(
    ("host", "offered"),
    [
        (HostFacts(), (VCPUS_TRAIT, MEMORY_TRAIT)),
        (HostFacts(virt_type="qemu"), (VCPUS_TRAIT, MEMORY_TRAIT)),
        (HostFacts(virt_type="lxc"), ()),
        (HostFacts(balloon_device=False), (VCPUS_TRAIT,)),
        (HostFacts(file_backed_memory=True), (VCPUS_TRAIT,)),
    ],
)
def test_a_host_offers_what_nothing_of_it_blocks(host: HostFacts, offered: tuple[str, ...]) -> None:
    assert offered_by(bounds_of(FlavorFacts(MAXIMUM), host)) == offered
