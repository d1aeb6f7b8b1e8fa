# SPDX-License-Identifier: Apache-2.0
"""A loop that stands still while there are wishes is seen: in the log and in the report."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from nova_xloud.compute.autoscaling.report import STANDS_STILL_AFTER
from nova_xloud.conf import AutoscaleOptions
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.autoscaling.waits import Wait, Waits
from nova_xloud.core.size import Size
from nova_xloud.errors import QuotaExceeded
from tests.unit.compute.autoscale_rig import OPTIONS, ScaledHost

SAID = "Automatic growth stands still"


def host_that_cannot(mode: Mode = Mode.ON) -> ScaledHost:
    """Another call holds the domain for ever, so no request gets as far as an answer."""
    host = ScaledHost(mode=mode)
    host.round(20)
    host.rigs["a"].guest.busy = True
    host.rigs["a"].guest.work(8)
    return host


def rounds_of(seconds: float) -> int:
    return int(seconds / OPTIONS.interval) + 2


def test_standstill_is_said_once_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    host = host_that_cannot()
    host.round(rounds_of(STANDS_STILL_AFTER) // 2)
    assert SAID not in caplog.text
    host.round(rounds_of(STANDS_STILL_AFTER))
    assert caplog.text.count(SAID) == 1
    assert host.meter.last is not None
    assert host.meter.last.oldest_wish > STANDS_STILL_AFTER


def test_standstill_is_over_once_the_server_has_grown(caplog: pytest.LogCaptureFixture) -> None:
    host = host_that_cannot()
    host.round(rounds_of(STANDS_STILL_AFTER))
    host.rigs["a"].guest.busy = False
    host.until(lambda: host.desired.vcpus == 8)
    host.round(2)
    assert host.meter.last is not None
    assert host.meter.last.oldest_wish == 0.0


def test_wish_that_is_deferred_for_a_known_reason_is_no_standstill(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    host = ScaledHost()
    host.round(20)
    host.guests.quota["a"] = QuotaExceeded("cores")
    host.rigs["a"].guest.work(8)
    host.round(rounds_of(STANDS_STILL_AFTER))
    assert SAID not in caplog.text
    assert host.meter.last is not None
    assert host.meter.last.deferred == {"xloud.growth_deferred.quota": 1}
    assert host.meter.last.deferred_servers == {"a"}
    assert caplog.text.count("its growth is deferred") == 1


def test_observed_server_is_no_standstill(caplog: pytest.LogCaptureFixture) -> None:
    host = host_that_cannot(Mode.OBSERVE)
    host.round(rounds_of(STANDS_STILL_AFTER))
    assert SAID not in caplog.text


def large_host() -> ScaledHost:
    """Its idle guest is to be made smaller once it was watched for two minutes."""
    return ScaledHost(now=Size(4, 4096), options=AutoscaleOptions(interval=5.0, window=120.0))


@pytest.mark.parametrize(
    "state", [{"locked": True}, {"task_state": "image_uploading"}, {"vm_state": "rescued"}]
)
def test_shrink_of_a_server_that_is_left_alone_is_no_standstill(
    state: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    host = large_host()
    for name, value in state.items():
        setattr(host.rigs["a"].record, name, value)
    host.learn()
    host.round(30 + rounds_of(STANDS_STILL_AFTER))
    assert host.status()["recommendation"] != {"vcpus": 4, "memory_mb": 4096}
    assert host.meter.last is not None
    assert host.meter.last.oldest_wish == 0.0
    assert SAID not in caplog.text


def test_shrink_that_arbitration_puts_off_is_no_standstill() -> None:
    """After a guest did not follow a shrink, it may be left alone for an hour."""
    host = large_host()
    host.round()
    # A test would have to wait for many refusals to have a pause of an hour.
    states = host.rounds._states
    waits = Waits(Wait(4, 4, not_before=math.inf), Wait(4096, 4096, not_before=math.inf))
    states["a"] = replace(states["a"], waits=waits)
    host.round(30 + rounds_of(STANDS_STILL_AFTER))
    assert host.rounds._states["a"].action == "hold.floor"
    assert host.meter.last is not None
    assert host.meter.last.oldest_wish == 0.0


def test_shrink_that_is_never_carried_out_is_a_standstill(caplog: pytest.LogCaptureFixture) -> None:
    host = large_host()
    host.round(20)
    host.pool.held = []
    host.round(20 + rounds_of(STANDS_STILL_AFTER))
    assert host.desired == Size(4, 4096)
    assert SAID in caplog.text


def test_growth_is_no_standstill_in_the_round_that_ends_its_deferral(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = ScaledHost()
    host.round(20)
    host.guests.others = Size(14, 0)
    host.rigs["a"].guest.work(8)
    host.round(rounds_of(STANDS_STILL_AFTER))
    assert host.status()["deferred"] == "xloud.growth_deferred.host_full"
    host.guests.others = Size(0, 0)
    host.pool.held = []
    host.until(lambda: bool(host.pool.held))
    assert host.meter.last is not None
    assert host.meter.last.oldest_wish == 0.0
    assert SAID not in caplog.text
