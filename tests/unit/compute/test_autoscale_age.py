# SPDX-License-Identifier: Apache-2.0
"""How old the figures of the guests are: in the status, and in what a round reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.testing import Behaviour
from tests.unit.compute.autoscale_rig import INTERVAL, ScaledHost


def oldest(host: ScaledHost) -> float:
    assert host.meter.last is not None
    return host.meter.last.oldest_known


def test_age_of_figures_that_come_in_each_round_is_that_of_the_round() -> None:
    host = ScaledHost()
    host.round(20)
    assert oldest(host) == 0.0
    assert host.status()["age_seconds"] == 0
    host.clock.advance(2)
    assert host.status()["age_seconds"] == 2


def test_age_grows_once_the_balloon_driver_is_silent() -> None:
    host = ScaledHost()
    host.round(20)
    host.rigs["a"].guest.behaviour = Behaviour.SILENT_DRIVER
    host.round(10)
    assert oldest(host) >= 9 * INTERVAL
    assert host.status()["age_seconds"] >= 9 * INTERVAL


def test_age_of_a_guest_without_a_driver_is_that_of_its_cpu_time() -> None:
    host = ScaledHost()
    host.rigs["a"].guest.memory.collects = False
    host.round(20)
    assert oldest(host) == 0.0
    assert host.status()["age_seconds"] == 0


def test_stopped_server_does_not_count_in_the_report() -> None:
    host = ScaledHost("a", "b")
    host.round(20)
    host.rigs["a"].stop()
    host.round(100)
    assert oldest(host) == 0.0
    assert host.status()["age_seconds"] >= 100 * INTERVAL


def test_stopped_server_has_no_recommendation_and_is_not_decided_on() -> None:
    host = ScaledHost("a", "b")
    host.round(20)
    host.rigs["a"].guest.work(8)
    host.rigs["a"].record.locked = True
    host.learn()
    host.until(lambda: host.status()["recommendation"] != {"vcpus": 2, "memory_mb": 1024})
    host.rigs["a"].stop()
    host.round(3)
    told = host.status()
    assert (told["recommendation"], told["reasons"], told["since"]) == (None, [], None)
    assert host.meter.last is not None
    assert sum(host.meter.last.codes.values()) == 2
    assert set(host.meter.last.recommended) == {"b"}


def test_server_that_leaves_during_a_round_is_not_in_its_report() -> None:
    host = ScaledHost("a", "b")
    host.round(20)
    samples, here = (
        host.guests.samples,
        [one for one in host.instances.records() if one.uuid == "b"],
    )

    def leaves(*args: Any) -> Mapping[str, GuestSample]:
        found = samples(*args)
        host.rounds.learn(here, host.clock.now())
        return found

    host.meter.last = None
    with mock.patch.object(host.guests, "samples", leaves):
        host.round()
    assert oldest(host) == 0.0
    assert host.meter.last is not None
    assert set(host.meter.last.recommended) == {"b"}


def test_guest_without_any_figures_has_no_age() -> None:
    host = ScaledHost()
    host.rigs["a"].guest.memory.collects = False
    host.round()
    assert host.status()["age_seconds"] is None
