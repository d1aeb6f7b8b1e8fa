# SPDX-License-Identifier: Apache-2.0
"""The next step where Placement has no room for what must be reserved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.next_step import next_step
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Size
from tests.unit.core.states import reports, state, told_own_size


class TestNoRoom:
    """The host has no room for what must be reserved: nothing grows, and what shrinks may."""

    TOLD = told_own_size(2048, claim_denied=Size(6, 4096))

    def test_what_was_refused_is_not_claimed_again_and_nothing_else_grows(self) -> None:
        before = state(Size(6, 4096), Size(4, 2048), reports(4, 2048))
        assert next_step(before, RunState()) == steps.Claim(Size(6, 4096))
        assert next_step(before, self.TOLD) == steps.NoRoom(Size(6, 4096))

    def test_something_else_is_claimed(self) -> None:
        before = state(Size(6, 3000), Size(4, 2048), reports(4, 2048))
        assert next_step(before, self.TOLD) == steps.Claim(Size(6, 3000))

    def test_one_that_is_reserved_grows(self) -> None:
        before = state(Size(6, 4096), Size(6, 2048), reports(4, 2048))
        assert next_step(before, self.TOLD) == steps.SetVcpus(6)
        before = state(Size(6, 4096), Size(4, 4096), reports(4, 2048))
        assert next_step(before, self.TOLD) == steps.SetMemory(4096)

    @pytest.mark.parametrize(
        ("target", "reading", "step"),
        [
            (Size(6, 1500), reports(4, 2048), steps.SetMemory(1500)),
            (Size(2, 4096), reports(4, 2048), steps.MarkRemoval(2)),
        ],
    )
    def test_one_shrinks_where_the_other_cannot_grow(
        self, target: Size, reading: DomainReading, step: steps.Step
    ) -> None:
        before = state(target, Size(4, 2048), reading)
        needed = before.minimum_claim
        assert next_step(before, RunState()) == steps.Claim(needed)
        assert next_step(before, told_own_size(2048, claim_denied=needed)) == step

    def test_what_it_took_on_its_own_is_given_back_if_it_can_be(self) -> None:
        # It should have 1024 MiB, took 2048, and there is no room to reserve them.
        before = state(Size(4, 1024), Size(4, 1024), reports(4, 2048))
        assert next_step(before, RunState()) == steps.Claim(Size(4, 2048))
        run_state = told_own_size(2048, claim_denied=Size(4, 2048))
        assert next_step(before, run_state) == steps.SetMemory(1024)
        arrived = replace(before, guest=reports(4, 1024))
        assert next_step(arrived, replace(run_state, balloon_target_mb=1024)) == steps.Converged()

    def test_when_less_is_needed_that_is_tried(self) -> None:
        run_state = told_own_size(2048, claim_denied=Size(4, 2048))
        on_the_way = state(Size(4, 1024), Size(4, 1024), reports(4, 1500))
        assert next_step(on_the_way, run_state) == steps.Claim(Size(4, 1500))

    def test_a_stopped_one_is_short_too(self) -> None:
        before = state(Size(6, 4096), Size(4, 2048))
        assert next_step(before, self.TOLD) == steps.NoRoom(Size(6, 4096))
