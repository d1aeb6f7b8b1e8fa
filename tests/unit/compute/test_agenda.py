# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.compute.agenda import Agenda, Lane, Urgency

ALL = tuple(Lane)


@given(st.lists(st.sampled_from(Urgency)))
def test_the_most_urgent_goes_first_and_among_equals_who_came_first(came: list[Urgency]) -> None:
    agenda: Agenda[tuple[Urgency, int]] = Agenda()
    for number, urgency in enumerate(came):
        agenda.add((urgency, number), Lane.QUICK, urgency)
    took = [agenda.take(ALL) for _ in came]
    assert took == sorted((urgency, number) for number, urgency in enumerate(came))
    assert agenda.take(ALL) is None


def test_lanes_are_taken_from_in_the_order_that_is_asked_for() -> None:
    agenda: Agenda[str] = Agenda()
    for lane in (Lane.SLOW, Lane.QUICK, Lane.OWED):
        agenda.add(lane.value, lane, Urgency.AGAIN)
    assert agenda.take((Lane.SLOW,)) == "slow"
    assert agenda.take((Lane.SLOW,)) is None
    assert [agenda.take((Lane.OWED, Lane.QUICK)) for _ in range(3)] == ["owed", "quick", None]
