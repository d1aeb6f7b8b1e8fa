# SPDX-License-Identifier: Apache-2.0
"""The HTTP server that Prometheus scrapes."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import sys
import threading
import time
from io import BufferedIOBase
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref import simple_server

from prometheus_client import CollectorRegistry

from nova_xloud.metrics.app import make_app

LOG = logging.getLogger(__name__)

# Seconds to wait after a failed accept().
_PAUSE = 0.1
# Seconds that the thread of a connection has to end once the connection is closed for another.
_ENDS_WITHIN = 1.0
# How many connections are served at a time, each in a thread. Prometheus needs one.
CONNECTIONS = 16
# How much is read of a request, bytes. One of Prometheus has some 500.
LONGEST_REQUEST = 16384


class Server:
    """An HTTP server that serves metrics in threads of nova-compute.

    :param registry: the metrics to serve
    :param host: the address to listen on, IPv4 or IPv6
    :param port: the port to listen on; 0 for any free port
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._http: _Threaded | None = None

    def start(self) -> None:
        """Start to serve in a thread; if the port cannot be bound, an error is only logged."""
        try:
            kind = _V6 if ":" in self._host else _Threaded
            self._http = simple_server.make_server(
                self._host, self._port, make_app(self._registry), kind, _Silent
            )
        except OSError as error:
            LOG.error(
                "No metrics are served, because nova-compute cannot listen on %s port %d. Free the "
                "port, or set another [xloud] metrics_port or metrics_host, and restart "
                "nova-compute: %s",
                self._host,
                self._port,
                error,
            )
            return
        threading.Thread(target=self._http.serve, name="xloud-metrics", daemon=True).start()
        LOG.info("Metrics are served on %s port %d.", self._host, self.port)

    @property
    def port(self) -> int:
        """The port that the server listens on; 0 while the server does not listen."""
        return self._http.server_port if self._http is not None else 0

    def stop(self) -> None:
        """Stop accepting requests, without waiting for those that are being answered.

        The port can be bound again when this returns.
        """
        http, self._http = self._http, None
        if http is not None:
            http.end()


class _Threaded(ThreadingMixIn, simple_server.WSGIServer):
    """Answers each request in a thread of its own.

    So a slow client delays neither other clients nor the stop of the server. If a client connects
    while :data:`CONNECTIONS` connections are open, the oldest is closed, because a scrape takes
    milliseconds, and so an old connection is no scrape. The new connection is closed instead if the
    thread of the oldest does not end in time, or if no thread can be started.
    """

    daemon_threads = True
    block_on_close = False
    # Connections that wait to be accepted.
    request_queue_size = 128
    _ended = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        # The oldest first.
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Accept and answer requests until :meth:`end` is called.

        This replaces ``serve_forever()``, whose poll blocks the whole service under eventlet.
        """
        while not self._ended:
            try:
                request, client = self.get_request()
            except OSError:
                # end() has closed the socket, or there is no free file descriptor at the moment.
                time.sleep(_PAUSE)
                continue
            if not self._has_room():
                self.shutdown_request(request)
                continue
            with self._lock:
                self._open.append(request)
            try:
                self.process_request(request, client)
            except RuntimeError:
                # There is no thread to be had at the moment.
                self.shutdown_request(request)
                self._room.release()

    def _has_room(self) -> bool:
        """Take one of the :data:`CONNECTIONS` places for a new connection.

        If all are taken, close the oldest connection, and wait up to one second for a place.

        :returns: False if no place became free in that time
        """
        if self._room.acquire(blocking=False):
            return True
        with self._lock:
            oldest = self._open.pop(0) if self._open else None
        if oldest is not None:
            # Its thread then reads or writes no more, and ends.
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        return self._room.acquire(timeout=_ENDS_WITHIN)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request, close its connection, and free the connection's place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and remove it from the list of open connections."""
        with self._lock, contextlib.suppress(ValueError):
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log at debug level that a client went away or was too slow; print no traceback."""
        LOG.debug("A request for metrics ended early: %s", sys.exc_info()[1])

    def end(self) -> None:
        """Stop accepting requests, and close the socket.

        The port can be bound again when this returns. Neither the requests that are being answered
        nor the thread that runs :meth:`serve` are waited for.
        """
        self._ended = True
        with contextlib.suppress(OSError):
            # Without this the thread that waits in accept() would go on waiting.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def server_bind(self) -> None:
        """Bind the socket as ``HTTPServer`` does, but without looking up the address's name."""
        # HTTPServer.server_bind() asks the resolver for the address's name, which may take long.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _V6(_Threaded):
    """The server :class:`_Threaded` on an IPv6 address."""

    address_family = socket.AF_INET6


class _Silent(simple_server.WSGIRequestHandler):
    """A request handler that logs no request, and limits how much and for how long it reads.

    Prometheus sends a request at each scrape, so a log of them would be long.
    """

    # Seconds for which a connection may send nothing, and in which the answer has to be read.
    timeout = 10

    def setup(self) -> None:
        """Read at most :data:`LONGEST_REQUEST` bytes of the request."""
        super().setup()
        self.rfile = cast(BufferedIOBase, _Bounded(self.rfile, LONGEST_REQUEST))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def get_stderr(self) -> io.StringIO:
        """Return a stream that nobody reads, for the traceback of an answer that cannot be sent.

        wsgiref prints one if a client does not read its answer in time. An error of the metrics
        themselves is logged by :mod:`nova_xloud.metrics.app`.
        """
        return io.StringIO()


class _Bounded:
    """A stream that ends after ``most`` bytes, as if the client had sent no more."""

    def __init__(self, stream: BufferedIOBase, most: int) -> None:
        self._stream = stream
        self._left = most

    def readline(self, size: int = -1) -> bytes:
        line = self._stream.readline(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._stream.close()
