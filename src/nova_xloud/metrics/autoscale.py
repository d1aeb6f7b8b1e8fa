# SPDX-License-Identifier: Apache-2.0
"""The metrics of automatic growth on one host, from what each round reports.

In a round nova-compute reads the guests that are scaled automatically and decides on their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nova_xloud.compute.meter import RoundReport
from nova_xloud.core.autoscaling.deferral import CODES
from nova_xloud.core.autoscaling.settings import Mode

# Upper bounds in seconds: a round of 100 guests takes some hundredths of a second.
ROUND = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SCALED = tuple(mode.value for mode in Mode if mode is not Mode.OFF)


class Autoscaling:
    """The metrics of automatic growth of one host, all named ``nova_xloud_autoscale_...``.

    :param registry: gets the metrics
    :param date: returns seconds since 1970
    """

    def __init__(self, registry: CollectorRegistry, date: Callable[[], float]) -> None:
        self._date = date
        self._servers = Gauge(
            "nova_xloud_autoscale_servers",
            "Servers of this host that are scaled automatically, by their mode.",
            ("mode",),
            registry=registry,
        )
        self._deferred = Gauge(
            "nova_xloud_autoscale_deferred_servers",
            "Servers of this host that do not get what is recommended for them now, by the code.",
            ("code",),
            registry=registry,
        )
        self._decisions = Counter(
            "nova_xloud_autoscale_decisions",
            "Recommendations of vCPUs or memory that were made, one each round, by their code.",
            ("code",),
            registry=registry,
        )
        self._changes = Counter(
            "nova_xloud_autoscale_changes",
            "Requests of automatic growth that were admitted, by their direction.",
            ("direction",),
            registry=registry,
        )
        self._sample_age = Gauge(
            "nova_xloud_autoscale_sample_age_seconds",
            "The age of the oldest known need, of vCPUs or memory, of all running servers that are "
            "scaled automatically.",
            registry=registry,
        )
        self._wish_age = Gauge(
            "nova_xloud_autoscale_wish_age_seconds",
            "For how long a server should have had another size and has not got it, without a "
            "known reason.",
            registry=registry,
        )
        self._round = Histogram(
            "nova_xloud_autoscale_round_duration_seconds",
            "How long a round of automatic growth took.",
            buckets=ROUND,
            registry=registry,
        )
        self._last_round = Gauge(
            "nova_xloud_autoscale_last_round_timestamp_seconds",
            "When the last round of automatic growth ended, in seconds since 1970; 0 if there was "
            "none yet. A round in which libvirt did not answer does not count.",
            registry=registry,
        )
        for direction in ("grow", "shrink"):
            self._changes.labels(direction)
        self._set(self._servers, _SCALED, {})
        self._set(self._deferred, CODES, {})

    def scaled(self, *, grows: bool) -> None:
        """Count a request of automatic growth that was admitted.

        :param grows: whether it asks for more of a resource; it may ask for less of the other
        """
        self._changes.labels("grow" if grows else "shrink").inc()

    def round_finished(self, report: RoundReport) -> None:
        """Set the gauges to what a round has reported, and count its recommendations by their code.

        The duration and the end of the round are recorded only if a server is scaled automatically.
        """
        self._set(self._servers, _SCALED, report.servers)
        self._set(self._deferred, CODES, report.deferred)
        for code, count in report.codes.items():
            self._decisions.labels(code).inc(count)
        self._sample_age.set(report.oldest_known)
        self._wish_age.set(report.oldest_wish)
        if report.servers:
            self._round.observe(report.seconds)
            self._last_round.set(self._date())

    @staticmethod
    def _set(gauge: Gauge, labels: tuple[str, ...], counts: Mapping[str, int]) -> None:
        for label in labels:
            gauge.labels(label).set(counts.get(label, 0))
