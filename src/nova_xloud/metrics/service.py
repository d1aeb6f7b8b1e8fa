# SPDX-License-Identifier: Apache-2.0
"""The metrics of a nova-compute, which has none unless the operator has set a port."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nova_xloud.compute.meter import Meter, NoMeter

if TYPE_CHECKING:
    from nova_xloud.metrics.server import Server

LOG = logging.getLogger(__name__)


class Metrics:
    """A meter, and the HTTP server that serves its metrics.

    If prometheus_client is not installed, there are no metrics, and an error is logged.

    :param host: the address to listen on
    :param port: the port to listen on. None: no metrics, and prometheus_client is not imported
    :ivar meter: counts what happens on this host; a ``NoMeter`` if there are no metrics
    """

    def __init__(self, host: str, port: int | None) -> None:
        self.meter: Meter = NoMeter()
        self._server: Server | None = None
        if port is not None:
            self._prepare(host, port)

    def _prepare(self, host: str, port: int) -> None:
        try:
            from nova_xloud.metrics.meter import PrometheusMeter
            from nova_xloud.metrics.server import Server
        except ImportError as error:
            LOG.error(
                "No metrics are served, because a package is missing. Install nova-xloud[metrics], "
                "or unset [xloud] metrics_port, and restart nova-compute: %s",
                error,
            )
            return
        meter = PrometheusMeter()
        self.meter, self._server = meter, Server(meter.registry, host, port)

    def start(self) -> None:
        """Start to serve; do nothing if there are no metrics.

        If the service forks, call this in the child: a thread does not survive the fork.
        """
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """Stop serving, if this serves; the port can be bound again when this returns."""
        if self._server is not None:
            self._server.stop()
