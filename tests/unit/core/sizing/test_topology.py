# SPDX-License-Identifier: Apache-2.0
"""Which vCPUs are dedicated, and how many threads a core has; tests/contract asks Nova as well."""

from __future__ import annotations

import itertools
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.sizing.topology import always_plugged, mask_ids, threads_per_core


@pytest.mark.parametrize(
    ("mask", "ids"),
    [
        ("0-1", {0, 1}),
        ("2, 5-7", {2, 5, 6, 7}),
        ("0-3,^1", {0, 2, 3}),
        ("0-5,^1-3", {0, 4, 5}),
        ("^0", {1, 2, 3, 4, 5, 6, 7}),
        (" ^0-5", {6, 7}),
        ("6-99999999999", {6, 7}),
        ("", set()),
        ("few", set()),
        ("1-", {1}),
        ("3-1", set()),
    ],
)
def test_mask_ids(mask: str, ids: set[int]) -> None:
    assert mask_ids(mask, 8) == ids


@pytest.mark.parametrize(
    ("dedicated", "specs", "image", "plugged"),
    [
        (0, {}, {}, 0),
        (8, {}, {}, 0),
        (2, {"hw:cpu_dedicated_mask": "0-1"}, {}, 2),
        (2, {"hw:cpu_dedicated_mask": "0,4"}, {}, 5),
        (7, {"hw:cpu_realtime_mask": "^0"}, {}, 8),
        (3, {"hw:cpu_realtime_mask": "^0"}, {"hw_cpu_realtime_mask": "1-3"}, 4),
        (2, {}, {}, 8),
        # It is not the mask that Nova counted.
        (3, {"hw:cpu_dedicated_mask": "0-1"}, {}, 8),
        (2, {"hw:cpu_dedicated_mask": "all"}, {}, 8),
    ],
)
def test_always_plugged(
    dedicated: int, specs: dict[str, str], image: dict[str, str], plugged: int
) -> None:
    assert always_plugged(dedicated, 8, specs, image) == plugged


@pytest.mark.parametrize(
    ("specs", "image", "threads"),
    [
        ({}, {}, 1),
        ({"hw:cpu_threads": "2"}, {}, 2),
        ({"hw:cpu_sockets": "1", "hw:cpu_cores": "4", "hw:cpu_threads": "2"}, {}, 2),
        ({"hw:cpu_threads": "3"}, {}, 1),
        # 8 sockets fit as well as 2 threads do, and the fewest threads win.
        ({"hw:cpu_sockets": "8", "hw:cpu_threads": "2"}, {}, 1),
        ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "2"}, {}, 4),
        ({"hw:cpu_max_threads": "1", "hw:cpu_threads": "2"}, {}, 1),
        ({"hw:cpu_max_sockets": "2", "hw:cpu_max_cores": "2", "hw:cpu_max_threads": "8"}, {}, 2),
        ({"hw:cpu_threads": "2"}, {"hw_cpu_threads": "4"}, 4),
        ({"hw:cpu_threads": "2"}, {"hw_cpu_cores": "2"}, 1),
        ({"hw:cpu_threads": "2"}, {"hw_cpu_max_threads": "1"}, 1),
        ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "1", "hw:cpu_max_threads": "1"}, {}, 1),
    ],
)
def test_threads_per_core(specs: dict[str, str], image: dict[str, str], threads: int) -> None:
    assert threads_per_core(8, specs, image) == threads


PARTS = ("sockets", "cores", "threads", "max_sockets", "max_cores", "max_threads")
NAMED = st.dictionaries(st.sampled_from(PARTS), st.integers(1, 30), max_size=6)


@given(st.integers(1, 60), NAMED)
def test_threads_are_those_of_the_best_of_all_topologies(vcpus: int, named: dict[str, int]) -> None:
    asked = tuple(named.get(part, 0) for part in PARTS[:3])
    limits = tuple(named.get(part, vcpus) for part in PARTS[3:])
    if any(one > most for one, most in zip(asked, limits, strict=True)):
        asked = (0, 0, 0)
    possible = [
        topology
        for topology in itertools.product(range(1, vcpus + 1), repeat=3)
        if math.prod(topology) == vcpus
        and all(part <= most for part, most in zip(topology, limits, strict=True))
    ]

    def rank(topology: tuple[int, ...]) -> tuple[int, int]:
        return sum(a == b for a, b in zip(topology, asked, strict=True)), -topology[2]

    threads = -max(map(rank, possible))[1] if possible else 1
    specs = {f"hw:cpu_{part}": str(number) for part, number in named.items()}
    assert threads_per_core(vcpus, specs, {}) == threads


# The largest number that Nova takes, which is a prime, and one below with 1600 divisors.
@pytest.mark.parametrize("vcpus", [2**31 - 1, 2095133040])
@pytest.mark.parametrize(
    "specs",
    [
        {},
        {"hw:cpu_threads": "2"},
        {"hw:cpu_sockets": "7", "hw:cpu_max_cores": "60000"},
        {"hw:cpu_max_sockets": "40009", "hw:cpu_max_cores": "40009", "hw:cpu_max_threads": "9" * 9},
    ],
    ids=str,
)
def test_flavor_with_very_many_vcpus_takes_no_time(vcpus: int, specs: dict[str, str]) -> None:
    began = time.process_time()
    assert vcpus % threads_per_core(vcpus, specs, {}) == 0
    # A loop over the vCPUs takes minutes; this takes some milliseconds.
    assert time.process_time() - began < 5
