"""How a sample is read: from /proc, from databases and from folders."""

import os
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.soak import bounds, metrics, processes, rows
from lab.soak.sample import from_json, to_json
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.asked import Asked
from nova_xloud.core.instance.desired import Desired, replaced
from nova_xloud.core.instance.history import History
from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.size import Size
from tests.unit.lab.soak_samples import run

UUID = "instance_uuid"


def test_samples_come_back_from_json() -> None:
    samples = run(3, 1)
    assert from_json(to_json(samples, {"command": "lab/run soak"})) == (
        samples,
        {"command": "lab/run soak"},
    )


def test_use_of_a_process_counts_threads_and_descriptors() -> None:
    before = processes.of_process(Path("/proc/self"))
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(60,))
    thread.start()
    reading, writing = os.pipe()
    try:
        after = processes.of_process(Path("/proc/self"))
    finally:
        go.set()
        thread.join()
        os.close(reading)
        os.close(writing)
    assert after.threads == before.threads + 1
    assert after.descriptors == before.descriptors + 2
    assert 0 < after.private_mb <= after.rss_mb


def test_a_service_has_what_its_children_have_but_not_a_young_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ages = {2: 100.0, 3: 1.0, 4: 100.0, 5: 100.0}
    monkeypatch.setattr(processes, "_age", ages.__getitem__)
    assert list(processes._tree(1, {1: [2, 3], 2: [4], 3: [5]})) == [1, 2, 4]


@pytest.fixture
def layout(tmp_path: Path) -> Any:
    for name in rows.DATABASES:
        with sqlite3.connect(tmp_path / f"{name}.sqlite") as connection:
            connection.execute("CREATE TABLE instances (id INTEGER)")
            connection.execute("CREATE TABLE instance_actions (id INTEGER, action TEXT)")
            connection.execute(
                "CREATE TABLE instance_actions_events (action_id INTEGER, finish_time TEXT)"
            )
            connection.execute(
                f"CREATE TABLE instance_system_metadata ({UUID}, key, value, deleted)"
            )
    return SimpleNamespace(databases=tmp_path)


def execute(layout: Any, statement: str) -> None:
    with sqlite3.connect(layout.databases / "nova.sqlite") as connection:
        connection.execute(statement)


def test_rows_are_counted_by_table_and_adjustments_apart(layout: Any) -> None:
    execute(layout, "INSERT INTO instances VALUES (1), (2)")
    execute(layout, "INSERT INTO instance_actions VALUES (1, 'xloud_adjust'), (2, 'stop')")
    execute(layout, "INSERT INTO instance_actions_events VALUES (1, 'now'), (1, NULL), (2, NULL)")
    assert rows.rows(layout) == {
        "nova.instances": 2,
        "nova.instance_actions": 1,
        "nova.instance_actions_events": 1,
        rows.ADJUSTMENTS: 1,
        rows.ADJUSTMENT_EVENTS: 2,
    }
    assert rows.open_events(layout) == 1


def test_the_largest_record_of_a_server_that_exists_counts(layout: Any) -> None:
    execute(
        layout,
        "INSERT INTO instance_system_metadata VALUES ('a', 'xloud_vcpus', '1', 0),"
        " ('b', 'xloud_vcpus', '1', 0), ('b', 'xloud_flavor', 'four', 0),"
        " ('b', 'image_os', 'x', 0), ('c', 'xloud_1', '', 9), ('c', 'xloud_2', '', 9),"
        " ('c', 'xloud_3', '', 9)",
    )
    assert list(rows.records(layout).values()) == [2, 28]


def test_the_bound_of_a_record_is_the_fullest_record_without_a_resize() -> None:
    past = History()
    for _ in range(12):
        past = past.admitted("now", "req-1", Size(1, 512), Size(2, 512), "somebody")
    kinds = [Condition(kind, True, "reason", "message", "now") for kind in conditions.TYPES]
    fullest = Desired(
        persisted=Size(1, 512),
        live=Size(2, 512),
        generation=1,
        removal_pending=1,
        force=True,
        progress=Progress(Phase.ADMITTED, "code", "message", "since", "req-1"),
        recorded_conditions=conditions.worth_recording(tuple(kinds)),
        tries=1,
        given_up=kinds[0],
        autoscale=Mode.ON,
        asked=Asked().after("2026-11-30T12:00:00Z", 1, 512),
        history=past,
    )
    record = replaced({}, fullest, "4:1024:name")
    assert len(record) == bounds.RECORD_KEYS
    assert max(len(name) for name in record) <= bounds.KEY_BYTES - 255


def test_a_server_has_no_more_series_than_its_bound() -> None:
    sizes = 2 * len(("desired", "reserved", "actuated", "observed", "maximum", "recommended"))
    project = 1
    most = sizes + len(conditions.TYPES) + project
    assert bounds.HOST["series of servers in the metrics"] == most


def test_series_of_servers_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "# HELP nova_xloud_instance_vcpus vCPUs\n"
        'nova_xloud_instance_vcpus{instance_uuid="a",kind="desired"} 1\n'
        'nova_xloud_adjustments_total{outcome="reached"} 3\n'
        'nova_xloud_autoscale_changes_total{direction="grow"} 4.0\n'
        "python_info 1\n"
    )
    monkeypatch.setattr(metrics, "scrape", lambda layout, compute: text)
    layout: Any = SimpleNamespace(computes=["one", "other"])
    assert list(metrics.series(layout).values()) == [2, 4, 8]
