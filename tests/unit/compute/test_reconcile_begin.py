# SPDX-License-Identifier: Apache-2.0
"""Passes that are asked for: one after the other, after a rest, and past one that hangs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.compute.reconcile import HANGS_AFTER, REST
from nova_xloud.core.size import Size
from tests.unit.compute.floor import Floor, reserved_too_much, settled
from tests.unit.waiting import wait_until


class Held:
    """The database, which answers when the test lets it.

    :ivar asked: how often it was asked
    """

    def __init__(self, floor: Floor) -> None:
        self._records = floor.host_instances.records
        self.gate = threading.Event()
        self.asked = 0
        floor.host_instances.records = self  # type: ignore[method-assign]

    def __call__(self) -> Sequence[ManagedInstance]:
        self.asked += 1
        assert self.gate.wait(LIMIT)
        return self._records()

    def wait_until_asked(self, times: int) -> None:
        wait_until(lambda: self.asked >= times)


def test_passes_asked_for_during_a_pass_are_one_pass_that_follows_it() -> None:
    floor = Floor(settled())
    held = Held(floor)
    first = floor.reconciler.begin()
    # The process may end while it hangs.
    assert first.daemon
    held.wait_until_asked(1)
    for _ in range(3):
        assert floor.reconciler.begin() is first
    held.gate.set()
    first.join(LIMIT)
    assert held.asked == 2
    second = floor.reconciler.begin()
    assert second is not first
    second.join(LIMIT)
    assert held.asked == 3


def test_requests_between_two_passes_begin_one_pass_after_the_rest() -> None:
    floor = Floor(settled())
    floor.reconciler.begin().join(LIMIT)
    assert floor.rested == []
    floor.while_resting += [floor.reconciler.begin] * 3
    floor.reconciler.begin().join(LIMIT)
    assert floor.rested == [REST]
    assert floor.host_instances.calls.count("records") == 2
    floor.clock.advance(REST)
    floor.reconciler.begin().join(LIMIT)
    assert floor.rested == [REST]


def test_what_happens_while_a_pass_goes_is_seen_by_the_one_that_follows() -> None:
    rig = settled()
    floor = Floor(rig)
    read = threading.Event()
    allocations = floor.host_instances.allocations

    def then(instances: Sequence[ManagedInstance]) -> Mapping[str, Size]:
        found = allocations(instances)
        if not read.is_set():
            read.set()
            reserved_too_much(rig)
            floor.reconciler.begin()
        return found

    floor.host_instances.allocations = then  # type: ignore[method-assign]
    floor.reconciler.begin().join(LIMIT)
    assert floor.submitted == [(rig.uuid, None)]


def test_a_pass_that_hangs_with_a_guest_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    rig = settled()
    reserved_too_much(rig)
    floor = Floor(rig)
    held = Held(floor)
    first = floor.reconciler.begin()
    held.wait_until_asked(1)
    rig.clock.advance(HANGS_AFTER)
    assert floor.reconciler.begin() is first
    rig.clock.advance(0.1)
    second = floor.reconciler.begin()
    assert second is not first
    assert "hangs" in caplog.text
    held.gate.set()
    for one in (first, second):
        one.join(LIMIT)
        assert not one.is_alive()
    # The second pass is the one that was asked for while the first hung.
    assert held.asked == 2


def test_pass_asked_for_in_the_moment_in_which_one_ends_is_not_lost() -> None:
    floor = Floor(settled())
    first = floor.reconciler.begin()
    first.join(LIMIT)
    # It has looked for the last time whether one is to follow, and is not dead yet.
    first.is_alive = lambda: True  # type: ignore[method-assign]
    second = floor.reconciler.begin()
    second.join(LIMIT)
    assert floor.host_instances.calls.count("records") == 2


def test_a_pass_that_fails_is_logged_and_the_next_is_begun(
    caplog: pytest.LogCaptureFixture,
) -> None:
    floor = Floor(settled())
    records = floor.host_instances.records

    def broken() -> Sequence[ManagedInstance]:
        raise ConnectionError("the conductor is away")

    floor.host_instances.records = broken  # type: ignore[method-assign]
    floor.reconciler.begin().join(LIMIT)
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.exc_info
    floor.host_instances.records = records  # type: ignore[method-assign]
    floor.reconciler.begin().join(LIMIT)
    assert floor.host_instances.calls.count("records") == 1
