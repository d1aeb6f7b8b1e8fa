# SPDX-License-Identifier: Apache-2.0
"""Records that nobody can have written: the columns count instead, until an adjustment."""

from __future__ import annotations

from typing import Any

import pytest

from nova_xloud.core.instance.desired import (
    AdmittedRequest,
    Desired,
    read_record,
    recorded_instead,
    to_metadata,
)
from nova_xloud.core.instance.values import UnreadableRecord
from nova_xloud.core.size import Size
from tests.unit.core.instance.records import BOOT, KEY

ADJUSTED = to_metadata(Desired(Size(2, 768), live=Size(3, 1024), generation=7), KEY)
HUGE = "9" * 255
MAXIMUM = Size(4, 1024)


@pytest.mark.parametrize(
    "broken",
    [
        {"xloud_vcpus": "many"},
        {"xloud_vcpus": "0"},
        {"xloud_vcpus": "-2"},
        {"xloud_vcpus": " 2"},
        {"xloud_vcpus": "2.0"},
        {"xloud_vcpus": "٢"},
        {"xloud_vcpus": ""},
        {"xloud_vcpus": None},
        {"xloud_vcpus": "5"},
        {"xloud_vcpus": HUGE},
        {"xloud_memory_mb": "1e3"},
        {"xloud_memory_mb": "1025"},
        {"xloud_memory_mb": HUGE},
        {"xloud_live_vcpus": "0"},
        {"xloud_live_memory_mb": "4096"},
        {"xloud_removal_pending": ""},
        {"xloud_removal_pending": HUGE},
        {"xloud_generation": "-1"},
        {"xloud_generation": "seven"},
        {"xloud_flavor": ""},
        {"xloud_flavor": "small"},
        {"xloud_flavor": f"{HUGE}:1024:small"},
    ],
    ids=str,
)
def test_a_value_that_nobody_wrote_makes_the_record_unreadable(broken: dict[str, Any]) -> None:
    record = {**ADJUSTED, **broken}
    with pytest.raises(UnreadableRecord):
        read_record(record, KEY, BOOT, MAXIMUM)
    instead = recorded_instead(record, Size(3, 900), MAXIMUM)
    assert (instead.persisted, instead.live, instead.readable) == (Size(3, 900), None, False)


@pytest.mark.parametrize("name", ["xloud_flavor", "xloud_vcpus", "xloud_live_memory_mb"])
def test_a_key_that_is_missing_makes_it_unreadable_too(name: str) -> None:
    record = {key: value for key, value in ADJUSTED.items() if key != name}
    with pytest.raises(UnreadableRecord):
        read_record(record, KEY, BOOT, MAXIMUM)


@pytest.mark.parametrize(
    "odd",
    [
        {"xloud_phase": ""},
        {"xloud_phase": "dancing|then|xloud.dancing"},
        {"xloud_phase": "|||||"},
        {"xloud_phase": None},
        {"xloud_condition_RemovalUnsettled": ""},
        {"xloud_condition_Unheard": "no structure"},
        {"xloud_condition_": None},
    ],
    ids=str,
)
def test_what_is_only_said_of_it_is_read_as_far_as_it_goes(odd: dict[str, Any]) -> None:
    assert read_record({**ADJUSTED, **odd}, KEY, BOOT, MAXIMUM).target == Size(3, 1024)


def test_what_is_held_counts_up_to_the_flavors_maximum() -> None:
    instead = recorded_instead({}, Size(9, 4096), MAXIMUM)
    assert instead == Desired(MAXIMUM, readable=False)


def test_an_adjustment_repairs_it_and_counts_even_one_to_what_it_has() -> None:
    instead = recorded_instead(ADJUSTED, Size(3, 900), MAXIMUM)
    after = instead.after(AdmittedRequest(Size(3, 900), Size(3, 900), now="now"))
    assert (after.generation, after.readable) == (8, True)
