# SPDX-License-Identifier: Apache-2.0
"""What is remembered between two rounds: progress, waiting and refusals."""

from __future__ import annotations

from nova_xloud.core.autoscaling.contest import Grant, Share
from nova_xloud.core.autoscaling.waits import Waits, decided, seen, with_waits
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.contests import of_memory

ONE = Size(1, 1024)


def _looks(*looks: tuple[float, int, int], waits: Waits | None = None) -> Waits:
    """Look at the memory of a guest: at which time, what it holds, and is to have."""
    waits = waits or Waits()
    for now, held, desired in looks:
        waits = seen(waits, Size(1, held), Size(1, desired), now)
    return waits


def _stalled(waits: Waits, now: float) -> float | None:
    return with_waits(of_memory("a", 1024), waits, now).memory_mb.stalled


def _floor(waits: Waits, now: float) -> int:
    return with_waits(of_memory("a", 4096, floor=1024), waits, now).memory_mb.floor


def test_guest_that_has_arrived_is_not_on_its_way() -> None:
    assert _stalled(_looks((0, 4096, 2048), (5, 2048, 2048)), 9) is None


def test_time_without_progress_is_counted_from_the_last_progress() -> None:
    waits = _looks((0, 4096, 2048), (5, 3072, 2048), (10, 3072, 2048))
    assert _stalled(waits, 10) == 5


def test_guest_that_goes_up_and_down_makes_no_progress() -> None:
    waits = _looks((0, 4096, 2048), (2, 3072, 2048), (4, 3500, 2048), (6, 3100, 2048))
    assert _stalled(waits, 7) == 5


def test_larger_wish_does_not_count_as_progress() -> None:
    waits = _looks((0, 1024, 2048), (5, 1024, 3072), (10, 1024, 4096))
    assert _stalled(waits, 10) == 10


def test_guest_that_is_to_grow_after_a_shrink_has_time_anew() -> None:
    waits = _looks((0, 4096, 2048), (9, 4096, 2048), (10, 4096, 5120))
    assert _stalled(waits, 10) == 0


def test_who_does_not_give_is_left_in_peace_for_longer_each_time() -> None:
    waits = _looks((0, 4096, 2048), (5, 4096, 2048))
    assert (_floor(waits, 64), _floor(waits, 65)) == (4096, 1024)
    # The engine has given up: what the guest holds is what it is to have.
    waits = _looks((6, 4096, 4096), (70, 4096, 2048), (75, 4096, 2048), waits=waits)
    assert (_floor(waits, 194), _floor(waits, 195)) == (4096, 1024)


def test_who_gives_again_is_asked_again_as_at_first() -> None:
    waits = _looks((0, 4096, 2048), (5, 4096, 2048), (6, 4096, 4096))
    waits = _looks((70, 4096, 3072), (72, 3072, 3072), (80, 3072, 2048), waits=waits)
    waits = _looks((85, 3072, 2048), waits=waits)
    assert (_floor(waits, 144), _floor(waits, 145)) == (4096, 1024)


def test_a_stuck_shrink_is_counted_as_one_refusal() -> None:
    waits = _looks(*((float(now), 4096, 2048) for now in range(0, 60, 5)))
    assert waits.memory_mb.refusals == 1


def _after(waits: Waits, value: int, deferred: int, now: float) -> Waits:
    grant = Grant("a", Share(1, "hold.enough", ""), Share(value, "", "", deferred))
    return decided(waits, grant, ONE, now)


def _waited(waits: Waits, now: float) -> float:
    return with_waits(of_memory("a", 1024), waits, now).memory_mb.waited


def test_waiting_is_counted_until_something_is_granted() -> None:
    waits = _after(_after(Waits(), 1024, 512, 10.0), 1024, 512, 15.0)
    assert _waited(waits, 20.0) == 10
    assert _waited(_after(waits, 1088, 448, 20.0), 25.0) == 5
    assert _waited(_after(waits, 1024, 0, 20.0), 25.0) == 0


def test_resources_are_remembered_apart() -> None:
    waits = seen(Waits(), Size(2, 1024), ONE, 0.0)
    guest = with_waits(of_memory("a", 1024), waits, 7.0)
    assert (guest.vcpus.stalled, guest.memory_mb.stalled) == (7.0, None)


def _given(code: str, value: int) -> Grant:
    return Grant("a", Share(1, "hold.enough", ""), Share(value, code, ""))


def _gave_and_took_back(waits: Waits, gave_at: float, took_at: float) -> Waits:
    waits = decided(waits, _given("shrink.low_water", 960), ONE, gave_at)
    return decided(waits, _given("grow", 1024), Size(1, 960), took_at)


def _gives(waits: Waits, now: float) -> bool:
    return with_waits(of_memory("a", 4096, floor=1024), waits, now).memory_mb.gives


def test_who_takes_back_what_it_gave_is_asked_less_often_each_time() -> None:
    waits = _gave_and_took_back(Waits(), 0.0, 100.0)
    assert (_gives(waits, 3699), _gives(waits, 3700)) == (False, True)
    waits = _gave_and_took_back(waits, 4000.0, 4100.0)
    assert (_gives(waits, 11_299), _gives(waits, 11_300)) == (False, True)


def test_who_took_back_what_it_gave_may_shrink_by_its_own_policy() -> None:
    waits = _gave_and_took_back(Waits(), 0.0, 100.0)
    assert _floor(waits, 200) == 1024


def test_who_grows_long_after_it_gave_may_be_asked_again_at_once() -> None:
    waits = _gave_and_took_back(_gave_and_took_back(Waits(), 0.0, 100.0), 4000.0, 9000.0)
    assert _gives(waits, 9000)
    assert waits.memory_mb.regrets == 0


def test_shrink_that_its_own_policy_wanted_is_not_given_for_others() -> None:
    waits = decided(Waits(), _given("shrink", 960), ONE, 0.0)
    waits = decided(waits, _given("grow", 1024), Size(1, 960), 10.0)
    assert _gives(waits, 10)
