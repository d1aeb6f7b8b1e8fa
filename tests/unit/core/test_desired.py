# SPDX-License-Identifier: Apache-2.0
"""What was asked for, and how it outlives a process, a restart and a resize."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.desired import PREFIX, Desired, flavor_key, from_metadata, to_metadata
from nova_xloud.core.size import Size

BOOT = Size(1, 512)
KEY = flavor_key("small", Size(4, 1024))

sizes = st.builds(Size, st.integers(1, 512), st.integers(1, 2**40))
desireds = st.builds(
    Desired,
    persisted=sizes,
    live=st.none() | sizes,
    generation=st.integers(0, 2**31),
    removal_pending=st.none() | st.integers(1, 512),
)


@given(desireds)
def test_a_record_comes_back_from_system_metadata_as_it_was(desired: Desired) -> None:
    assert from_metadata(to_metadata(desired, KEY), KEY, BOOT) == desired


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


def test_a_flavor_key_names_the_sizes_so_that_a_flavor_made_anew_is_another() -> None:
    assert flavor_key("small", Size(4, 1024)) != flavor_key("small", Size(41, 24))
    assert flavor_key("small", Size(4, 1024)) != flavor_key("small", Size(8, 1024))


def test_a_long_flavorid_does_not_push_the_sizes_out_of_the_key() -> None:
    flavorid = "f" * 255
    assert flavor_key(flavorid, Size(4, 1024)) != flavor_key(flavorid, Size(8, 1024))


@given(st.text(max_size=255), sizes)
def test_a_flavor_key_fits_into_system_metadata(flavorid: str, maximum: Size) -> None:
    assert len(flavor_key(flavorid, maximum)) <= 255


@given(desireds, sizes)
def test_asked_to_persist_is_kept_and_ends_what_was_asked_until_a_stop(
    desired: Desired, size: Size
) -> None:
    after = desired.asked(size, persist=True)
    assert (after.persisted, after.live, after.target) == (size, None, size)
    assert after.restarted().target == size


@given(desireds, sizes)
def test_asked_not_to_persist_is_the_target_until_the_guest_stops(
    desired: Desired, size: Size
) -> None:
    after = desired.asked(size, persist=False)
    assert (after.persisted, after.target) == (desired.persisted, size)
    assert after.restarted().target == desired.persisted


def test_not_persisting_the_persisted_size_leaves_nothing_to_forget() -> None:
    desired = Desired(Size(2, 768), live=Size(3, 1024))
    assert desired.asked(Size(2, 768), persist=False).live is None


@given(desireds, sizes, st.booleans())
def test_every_request_is_a_generation(desired: Desired, size: Size, persist: bool) -> None:
    assert desired.asked(size, persist=persist).generation == desired.generation + 1


@given(desireds, sizes, st.booleans())
def test_a_request_does_not_settle_a_removal(desired: Desired, size: Size, persist: bool) -> None:
    after = desired.asked(size, persist=persist)
    assert after.removal_pending == desired.removal_pending


@given(desireds)
def test_a_restart_forgets_what_was_of_the_running_guest_and_nothing_else(desired: Desired) -> None:
    after = desired.restarted()
    assert (after.live, after.removal_pending) == (None, None)
    assert (after.persisted, after.generation) == (desired.persisted, desired.generation)
    assert after.restarted() == after


@pytest.mark.parametrize(
    ("live", "to_hold"),
    [
        (None, Size(2, 768)),
        (Size(1, 512), Size(2, 768)),
        (Size(4, 1024), Size(4, 1024)),
        (Size(1, 1024), Size(2, 1024)),
        (Size(4, 512), Size(4, 768)),
    ],
)
def test_a_size_that_is_not_persisted_releases_nothing_of_the_persisted_one(
    live: Size | None, to_hold: Size
) -> None:
    assert Desired(Size(2, 768), live=live).to_hold == to_hold
