# SPDX-License-Identifier: Apache-2.0
"""Which vCPUs are dedicated, and how many threads a core has; tests/contract asks Nova as well."""

from __future__ import annotations

import pytest

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
