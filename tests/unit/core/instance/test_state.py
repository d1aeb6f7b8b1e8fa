# SPDX-License-Identifier: Apache-2.0
"""The four numbers, and the least that may be reserved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.state import NOTHING, InstanceState
from nova_xloud.core.size import Observed, Size
from tests.unit.core.states import guest, state, states

DESIRED = Desired(Size(4, 2048))
LIVE = Desired(Size(4, 2048), live=Size(6, 1024))


def test_the_four_numbers() -> None:
    numbers = state(LIVE, Size(7, 3000), guest(5, 1500, vcpus_online=3)).numbers
    assert numbers.desired == Size(6, 1024)
    assert numbers.reserved == Size(7, 3000)
    assert numbers.actuated == Size(5, 1500)
    assert numbers.observed == Observed(3, 1500)


def test_vcpus_without_an_agent_are_unobserved_and_held_as_actuated() -> None:
    seen = state(LIVE, Size(7, 3000), guest(5, 1500))
    assert seen.numbers.observed == Observed(None, 1500)
    assert seen.invariant_holds
    assert seen.held == Size(5, 1500)


@pytest.mark.parametrize("confirmed", [False, None])
def test_memory_that_is_not_confirmed_counts_as_all(confirmed: bool | None) -> None:
    reading = guest(5, 1500, memory_confirmed=confirmed)
    seen = state(LIVE, Size(7, 3000), reading)
    assert seen.numbers.actuated == Size(5, 1500)
    assert seen.numbers.observed.memory_mb is None
    assert seen.held == Size(5, reading.max_memory_mb)


@pytest.mark.parametrize("reading", [None, guest(5, 1500, running=False)])
def test_a_guest_that_is_off_has_nothing(reading: object) -> None:
    off = InstanceState(DESIRED, Size(4, 2048), reading)  # type: ignore[arg-type]
    assert (off.numbers.actuated, off.held) == (NOTHING, NOTHING)
    assert off.numbers.observed == Observed(0, 0)
    assert not off.running


@pytest.mark.parametrize(
    ("reserved", "holds"),
    [
        (Size(4, 2048), True),
        (Size(8, 4096), True),
        (Size(3, 2048), False),
        (Size(4, 2047), False),
    ],
)
def test_the_invariant_is_of_both_resources(reserved: Size, holds: bool) -> None:
    assert state(DESIRED, reserved, guest(4, 2048)).invariant_holds is holds


@pytest.mark.parametrize(
    ("pending", "vcpus", "running", "unsettled"),
    [
        (None, 4, True, False),
        (4, 4, True, False),
        (5, 4, True, False),
        (3, 4, True, True),
        (3, 4, False, False),
    ],
)
def test_a_removal_is_unsettled_while_more_are_there_than_were_to_stay(
    pending: int | None, vcpus: int, running: bool, unsettled: bool
) -> None:
    desired = Desired(Size(2, 1024), removal_pending=pending)
    assert state(desired, None, guest(vcpus, running=running)).removal_unsettled is unsettled


@given(states)
def test_what_is_settled_covers_what_is_desired_and_held_and_nothing_more(
    before: InstanceState,
) -> None:
    assert before.minimum_claim == before.desired.claim.at_least(before.held)


@pytest.mark.parametrize(
    ("reserved", "held", "settled"),
    [
        (Size(4, 2048), Size(4, 4096), Size(4, 2048)),
        (Size(4, 2048), Size(4, 2049), Size(4, 2048)),
        (Size(4, 3000), Size(4, 4096), Size(4, 3000)),
        (Size(4, 4096), Size(4, 3000), Size(4, 4096)),
        (Size(4, 1000), Size(4, 4096), Size(4, 2048)),
        (Size(4, 3000), Size(4, 2048), Size(4, 2048)),
        (Size(4, 3000), Size(4, 1024), Size(4, 2048)),
        (Size(4, 2048), Size(6, 4096), Size(6, 2048)),
        (Size(6, 2048), Size(4, 4096), Size(4, 2048)),
    ],
    ids=[
        "memory on its way to the balloon is not counted",
        "not a MiB of it",
        "nor is what is reserved of it given back",
        "not before it is known to come",
        "what is desired is counted",
        "the balloon has arrived: the rest may go",
        "and when it is below what is desired too",
        "vCPUs are counted, booting or not",
        "and given back",
    ],
)
def test_while_it_boots_memory_is_neither_claimed_nor_given_back(
    reserved: Size, held: Size, settled: Size
) -> None:
    booting = replace(state(DESIRED, reserved, guest(held.vcpus, held.memory_mb)), booting=True)
    assert booting.minimum_claim == settled


@given(states)
def test_booting_never_has_less_reserved_than_there_is_nor_than_is_desired(
    before: InstanceState,
) -> None:
    booting = replace(before, booting=True)
    settled = booting.minimum_claim
    assert settled.covers(before.desired.claim)
    assert settled.vcpus >= before.held.vcpus
    if settled.memory_mb > before.reserved.memory_mb:
        # What is claimed more is what is desired, and not what the balloon will take.
        assert settled.memory_mb == before.desired.claim.memory_mb
