# SPDX-License-Identifier: Apache-2.0
"""The port that Prometheus scrapes."""

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

# Seconds.
_PAUSE = 0.1


class Server:
    """One HTTP server beside the service, in threads (green ones before Nova 34).

    :param host: address to listen on
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._http: _Threaded | None = None

    def start(self) -> None:
        """Listen. Where it cannot, that is logged, and nothing else is kept from working."""
        try:
            kind = _V6 if ":" in self._host else _Threaded
            self._http = simple_server.make_server(
                self._host, self._port, make_wsgi_app(self._registry), kind, _Silent
            )
        except OSError as error:
            LOG.error(
                "No metrics are served: %s port %d cannot be listened on: %s",
                self._host,
                self._port,
                error,
            )
            return
        threading.Thread(target=self._http.serve, name="xloud-metrics", daemon=True).start()
        LOG.info("Metrics are served on %s port %d.", self._host, self.port)

    @property
    def port(self) -> int:
        """The port that it listens on; 0 when it does not."""
        return self._http.server_port if self._http is not None else 0

    def stop(self) -> None:
        """Stop serving; the port can be bound again when this returns."""
        http, self._http = self._http, None
        if http is not None:
            http.end()


class _Threaded(ThreadingMixIn, simple_server.WSGIServer):
    """Who is slow to read keeps no other waiting, nor the end of the service."""

    daemon_threads = True
    block_on_close = False
    _ended = False

    def serve(self) -> None:
        """Answer until :meth:`end`.

        Not by ``serve_forever()``: on eventlet the poll in that one holds the whole service.
        """
        while not self._ended:
            try:
                request, client = self.get_request()
            except OSError:
                # It was ended; or there is no file descriptor left just now.
                time.sleep(_PAUSE)
                continue
            self.process_request(request, client)

    def end(self) -> None:
        """Stop serving and close the socket; the port can be bound again when this returns."""
        self._ended = True
        with contextlib.suppress(OSError):
            # Else who waits in accept() would go on to.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def server_bind(self) -> None:
        # HTTPServer's asks the resolver for the address's name, which may take long.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _V6(_Threaded):
    address_family = socket.AF_INET6


class _Silent(simple_server.WSGIRequestHandler):
    """A scrape is no event."""

    # Seconds: who sends no request is hung up on.
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        pass
