# SPDX-License-Identifier: Apache-2.0
"""That the fakes refuse what the real ones refuse; no test above can see it when they do not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from nova_xloud.compute.ports import Actions, ClaimConflict, Claims, Record
from nova_xloud.core.desired import Desired
from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState, NoCapacity, NotFound, PlacementUnavailable
from nova_xloud.testing.ports import FakeActions, FakeClaims, FakeRecord

HELD = Size(2, 1024)


@pytest.fixture
def claims() -> FakeClaims:
    return FakeClaims(HELD, capacity=Size(8, 4096), others=Size(3, 1024))


@pytest.fixture
def record() -> FakeRecord:
    return FakeRecord(FlavorFacts(Size(8, 4096)), Desired(HELD))


def test_they_are_the_ports(claims: FakeClaims, record: FakeRecord) -> None:
    # For mypy as much as for pytest.
    ports: tuple[Claims, Record, Actions] = (claims, record, FakeActions())
    assert ports[0].read().size == ports[1].refresh().desired.persisted == HELD


def test_no_nova_is_imported_for_them_nor_for_the_rig() -> None:
    check = (
        "import sys, nova_xloud.testing.ports, tests.unit.compute.rig; "
        "print([m for m in ('nova', 'libvirt') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_write_is_read_back(claims: FakeClaims) -> None:
    assert claims.write(claims.read(), Size(5, 3072)).size == Size(5, 3072)
    assert claims.read().size == Size(5, 3072)


@pytest.mark.parametrize("size", [Size(6, 1024), Size(2, 3073)])
def test_a_full_host_refuses_and_keeps_what_was(claims: FakeClaims, size: Size) -> None:
    with pytest.raises(NoCapacity):
        claims.write(claims.read(), size)
    assert claims.read().size == HELD


def test_an_overfull_host_still_lets_go(claims: FakeClaims) -> None:
    claims.others = Size(8, 4096)
    assert claims.write(claims.read(), Size(1, 1024)).size == Size(1, 1024)
    with pytest.raises(NoCapacity):
        claims.write(claims.read(), HELD)


def test_an_older_reading_conflicts(claims: FakeClaims) -> None:
    old = claims.read()
    claims.write(old, Size(3, 1024))
    with pytest.raises(ClaimConflict):
        claims.write(old, Size(4, 1024))
    assert claims.size == Size(3, 1024)


def test_it_conflicts_as_often_as_it_was_told(claims: FakeClaims) -> None:
    claims.conflicts = 2
    for _ in range(2):
        with pytest.raises(ClaimConflict):
            claims.write(claims.read(), Size(3, 1024))
    assert claims.write(claims.read(), Size(3, 1024)).size == Size(3, 1024)


@pytest.mark.parametrize(
    "call", [lambda c, r: c.read(), lambda c, r: c.write(r, HELD)], ids=["read", "write"]
)
def test_unreachable_is_for_reading_and_writing(
    claims: FakeClaims, call: Callable[[FakeClaims, object], object]
) -> None:
    reading = claims.read()
    claims.unreachable = True
    with pytest.raises(PlacementUnavailable):
        call(claims, reading)


def test_a_record_is_read_as_it_was_written(record: FakeRecord) -> None:
    desired = Desired(Size(4, 2048), generation=1)
    record.write(desired, held=Size(5, 3072))
    assert record.refresh().desired == desired
    assert record.held == Size(5, 3072)


def test_a_record_is_not_written_while_a_task_runs(record: FakeRecord) -> None:
    record.task_state = "rebooting"
    with pytest.raises(InvalidState):
        record.write(Desired(Size(4, 2048)), held=HELD)
    assert record.desired == Desired(HELD)


def test_a_deleted_record_is_neither_read_nor_written(record: FakeRecord) -> None:
    record.deleted = True
    with pytest.raises(NotFound):
        record.refresh()
    with pytest.raises(NotFound):
        record.write(Desired(HELD), held=HELD)


def test_an_event_has_no_result_before_it_has_ended() -> None:
    actions = FakeActions()
    with actions.event("one"):
        assert actions.events[0].result is None
    assert actions.events[0].result == "Success"


def test_an_event_lets_its_error_go_on() -> None:
    actions = FakeActions()
    with pytest.raises(RuntimeError), actions.event("one"):
        raise RuntimeError
    assert actions.events[0].result == "Error"
