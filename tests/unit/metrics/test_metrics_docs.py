# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md, the alerts and the dashboard name what is served, and all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nova_xloud.compute.meter import PassEntry, RoundReport
from nova_xloud.core.convergence.drift import CODES
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.sample import Sample
from nova_xloud.core.size import Observed, Size
from nova_xloud.metrics.meter import PrometheusMeter

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
DEPLOY = ROOT / "deploy"
ROW = re.compile(r"^\| `(nova_xloud_\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)
SIZE = Size(1, 512)


def full() -> PrometheusMeter:
    """One of everything has happened."""
    meter = PrometheusMeter()
    sample = Sample(1, SIZE, SIZE, SIZE, Observed(1, 512), frozenset())
    meter.admitted("one", 1, 0.0, nothing_to_do=False)
    meter.pass_finished(0.1, {"one": PassEntry(sample, SIZE, "its")})
    meter.drifted("one", "vcpus")
    meter.ended("one", Phase.CONVERGED, "", asked=True)
    meter.scaled(grows=True)
    meter.round_finished(
        RoundReport(
            seconds=0.1,
            servers={"on": 1},
            recommended={"one": SIZE},
            codes={"hold.enough": 2},
            deferred={},
            deferred_servers=frozenset(),
            oldest_known=1.0,
            oldest_wish=0.0,
        )
    )
    return meter


def served() -> set[tuple[str, str, frozenset[str]]]:
    """Name, type and labels of each metric."""
    found = set()
    for family in full().registry.collect():
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = family.name + ("_total" if family.type == "counter" else "")
        found.add((name, family.type, frozenset(labels)))
    return found


def test_the_table_has_each_metric_with_its_type_and_labels() -> None:
    told = {
        (name, kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(PAGE)
    }
    assert told == served()


def test_the_page_names_each_reason_of_drift() -> None:
    assert [code for code in CODES if f"`{code}`" not in PAGE] == []


@pytest.mark.parametrize("path", ["prometheus/alerts.yml", "grafana/nova-xloud.json"])
def test_what_is_asked_for_is_served(path: str) -> None:
    bases = {name for name, _, _ in served()}
    asked = set(re.findall(r"nova_xloud_\w+", (DEPLOY / path).read_text()))
    assert asked
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= bases


def test_the_page_has_each_alert() -> None:
    alerts = re.findall(r"alert: (\w+)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    assert alerts == re.findall(r"^\| `(Xloud\w+)`", PAGE, re.MULTILINE)
    tested = (DEPLOY / "prometheus" / "alerts_test.yml").read_text()
    assert [alert for alert in alerts if f"alertname: {alert}" not in tested] == []


def test_an_instance_has_as_many_series_as_the_page_says() -> None:
    samples = [s for f in full().registry.collect() for s in f.samples]
    per_instance = [s for s in samples if s.labels.get("instance_uuid") == "one"]
    assert re.search(
        rf"\*\*Cardinality\.\*\* At most {len(per_instance)} series an instance", PAGE
    ), len(per_instance)


def test_each_panel_asks_the_chosen_prometheus() -> None:
    board = json.loads((DEPLOY / "grafana" / "nova-xloud.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 0
    for panel in board["panels"]:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
