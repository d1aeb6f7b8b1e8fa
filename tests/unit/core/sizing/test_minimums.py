# SPDX-License-Identifier: Apache-2.0
"""Which extra specs are a minimum, and why the others are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.minimums import (
    ALL_SPECS,
    MEMORY_SPECS,
    NONE_NAMED,
    MemoryFloor,
    read_minimums,
    virtio_mem_problem,
)

MAXIMUM = Size(4, 1024)


@pytest.mark.parametrize(
    ("extra_specs", "vcpus", "memory_mb"),
    [
        ({}, None, None),
        ({"hw:cpu_policy": "shared"}, None, None),
        ({"minimum_cpu": "1"}, 1, None),
        ({"minimum_memory": "512"}, None, 512),
        ({"minimum_cpu": "1", "minimum_memory": "512"}, 1, 512),
        ({"xloud:minimum_cpu": "2", "xloud:minimum_memory": "256"}, 2, 256),
        ({"minimum_cpu": "2", "xloud:minimum_memory": "256"}, 2, 256),
        ({"minimum_cpu": "2", "xloud:minimum_cpu": "2"}, 2, None),
        ({"minimum_cpu": "2", "xloud:minimum_cpu": "02"}, 2, None),
        ({"minimum_memory": "512", "xloud:minimum_memory": "512"}, None, 512),
        ({"minimum_cpu": "4", "minimum_memory": "1024"}, 4, 1024),
        ({"minimum_cpu": "1", "minimum_memory": "1"}, 1, 1),
    ],
)
def test_a_usable_minimum_is_read_in_either_spelling(
    extra_specs: dict[str, str], vcpus: int | None, memory_mb: int | None
) -> None:
    found = read_minimums(extra_specs, MAXIMUM)
    assert (found.vcpus, found.memory_mb, found.problems) == (vcpus, memory_mb, ())


BAD_VALUES = [
    "",
    "0",
    "00",
    "-1",
    "+1",
    "1.0",
    "1e2",
    "0x2",
    " 1",
    "1 ",
    "1_0",
    "two",
    "None",
    "True",
    "\N{FULLWIDTH DIGIT ONE}",
    "\N{SUPERSCRIPT TWO}",
    "\N{ARABIC-INDIC DIGIT TWO}",
]


@pytest.mark.parametrize("name", ALL_SPECS)
@pytest.mark.parametrize("text", BAD_VALUES)
def test_a_bad_value_is_no_minimum_and_is_named(name: str, text: str) -> None:
    found = read_minimums({name: text}, MAXIMUM)
    assert (found.vcpus, found.memory_mb) == (None, None)
    (problem,) = found.problems
    assert name in problem
    assert repr(text) in problem


@pytest.mark.parametrize("name", ALL_SPECS)
def test_a_value_that_is_no_text_is_read_as_its_text(name: str) -> None:
    specs: dict[str, object] = {name: 2}
    found = read_minimums(specs, MAXIMUM)  # type: ignore[arg-type]
    assert 2 in (found.vcpus, found.memory_mb)
    specs = {name: None}
    assert read_minimums(specs, MAXIMUM).problems  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "too_large", "limit"),
    [
        ("minimum_cpu", "5", "4 vCPUs"),
        ("xloud:minimum_cpu", "5", "4 vCPUs"),
        ("minimum_memory", "1025", "1024 MiB"),
        ("xloud:minimum_memory", "1025", "1024 MiB"),
    ],
)
def test_larger_than_the_flavor_is_no_minimum_and_names_both_numbers(
    name: str, too_large: str, limit: str
) -> None:
    found = read_minimums({name: too_large}, MAXIMUM)
    assert (found.vcpus, found.memory_mb) == (None, None)
    (problem,) = found.problems
    assert f"{name}={too_large}" in problem
    assert limit in problem


@pytest.mark.parametrize(
    "specs",
    [
        {"minimum_cpu": "1", "xloud:minimum_cpu": "2"},
        {"minimum_memory": "512", "xloud:minimum_memory": "256"},
    ],
)
def test_two_spellings_that_differ_are_no_minimum_and_both_are_named(specs: dict[str, str]) -> None:
    found = read_minimums(specs, MAXIMUM)
    assert (found.vcpus, found.memory_mb) == (None, None)
    (problem,) = found.problems
    for name, text in specs.items():
        assert f"{name}={text}" in problem


def test_one_bad_spelling_is_not_covered_up_by_a_good_one() -> None:
    found = read_minimums({"minimum_cpu": "1", "xloud:minimum_cpu": "many"}, MAXIMUM)
    assert found.vcpus is None
    assert "xloud:minimum_cpu" in found.problems[0]


def test_a_bad_minimum_does_not_spoil_the_other_resource() -> None:
    found = read_minimums({"minimum_cpu": "9", "minimum_memory": "512"}, MAXIMUM)
    assert (found.vcpus, found.memory_mb) == (None, 512)
    assert len(found.problems) == 1


def test_each_resource_has_its_own_problem() -> None:
    assert len(read_minimums({"minimum_cpu": "9", "minimum_memory": "x"}, MAXIMUM).problems) == 2


@pytest.mark.parametrize(
    ("maximum_mb", "floor"),
    # 256 MiB; from 2401 MiB on 160 and the share; never more than the flavor has.
    [(64, 64), (256, 256), (1024, 256), (2400, 256), (8192, 488), (262144, 10646)],
)
def test_the_floor_is_a_number_or_a_share(maximum_mb: int, floor: int) -> None:
    assert MemoryFloor().of(maximum_mb) == floor


@pytest.mark.parametrize(
    ("maximum_mb", "measured_mb"), [(512, 160), (1024, 256), (2048, 184), (4096, 320)]
)
def test_the_floor_is_not_less_than_a_guest_was_seen_to_need(
    maximum_mb: int, measured_mb: int
) -> None:
    assert MemoryFloor().of(maximum_mb) >= measured_mb


def test_without_a_share_the_number_alone_counts() -> None:
    assert MemoryFloor(64, 0).of(262144) == 64


@pytest.mark.parametrize("maximum_mb", [256, 1024, 4096, 40960, 262144, 4194304])
def test_the_floor_leaves_room_for_the_descriptions_of_all_pages(maximum_mb: int) -> None:
    # 64 bytes a page, and 160 MiB for kernel, initramfs and system.
    assert MemoryFloor().of(maximum_mb) >= min(maximum_mb, maximum_mb / 64 + 160)


@pytest.mark.parametrize("name", MEMORY_SPECS)
def test_below_the_floor_it_is_the_floor_and_both_numbers_are_named(name: str) -> None:
    found = read_minimums({name: "64"}, MAXIMUM, 256)
    assert found.memory_mb == 256
    (problem,) = found.problems
    for words in (f"{name}=64", "256 MiB", "1024 MiB", "at least 256"):
        assert words in problem
    assert read_minimums({name: "256"}, MAXIMUM, 256).problems == ()


def test_a_flavor_below_the_floor_has_to_name_all_of_it() -> None:
    small = Size(1, 128)
    assert read_minimums({"minimum_memory": "64"}, small, 256).memory_mb == 128
    assert read_minimums({"minimum_memory": "128"}, small, 256).problems == ()


# Nova keeps 255 characters of a value.
SPECS = st.dictionaries(
    st.sampled_from([*ALL_SPECS, "hw:cpu_policy"]),
    st.one_of(st.text(max_size=255), st.integers(-2, 2000).map(str)),
)
SIZES = st.builds(Size, st.integers(1, 64), st.integers(1, 2000))


@given(SPECS, SIZES)
def test_read_minimum_is_within_the_flavor_or_none(specs: dict[str, str], maximum: Size) -> None:
    found = read_minimums(specs, maximum)
    assert found.vcpus is None or 1 <= found.vcpus <= maximum.vcpus
    assert found.memory_mb is None or 1 <= found.memory_mb <= maximum.memory_mb


@given(SPECS, SIZES)
def test_every_named_resource_has_a_minimum_or_a_problem(
    specs: dict[str, str], maximum: Size
) -> None:
    found = read_minimums(specs, maximum)
    named = {name.rpartition(":")[2] for name in specs if name in ALL_SPECS}
    usable = [value for value in (found.vcpus, found.memory_mb) if value is not None]
    assert len(named) == len(usable) + len(found.problems)
    assert named or found == NONE_NAMED


@pytest.mark.parametrize("value", ["true", "True", " TRUE ", "1", "yes", "on", "y", "t"])
@pytest.mark.parametrize("name", ALL_SPECS)
def test_virtio_mem_beside_a_minimum_is_a_problem_that_names_the_way_out(
    name: str, value: str
) -> None:
    problem = virtio_mem_problem({name: "1", "hw:mem_hotplug_virtio": value})
    assert problem is not None
    for words in (f"hw:mem_hotplug_virtio={value}", "the guest's balloon", "hw:machine_type"):
        assert words in problem


@pytest.mark.parametrize("value", ["false", "0", "no", "off", "", "perhaps"])
def test_virtio_mem_that_is_not_asked_for_is_no_problem(value: str) -> None:
    assert virtio_mem_problem({"minimum_cpu": "1", "hw:mem_hotplug_virtio": value}) is None


def test_virtio_mem_without_a_minimum_is_novas_alone() -> None:
    assert virtio_mem_problem({"hw:mem_hotplug_virtio": "true"}) is None
