# SPDX-License-Identifier: Apache-2.0
"""What the metrics show of the calls to the meter."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from nova_xloud.compute.meter import PassEntry, RoundReport
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.sample import Sample
from nova_xloud.core.size import Observed, Size
from nova_xloud.metrics.meter import PrometheusMeter
from nova_xloud.printable import one_line

UUID = "b1a5"
OLD, NEW = Size(1, 512), Size(3, 768)
ON_ITS_WAY = Sample(1, NEW, NEW, OLD, Observed(OLD.vcpus, OLD.memory_mb), frozenset())
THERE = Sample(1, NEW, NEW, NEW, Observed(NEW.vcpus, NEW.memory_mb), frozenset({"Converged"}))
MAXIMUM = Size(4, 1024)


class Now:
    """Seconds."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def meter(now: Now) -> PrometheusMeter:
    return PrometheusMeter(now, lambda: 1e9)


def value(meter: PrometheusMeter, name: str, **labels: str) -> float | None:
    return meter.registry.get_sample_value(f"nova_xloud_{name}", labels)


def adjustments(meter: PrometheusMeter, result: str, code: str = "") -> float | None:
    return value(meter, "adjustments_total", result=result, code=code)


def times(meter: PrometheusMeter) -> dict[str, tuple[float | None, float | None]]:
    """Of each histogram the count and the sum."""
    return {
        what: (
            value(meter, f"adjustment_{what}_seconds_count"),
            value(meter, f"adjustment_{what}_seconds_sum"),
        )
        for what in ("claimed", "actuated", "observed")
    }


def test_times_are_from_its_arrival(meter: PrometheusMeter, now: Now) -> None:
    meter.admitted(UUID, 1, 99.5, nothing_to_do=False)
    assert times(meter) == {"claimed": (1, 0.5), "actuated": (0, 0), "observed": (0, 0)}
    meter.sampled(UUID, ON_ITS_WAY)
    now.at = 102
    meter.sampled(UUID, replace(THERE, observed=Observed(2, 768)))
    assert times(meter) == {"claimed": (1, 0.5), "actuated": (1, 2.5), "observed": (0, 0)}
    now.at = 104
    meter.sampled(UUID, THERE)
    now.at = 200
    meter.sampled(UUID, THERE)
    assert times(meter) == {"claimed": (1, 0.5), "actuated": (1, 2.5), "observed": (1, 4.5)}


def test_one_that_another_has_overtaken_has_no_times(meter: PrometheusMeter) -> None:
    meter.admitted(UUID, 1, 99.0, nothing_to_do=False)
    meter.admitted(UUID, 2, 99.5, nothing_to_do=False)
    meter.sampled(UUID, THERE)
    assert times(meter)["observed"] == (0, 0)
    meter.sampled(UUID, replace(THERE, generation=2))
    assert times(meter)["observed"] == (1, 0.5)
    assert adjustments(meter, "admitted") == 2


def test_stopped_guest_is_not_counted_as_actuated(meter: PrometheusMeter) -> None:
    meter.admitted(UUID, 1, 99.0, nothing_to_do=False)
    off = replace(THERE, actuated=Size(0, 0), observed=Observed(0, 0))
    meter.sampled(UUID, off)
    meter.ended(UUID, Phase.CONVERGED, "", asked=True)
    # Started later: that was not the adjustment.
    meter.sampled(UUID, THERE)
    assert times(meter)["actuated"] == (0, 0)
    assert adjustments(meter, "converged") == 1


def test_one_that_the_guest_has_refused_counts_until_it_is_there(
    meter: PrometheusMeter, now: Now
) -> None:
    meter.admitted(UUID, 1, 100.0, nothing_to_do=False)
    meter.ended(UUID, Phase.GUEST_REFUSED, "xloud.guest_refused.memory_floor", asked=True)
    now.at = 400
    meter.sampled(UUID, THERE)
    assert times(meter)["observed"] == (1, 300)
    assert adjustments(meter, "guest_refused", "xloud.guest_refused.memory_floor") == 1


def test_results(meter: PrometheusMeter) -> None:
    meter.refused("xloud.no_capacity")
    meter.admitted(UUID, 1, 99.0, nothing_to_do=True)
    meter.ended(UUID, Phase.DEFERRED, "", asked=True)
    meter.ended(UUID, Phase.FAILED, "xloud.failed", asked=True)
    meter.ended(UUID, Phase.FAILED, "xloud.failed", asked=False)
    assert adjustments(meter, "refused", "xloud.no_capacity") == 1
    assert adjustments(meter, "nothing_to_do") == 1
    assert adjustments(meter, "admitted") is None
    assert times(meter)["claimed"] == (0, 0)
    assert adjustments(meter, "deferred") == 1
    assert adjustments(meter, "failed", "xloud.failed") == 1


def test_drift_is_repaired_when_a_run_has_converged(meter: PrometheusMeter) -> None:
    meter.drifted(UUID, "vcpus")
    meter.ended(UUID, Phase.DEFERRED, "", asked=False)
    assert value(meter, "drift_repaired_total", why="vcpus") is None
    meter.ended(UUID, Phase.CONVERGED, "", asked=False)
    meter.ended(UUID, Phase.CONVERGED, "", asked=False)
    assert value(meter, "drift_found_total", why="vcpus") == 1
    assert value(meter, "drift_repaired_total", why="vcpus") == 1


def test_a_pass_has_all_instances_and_forgets_the_others(meter: PrometheusMeter) -> None:
    meter.admitted("gone", 1, 99.0, nothing_to_do=False)
    meter.drifted("gone", "vcpus")
    meter.sampled("gone", ON_ITS_WAY)
    meter.pass_finished(0.25, {UUID: PassEntry(THERE, MAXIMUM, "its project")})
    assert gauges(meter, "gone") == {}
    assert gauges(meter, UUID, "its project") == {
        "desired": (3, 768 * 2**20),
        "reserved": (3, 768 * 2**20),
        "actuated": (3, 768 * 2**20),
        "observed": (3, 768 * 2**20),
        "maximum": (4, 1024 * 2**20),
    }
    assert value(meter, "instance_info", instance_uuid=UUID, project_id="its project") == 1
    assert value(meter, "reconcile_duration_seconds_sum") == 0.25
    assert value(meter, "reconcile_last_pass_timestamp_seconds") == 1e9
    meter.sampled("gone", THERE)
    meter.ended("gone", Phase.CONVERGED, "", asked=True)
    assert value(meter, "drift_repaired_total", why="vcpus") is None
    assert times(meter)["observed"] == (0, 0)


def gauges(
    meter: PrometheusMeter, uuid: str, project: str = ""
) -> dict[str, tuple[float | None, float | None]]:
    found = {}
    for kind in ("desired", "reserved", "actuated", "observed", "maximum"):
        labels = {"instance_uuid": uuid, "project_id": project, "kind": kind}
        vcpus = value(meter, "instance_vcpus", **labels)
        if vcpus is not None:
            found[kind] = (vcpus, value(meter, "instance_memory_bytes", **labels))
    return found


def test_each_series_of_an_instance_names_its_project(meter: PrometheusMeter) -> None:
    meter.sampled(UUID, THERE, "its project")
    recommended = {UUID: MAXIMUM, "never seen": MAXIMUM}
    meter.round_finished(RoundReport(0.1, {}, recommended, {}, {}, frozenset(), 0.0, 0.0))
    meter.sampled(UUID, THERE)
    of_instances = [
        sample.labels
        for family in meter.registry.collect()
        for sample in family.samples
        if "instance_uuid" in sample.labels
    ]
    found = {(labels["instance_uuid"], labels["project_id"]) for labels in of_instances}
    assert found == {(UUID, "its project")}
    assert "recommended" in {labels.get("kind") for labels in of_instances}


def test_what_a_pass_has_not_seen_is_as_it_was(meter: PrometheusMeter) -> None:
    meter.sampled(UUID, replace(ON_ITS_WAY, observed=Observed(0, 512)))
    unseen = replace(THERE, actuated=None, observed=Observed(None, None))
    meter.pass_finished(0.1, {UUID: PassEntry(unseen, MAXIMUM), "new": PassEntry(unseen, MAXIMUM)})
    assert gauges(meter, UUID)["actuated"] == (1, 512 * 2**20)
    assert gauges(meter, UUID)["observed"] == (0, 512 * 2**20)
    assert set(gauges(meter, "new")) == {"desired", "reserved", "maximum"}


def test_pass_does_not_overwrite_the_sample_of_a_run_in_progress(meter: PrometheusMeter) -> None:
    meter.sampled(UUID, ON_ITS_WAY)
    meter.pass_finished(0.1, {UUID: PassEntry(None, MAXIMUM), "new": PassEntry(None, MAXIMUM)})
    assert gauges(meter, UUID)["actuated"] == (1, 512 * 2**20)
    assert gauges(meter, UUID)["maximum"] == (4, 1024 * 2**20)
    assert gauges(meter, "new") == {}


def test_every_condition_is_listed_true_or_not(meter: PrometheusMeter) -> None:
    alarm = replace(THERE, conditions=frozenset({"ReservedTooLittle"}))
    meter.pass_finished(0.1, {UUID: PassEntry(alarm, MAXIMUM)})
    samples = [
        (sample.labels["type"], sample.value)
        for family in meter.registry.collect()
        for sample in family.samples
        if sample.name == "nova_xloud_instance_condition"
    ]
    assert dict(samples) == {
        "Converged": 0,
        "GuestRefused": 0,
        "BalloonNotEffective": 0,
        "GuestSilent": 0,
        "RemovalUnsettled": 0,
        "CpusNotOnline": 0,
        "Booting": 0,
        "GaveUp": 0,
        "GrowthDeferred": 0,
        "ReservedTooLittle": 1,
    }


def test_what_cannot_be_counted_is_logged_and_not_raised(
    meter: PrometheusMeter, caplog: pytest.LogCaptureFixture
) -> None:
    nonsense: Any = None
    with caplog.at_level(logging.ERROR, "nova_xloud.metrics"):
        meter.pass_finished(0.1, nonsense)
    assert "Metrics: the event pass_finished was not counted" in caplog.text


@pytest.mark.parametrize(
    "project", ['a"} 1\nforged 1', "a\\", "\u2028", "\U0001f4a9", "\ud800", "\x1b[2J"]
)
def test_project_of_any_name_is_one_label_and_spoils_no_scrape(
    meter: PrometheusMeter, project: str
) -> None:
    meter.sampled("by a run", THERE, project)
    meter.pass_finished(0.1, {UUID: PassEntry(THERE, MAXIMUM, project)})
    text = generate_latest(meter.registry).decode()
    families = list(text_string_to_metric_families(text))
    assert not any(family.name == "forged" for family in families)
    found = {
        one.labels["project_id"]
        for family in families
        for one in family.samples
        if "instance_uuid" in one.labels
    }
    assert found == {one_line(project)}
