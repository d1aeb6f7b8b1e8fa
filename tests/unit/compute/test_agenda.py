# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.compute.agenda import Agenda, Lane, Rank, Urgency, rank

ALL = tuple(Lane)


@given(st.lists(st.tuples(st.sampled_from(Urgency), st.booleans())))
def test_the_lowest_rank_goes_first_and_among_equals_who_came_first(came: list[Rank]) -> None:
    agenda: Agenda[tuple[Rank, int]] = Agenda()
    for number, place in enumerate(came):
        agenda.add((place, number), Lane.QUICK, place)
    took = [agenda.take(ALL) for _ in came]
    assert took == sorted((place, number) for number, place in enumerate(came))
    assert agenda.take(ALL) is None


@pytest.mark.parametrize("room_is_short", [False, True])
def test_who_grows_goes_before_who_shrinks_unless_room_is_short(room_is_short: bool) -> None:
    def ranked(urgency: Urgency, shrinks: bool) -> Rank:
        return rank(urgency, shrinks=shrinks, room_is_short=room_is_short)

    grows, shrinks = (ranked(Urgency.ASKED, s) for s in (False, True))
    assert (shrinks < grows) is room_is_short
    # However short it is, nobody goes before a claim that is owed.
    assert ranked(Urgency.OWED, False) < min(grows, shrinks)
    assert max(grows, shrinks) < ranked(Urgency.AGAIN, room_is_short)


def test_lanes_are_taken_from_in_the_order_that_is_asked_for() -> None:
    agenda: Agenda[str] = Agenda()
    for lane in (Lane.SLOW, Lane.QUICK, Lane.OWED):
        agenda.add(lane.value, lane, (Urgency.AGAIN, False))
    assert agenda.take((Lane.SLOW,)) == "slow"
    assert agenda.take((Lane.SLOW,)) is None
    assert [agenda.take((Lane.OWED, Lane.QUICK)) for _ in range(3)] == ["owed", "quick", None]
