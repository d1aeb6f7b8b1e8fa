# SPDX-License-Identifier: Apache-2.0
"""Growth that is small is given where it counts: up to the largest size, and in distress."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.settings import Profile, Range, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import Guest


def _guest(size_mb: int, largest: int, need: float, profile: Profile = Profile.BALANCED) -> Guest:
    ranges = Ranges(Range(1, 4), Range(512, largest))
    return Guest(
        size=Size(1, size_mb), ranges=ranges, tuning=TUNINGS[profile], need=need, cache=0.0
    )


@pytest.mark.parametrize(("size_mb", "largest"), [(8064, 8192), (64512, 65536)])
def test_last_two_percent_of_a_flavor_are_given(size_mb: int, largest: int) -> None:
    guest = _guest(size_mb, largest, need=1.05 * largest)
    decision = guest.step()
    assert decision.memory_mb.code == "grow.usable_low"
    assert guest.size.memory_mb == largest


def test_growth_by_little_below_the_largest_is_not_worth_a_call() -> None:
    guest = _guest(2000, 8192, need=1990.0 - 20)
    guest.desired = Size(1, 2560)
    guest.obeys = False
    assert guest.step().memory_mb.code == "hold.grown"


def test_small_step_for_others_is_taken_back() -> None:
    """Arbitration takes 64 MiB at a time from guests that have more than they need."""
    guest = _guest(4096, 8192, need=1000.0)
    guest.run(60)
    guest.size = Size(1, 4096 - 64)
    guest.run(10)
    guest.swapped_out_mb += 200.0
    decision = guest.step()
    assert (decision.memory_mb.code, guest.size.memory_mb) == ("grow.undo", 4096)


@given(
    st.sampled_from(list(Profile)),
    st.sampled_from([1024, 4096, 8192, 65536, 262144]),
    st.floats(0.9, 1.0),
    st.floats(0.9, 1.3),
)
def test_guest_in_distress_is_never_left_below_what_it_may_have(
    profile: Profile, largest: int, share: float, need: float
) -> None:
    """Whatever the host has given so far: with distress, growth comes with the next report."""
    guest = _guest(max(512, int(share * largest)), largest, need * largest, profile)
    for _ in range(6):
        before = guest.size.memory_mb
        guest.swapped_out_mb += 50.0
        decision = guest.step()
        if decision.is_urgent:
            assert guest.size.memory_mb > before or before == largest
    sizes = [size.memory_mb for _, size in guest.changes]
    assert sizes == sorted(set(sizes)), "nothing is given twice, and nothing is taken"
