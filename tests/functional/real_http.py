# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server, on loopback, in front of the API of a cloud in this process."""

import contextlib
import socket
import threading

from waitress.server import create_server

from tests.functional.raw_requests import ADMIN

# Seconds. The server has all that it needs in the request, so it answers at once.
WITHIN = 30


@contextlib.contextmanager
def served(app):
    """Yield the port of a server that passes requests to the WSGI application ``app``."""
    server = create_server(app, host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.close()


def request(method, path, body=b"", *lines):
    """Return the octets of a request of an admin, with ``lines`` at the end of its head.

    There is no Content-Length in it but what ``lines`` has.
    """
    head = {**ADMIN, "host": "nova.example.com", "connection": "close"}
    first = f"{method} {path} HTTP/1.1".encode("latin-1")
    named = [f"{name}: {value}".encode("latin-1") for name, value in head.items()]
    return b"\r\n".join((first, *named, *lines)) + b"\r\n\r\n" + body


def answer_to(port, octets):
    """Send ``octets`` as they are; return the status and the body of what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN) as connection:
        connection.sendall(octets)
        told = b""
        while more := connection.recv(65536):
            told += more
    head, _, body = told.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()
