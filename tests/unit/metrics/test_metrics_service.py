# SPDX-License-Identifier: Apache-2.0
"""The port: off by default, and nobody's service fails because of it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from nova_xloud.compute.meter import NoMeter
from nova_xloud.metrics.service import Metrics

HERE = "127.0.0.1"


@pytest.fixture
def port() -> int:
    """One that is free."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def served(port: int) -> Iterator[Metrics]:
    metrics = Metrics(HERE, port)
    metrics.start()
    yield metrics
    metrics.stop()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://{HERE}:{port}/metrics", timeout=10) as answer:
        body: str = answer.read().decode()
    return body


def test_it_is_served_until_it_is_stopped(served: Metrics, port: int) -> None:
    served.meter.refused("xloud.no_capacity")
    assert 'nova_xloud_adjustments_total{code="xloud.no_capacity",result="refused"} 1.0' in scrape(
        port
    )
    served.stop()
    assert not listens(port)


def test_it_is_served_when_it_is_started_and_not_when_it_is_made(port: int) -> None:
    Metrics(HERE, port)
    assert not listens(port)


def test_who_sends_nothing_keeps_no_other_waiting(served: Metrics, port: int) -> None:
    with socket.create_connection((HERE, port)):
        assert "nova_xloud_reconcile_duration_seconds" in scrape(port)


def test_a_port_that_is_taken_is_an_error_in_the_log(
    served: Metrics, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    second = Metrics(HERE, port)
    with caplog.at_level(logging.ERROR, "nova_xloud.metrics"):
        second.start()
    second.stop()
    assert f"nova-compute cannot listen on {HERE} port {port}" in caplog.text


def test_ipv6(port: int) -> None:
    metrics = Metrics("::1", port)
    metrics.start()
    try:
        with urllib.request.urlopen(f"http://[::1]:{port}/metrics", timeout=10) as answer:
            assert answer.status == 200
    finally:
        metrics.stop()


def test_without_prometheus_client_the_log_says_what_to_install(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("nova_xloud.metrics.meter", "nova_xloud.metrics.server"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with caplog.at_level(logging.ERROR, "nova_xloud.metrics"):
        metrics = Metrics(HERE, port)
        metrics.start()
    assert "Install nova-xloud[metrics]" in caplog.text
    assert isinstance(metrics.meter, NoMeter)
    assert not listens(port)


OFF = """
import sys
import nova_xloud.compute.host
from nova_xloud.metrics.service import Metrics
metrics = Metrics("127.0.0.1", None)
metrics.start()
metrics.stop()
print("prometheus_client" in sys.modules, type(metrics.meter).__name__)
# Nova's openstacksdk imports prometheus_client where it finds it; ours is what uses it.
import nova_xloud.seams.compute_manager
print("nova_xloud.metrics.meter" in sys.modules)
"""


def test_off_it_imports_no_prometheus_client() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "NoMeter", "False"]
