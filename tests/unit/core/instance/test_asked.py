# SPDX-License-Identifier: Apache-2.0
"""What a person has asked for stays in the record, and holds for a while."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.instance.asked import Asked, AskedValue, read, seconds_of
from nova_xloud.core.instance.desired import (
    Desired,
    flavor_key,
    from_metadata,
    replaced,
    to_metadata,
)
from nova_xloud.core.size import Size

AT = "2026-11-30T12:00:00Z"
LATER = "2026-11-30T12:05:00Z"
SECONDS = 1796040000.0
KEY = flavor_key("f", Size(8, 4096))
BOOT = Size(1, 512)


def asked(vcpus: int | None, memory_mb: int | None, at: str = AT) -> Asked:
    return Asked().after(at, vcpus, memory_mb)


def test_time_is_utc() -> None:
    assert seconds_of(AT) == SECONDS
    assert seconds_of("yesterday") is None


@pytest.mark.parametrize(
    ("after", "held"),
    [(0, Size(4, 0)), (3599, Size(4, 0)), (3600, Size(0, 0)), (-60, Size(4, 0))],
)
def test_request_holds_for_an_hour(after: float, held: Size) -> None:
    assert asked(4, None).held(SECONDS + after, 3600) == held


@pytest.mark.parametrize(
    ("after", "held"),
    [(360, Size(6, 3072)), (3599, Size(6, 3072)), (3600, Size(6, 0)), (3900, Size(0, 0))],
)
def test_each_resource_holds_from_its_own_request_on(after: float, held: Size) -> None:
    both = asked(None, 3072).after(LATER, 6, None)
    assert both.held(SECONDS + after, 3600) == held


@pytest.mark.parametrize(
    "kept",
    [
        asked(4, 2048),
        asked(None, 2048),
        asked(4, None),
        asked(4, 2048).after(LATER, 6, None),
        asked(4, 2048).after(LATER, None, 1024),
    ],
    ids=str,
)
def test_what_was_asked_is_kept(kept: Asked) -> None:
    desired = Desired(Size(4, 2048), generation=1, asked=kept, autoscale=Mode.ON)
    assert from_metadata(to_metadata(desired, KEY), KEY, BOOT).same_record(desired)


def test_one_time_is_written_as_it_was_before_there_could_be_two() -> None:
    assert read(f"{AT}|4|2048") == asked(4, 2048)
    assert [str(asked(*sizes)) for sizes in ((4, 2048), (None, 2048), (4, None))] == [
        f"{AT}|4|2048", f"{AT}||2048", f"{AT}|4|"
    ]  # fmt: skip


def test_two_times_fit_into_the_column_of_the_database() -> None:
    largest = 10**15 - 1
    text = str(asked(largest, None).after(LATER, None, largest))
    assert len(text) <= 255
    assert read(text) == Asked(AskedValue(largest, AT), AskedValue(largest, LATER))


@pytest.mark.parametrize(
    "text",
    [None, "", "a|b|c", f"{AT}|4", f"{AT}|-4|", f"{AT}|4|x|y", f"{AT}|4|8|", f"{AT}|4|8|{AT}|9"],
)
def test_what_cannot_be_read_is_nothing_asked(text: str | None) -> None:
    assert read(text) is None


def test_asked_alone_makes_another_record_and_no_other_desire() -> None:
    one = Desired(Size(4, 2048), asked=asked(4, None))
    other = replace(one, asked=None)
    assert one == other
    assert not one.same_record(other)


@pytest.mark.parametrize("mode", list(Mode))
def test_requested_mode_survives_a_resize_and_its_revert(mode: Mode) -> None:
    before = Desired(Size(4, 2048), generation=3, autoscale=mode)
    metadata = replaced({}, before, KEY)
    larger = flavor_key("large", Size(16, 8192))
    resized = from_metadata(metadata, larger, Size(2, 1024), resized_from=KEY)
    assert (resized.persisted, resized.autoscale) == (Size(2, 1024), mode)
    metadata = replaced(metadata, resized, larger, resized_from=KEY)
    assert from_metadata(metadata, KEY, BOOT) == before


def test_mode_that_is_set_during_a_resize_counts_after_its_revert() -> None:
    metadata = replaced({}, Desired(Size(4, 2048), autoscale=Mode.ON), KEY)
    larger = flavor_key("large", Size(16, 8192))
    off = Desired(Size(2, 1024), autoscale=Mode.OFF)
    metadata = replaced(metadata, off, larger, resized_from=KEY)
    assert from_metadata(metadata, KEY, BOOT).autoscale is Mode.OFF


def test_unknown_mode_of_a_later_version_is_the_flavors() -> None:
    metadata = replaced({}, Desired(BOOT), KEY) | {"xloud_autoscale": "clever"}
    assert from_metadata(metadata, KEY, BOOT).autoscale is None
