# SPDX-License-Identifier: Apache-2.0
"""When a guest was first seen running."""

from __future__ import annotations

from nova_xloud.compute.boots import Boots
from nova_xloud.testing import ManualClock

GRACE = 120.0


def boots(grace: float = GRACE) -> tuple[Boots, ManualClock]:
    """Of a service that began when nothing ran."""
    clock = ManualClock()
    known = Boots(clock.now, grace)
    known.were_there({})
    return known, clock


def test_before_it_is_known_what_ran_already_nobody_is_taken_for_one_that_boots() -> None:
    clock = ManualClock()
    known = Boots(clock.now, GRACE)
    assert not known.booting("one", 7)
    known.were_there({"other": 8})
    # And that it was asked for before is not what makes it one that has been running.
    assert known.booting("one", 7)
    assert not known.booting("other", 8)


def test_a_guest_is_booting_for_as_long_as_the_grace_after_it_was_first_seen() -> None:
    known, clock = boots()
    assert known.booting("one", 7)
    clock.advance(GRACE - 0.5)
    assert known.booting("one", 7)
    clock.advance(0.5)
    assert not known.booting("one", 7)
    clock.advance(10 * GRACE)
    assert not known.booting("one", 7)


def test_without_a_grace_none_is_ever_booting() -> None:
    known, _ = boots(grace=0)
    assert not known.booting("one", 7)


def test_a_guest_that_is_off_is_not_booting_and_its_next_start_is_a_new_one() -> None:
    known, clock = boots()
    assert known.booting("one", 7)
    clock.advance(GRACE)
    assert not known.booting("one", None)
    assert not known.booting("one", 7)
    assert known.booting("one", 8)


def test_each_instance_has_its_own_grace() -> None:
    known, clock = boots()
    assert known.booting("one", 7)
    clock.advance(GRACE)
    # libvirt's ids are of the host: two domains never have the same one at a time.
    assert known.booting("other", 8)
    assert not known.booting("one", 7)


def test_what_ran_when_the_service_began_has_been_running_for_long() -> None:
    known, clock = boots()
    known.were_there({"one": 7})
    assert not known.booting("one", 7)
    assert known.booting("other", 8)
    clock.advance(1)
    assert known.booting("one", 10)


def test_who_is_not_on_this_host_any_more_is_forgotten_and_nobody_else() -> None:
    known, _ = boots()
    known.were_there({"one": 7, "other": 7})
    known.keep_only({"one"})
    assert not known.booting("one", 7)
    assert known.booting("other", 7)


def test_what_is_known_is_kept_when_a_service_learns_what_was_there() -> None:
    known, _ = boots()
    assert known.booting("one", 7)
    known.were_there({"other": 8})
    assert known.booting("one", 7)
    assert not known.booting("other", 8)
