# SPDX-License-Identifier: Apache-2.0
"""After each pass the open events are ended that no run would end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.left_open import MOST_ERRORS, LeftOpen
from nova_xloud.compute.ports import Instance
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.testing.fake_ports import FakeActions, FakeEvent
from tests.unit.compute.floor import Floor, recorded_too_little, settled
from tests.unit.compute.inline_worker import InlineWorker
from tests.unit.compute.rig import Rig

ADJUST = "compute_xloud_adjust"


def killed_after_the_record(phase: Phase, *, begun: bool = True, event: str = ADJUST) -> Rig:
    """Make an instance whose record has the outcome of a run, while the event is still open.

    :param begun: False: there is no event at all
    """
    rig = settled()
    _record(rig, phase)
    if begun:
        rig.actions.events.append(FakeEvent(event, request_id="req-1"))
    return rig


def _record(rig: Rig, phase: Phase, *superseded: str) -> None:
    progress = Progress(phase, f"xloud.{phase.value}", "why", "", "req-1", superseded)
    rig.record.desired = replace(rig.record.desired, progress=progress)


def _pass(floor: Floor) -> None:
    """Make a pass in a thread of its own, and wait for what follows it there."""
    floor.reconciler.begin().join(LIMIT)


def _results(rig: Rig) -> list[str | None]:
    return [event.result for event in rig.actions.events]


def _open(rig: Rig, *request_ids: str) -> None:
    for request_id in request_ids:
        rig.actions.events.append(FakeEvent(ADJUST, request_id=request_id))


@pytest.mark.parametrize("name", [ADJUST, "compute_hotplug_vcpus"])
@pytest.mark.parametrize(
    ("phase", "result"),
    [(Phase.CONVERGED, "Success"), (Phase.GUEST_REFUSED, "Error"), (Phase.FAILED, "Error")],
)
def test_event_left_open_by_a_killed_process_is_finished_as_recorded(
    phase: Phase, result: str, name: str
) -> None:
    rig = killed_after_the_record(phase, event=name)
    floor = Floor(rig)
    floor.reconciler.service_starts()
    _pass(floor)
    (event,) = rig.actions.events
    assert (event.name, event.result) == (name, result)
    assert ("why" in str(event.error)) is (result == "Error")


def test_what_had_ended_before_is_looked_at_by_the_first_pass_only() -> None:
    rig = killed_after_the_record(Phase.CONVERGED)
    floor = Floor(rig)
    _pass(floor)
    assert _results(rig) == [None]
    floor.reconciler.service_starts()
    _pass(floor)
    assert _results(rig) == ["Success"]
    floor.host_instances.calls.clear()
    _pass(floor)
    assert floor.host_instances.calls == ["records", "domain_stats", "allocations"]


def test_requests_that_another_has_superseded_end_as_that_one() -> None:
    rig = settled()
    _open(rig, "req-a", "req-b", "req-1")
    _record(rig, Phase.DEFERRED, "req-a", "req-b")
    floor = Floor(rig)
    _pass(floor)
    assert _results(rig) == [None, None, None]
    _record(rig, Phase.CONVERGED, "req-a", "req-b")
    _pass(floor)
    assert _results(rig) == ["Success"] * 3


def test_superseded_request_that_no_record_names_any_more_is_remembered() -> None:
    rig = settled()
    _open(rig, "req-0")
    _record(rig, Phase.CONVERGED)
    floor = Floor(rig)
    floor.reconciler.request_begun(rig.uuid, "req-0")
    _pass(floor)
    assert _results(rig) == ["Success"]


def test_events_of_a_deleted_instance_end_with_an_error() -> None:
    rig, other = settled(), Rig(uuid="another")
    _open(rig, "req-1")
    _record(rig, Phase.DEFERRED)
    floor = Floor(rig, other)
    _pass(floor)
    rig.record.deleted = True
    _pass(floor)
    (event,) = rig.actions.events
    assert (event.result, "deleted" in str(event.error)) == ("Error", True)


def test_instance_that_has_left_takes_the_requests_of_its_record_along() -> None:
    rig = settled()
    # A resize has begun a record anew, without this request.
    _open(rig, "req-resized", "req-1")
    _record(rig, Phase.DEFERRED)
    floor = Floor(rig)
    floor.reconciler.request_begun(rig.uuid, "req-resized")
    _pass(floor)
    _record(rig, Phase.CONVERGED)
    rig.record.on_this_host = False
    _pass(floor)
    assert _results(rig) == ["Success", None]


def test_run_that_goes_on_ends_its_event_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = killed_after_the_record(Phase.CONVERGED)
    busy = {rig.uuid}
    monkeypatch.setattr(InlineWorker, "is_busy", lambda worker, uuid: uuid in busy)
    floor = Floor(rig)
    floor.reconciler.service_starts()
    _pass(floor)
    assert _results(rig) == [None]
    busy.clear()
    _pass(floor)
    assert _results(rig) == ["Success"]


def test_service_that_starts_on_an_empty_host_asks_for_none_later() -> None:
    rig = killed_after_the_record(Phase.CONVERGED)
    floor = Floor(rig)
    floor.reconciler.service_starts()
    rig.record.on_this_host = False
    _pass(floor)
    rig.record.on_this_host = True
    _pass(floor)
    assert _results(rig) == [None]


@pytest.mark.parametrize("phase", [Phase.CONVERGED, Phase.DEFERRED])
def test_event_that_was_not_left_open_is_not_touched(phase: Phase) -> None:
    rig = killed_after_the_record(phase, begun=phase is Phase.DEFERRED)
    floor = Floor(rig)
    floor.reconciler.service_starts()
    _pass(floor)
    assert _results(rig) == ([None] if phase is Phase.DEFERRED else [])


def test_action_that_cannot_be_read_ends_no_pass_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, other = killed_after_the_record(Phase.CONVERGED), Rig(uuid="another")
    recorded_too_little(other)
    floor = Floor(rig, other)
    floor.reconciler.service_starts()
    with monkeypatch.context() as broken:
        broken.setattr(FakeActions, "open_events", lambda actions: 1 / 0)
        _pass(floor)
    assert floor.submitted == [(other.uuid, None)]
    _pass(floor)
    assert _results(rig) == ["Success"]


def test_instances_that_cannot_be_read_keep_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = [Rig(uuid=f"broken-{number}") for number in range(MOST_ERRORS)]
    rig = killed_after_the_record(Phase.CONVERGED)
    floor = Floor(*broken, rig)
    for one in (*broken, rig):
        floor.reconciler.request_begun(one.uuid, "req-1")
    read = floor.host_instances.open

    def open_(uuid: str, request_id: str) -> Instance:
        if uuid.startswith("broken"):
            raise ValueError(uuid)
        return read(uuid, request_id)

    monkeypatch.setattr(floor.host_instances, "open", open_)
    _pass(floor)
    assert _results(rig) == [None]
    _pass(floor)
    assert _results(rig) == ["Success"]


def test_events_are_ended_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = killed_after_the_record(Phase.CONVERGED)
    floor = Floor(rig)
    left_open = LeftOpen(floor.host_instances, lambda uuid: False)
    left_open.begun(rig.uuid, ["req-1"])
    read, opened = floor.host_instances.open, []

    def open_(uuid: str, request_id: str) -> Instance:
        opened.append(uuid)
        # Another pass has ended meanwhile.
        left_open.finish()
        return read(uuid, request_id)

    monkeypatch.setattr(floor.host_instances, "open", open_)
    left_open.finish()
    assert (opened, _results(rig)) == ([rig.uuid], ["Success"])


def test_pass_resumes_a_hotplug_as_the_event_that_it_was() -> None:
    rig = settled()
    rig.actions.events.append(FakeEvent("compute_hotplug_vcpus", request_id="req-1"))
    recorded_too_little(rig)
    _record(rig, Phase.ADMITTED)
    floor = Floor(rig)
    _pass(floor)
    assert floor.submitted == [(rig.uuid, "hotplug_vcpus")]
