# SPDX-License-Identifier: Apache-2.0
"""A shrink is watched, and taken back in one step if the guest is in distress."""

from __future__ import annotations

from dataclasses import replace

from nova_xloud.core.autoscaling.recommendation import Recommendation
from tests.unit.core.autoscaling.guests import PERIOD, TUNING, Guest, about_to_shrink


def _undone(guest: Guest) -> Recommendation:
    """Let a guest that has just shrunk be in distress, and return the next decision."""
    guest.step()
    guest.swapped_out_mb += 200.0
    return guest.step()


def test_distress_after_a_shrink_takes_it_back_in_one_step() -> None:
    guest = about_to_shrink()
    guest.step()
    assert guest.size.memory_mb == 4096 - 409
    decision = _undone(guest)
    assert decision.memory_mb.code == "grow.undo"
    assert guest.size.memory_mb == 4096
    assert guest.history.memory.track.shrink is not None
    guest.step()
    assert guest.history.memory.track.shrink is None
    assert guest.history.memory.track.learned == 4096


def test_a_learned_floor_holds_and_fades() -> None:
    guest = about_to_shrink()
    guest.step()
    _undone(guest)
    decision = guest.run(TUNING.half_life)
    assert guest.size.memory_mb >= (4096 + 512) / 2 - 450
    assert decision.memory_mb.floor is not None
    guest.run(6 * TUNING.half_life)
    assert guest.size.memory_mb < 800


def test_vcpus_that_are_busy_after_a_shrink_are_given_back() -> None:
    guest = about_to_shrink()
    guest.step()
    assert guest.size.vcpus == 3
    guest.step()
    guest.cpu = 3.0
    decision = guest.step()
    assert guest.size.vcpus == 4
    assert decision.vcpus.code == "grow.undo"
    guest.cpu = 0.1
    guest.run(2 * TUNING.window)
    assert guest.size.vcpus == 3, "the learned floor fades, but is still above the need"


def test_a_shrink_is_confirmed_by_fresh_samples_only() -> None:
    guest = about_to_shrink(obeys=False)
    decision = guest.step()
    guest.size = decision.size
    guest.step()
    assert guest.history.memory.track.shrink is not None
    old = guest.now
    for _ in range(2):
        guest.step(reported_at=old)
    silent = {"reported_at": None, "usable_mb": None}
    guest.run(TUNING.probation * 2, **silent)
    assert guest.history.memory.track.shrink is not None
    guest.run(4 * PERIOD)
    assert guest.history.memory.track.shrink is None


def test_an_undo_does_not_wait_at_the_cap() -> None:
    guest = about_to_shrink(tuning=replace(TUNING, changes=1, changes_period=3600.0))
    guest.step()
    guest.step()
    guest.cpu = 4.0
    assert guest.step().vcpus.code == "grow.undo"
    assert _undone(guest).memory_mb.code == "grow.undo"
