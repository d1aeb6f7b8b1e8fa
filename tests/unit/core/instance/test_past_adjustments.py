# SPDX-License-Identifier: Apache-2.0
"""The ring of a server's last adjustments: what is kept, and how an outcome changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence.plan import AdjustRequest, desired_after
from nova_xloud.core.instance import history
from nova_xloud.core.instance.desired import Desired, from_metadata, replaced
from nova_xloud.core.instance.history import Entry, History
from nova_xloud.core.size import Size

AT, KEY = "2026-11-30T14:05:11Z", "4:1024:small"
NONE = History()
BOOT, GROWN, LARGE = Size(1, 512), Size(3, 768), Size(2**31 - 1, 2**31 - 1)


def admitted(*sizes: Size, past: History = NONE) -> History:
    """A history in which these sizes were asked for, one after another."""
    before = BOOT
    for number, size in enumerate(sizes, 1):
        past = past.admitted(AT, f"req-{number}", before, size, "somebody")
        before = size
    return past


def outcomes(past: History) -> list[str]:
    return [entry.outcome for entry in past.entries()]


def test_admitted_request_is_the_newest_entry() -> None:
    newest, older = admitted(GROWN, BOOT).entries()
    assert newest == Entry(2, AT, "req-2", GROWN, BOOT, "admitted", "xloud.admitted", "somebody")
    assert (older.number, older.before, older.after) == (1, BOOT, GROWN)


def test_no_more_than_ten_are_kept() -> None:
    past = admitted(*[GROWN, BOOT] * 12)
    assert [entry.number for entry in past.entries()] == list(range(24, 14, -1))
    assert set(past.to_metadata()) == {f"xloud_history_{place}" for place in range(10)}


def test_next_request_changes_two_keys_at_most() -> None:
    """So Nova's database writes two rows, the new entry and that of the one before it."""
    past = admitted(*[GROWN, BOOT] * 8)
    before, after = past.to_metadata(), admitted(GROWN, past=past).to_metadata()
    assert sum(before[key] != after[key] for key in after) == 2
    ended = past.ended("converged", "xloud.converged")
    assert sum(before[key] != value for key, value in ended.to_metadata().items()) == 1


def test_a_request_supersedes_one_that_is_under_way() -> None:
    _, older = admitted(GROWN, LARGE).entries()
    assert (older.outcome, older.code) == ("superseded", "xloud.admitted")
    deferred = admitted(GROWN).ended("deferred", "xloud.deferred")
    assert outcomes(admitted(LARGE, past=deferred)) == ["admitted", "superseded"]


@pytest.mark.parametrize("outcome", ["converged", "guest_refused", "failed", "gave_up"])
def test_a_request_leaves_what_has_an_outcome(outcome: str) -> None:
    past = admitted(GROWN).ended(outcome, f"xloud.{outcome}")
    assert outcomes(admitted(LARGE, past=past)) == ["admitted", outcome]


@pytest.mark.parametrize("first", ["deferred", "guest_refused", "failed"])
def test_later_run_may_still_reach_the_size(first: str) -> None:
    past = admitted(GROWN).ended(first, "xloud.x").ended("converged", "xloud.converged")
    (entry,) = past.entries()
    assert (entry.outcome, entry.code) == ("converged", "xloud.converged")


@pytest.mark.parametrize("final", ["converged", "gave_up"])
def test_what_happens_later_is_no_outcome(final: str) -> None:
    past = admitted(GROWN).ended(final, f"xloud.{final}")
    assert past.ended("failed", "xloud.failed") is past
    assert past.superseded() is past


def test_without_an_entry_nothing_ends() -> None:
    assert History().ended("converged", "xloud.converged") == History()
    assert History().superseded() == History().ended("failed", "") == History()


def test_a_value_has_room_in_the_column() -> None:
    past = History((str(Entry(10**15 - 2, AT, "", BOOT, BOOT, "converged", "x", "")),))
    past = past.admitted(AT, "req-" + "f" * 36, LARGE, LARGE, "u" * 255)
    past = past.ended("guest_refused", "xloud.guest_refused.vcpus_not_removed")
    assert max(map(len, past.to_metadata().values())) <= 255
    assert past.entries()[0].by == "u" * 64


@given(st.text(max_size=64), st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_what_is_written_is_read_again(by: str, vcpus: int, memory_mb: int) -> None:
    past = History().admitted(AT, "req-1", BOOT, Size(vcpus, memory_mb), by)
    assert history.read(past.to_metadata()).entries() == past.entries()
    assert past.entries()[0].by == by


@given(st.dictionaries(st.sampled_from([f"xloud_history_{n}" for n in range(10)]), st.text()))
def test_any_text_in_the_database_is_left_out(metadata: dict[str, str]) -> None:
    past = history.read({**metadata, "xloud_history_7": str(admitted(GROWN).entries()[0])})
    assert past.entries()
    assert len(admitted(LARGE, past=past).entries()) > 1


@pytest.mark.parametrize(
    "value", ["", "x", "0|a|b|1x1|1x1|c|d|e", "1|a|b|1|1x1|c|d|e", "1|a|b|1x1|0x1|c|d|e", "1|a"]
)
def test_an_entry_that_cannot_be_read_is_none(value: str) -> None:
    assert history.read({"xloud_history_1": value}).entries() == ()


class TestInTheRecord:
    asked = AdjustRequest(vcpus=3, memory_mb=768)

    def test_a_size_is_an_entry_with_who_asked(self) -> None:
        desired = desired_after(self.asked, Desired(BOOT), Desired(BOOT), AT, "req-1", "somebody")
        (entry,) = desired.history.entries()
        assert (entry.by, entry.before, entry.after) == ("somebody", BOOT, GROWN)
        assert (entry.at, entry.request_id) == (AT, "req-1")

    def test_automatic_growth_is_named_for_its_user(self) -> None:
        automatic = replace(self.asked, automatic=True)
        desired = desired_after(automatic, Desired(BOOT), Desired(BOOT), AT, "req-1", "ignored")
        assert desired.history.entries()[0].by == "autoscale"

    def test_a_mode_without_a_size_is_no_entry(self) -> None:
        mode = AdjustRequest(None, None, autoscale="on")
        assert desired_after(mode, Desired(BOOT), Desired(BOOT)).history == History()

    def test_it_is_kept_at_a_resize_and_over_its_revert(self) -> None:
        grown = replaced({}, Desired(GROWN, history=admitted(GROWN)), KEY)
        resized = from_metadata(grown, "8:2048:large", LARGE, KEY)
        # The scheduler has claimed the boot size, so nobody drives the guest to 3 / 768 any more.
        assert outcomes(resized.history) == ["superseded"]
        again = replace(resized, history=admitted(LARGE, past=resized.history))
        kept = replaced(grown, again, "8:2048:large", resized_from=KEY)
        assert outcomes(from_metadata(kept, "8:2048:large", LARGE, KEY).history) == [
            "admitted",
            "superseded",
        ]
        assert not [key for key in kept if key.startswith("xloud_before_history")]
        reverted = from_metadata(kept, KEY, BOOT)
        assert reverted.persisted == GROWN
        assert len(reverted.history.entries()) == 2

    def test_guest_that_stops_supersedes_a_size_until_then(self) -> None:
        live = Desired(BOOT, live=GROWN, history=admitted(GROWN))
        assert outcomes(live.restarted().history) == ["superseded"]
        persisted = Desired(GROWN, history=admitted(GROWN))
        assert outcomes(persisted.restarted().history) == ["admitted"]

    def test_equal_records_may_differ_in_their_history(self) -> None:
        with_it = Desired(GROWN, history=admitted(GROWN))
        assert with_it == Desired(GROWN)
        assert not with_it.same_record(Desired(GROWN))
        assert with_it.same_record(
            replace(with_it, history=history.read(with_it.history.to_metadata()))
        )


def test_who_has_changed_a_resource_last_is_told_for_each_resource() -> None:
    past = admitted(Size(3, 512)).admitted(AT, "req-2", Size(3, 512), GROWN, history.AUTOSCALE)
    assert past.by_autoscale(lambda size: size.memory_mb, GROWN.memory_mb)
    assert not past.by_autoscale(lambda size: size.memory_mb, 512), "as after a resize"
    assert not past.by_autoscale(lambda size: size.vcpus, GROWN.vcpus)
    assert not NONE.by_autoscale(lambda size: size.vcpus, 1)
