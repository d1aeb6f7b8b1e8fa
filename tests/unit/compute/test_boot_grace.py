# SPDX-License-Identifier: Apache-2.0
"""When a guest was first seen running."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.testing import ManualClock

GRACE = 120.0


def boot_grace(grace: float = GRACE) -> tuple[BootGrace, ManualClock]:
    """Of a service that began when nothing ran."""
    clock = ManualClock()
    known = BootGrace(clock.now, grace)
    known.assume_booted({})
    return known, clock


def test_no_guest_is_booting_before_the_running_guests_are_known() -> None:
    clock = ManualClock()
    known = BootGrace(clock.now, GRACE)
    assert not known.booting("one", 7)
    known.assume_booted({"other": 8})
    # And that it was asked for before is not what makes it one that has been running.
    assert known.booting("one", 7)
    assert not known.booting("other", 8)


def test_guest_is_booting_for_the_grace_after_it_was_first_seen() -> None:
    known, clock = boot_grace()
    assert known.booting("one", 7)
    clock.advance(GRACE - 0.5)
    assert known.booting("one", 7)
    clock.advance(0.5)
    assert not known.booting("one", 7)
    clock.advance(10 * GRACE)
    assert not known.booting("one", 7)


def test_without_a_grace_none_is_ever_booting() -> None:
    known, _ = boot_grace(grace=0)
    assert not known.booting("one", 7)


def test_stopped_guest_is_not_booting_and_its_next_start_is_a_new_one() -> None:
    known, clock = boot_grace()
    assert known.booting("one", 7)
    clock.advance(GRACE)
    assert not known.booting("one", None)
    assert not known.booting("one", 7)
    assert known.booting("one", 8)


def test_each_instance_has_its_own_grace() -> None:
    known, clock = boot_grace()
    assert known.booting("one", 7)
    clock.advance(GRACE)
    # libvirt's ids are of the host: two domains never have the same one at a time.
    assert known.booting("other", 8)
    assert not known.booting("one", 7)


def test_what_ran_when_the_service_began_has_been_running_for_long() -> None:
    known, clock = boot_grace()
    known.assume_booted({"one": 7})
    assert not known.booting("one", 7)
    assert known.booting("other", 8)
    clock.advance(1)
    assert known.booting("one", 10)


def test_only_guests_that_left_the_host_are_forgotten() -> None:
    known, _ = boot_grace()
    known.assume_booted({"one": 7, "other": 7})
    known.forget_others({"one"})
    assert not known.booting("one", 7)
    assert known.booting("other", 7)


def test_what_is_known_is_kept_when_a_service_learns_what_was_there() -> None:
    known, _ = boot_grace()
    assert known.booting("one", 7)
    known.assume_booted({"other": 8})
    assert known.booting("one", 7)
    assert not known.booting("other", 8)


def reports(known: BootGrace, stats_at: int | None, *, came_down: bool = True) -> bool:
    """Whether the guest boots, by a reading with these statistics."""
    known.reported("one", 7, stats_at, came_down=came_down)
    return known.booting("one", 7)


@pytest.mark.parametrize("stats_at", [None, 900], ids=["gone", "of before"])
def test_statistics_that_begin_anew_are_a_start(stats_at: int | None) -> None:
    known, clock = boot_grace()
    assert reports(known, None)
    clock.advance(GRACE)
    assert not reports(known, 1000)
    clock.advance(5 * GRACE)
    assert not reports(known, 1600)
    # The guest has restarted itself: the same domain.
    assert reports(known, stats_at)
    clock.advance(GRACE - 1)
    assert reports(known, stats_at)
    clock.advance(1)
    assert not reports(known, stats_at)


def test_guest_older_than_the_service_may_restart_itself_too() -> None:
    known, _ = boot_grace()
    known.assume_booted({"one": 7})
    assert not reports(known, 1000)
    assert reports(known, None)


def test_a_guest_that_resets_itself_again_and_again_has_no_grace_for_ever() -> None:
    """It gets one only where its balloon has come down since the last."""
    known, clock = boot_grace()
    known.assume_booted({"one": 7})
    assert not reports(known, 1000)
    assert reports(known, None)
    for second in range(1010, 1200, 10):
        clock.advance(GRACE / 10)
        # It reports, and keeps all of its memory, and resets itself.
        in_time = clock.now() < GRACE
        assert reports(known, second, came_down=False) is in_time
        assert reports(known, None, came_down=False) is in_time


def test_reading_without_statistics_does_not_restart_the_grace() -> None:
    known, _ = boot_grace()
    known.assume_booted({"one": 7})
    spoke = DomainStats(True, 2, 512, 7, max_memory_mb=1024, stats_at=1000)
    assert not known.is_booting("one", spoke)
    # Busy; and statistics that could not be read.
    assert not known.is_booting("one", replace(spoke, stats_at=None))
    assert not known.is_booting("one", replace(spoke, stats_at=None, memory_confirmed=None))
    assert known.is_booting("one", replace(spoke, stats_at=None, memory_confirmed=False))
