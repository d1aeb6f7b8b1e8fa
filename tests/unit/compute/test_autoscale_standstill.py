# SPDX-License-Identifier: Apache-2.0
"""A loop that stands still while there are wishes is seen: in the log and in the report."""

from __future__ import annotations

import pytest

from nova_xloud.compute.autoscaling.report import STANDS_STILL_AFTER
from nova_xloud.core.autoscaling.settings import Mode
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
