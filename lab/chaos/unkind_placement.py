"""Placement as a WSGI application that answers badly while a file says so.

The file, named by ``LAB_UNKIND``, has JSON: ``{"status": 409, "after": false, "seconds": 2.0}``.
Each write of an allocation is answered with ``status``: without ``after`` Placement does not get
the request, and with it Placement does the write first. Each request waits ``seconds`` first.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

VARIABLE = "LAB_UNKIND"
REASONS = {409: "409 Conflict", 500: "500 Internal Server Error"}

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def unkind(kind: Application, orders: Path) -> Application:
    """Return the application ``kind``, which answers badly while the file ``orders`` is there."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        order = _order(orders)
        time.sleep(order.get("seconds", 0.0))
        status = order.get("status")
        writes = environ["REQUEST_METHOD"] in ("PUT", "POST") and "allocation" in str(
            environ["PATH_INFO"]
        )
        if status is None or not writes:
            return kind(environ, start_response)
        if order.get("after"):
            # Placement's own answer is dropped.
            list(kind(environ, lambda *_: lambda _: None))
        body = json.dumps({"errors": [_error(status)]}).encode()
        start_response(REASONS[status], [("Content-Type", "application/json")])
        return [body]

    return answer


def _order(orders: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(orders.read_text())
    except FileNotFoundError:
        return {}
    return found


def _error(status: int) -> dict[str, object]:
    code = "placement.concurrent_update" if status == 409 else "placement.undefined_code"
    return {
        "status": status,
        "title": REASONS[status].partition(" ")[2],
        "detail": "Inventory changed while attempting to allocate: the lab says so",
        "code": code,
        "request_id": "req-lab",
    }


def __getattr__(name: str) -> Application:
    # Placement is not there where only this module's functions are tested.
    if name != "application":
        raise AttributeError(name)
    from placement.wsgi.api import application

    return unkind(application, Path(os.environ[VARIABLE]))
