# SPDX-License-Identifier: Apache-2.0
"""What was asked for, and how it outlives a process, a restart and a resize."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.instance.desired import (
    PREFIX,
    AdmittedRequest,
    Desired,
    flavor_key,
    from_metadata,
    to_metadata,
)
from nova_xloud.core.instance.lifecycle import NEVER_ADJUSTED, Condition, Event, Phase, Progress
from nova_xloud.core.size import Size
from tests.unit.core.instance.records import BOOT, KEY, asked, desireds, sizes


@given(desireds)
def test_a_record_comes_back_from_system_metadata_as_it_was(desired: Desired) -> None:
    assert from_metadata(to_metadata(desired, KEY), KEY, BOOT) == desired


def test_the_keys_and_values_of_a_record_are_what_the_docs_say() -> None:
    desired = Desired(
        Size(2, 768),
        live=Size(3, 1024),
        generation=7,
        removal_pending=1,
        force=True,
        progress=Progress(Phase.GUEST_REFUSED, "xloud.guest_refused.x", "why", "then", "req-1"),
        recorded_conditions=(Condition("RemovalUnsettled", True, "xloud.y", "in words", "before"),),
    )
    assert to_metadata(desired, KEY) == {
        "xloud_flavor": "4:1024:small",
        "xloud_generation": "7",
        "xloud_vcpus": "2",
        "xloud_memory_mb": "768",
        "xloud_live_vcpus": "3",
        "xloud_live_memory_mb": "1024",
        "xloud_removal_pending": "1",
        "xloud_force": "1",
        "xloud_phase": "guest_refused|then|xloud.guest_refused.x",
        "xloud_phase_message": "why",
        "xloud_request_id": "req-1",
        "xloud_condition_RemovalUnsettled": "before|xloud.y|in words",
    }


def test_what_is_not_there_has_no_key() -> None:
    assert set(to_metadata(Desired(Size(2, 768)), KEY)) == {
        "xloud_flavor",
        "xloud_generation",
        "xloud_vcpus",
        "xloud_memory_mb",
        "xloud_phase",
    }


@given(st.text("é|a", min_size=200, max_size=400))
def test_what_is_longer_than_a_column_is_cut_and_read_as_far_as_it_goes(message: str) -> None:
    desired = Desired(
        Size(2, 768),
        progress=Progress(Phase.FAILED, "xloud.failed", message, "then"),
        recorded_conditions=(Condition("Other", True, "xloud.other", message, "then"),),
    )
    written = to_metadata(desired, KEY)
    assert max(len(value) for value in written.values()) <= 255
    back = from_metadata(written, KEY, BOOT)
    assert back.progress == replace(desired.progress, message=message[:255])
    (condition,) = back.recorded_conditions
    assert (condition.since, condition.reason) == ("then", "xloud.other")
    assert condition.message
    assert message.startswith(condition.message)


@pytest.mark.parametrize("phase", ["dreaming", "", "dreaming|then|xloud.dreaming"])
def test_phase_of_another_version_is_read_as_not_finished(phase: str) -> None:
    written = to_metadata(Desired(Size(2, 768), live=Size(3, 1024), generation=7), KEY)
    back = from_metadata({**written, "xloud_phase": phase}, KEY, BOOT)
    assert (back.progress.phase, back.progress.code) == (Phase.ADMITTED, "xloud.admitted")
    assert not back.progress.finished
    assert not back.progress.reached
    assert (back.persisted, back.live, back.generation) == (Size(2, 768), Size(3, 1024), 7)


def test_a_record_of_the_version_before_has_no_phase_and_is_looked_at() -> None:
    written = {
        "xloud_flavor": KEY,
        "xloud_generation": "3",
        "xloud_vcpus": "2",
        "xloud_memory_mb": "768",
        "xloud_removal_pending": "1",
    }
    assert from_metadata(written, KEY, BOOT) == Desired(
        Size(2, 768),
        generation=3,
        removal_pending=1,
        progress=Progress(Phase.ADMITTED, "xloud.admitted"),
    )


def test_a_condition_of_a_later_version_is_kept() -> None:
    written = to_metadata(Desired(Size(2, 768)), KEY)
    back = from_metadata({**written, "xloud_condition_Moon": "then|xloud.moon|full"}, KEY, BOOT)
    assert back.recorded_conditions == (Condition("Moon", True, "xloud.moon", "full", "then"),)


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        ("", ("", "", "")),
        ("then", ("then", "", "")),
        ("then|xloud.moon", ("then", "xloud.moon", "")),
    ],
)
def test_half_a_condition_is_read_as_far_as_it_goes(
    value: str, condition: tuple[str, str, str]
) -> None:
    written = to_metadata(Desired(Size(2, 768)), KEY)
    (back,) = from_metadata(
        {**written, "xloud_condition_Moon": value}, KEY, BOOT
    ).recorded_conditions
    assert (back.since, back.reason, back.message) == condition


@given(desireds, st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_other_system_metadata_does_not_matter(desired: Desired, other: dict[str, str]) -> None:
    others = {k: v for k, v in other.items() if not k.startswith(PREFIX)}
    assert from_metadata({**others, **to_metadata(desired, KEY)}, KEY, BOOT) == desired


@given(desireds)
def test_a_record_is_texts_under_our_own_prefix(desired: Desired) -> None:
    for name, text in to_metadata(desired, KEY).items():
        assert name.startswith(PREFIX)
        # Nova keeps 255 characters of a value.
        assert isinstance(text, str)
        assert len(text) <= 255


@given(desireds)
def test_the_record_of_another_flavor_is_ignored(desired: Desired) -> None:
    written = to_metadata(desired, KEY)
    for other in (flavor_key("large", Size(4, 1024)), flavor_key("small", Size(4, 2048))):
        assert from_metadata(written, other, BOOT) == Desired(BOOT)


def test_an_instance_that_was_never_adjusted_is_wanted_as_it_booted() -> None:
    desired = from_metadata({}, KEY, BOOT)
    assert desired == Desired(BOOT, live=None, generation=0, removal_pending=None)
    assert desired.target == BOOT


@pytest.mark.parametrize("missing", ["xloud_vcpus", "xloud_memory_mb"])
def test_a_record_without_a_size_is_no_record(missing: str) -> None:
    written = to_metadata(Desired(Size(2, 768), generation=3), KEY)
    del written[missing]
    assert from_metadata(written, KEY, BOOT) == Desired(BOOT)


@pytest.mark.parametrize("missing", ["xloud_live_vcpus", "xloud_live_memory_mb"])
def test_half_a_live_size_is_none(missing: str) -> None:
    written = to_metadata(Desired(Size(2, 768), live=Size(3, 1024)), KEY)
    del written[missing]
    assert from_metadata(written, KEY, BOOT).live is None


def test_flavor_key_differs_for_a_flavor_made_anew_with_other_sizes() -> None:
    assert flavor_key("small", Size(4, 1024)) != flavor_key("small", Size(41, 24))
    assert flavor_key("small", Size(4, 1024)) != flavor_key("small", Size(8, 1024))


def test_a_long_flavorid_does_not_push_the_sizes_out_of_the_key() -> None:
    flavorid = "f" * 255
    assert flavor_key(flavorid, Size(4, 1024)) != flavor_key(flavorid, Size(8, 1024))


@given(st.text(max_size=255), sizes)
def test_a_flavor_key_fits_into_system_metadata(flavorid: str, maximum: Size) -> None:
    assert len(flavor_key(flavorid, maximum)) <= 255


@given(desireds, asked)
def test_what_is_asked_is_the_target_and_what_is_persisted_outlives_a_stop(
    desired: Desired, admitted: AdmittedRequest
) -> None:
    after = desired.after(admitted)
    assert (after.target, after.persisted) == (admitted.target, admitted.persisted)
    assert after.restarted().target == admitted.persisted


def test_what_is_persisted_as_it_is_leaves_nothing_to_forget() -> None:
    desired = Desired(Size(2, 768), live=Size(3, 1024))
    assert desired.after(AdmittedRequest(Size(2, 768), Size(2, 768))).live is None
    assert desired.after(AdmittedRequest(Size(2, 768), Size(2, 767))).live == Size(2, 768)


@given(desireds, asked)
def test_every_request_for_something_else_is_a_generation(
    desired: Desired, admitted: AdmittedRequest
) -> None:
    after = desired.after(admitted)
    another = (after.persisted, after.live, after.force) != (
        desired.persisted,
        desired.live,
        desired.force,
    )
    assert after.same_target(desired) is not another
    assert after.generation == desired.generation + another
    # Asked once more it is the same, whoever asks.
    assert after.after(admitted).generation == after.generation


@given(desireds, asked)
def test_admitted_request_names_who_asked_and_keeps_removal_and_conditions(
    desired: Desired, admitted: AdmittedRequest
) -> None:
    after = desired.after(admitted)
    assert (after.removal_pending, after.recorded_conditions) == (
        desired.removal_pending,
        desired.recorded_conditions,
    )
    assert after.force is admitted.force
    progress = after.progress
    assert (progress.phase, progress.code, progress.message, progress.request_id) == (
        Phase.ADMITTED,
        "xloud.admitted",
        "",
        admitted.request_id,
    )
    assert progress.since == desired.progress.after(Event.ADMIT, admitted.now).since


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"progress": NEVER_ADJUSTED}, True),
        ({"removal_pending": 1}, True),
        ({"generation": 9}, True),
        ({"recorded_conditions": (Condition("Other", True, "xloud.other", "", ""),)}, True),
        ({"persisted": Size(2, 769)}, False),
        ({"persisted": Size(3, 768)}, False),
        ({"live": None}, False),
        ({"live": Size(4, 1024)}, False),
        ({"force": True}, False),
    ],
    ids=str,
)
def test_the_same_wish_is_of_sizes_and_force_only(other: dict[str, Any], same: bool) -> None:
    one = Desired(Size(2, 768), live=Size(3, 1024), generation=3, progress=Progress(Phase.ADMITTED))
    assert one.same_target(replace(one, **other)) is same


@given(desireds)
def test_a_restart_forgets_what_was_of_the_running_guest_and_nothing_else(desired: Desired) -> None:
    after = desired.restarted()
    assert (after.live, after.removal_pending) == (None, None)
    assert after == replace(desired, live=None, removal_pending=None)
    assert after.restarted() == after


@pytest.mark.parametrize(
    ("live", "claim"),
    [
        (None, Size(2, 768)),
        (Size(1, 512), Size(2, 768)),
        (Size(4, 1024), Size(4, 1024)),
        (Size(1, 1024), Size(2, 1024)),
        (Size(4, 512), Size(4, 768)),
    ],
)
def test_claim_beside_a_live_size_is_never_below_the_persisted_size(
    live: Size | None, claim: Size
) -> None:
    assert Desired(Size(2, 768), live=live).claim == claim
