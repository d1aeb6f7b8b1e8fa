# SPDX-License-Identifier: Apache-2.0
"""That the fakes refuse what the real ones refuse; no test above can see it when they do not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from nova_xloud.compute.ports import Actions, ClaimConflict, Claims, HostInstances, Record
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import (
    AdjustmentDeferred,
    DomainError,
    InvalidState,
    NoCapacity,
    NotFound,
    PlacementUnavailable,
)
from nova_xloud.testing import FakeDomain
from nova_xloud.testing.fake_ports import FakeActions, FakeClaims, FakeHostInstances, FakeRecord
from tests.unit.compute.rig import NOW, Rig

HELD = Size(2, 1024)


@pytest.fixture
def claims() -> FakeClaims:
    return FakeClaims(HELD, capacity=Size(8, 4096), others=Size(3, 1024))


@pytest.fixture
def record() -> FakeRecord:
    return FakeRecord(FlavorFacts(Size(8, 4096)), Desired(HELD))


def test_fakes_implement_the_ports(claims: FakeClaims, record: FakeRecord) -> None:
    # For mypy as much as for pytest.
    ports: tuple[Claims, Record, Actions, HostInstances] = (
        claims,
        record,
        FakeActions(),
        FakeHostInstances(),
    )
    assert ports[0].read().size == ports[1].refresh().desired.persisted == HELD
    assert ports[3].records() == []


def test_no_nova_is_imported_for_them_nor_for_the_rig() -> None:
    check = (
        "import sys, nova_xloud.testing.fake_ports, tests.unit.compute.rig; "
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
    record.write(desired, recorded=Size(5, 3072))
    assert record.refresh().desired == desired
    assert record.recorded == Size(5, 3072)


def test_a_record_is_not_written_while_a_task_runs(record: FakeRecord) -> None:
    record.task_state = "rebooting"
    with pytest.raises(InvalidState):
        record.write(Desired(Size(4, 2048)), recorded=HELD)
    assert record.desired == Desired(HELD)


def test_a_deleted_record_is_neither_read_nor_written(record: FakeRecord) -> None:
    record.deleted = True
    with pytest.raises(NotFound):
        record.refresh()
    with pytest.raises(NotFound):
        record.write(Desired(HELD), recorded=HELD)


def test_an_event_has_no_result_before_it_has_ended() -> None:
    actions = FakeActions()
    with actions.event("one"):
        assert actions.events[0].result is None
    assert actions.events[0].result == "Success"


def test_an_event_that_is_deferred_stays_open_and_is_gone_on_with() -> None:
    actions = FakeActions()
    with pytest.raises(AdjustmentDeferred), actions.event("one"):
        raise AdjustmentDeferred("paused")
    assert [event.result for event in actions.events] == [None]
    with actions.event("one"):
        pass
    with actions.event("one"):
        pass
    assert [event.result for event in actions.events] == ["Success", "Success"]


def test_an_event_lets_its_error_go_on() -> None:
    actions = FakeActions()
    with pytest.raises(RuntimeError), actions.event("one"):
        raise RuntimeError
    assert actions.events[0].result == "Error"


@pytest.mark.parametrize("size", [Size(6, 1024), Size(2, 3073), Size(5, 3072), Size(1, 512)])
def test_a_check_says_what_a_write_would_and_writes_nothing(claims: FakeClaims, size: Size) -> None:
    try:
        claims.check(claims.read(), size)
    except NoCapacity:
        with pytest.raises(NoCapacity):
            claims.write(claims.read(), size)
    else:
        assert (claims.size, claims.written) == (HELD, [])
        claims.write(claims.read(), size)


def test_a_check_asks_placement(claims: FakeClaims) -> None:
    reading = claims.read()
    claims.unreachable = True
    with pytest.raises(PlacementUnavailable):
        claims.check(reading, HELD)


def test_a_fleet_tells_of_its_instances_what_their_ports_do() -> None:
    one, other = Rig(uuid="one"), Rig(uuid="other", running=False)
    other.claims.size = Size(5, 3072)
    host_instances = FakeHostInstances([one.instance, other.instance])
    records = host_instances.records()
    assert [(k.uuid, k.view) for k in records] == [
        ("one", one.record.refresh()),
        ("other", other.record.refresh()),
    ]
    assert host_instances.allocations(records) == {"one": NOW, "other": Size(5, 3072)}
    assert host_instances.domain_stats(["one", "other"]) == {
        "one": FakeDomain(one.guest).stats(),
        "other": FakeDomain(other.guest).stats(),
    }
    assert host_instances.domain_stats(["one"])["one"].defined == NOW
    assert host_instances.domain_stats(["one"])["other"].defined is None
    assert host_instances.domain_stats([])["one"].boot_id == 1
    assert not host_instances.domain_stats([])["other"].running
    assert host_instances.calls == ["records", "allocations", *["domain_stats"] * 5]


def _moved(rig: Rig) -> None:
    rig.record.on_this_host = False


def _deleted(rig: Rig) -> None:
    rig.record.deleted = True


@pytest.mark.parametrize("gone", [_moved, _deleted])
def test_a_fleet_knows_only_what_is_here(gone: Callable[[Rig], None]) -> None:
    rig = Rig()
    gone(rig)
    assert FakeHostInstances([rig.instance]).records() == []


def test_a_domain_that_is_not_there_or_busy_has_no_stats() -> None:
    rig = Rig()
    host_instances = FakeHostInstances([rig.instance])
    host_instances.left_out.add(rig.uuid)
    assert host_instances.domain_stats([]) == {}
    host_instances.left_out.clear()
    assert list(host_instances.domain_stats([])) == [rig.uuid]
    rig.guest.undefine()
    rig.guest.stop()
    assert host_instances.domain_stats([]) == {}


def test_what_ran_already_is_what_ran_when_the_service_began() -> None:
    one, other = Rig(uuid="one"), Rig(uuid="other", running=False)
    host_instances = FakeHostInstances([one.instance, other.instance])
    one.guest.stop()
    one.guest.start(arrived=True)
    other.boot()
    host_instances.libvirt_away = True
    assert host_instances.boot_ids() == {"one": 1}


def test_a_fleet_without_libvirt_or_placement_says_so() -> None:
    rig = Rig()
    host_instances = FakeHostInstances([rig.instance])
    records = host_instances.records()
    host_instances.libvirt_away = rig.claims.unreachable = True
    with pytest.raises(DomainError):
        host_instances.domain_stats([])
    with pytest.raises(PlacementUnavailable):
        host_instances.allocations(records)


def test_an_instance_is_opened_for_a_request_while_it_is_there() -> None:
    rig = Rig()
    host_instances = FakeHostInstances([rig.instance])
    assert host_instances.open(rig.uuid, "req-1").request_id == "req-1"
    rig.record.deleted = True
    with pytest.raises(NotFound):
        host_instances.open(rig.uuid, "req-1")
