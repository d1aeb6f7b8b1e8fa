# SPDX-License-Identifier: Apache-2.0
"""Rounds of automatic growth on fakes: what is read, decided, asked for, and left alone."""

from __future__ import annotations

import pytest

from nova_xloud.compute.agenda import Urgency
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.instance.asked import Asked
from nova_xloud.core.size import Size
from nova_xloud.errors import QuotaExceeded
from tests.unit.compute.autoscale_rig import OPTIONS, ScaledHost
from tests.unit.compute.rig import MAXIMUM


def busy(host: ScaledHost, vcpus: float = 8.0, uuid: str = "a") -> None:
    host.rigs[uuid].guest.work(vcpus)


def test_busy_guest_grows_to_its_maximum_in_a_few_rounds() -> None:
    host = ScaledHost()
    host.round(20)
    busy(host)
    rounds = host.until(lambda: host.rigs["a"].size.vcpus == MAXIMUM.vcpus)
    assert rounds * OPTIONS.interval <= 45
    assert host.rigs["a"].claims.size.vcpus == MAXIMUM.vcpus


def test_guest_gets_memory_before_it_dies_of_a_growing_load() -> None:
    host = ScaledHost()
    host.round(20)
    guest = host.rigs["a"].guest
    for _ in range(10):
        guest.uses_kib += 40 * 1024 * int(OPTIONS.interval)
        host.round()
    assert guest.oom_kills == 0
    assert host.rigs["a"].size.memory_mb > 2048


def test_run_of_automatic_growth_comes_after_all_others() -> None:
    host = ScaledHost()
    host.round(20)
    busy(host)
    host.until(lambda: bool(host.runs.submitted))
    assert host.runs.submitted[0] == ("a", "xloud_adjust", Urgency.AUTOMATIC)


def test_observe_changes_nothing_and_says_what_it_would_do() -> None:
    host = ScaledHost(mode=Mode.OBSERVE)
    host.round(20)
    busy(host)
    host.until(lambda: (host.status()["recommendation"] or {}).get("vcpus", 0) > 2)
    assert host.desired == Size(2, 1024)
    assert host.runs.submitted == []
    assert host.status()["mode"] == "observe"


def test_request_for_a_mode_counts_before_the_next_pass() -> None:
    host = ScaledHost(mode=Mode.OFF)
    host.rounds.learn([], host.clock.now())
    host.rigs["a"].record.scaling = host.rigs["a"].record.scaling.__class__(Mode.ON)
    (one,) = host.instances.records()
    host.rounds.changed(one)
    busy(host)
    host.until(lambda: host.desired.vcpus > 2)
    assert host.status()["recommendation"] is not None


def test_pass_that_read_a_record_before_a_request_does_not_take_it_back() -> None:
    host = ScaledHost(mode=Mode.OFF)
    before, began = host.instances.records(), host.clock.now()
    host.rigs["a"].record.scaling = host.rigs["a"].record.scaling.__class__(Mode.ON)
    host.clock.advance(1)
    host.rounds.changed(host.instances.records()[0])
    host.rounds.learn(before, began)
    host.round(2)
    assert host.status()["recommendation"] is not None


def test_off_makes_no_call_and_no_reading() -> None:
    host = ScaledHost(mode=Mode.OFF)
    busy(host)
    host.instances.calls.clear()
    host.round(3)
    assert not host.rounds.has_work
    assert (host.guests.calls, host.instances.calls) == ([], [])


def test_quiet_round_is_one_call_to_libvirt() -> None:
    host = ScaledHost("a", "b", "c")
    host.round(2)
    host.guests.calls.clear()
    host.instances.calls.clear()
    host.round(3)
    assert host.guests.calls == ["samples"] * 3
    assert host.instances.calls == []


def test_statistics_period_is_shortened_once_a_start() -> None:
    host = ScaledHost()
    host.round(3)
    guest = host.rigs["a"].guest
    assert guest.asked_every == 1
    assert host.rigs["a"].effects.count("set_statistics_period") == 1
    guest.stop()
    guest.start(arrived=True)
    host.round(3)
    assert guest.asked_every == 1
    assert host.rigs["a"].effects.count("set_statistics_period") == 2


def test_period_is_set_in_a_later_round_if_an_operation_holds_the_lock() -> None:
    host = ScaledHost()
    host.rigs["a"].held_for = 1.0
    host.round()
    assert host.rigs["a"].guest.asked_every is None
    host.rigs["a"].held_for = 0.0
    host.round()
    assert host.rigs["a"].guest.asked_every == 1


@pytest.mark.parametrize("state", ["task", "locked", "paused", "elsewhere"])
def test_instance_that_is_not_free_is_left_alone(state: str) -> None:
    host = ScaledHost()
    host.round(20)
    record = host.rigs["a"].record
    if state == "task":
        record.task_state = "rebooting"
    record.locked = state == "locked"
    record.vm_state = "paused" if state == "paused" else "active"
    record.on_this_host = state != "elsewhere"
    host.rounds.learn(
        [one for one in host.instances.records() if one.uuid == "a"], host.clock.now()
    )
    busy(host)
    host.round(20)
    assert host.desired == Size(2, 1024)


def test_operation_that_begins_after_the_pass_is_not_disturbed() -> None:
    host = ScaledHost()
    host.round(20)
    busy(host)
    host.rigs["a"].record.task_state = "rebooting"
    host.round(20)
    assert host.desired == Size(2, 1024)
    assert host.status()["deferred"] == "xloud.growth_deferred.busy"
    host.rigs["a"].record.task_state = None
    host.until(lambda: host.desired.vcpus > 2)
    host.round()
    assert host.status()["deferred"] is None


def test_decision_is_dropped_if_a_person_has_asked_since() -> None:
    host = ScaledHost()
    host.round(20)
    busy(host)
    host.pool.held = []
    host.until(lambda: bool(host.pool.held))
    host.rigs["a"].adjust(vcpus=3)
    host.pool.held[0]()
    assert host.desired.vcpus == 3
    host.pool.held = None
    host.round()
    assert host.rigs["a"].record.desired.asked is not None
    host.until(lambda: host.desired.vcpus > 3)


def test_one_request_of_an_instance_is_under_way() -> None:
    host = ScaledHost()
    host.round(20)
    busy(host)
    host.pool.held = []
    host.round(20)
    assert len(host.pool.held) == 1


def test_idle_guest_shrinks_to_its_need_after_its_window_and_not_before() -> None:
    host = ScaledHost(now=MAXIMUM, options=OPTIONS.__class__(window=300.0))
    host.round(50)
    assert host.desired == MAXIMUM
    host.until(lambda: host.desired == Size(2, 1024), rounds=600)
    assert host.rigs["a"].guest.oom_kills == 0


def test_nothing_shrinks_below_what_a_person_has_asked_for() -> None:
    host = ScaledHost(now=MAXIMUM, options=OPTIONS.__class__(window=300.0, hold=3600.0))
    record = host.rigs["a"].record
    began = host.clock.now()
    date = host.rigs["a"].date()
    record.desired = record.desired.__class__(MAXIMUM, asked=Asked().after(date, 6, None))
    host.learn()
    while host.clock.now() - began < 3500:
        host.round()
        assert record.desired.target.vcpus >= 6
    host.until(lambda: record.desired.target.vcpus < 6, rounds=300)


def test_growth_is_deferred_while_the_project_has_no_quota() -> None:
    host = ScaledHost()
    host.round(20)
    host.guests.quota["a"] = QuotaExceeded("cores: 2 more than the limit")
    busy(host)
    host.round(10)
    assert host.status()["deferred"] == "xloud.growth_deferred.quota"
    assert host.desired == Size(2, 1024)
    asked = host.guests.calls.count("check_growth")
    assert asked <= 4, "a refusal is not asked for again in every round"
    del host.guests.quota["a"]
    host.until(lambda: host.desired.vcpus > 2)
    host.round()
    assert host.status()["deferred"] is None


def test_wish_that_differs_a_little_each_round_is_not_asked_for_anew() -> None:
    host = ScaledHost()
    host.round(20)
    host.guests.quota["a"] = QuotaExceeded("ram: 100 more than the limit")
    guest = host.rigs["a"].guest
    guest.uses_kib = 900 * 1024
    for more in range(12):
        guest.uses_kib += more * 1024
        host.round()
    wanted = host.status()["recommendation"]["memory_mb"]
    assert wanted > 1024
    assert host.guests.calls.count("check_growth") <= 6, "of 12 rounds"


def test_growth_is_deferred_on_a_full_host_and_given_when_there_is_room() -> None:
    host = ScaledHost(capacity=Size(8, 16384))
    host.guests.others = Size(6, 0)
    host.rigs["a"].claims.others = Size(6, 0)
    host.round(20)
    busy(host)
    host.round(5)
    assert host.desired == Size(2, 1024)
    assert host.status()["deferred"] == "xloud.growth_deferred.host_full"
    host.guests.others = host.rigs["a"].claims.others = Size(2, 0)
    host.until(lambda: host.desired.vcpus == 6, rounds=8)


def test_full_host_is_asked_about_seldom_as_long_as_it_is_full() -> None:
    host = ScaledHost(capacity=Size(2, 16384))
    host.round(20)
    busy(host)
    host.round(3)
    host.guests.calls.clear()
    host.instances.calls.clear()
    host.round(12)
    assert host.status()["deferred"] == "xloud.growth_deferred.host_full"
    assert host.guests.calls.count("room") <= 4
    assert host.instances.calls.count("allocations") <= 4


def test_claim_has_the_last_word() -> None:
    host = ScaledHost(capacity=Size(8, 16384))
    host.rigs["a"].claims.others = Size(6, 0)
    host.round(20)
    busy(host)
    host.round(5)
    assert host.desired == Size(2, 1024)
    assert host.status()["deferred"] == "xloud.growth_deferred.host_full"


def test_nothing_is_changed_while_placement_does_not_answer() -> None:
    host = ScaledHost()
    host.round(20)
    host.guests.placement_away = True
    busy(host)
    host.round(5)
    assert host.desired == Size(2, 1024)
    assert host.status()["deferred"] == "xloud.growth_deferred.placement"
    host.guests.placement_away = False
    host.until(lambda: host.desired.vcpus > 2)


def test_round_without_libvirt_is_skipped() -> None:
    host = ScaledHost()
    host.guests.libvirt_away = True
    host.round(3)
    host.guests.libvirt_away = False
    host.round(20)
    assert host.status()["recommendation"] is not None


def test_two_guests_compete_by_weight_and_nobody_is_oversold() -> None:
    capacity = Size(7, 16384)
    host = ScaledHost("a", "b", capacity=capacity)
    for uuid, weight in (("a", 300), ("b", 100)):
        rig = host.rigs[uuid]
        rig.record.scaling = rig.record.scaling.__class__(Mode.ON, weight=weight)
    host.learn()
    host.round(20)
    for uuid in ("a", "b"):
        busy(host, uuid=uuid)
    for _ in range(20):
        for uuid, other in (("a", "b"), ("b", "a")):
            host.rigs[uuid].claims.others = host.rigs[other].claims.size
        host.round()
        claimed = sum(rig.claims.size.vcpus for rig in host.rigs.values())
        assert claimed <= capacity.vcpus
    got = {uuid: rig.size.vcpus for uuid, rig in host.rigs.items()}
    assert got["a"] + got["b"] == 7
    assert got["a"] > got["b"] >= 2


def test_status_says_mode_advice_since_and_age() -> None:
    host = ScaledHost()
    host.round(3)
    host.clock.advance(2)
    told = host.status()
    assert told["recommendation"] == {"vcpus": 2, "memory_mb": 1024}
    assert [one["resource"] for one in told["reasons"]] == ["vcpus", "memory_mb"]
    assert told["age_seconds"] == 2
    assert told["since"].endswith("Z")
    assert told["profile"] == "balanced"


def test_guest_that_is_off_has_no_deferral_left() -> None:
    host = ScaledHost(capacity=Size(2, 16384))
    host.round(20)
    busy(host)
    host.round(5)
    assert host.status()["deferred"] is not None
    host.rigs["a"].stop()
    host.round()
    assert host.status()["deferred"] is None


def test_report_counts_servers_codes_and_deferred() -> None:
    host = ScaledHost("a", "b")
    host.rigs["b"].record.scaling = host.rigs["b"].record.scaling.__class__(Mode.OBSERVE)
    host.learn()
    host.round(2)
    report = host.meter.last
    assert report is not None
    assert report.servers == {"on": 1, "observe": 1}
    assert report.recommended.keys() == {"a", "b"}
    assert sum(report.codes.values()) == 4
    assert report.oldest_wish == 0.0


def test_mode_that_is_set_to_off_is_reported_as_no_server() -> None:
    host = ScaledHost()
    host.round(2)
    host.rigs["a"].record.scaling = host.rigs["a"].record.scaling.__class__(Mode.OFF)
    host.learn()
    assert host.meter.last is not None
    assert host.meter.last.servers == {}
