# SPDX-License-Identifier: Apache-2.0
"""Whatever is stored in a flavor or an image, there are bounds, and they are within the flavor.

An operator may have written it before nova-xloud was there, or past its checks; an image's owner
writes what he likes.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import bounds_of
from nova_xloud.core.sizing.facts import IMAGE_PROPERTIES, FlavorFacts
from nova_xloud.core.sizing.minimums import ALL_SPECS, MemoryFloor

NEIGHBOURS = (
    "minimum_cpus", "minimum_ram", "Minimum_CPU", " minimum_cpu", "xloud:minimum_cpu ", "xloud:",
    "xloud:autoscale", "minimum_cpu:", "MINIMUM_MEMORY", "hw:cpu_policy", "hw:cpu_dedicated_mask",
    "hw:cpu_realtime", "hw:cpu_realtime_mask", "hw:cpu_threads", "hw:cpu_max_threads",
    "hw:cpu_sockets", "hw:cpu_cores", "hw:mem_page_size", "hw:locked_memory", "hw:pmem",
    "hw:mem_encryption", "resources:VCPU", "resources1:MEMORY_MB", "resources:", "trait:", ":",
    "pci_passthrough:alias",
)  # fmt: skip
NUMBERS = st.integers(-(2**70), 2**70).map(str) | st.integers(0, 5000).map(str)
ODD = st.sampled_from(
    [
        *("", "0", "-1", "1.0", "1e2", " 1", "1\n", "\u0661", "0x2", "NaN", "inf", "None", "true"),
        *("^0", "0-", "0-99999999999", "^0-3,^1", "1" * 255, "9" * 5000, "large", "any"),
        *("\x00", "\ud800", "required"),
    ]
)
VALUES = NUMBERS | ODD | st.text(max_size=30)
SPECS = st.dictionaries(
    st.sampled_from(ALL_SPECS + NEIGHBOURS) | st.text(max_size=20), VALUES, max_size=8
)
IMAGES = st.dictionaries(st.sampled_from(IMAGE_PROPERTIES), VALUES, max_size=6)
MAXIMUM = st.builds(Size, st.integers(1, 512), st.integers(1, 2**24))


@given(SPECS, IMAGES, MAXIMUM, st.integers(0, 600), st.integers(-1, 2**31))
@example({"minimum_cpu": "9" * 5000}, {}, Size(4, 1024), 0, 0)
@example({"minimum_memory": "1" * 255}, {"hw_cpu_max_threads": "9" * 5000}, Size(4, 1024), 0, 0)
@example({"hw:cpu_threads": "9" * 18}, {"hw_cpu_max_sockets": "1"}, Size(512, 1024), 0, 0)
def test_there_are_bounds_within_the_flavor(
    specs: dict[str, str], image: dict[str, str], maximum: Size, dedicated: int, min_ram_mb: int
) -> None:
    facts = FlavorFacts(
        maximum,
        specs,
        image,
        dedicated_vcpus=dedicated,
        image_min_ram_mb=min_ram_mb,
        memory_floor_mb=MemoryFloor().of(maximum.memory_mb),
    )
    bounds = bounds_of(facts)
    assert bounds.maximum == maximum
    for size in (bounds.boot, bounds.minimum):
        assert 1 <= size.vcpus <= maximum.vcpus
        assert 1 <= size.memory_mb <= maximum.memory_mb
    assert bounds.boot.covers(bounds.minimum)
    assert bounds.vcpu_step >= 1
    assert all(len(problem.splitlines()) == 1 for problem in bounds.problems), bounds.problems


@given(st.dictionaries(st.sampled_from(NEIGHBOURS), VALUES))
def test_what_is_only_like_a_minimum_is_none(specs: dict[str, str]) -> None:
    bounds = bounds_of(FlavorFacts(Size(4, 1024), specs))
    assert not bounds.elastic
    assert bounds.problems == ()
