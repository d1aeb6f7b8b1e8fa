# SPDX-License-Identifier: Apache-2.0
"""Another image for a server: whether its guest can be as small with it as what is claimed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.facts import FlavorFacts
from nova_xloud.core.sizing.fit import rebuild_refusal, refusal

MAXIMUM = Size(4, 1024)
PLAIN = FlavorFacts(MAXIMUM, extra_specs={"minimum_cpu": "1", "minimum_memory": "512"})
SMALL = Size(1, 512)


def of_image(**properties: str) -> FlavorFacts:
    return replace(PLAIN, image_properties=properties)


@pytest.mark.parametrize(
    "properties",
    [
        {"hw_locked_memory": "true"},
        {"hw_mem_page_size": "2MB"},
        {"hw_mem_encryption": "true"},
        {"hw_cpu_realtime": "true"},
    ],
    ids=str,
)
def test_an_image_that_pins_memory_needs_the_maximum(properties: dict[str, str]) -> None:
    why = refusal(SMALL, of_image(**properties))
    assert why is not None
    assert "1024 MiB" in why
    assert "512 MiB" in why
    assert refusal(Size(1, 1024), of_image(**properties)) is None


@pytest.mark.parametrize(
    ("properties", "needed"),
    [
        ({"hw_cpu_threads": "4"}, 4),
        ({"hw_cpu_threads": "2"}, 2),
        ({"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "2"}, 2),
        ({"hw_cpu_sockets": "1", "hw_cpu_cores": "1"}, 4),
    ],
    ids=str,
)
def test_an_image_with_threads_needs_whole_cores(properties: dict[str, str], needed: int) -> None:
    why = refusal(SMALL, of_image(**properties))
    assert why is not None
    assert f"would have {needed} vCPUs, and 1 are claimed" in why
    assert refusal(Size(needed, 512), of_image(**properties)) is None


def test_a_mask_of_dedicated_ones_needs_all_up_to_the_last() -> None:
    mixed = replace(of_image(hw_cpu_realtime_mask="^0-2"), dedicated_vcpus=1)
    why = refusal(SMALL, mixed)
    assert why is not None
    assert "would have 4 vCPUs, and 1 are claimed" in why


def test_rebuild_refusal_counts_the_images_min_ram_and_cpu_policy() -> None:
    assert rebuild_refusal(SMALL, PLAIN, replace(PLAIN, image_min_ram_mb=600)) is not None
    assert rebuild_refusal(Size(1, 600), PLAIN, replace(PLAIN, image_min_ram_mb=600)) is None
    # Who rescues does not keep it, and Nova asks nothing of it then.
    assert refusal(SMALL, replace(PLAIN, image_min_ram_mb=600)) is None
    dedicated = replace(PLAIN, dedicated_vcpus=4)
    why = rebuild_refusal(SMALL, PLAIN, dedicated)
    assert why == "with this image 1 PCPU would be needed, and 0 are claimed for the server"
    assert rebuild_refusal(SMALL, dedicated, PLAIN) is not None
    assert rebuild_refusal(SMALL, dedicated, dedicated) is None


def test_what_the_flavor_fixes_by_class_no_image_changes() -> None:
    fixed = replace(PLAIN, extra_specs={**PLAIN.extra_specs, "resources:PCPU": "4"})
    assert rebuild_refusal(Size(4, 512), fixed, replace(fixed, dedicated_vcpus=4)) is None


def test_an_image_that_changes_nothing_is_fine_at_any_size() -> None:
    for size in (SMALL, Size(2, 700), MAXIMUM):
        assert rebuild_refusal(size, PLAIN, PLAIN) is None
