# SPDX-License-Identifier: Apache-2.0
"""How many changes of an instance there may be in an hour, and which ones come all the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import LARGE, TUNING, Guest, settled


def test_shrinks_wait_at_the_cap() -> None:
    guest = Guest(size=LARGE, tuning=replace(TUNING, changes=3, changes_period=3600.0))
    guest.until(lambda decision: decision.memory_mb.code == "hold.cap")
    assert len(guest.changes) == 3
    first = guest.changes[0][0]
    guest.until(lambda _: len(guest.changes) == 4)
    assert guest.changes[-1][0] - first >= 3600


def _changed_often(**guest: float) -> Guest:
    """A guest of 2 vCPUs and 1024 MiB whose size has just changed as often as it may."""
    new = settled(size=Size(1, 1024), tuning=replace(Tuning(), changes=3))
    for size in (Size(2, 1024), Size(1, 1024), Size(2, 1024)):
        new.size = size
        new.step()
    return replace(new, **guest)


def test_growth_waits_at_the_cap() -> None:
    guest = _changed_often(cpu=4.0, need=850.0)
    decision = guest.step()
    assert (decision.vcpus.code, decision.vcpus.wanted) == ("hold.cap", 2)
    assert (decision.memory_mb.code, decision.memory_mb.wanted) == ("hold.cap", 1024)
    assert "usable_low" in decision.memory_mb.votes
    assert not decision.is_urgent
    for advice in (decision.vcpus, decision.memory_mb):
        assert "3 times within 3600 seconds" in advice.reason
    guest.run(3600)
    assert guest.size.vcpus == 4
    assert guest.size.memory_mb > 1024


def test_growth_of_memory_in_distress_does_not_wait_at_the_cap() -> None:
    decision = _changed_often(cpu=4.0, need=2000.0).step()
    assert decision.vcpus.code == "hold.cap"
    assert decision.memory_mb.wanted > 2020
    assert decision.is_urgent


@given(st.lists(st.floats(0.0, 4.0), min_size=1), st.floats(1.0, 60.0), st.floats(0.5, 1.5))
def test_changes_beyond_the_cap_are_of_distress_or_undo(
    loads: list[float], rise: float, fall: float
) -> None:
    guest = Guest(size=Size(1, 512), tuning=replace(TUNING.shortened(60.0), changes=4))
    for number in range(200):
        guest.cpu = loads[number % len(loads)]
        guest.need = min(3500.0, guest.need + rise) if number % 40 else 200.0 * fall
        before = len(guest.changes)
        decision = guest.step()
        period = guest.tuning.changes_period
        lately = sum(1 for at, _ in guest.changes[:before] if guest.now - at < period)
        if len(guest.changes) > before and lately > guest.tuning.changes:
            assert decision.is_urgent or "grow.undo" in (
                decision.vcpus.code, decision.memory_mb.code
            )  # fmt: skip
