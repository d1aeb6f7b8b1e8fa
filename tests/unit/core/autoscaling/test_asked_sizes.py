# SPDX-License-Identifier: Apache-2.0
"""A smaller size that automatic growth has not asked for is no shrink that it takes back."""

from __future__ import annotations

from dataclasses import replace

from nova_xloud.core.autoscaling.history import observed
from nova_xloud.core.autoscaling.journal import Checkpoint, Entry, decode, encode
from nova_xloud.core.autoscaling.replay import replayed
from nova_xloud.core.autoscaling.settings import Mode, Profile, Range, Ranges
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import Guest, about_to_shrink

OF_8_GIB = Ranges(Range(1, 4), Range(512, 8192))


def _made_smaller() -> Guest:
    """A guest of 8192 MiB that needs 1770, just after a person has asked for 2048 MiB."""
    guest = Guest(size=Size(2, 8192), ranges=OF_8_GIB, tuning=Tuning(), need=1750.0, cpu=0.2)
    guest.run(1800)
    guest.size = Size(2, 2048)
    guest.ranges = replace(OF_8_GIB, memory_mb=Range(512, 8192, held=2048))
    return guest


def test_shrink_that_a_person_has_asked_for_is_not_taken_back() -> None:
    guest = _made_smaller()
    decision = guest.step(asked=("memory_mb",))
    assert decision.memory_mb.code == "grow.usable_low", "growth above what was asked for goes on"
    assert guest.size.memory_mb == 2346
    guest.run(60)
    assert guest.history.memory.track.learned == 0
    assert guest.size.memory_mb == 2346


def test_shrink_of_automatic_growth_is_watched() -> None:
    guest = about_to_shrink()
    guest.until(lambda decision: decision.memory_mb.code == "shrink.window")
    guest.step(asked=("vcpus",))
    assert guest.history.memory.track.shrink is not None
    assert guest.history.cpu.track.shrink is None


def test_smaller_size_that_a_person_asks_for_ends_the_watch() -> None:
    guest = about_to_shrink()
    guest.step()
    guest.step()
    assert guest.history.memory.track.shrink is not None
    guest.size = Size(1, 1024)
    guest.step(asked=("vcpus", "memory_mb"))
    assert guest.history.memory.track.shrink is None
    assert guest.history.cpu.track.shrink is None


def test_start_with_a_smaller_size_is_no_shrink() -> None:
    """As after a resize, after its revert, and where ``persist: false`` ends."""
    guest = about_to_shrink()
    guest.boot_id, guest.size = 2, Size(1, 1024)
    guest.step()
    assert guest.history.memory.track.shrink is None
    assert guest.history.cpu.track.shrink is None


def test_start_ends_the_watch_of_a_shrink() -> None:
    guest = about_to_shrink()
    guest.step()
    guest.step()
    assert guest.history.memory.track.shrink is not None
    guest.boot_id = 2
    guest.history = observed(guest.history, guest.sample(at=guest.now + 5), guest.tuning)
    assert guest.history.memory.track.shrink is None
    assert guest.history.cpu.track.shrink is None


def test_journal_has_what_was_asked_for_and_replays_to_the_byte() -> None:
    guest, lines = _made_smaller(), list[str]()
    before = guest.history
    for asked in (("memory_mb",), (), ()):
        decision = guest.step(asked=asked)
        assert guest.history.last is not None
        entry = Entry("one", Mode.ON, Profile.BALANCED, guest.ranges, guest.history.last, decision)
        lines.append(encode(entry))
    assert ['"asked":["memory_mb"]' in line for line in lines] == [True, False, False]
    records = [Checkpoint("one", before), *map(decode, lines)]
    assert [encode(entry) for entry in replayed(records)] == lines
