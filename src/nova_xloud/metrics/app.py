# SPDX-License-Identifier: Apache-2.0
"""The WSGI application that answers with the metrics, whatever a request's headers are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app

LOG = logging.getLogger(__name__)

# The versions of both formats that Prometheus asks for.
_VERSIONS = ("0.0.1", "0.0.4", "1.0.0")


def make_app(registry: CollectorRegistry) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application that answers each GET with the metrics of ``registry``.

    If the metrics cannot be made, the answer is 500, and the log has the traceback.
    """
    metrics = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["HTTP_ACCEPT"] = _known(environ.get("HTTP_ACCEPT", ""))
        try:
            return metrics(environ, start_response)
        except Exception as error:
            LOG.exception("The metrics of this host could not be made: %s", error)
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"The metrics could not be made; the log of nova-compute says why.\n"]

    return app


def _known(accept: str) -> str:
    """Return a header ``Accept`` without the formats whose version is not in :data:`_VERSIONS`.

    prometheus_client 0.26 raises a TypeError for a version that is no number.
    """
    return ",".join(one for one in accept.split(",") if _versions_of(one) <= set(_VERSIONS))


def _versions_of(accepted: str) -> set[str]:
    parameters = (one.strip().partition("=") for one in accepted.split(";"))
    return {value for name, _, value in parameters if name == "version"}
