# SPDX-License-Identifier: Apache-2.0
"""The record over a resize, and beside what others write into ``system_metadata``."""

from __future__ import annotations

import pytest

from nova_xloud.core.instance.desired import Desired, from_metadata, newer, replaced, resized_from
from nova_xloud.core.size import Size

SMALL, LARGE = "4:1024:small", "8:2048:large"
BOOT, LARGE_BOOT = Size(1, 512), Size(2, 640)
GROWN = Desired(Size(3, 768), generation=4)
OTHERS = {"image_min_ram": "0", "old_vm_state": "active"}


def resized() -> dict[str, str]:
    """Grown with the small flavor, then resized to the large one and not confirmed."""
    grown = replaced(OTHERS, GROWN, SMALL)
    return replaced(grown, Desired(LARGE_BOOT), LARGE, resized_from=SMALL)


def test_the_keys_of_others_stay() -> None:
    metadata = resized()
    assert {name: metadata[name] for name in OTHERS} == OTHERS


def test_until_it_is_confirmed_both_records_are_there() -> None:
    assert resized_from(resized()) == SMALL
    assert from_metadata(resized(), LARGE, LARGE_BOOT, SMALL) == Desired(LARGE_BOOT)
    assert from_metadata(resized(), SMALL, BOOT) == GROWN


def test_what_is_written_meanwhile_keeps_the_one_before() -> None:
    metadata = replaced(resized(), Desired(Size(2, 2048)), LARGE, resized_from=SMALL)
    assert from_metadata(metadata, LARGE, LARGE_BOOT, SMALL) == Desired(Size(2, 2048))
    assert from_metadata(metadata, SMALL, BOOT) == GROWN


def test_once_it_is_confirmed_the_next_record_is_alone() -> None:
    confirmed = replaced(resized(), Desired(Size(3, 640)), LARGE)
    assert from_metadata(confirmed, LARGE, LARGE_BOOT) == Desired(Size(3, 640))
    assert from_metadata(confirmed, SMALL, BOOT) == Desired(BOOT)
    assert resized_from(confirmed) is None


def test_old_record_of_the_new_flavor_counts_for_nothing() -> None:
    # It had the large one long ago, and is being resized to it again.
    once_large = replaced(OTHERS, Desired(Size(7, 1024)), LARGE)
    assert from_metadata(once_large, LARGE, LARGE_BOOT, SMALL) == Desired(LARGE_BOOT)


def test_record_changed_last_wins_over_a_stale_copy() -> None:
    before = replaced(OTHERS, Desired(BOOT), SMALL)
    after = replaced(before, GROWN, SMALL)
    stale = {**before, "theirs": "new"}
    kept = newer(stale, after)
    assert from_metadata(kept, SMALL, BOOT) == GROWN
    assert kept["theirs"] == "new"
    assert newer(after, before) == after


def test_who_has_read_no_record_takes_none_away() -> None:
    stored = replaced({}, GROWN, SMALL)
    assert newer({"theirs": "new"}, stored) == {**stored, "theirs": "new"}


def test_without_a_record_what_is_written_is_what_was_given() -> None:
    assert newer({"theirs": "new"}, {"gone": "old"}) == {"theirs": "new"}


@pytest.mark.parametrize("revision", ["", "x", "-1", None, "9" * 255])
def test_a_revision_that_nobody_can_read_is_older_than_any_change(revision: str | None) -> None:
    broken = {**replaced(OTHERS, GROWN, SMALL), "xloud_revision": revision}
    mended = replaced(broken, GROWN, SMALL)
    assert mended["xloud_revision"] == "1"
    assert newer(mended, broken) == mended
    assert newer({**broken, "theirs": "new"}, mended) == {**mended, "theirs": "new"}
    assert newer(broken, broken) == broken
