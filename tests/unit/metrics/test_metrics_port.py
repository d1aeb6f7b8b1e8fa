# SPDX-License-Identifier: Apache-2.0
"""Whoever can reach the metrics port may connect as often as he likes, and say what he likes."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from nova_xloud.conf import OPTS
from nova_xloud.metrics import server
from nova_xloud.metrics.server import Server

HERE = "127.0.0.1"


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("answer", "The answer.", registry=registry).set(42)
    return registry


@pytest.fixture
def port(registry: CollectorRegistry) -> Iterator[int]:
    served = Server(registry, HERE, 0)
    served.start()
    yield served.port
    served.stop()


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://{HERE}:{port}/metrics", timeout=10) as answer:
        body: str = answer.read().decode()
    return body


def connect(port: int) -> socket.socket:
    return socket.create_connection((HERE, port), timeout=10)


def threads_of_requests() -> int:
    return sum("process_request_thread" in one.name for one in threading.enumerate())


def wait(until: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def fill(registry: CollectorRegistry) -> None:
    many = Gauge("many", "Enough to fill what the kernel buffers.", ["number"], registry=registry)
    for number in range(2_000):
        many.labels(f"{number:02000}").set(number)


def said(sent: bytes, port: int) -> bytes:
    """All that the port answers until it closes the connection."""
    with connect(port) as client:
        with contextlib.suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65536):
                answer += part
    return answer


def test_it_listens_on_loopback_unless_the_operator_names_another_address() -> None:
    defaults = {opt.name: opt.default for opt in OPTS}
    assert (defaults["metrics_host"], defaults["metrics_port"]) == (HERE, None)


def test_a_thousand_connections_that_say_nothing_keep_nobody_waiting(port: int) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(1000):
            with contextlib.suppress(OSError):
                held.enter_context(connect(port))
        began = time.monotonic()
        assert "answer 42.0" in scrape(port)
        assert time.monotonic() - began < 5
        # One that has just ended may still be there.
        wait(lambda: threads_of_requests() <= server.CONNECTIONS, 2)
    wait(lambda: threads_of_requests() == 0)


def test_who_sends_a_byte_at_a_time_keeps_nobody_waiting(port: int) -> None:
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(connect(port)) for _ in range(server.CONNECTIONS)]
        for letter in b"GET /met":
            for one in slow:
                with contextlib.suppress(OSError):
                    one.sendall(bytes([letter]))
        assert "answer 42.0" in scrape(port)


def test_who_reads_nothing_keeps_nobody_waiting(registry: CollectorRegistry, port: int) -> None:
    fill(registry)
    with contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(connect(port)).sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert "answer 42.0" in scrape(port)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/x\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /metrics HTTP/1.0\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\n\xff\xfe: \xff\r\n\r\n",
        b"GET /metrics?name[]=%ff%00 HTTP/1.0\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.0\r\n\r\n",
        b"POST /metrics HTTP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"POST /metrics HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        b"DELETE /metrics HTTP/1.0\r\n\r\n",
        b"\x00" * 1000,
        b"",
    ],
    ids=range(15),
)
def test_a_malformed_request_has_an_answer_without_a_traceback(
    sent: bytes, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = said(sent, port)
    assert b"Traceback" not in answer
    assert b"root:" not in answer
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert "answer 42.0" in scrape(port)
    wait(lambda: threads_of_requests() == 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["Accept", "Accept-Encoding", "Host", "Expect", "Cookie"])
@pytest.mark.parametrize(
    "value",
    [
        "text/plain;version=x",
        "text/plain;version=",
        "text/plain;version=1.0.0.0.0;version=x",
        "application/openmetrics-text;version=x",
        "application/openmetrics-text; version=1.0.0a;escaping=x",
        "application/openmetrics-text;version=-1",
        "application/openmetrics-text;version=\u0661.0.0",
        f"application/openmetrics-text;version={'9' * 5000}",
        "application/openmetrics-text;version=99.0.0",
        ",;=,;;==,",
        "gzip;q=x,*;q=-1",
        "\xff\x00\x1b[2J",
    ],
)
def test_a_malformed_header_has_an_answer_and_leaves_no_traceback(
    name: str, value: str, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = said(f"GET /metrics HTTP/1.0\r\n{name}: {value}\r\n\r\n".encode(), port)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    wait(lambda: threads_of_requests() == 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("accepts", "kind"),
    [
        (None, "text/plain; version=0.0.4"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;version=1.0.0,text/plain", "application/openmetrics-text"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text",
        ),
        ("application/openmetrics-text;version=x,text/plain;version=0.0.4", "text/plain"),
    ],
)
def test_what_prometheus_accepts_decides_the_format(
    accepts: str | None, kind: str, port: int
) -> None:
    headers = {} if accepts is None else {"Accept": accepts}
    request = urllib.request.Request(f"http://{HERE}:{port}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith(kind)
        assert b"answer 42.0" in answer.read()


def test_metrics_that_cannot_be_made_are_logged_and_not_printed(
    registry: CollectorRegistry,
    port: int,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> float:
        raise RuntimeError("no such file")

    Gauge("broken", "What cannot be read.", registry=registry).set_function(fail)
    assert b" 500 " in said(b"GET /metrics HTTP/1.0\r\n\r\n", port)
    wait(lambda: threads_of_requests() == 0)
    assert capfd.readouterr() == ("", "")
    (record,) = caplog.records
    assert "no such file" in record.getMessage()


def test_a_client_that_reads_too_slowly_leaves_no_traceback(
    registry: CollectorRegistry,
    port: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server._Silent, "timeout", 0.2)
    fill(registry)
    with connect(port) as slow:
        slow.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait(lambda: threads_of_requests() == 1)
        wait(lambda: threads_of_requests() == 0)
    assert capfd.readouterr() == ("", "")


def test_a_client_that_goes_away_leaves_no_traceback(
    port: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server._Silent, "timeout", 0.2)
    with caplog.at_level(logging.INFO), connect(port) as idle:
        idle.sendall(b"GET /metr")
        assert idle.recv(100) == b""
    reset = connect(port)
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    reset.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    reset.close()
    wait(lambda: threads_of_requests() == 0)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_a_header_is_read_no_further_than_it_may_be_long(port: int) -> None:
    with connect(port) as client, contextlib.suppress(OSError):
        client.sendall(b"GET /metrics HTTP/1.0\r\n")
        # Each line and their number are within what http.server reads.
        for _ in range(90):
            client.sendall(b"a: " + b"b" * 60_000 + b"\r\n")
        pytest.fail("5 MB of headers were read")


def test_no_thread_for_a_request_is_no_end_of_the_port(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert said(b"GET /metrics HTTP/1.0\r\n\r\n", port) == b""
    assert "answer 42.0" in scrape(port)
