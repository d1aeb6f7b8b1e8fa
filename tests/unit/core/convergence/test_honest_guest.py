# SPDX-License-Identifier: Apache-2.0
"""A guest that follows its balloon: which size it comes to, and in how many steps."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence import balloon
from nova_xloud.core.convergence.balloon import Limits
from nova_xloud.core.convergence.steps import Await, RunState, SetMemory
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size
from tests.unit.core.states import guest, state


@dataclass
class HonestGuest:
    """A guest that follows its balloon, reports what it uses, and sooner or later moves.

    :ivar pushed: every size that the balloon was set to
    """

    state: InstanceState
    uses_mb: int

    def __post_init__(self) -> None:
        self.run_state = RunState()
        self.pushed: list[int] = []
        self.waited = 0

    @property
    def reading(self) -> DomainReading:
        assert self.state.guest is not None
        return self.state.guest

    def run(self, limits: Limits) -> Await | None:
        """Until there is nothing to do (None), or nothing happens any more."""
        waits: Await | None = None
        while self.waited < 3:
            self.run_state = self.run_state.after_reading(self.reading)
            answer = balloon.step(self.state, self.reading, self.run_state, limits)
            if answer is None:
                return None
            if isinstance(answer, SetMemory):
                self.pushed.append(answer.mib)
                self.run_state = replace(self.run_state, balloon_target_mb=answer.mib)
                self.waited = 0
            else:
                assert isinstance(answer, Await)
                waits = answer
                self._time_passes()
        return waits

    def _time_passes(self) -> None:
        now = self.reading
        self.waited += 1
        if self.run_state.balloon_target_mb not in (None, now.memory_mb):
            self.waited = 0
        memory_mb = (
            now.memory_mb
            if self.run_state.balloon_target_mb is None
            else self.run_state.balloon_target_mb
        )
        there = replace(
            now,
            memory_mb=memory_mb,
            usable_mb=max(0, memory_mb - self.uses_mb),
            stats_at=(now.stats_at or 0) + 1,
        )
        self.state = replace(self.state, guest=there)


@st.composite
def honest_guests(draw: st.DrawFn) -> HonestGuest:
    memory_mb = draw(st.integers(1, 8192))
    uses_mb = draw(st.integers(0, memory_mb))
    reading = guest(2, memory_mb, balloon_driver=True, usable_mb=memory_mb - uses_mb, stats_at=1)
    desired = Desired(Size(2, draw(st.integers(1, 8192))), force=draw(st.booleans()))
    return HonestGuest(state(desired, Size(2, 8192), reading), uses_mb)


limits = st.builds(Limits, step_mb=st.integers(16, 3000), reserve_mb=st.integers(0, 500))


@given(honest_guests(), limits)
def test_honest_guest_is_never_pushed_below_what_it_uses_and_its_reserve(
    honest: HonestGuest, limit: Limits
) -> None:
    began, goal = honest.reading.memory_mb, honest.state.desired.target.memory_mb
    ended = honest.run(limit)
    floor = honest.uses_mb + limit.reserve_mb
    if honest.state.desired.force or began <= goal:
        assert (ended, honest.reading.memory_mb) == (None, goal)
        return
    # It stays where it is if that is below the floor already.
    lowest = min(began, max(goal, floor))
    assert honest.reading.memory_mb == lowest == honest.pushed[-1]
    if lowest == goal:
        assert ended is None
    else:
        assert ended is not None
        assert ended.code == "xloud.guest_refused.memory_floor"


@given(honest_guests(), limits)
def test_it_gets_there_in_as_few_steps_as_may_be_and_none_is_longer(
    honest: HonestGuest, limit: Limits
) -> None:
    began = honest.reading.memory_mb
    honest.run(limit)
    way = [began, *honest.pushed]
    steps = [after - before for before, after in itertools.pairwise(way)]
    assert all(down >= -limit.step_mb for down in steps)
    distance = began - honest.reading.memory_mb
    if distance > 0:
        # The first one is the size that it has already; by force there is no such step.
        own_size = 0 if honest.state.desired.force else 1
        assert len(honest.pushed) - own_size == math.ceil(distance / limit.step_mb)
    assert len(honest.pushed) <= 2 + max(0, distance) // limit.step_mb
