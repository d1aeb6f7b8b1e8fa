# SPDX-License-Identifier: Apache-2.0
"""The HTTP server that Prometheus scrapes."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref import simple_server

from prometheus_client import CollectorRegistry, make_wsgi_app

LOG = logging.getLogger(__name__)

# Seconds to wait after a failed accept().
_PAUSE = 0.1


class Server:
    """An HTTP server in threads of nova-compute, which are green threads before Nova 34.

    :param registry: the metrics to serve
    :param host: the address to listen on
    :param port: the port to listen on; 0 for any free port
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._http: _Threaded | None = None

    def start(self) -> None:
        """Start to serve in a thread; if it cannot listen on host and port, only log an error."""
        try:
            kind = _V6 if ":" in self._host else _Threaded
            self._http = simple_server.make_server(
                self._host, self._port, make_wsgi_app(self._registry), kind, _Silent
            )
        except OSError as error:
            LOG.error(
                "No metrics are served, because nova-compute cannot listen on %s port %d: %s",
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
        """Accept no more requests; the port can be bound again when this returns.

        Requests that are being answered are not waited for.
        """
        http, self._http = self._http, None
        if http is not None:
            http.end()


class _Threaded(ThreadingMixIn, simple_server.WSGIServer):
    """Answers each request in a thread, so that a slow client delays neither others nor the end."""

    daemon_threads = True
    block_on_close = False
    _ended = False

    def serve(self) -> None:
        """Accept and answer requests until :meth:`end` is called.

        This replaces ``serve_forever()``, whose poll blocks the whole service on eventlet.
        """
        while not self._ended:
            try:
                request, client = self.get_request()
            except OSError:
                # end() has closed the socket, or there is no free file descriptor at the moment.
                time.sleep(_PAUSE)
                continue
            self.process_request(request, client)

    def end(self) -> None:
        """Accept no more requests and close the socket; the port can be bound again then.

        It waits neither for the requests that are being answered nor for the thread in
        :meth:`serve`.
        """
        self._ended = True
        with contextlib.suppress(OSError):
            # Without this the thread that waits in accept() would go on waiting.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def server_bind(self) -> None:
        """Bind the socket without looking up the name of its address."""
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
    """A request handler that does not log requests, because a scrape is not an event."""

    # Seconds after which a connection that has sent no request is closed.
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
