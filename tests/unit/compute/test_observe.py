# SPDX-License-Identifier: Apache-2.0
"""A reading is of one moment: what Placement's numbers mean is said by flavor and image of then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import pytest

from nova_xloud.adapters.placement import CurrentClaims
from nova_xloud.compute.observe import observe
from nova_xloud.compute.ports import Instance, RecordView, Reservation
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import DomainNotFound, InvalidState
from nova_xloud.testing.fake_ports import FakeActions, FakeRecord
from tests.unit.compute.rig import NOW, Rig

SIZE = Size(1, 512)
BEFORE = FlavorFacts(Size(4, 1024))
AFTER = FlavorFacts(Size(4, 1024), extra_specs={"resources:MEMORY_MB": "1024"})


class ClaimsByFacts:
    """Placement's numbers, as they are to be understood by some facts."""

    def __init__(self, facts: FlavorFacts) -> None:
        fixed = bool(facts.overrides("MEMORY_MB"))
        self._size = Size(1, facts.maximum.memory_mb) if fixed else SIZE

    def read(self) -> Reservation:
        return Reservation(self._size, {})

    def check(self, current: Reservation, size: Size) -> None:
        raise NotImplementedError

    def write(self, current: Reservation, size: Size) -> Reservation:
        raise NotImplementedError


class ResizedMeanwhile(FakeRecord):
    """Somebody changes its flavor before the n-th reading."""

    def __init__(self, changes: Callable[[int], FlavorFacts]) -> None:
        super().__init__(BEFORE, Desired(SIZE))
        self.readings = 0
        self._changes = changes

    def refresh(self) -> RecordView:
        self.readings += 1
        self.facts = self._changes(self.readings)
        return super().refresh()


def opened(record: FakeRecord) -> Instance:
    def no_domain() -> None:
        raise DomainNotFound("off")

    return Instance(
        uuid="uuid",
        domain=no_domain,  # type: ignore[arg-type]
        claims=CurrentClaims(lambda: ClaimsByFacts(record.facts)),
        record=record,
        actions=FakeActions(),
        lock=None,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("changed_before", [1, 2, 3])
def test_the_claim_is_understood_by_the_flavor_of_the_same_reading(changed_before: int) -> None:
    record = ResizedMeanwhile(lambda reading: AFTER if reading >= changed_before else BEFORE)
    seen = observe(opened(record))
    assert seen.reservation.size == (Size(1, 1024) if seen.view.facts == AFTER else SIZE)


def test_a_flavor_that_changes_with_every_reading_is_none_to_decide_by() -> None:
    record = ResizedMeanwhile(lambda reading: replace(BEFORE, image_min_ram_mb=reading))
    with pytest.raises(InvalidState, match="is being changed"):
        observe(opened(record))


def test_a_guest_that_an_operation_had_off_while_it_was_read_is_read_again() -> None:
    rig = Rig()

    def is_rebuilt() -> None:
        rig.record.task_state = "rebuilding"
        rig.guest.stop()
        rig.before["claim_read"] = is_over

    def is_over() -> None:
        rig.before.clear()
        rig.guest.start(arrived=True)
        rig.record.task_state = None

    rig.once_before("read", is_rebuilt)
    assert observe(rig.instance).state.held == NOW


def test_one_that_is_changed_all_the_time_is_nothing_to_decide_by() -> None:
    rig = Rig()

    def begins_and_ends() -> None:
        rig.record.task_state = "pausing"
        rig.record.task_state = None

    rig.before["read"] = begins_and_ends
    with pytest.raises(InvalidState, match="being changed"):
        observe(rig.instance)


def test_a_record_that_is_known_is_read_once_and_not_before_the_guest() -> None:
    record = ResizedMeanwhile(lambda reading: BEFORE)
    last_view = observe(opened(record)).view
    assert record.readings == 2
    assert observe(opened(record), last_view=last_view).view == last_view
    assert record.readings == 3


@pytest.mark.parametrize("changed_before", [3, 4])
def test_a_record_that_was_known_and_has_changed_is_read_anew(changed_before: int) -> None:
    record = ResizedMeanwhile(lambda reading: AFTER if reading >= changed_before else BEFORE)
    last_view = observe(opened(record)).view
    seen = observe(opened(record), last_view=last_view)
    assert seen.reservation.size == (Size(1, 1024) if seen.view.facts == AFTER else SIZE)


def test_an_operation_that_came_and_went_since_a_record_was_known_is_seen() -> None:
    """What it was is not known: the guest, as it was in the midst of it, counts for nothing."""
    rig = Rig()
    last_view = observe(rig.instance).view

    def is_over() -> None:
        rig.before.clear()
        rig.guest.start(arrived=True)
        rig.record.task_state = None

    rig.record.task_state = "rebuilding"
    rig.guest.stop()
    rig.before["claim_read"] = is_over
    assert observe(rig.instance, last_view=last_view).state.held == NOW


def test_a_run_reads_the_record_once_for_a_step() -> None:
    rig = Rig()
    rig.admit(vcpus=6, memory_mb=3072)
    read = mock.Mock(wraps=rig.record.refresh)
    with mock.patch.object(rig.record, "refresh", read):
        assert rig.converge().converged
    # Definition, memory, vCPUs, the end; twice at the beginning, and once to write the end.
    assert rig.effects[2:] == ["set_definition", "set_memory", "set_vcpus", "record"]
    assert read.call_count == 6
