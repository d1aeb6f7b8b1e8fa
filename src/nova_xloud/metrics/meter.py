# SPDX-License-Identifier: Apache-2.0
"""The port ``Meter``, implemented with prometheus_client; docs/metrics.md has all metrics."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nova_xloud.compute.meter import PassEntry, RoundReport
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.sample import Sample
from nova_xloud.metrics.autoscale import Autoscaling
from nova_xloud.metrics.instances import Instances

LOG = logging.getLogger(__name__)

# Upper bounds in seconds: a claim takes some hundredths of a second, a slow guest takes minutes.
ADJUSTMENT = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
PASS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """An admitted adjustment that is still being timed.

    :ivar generation: the generation of the desired size
    :ivar began: when the request came to this host, in monotonic seconds
    :ivar actuated: whether QEMU was seen to have the desired size
    """

    generation: int
    began: float
    actuated: bool = False


def _never_raises(method: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``method`` so that it logs any error of its own instead of raising it.

    An adjustment must not fail because it could not be counted.
    """

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except Exception:
            LOG.exception(
                "Metrics: the event %s was not counted. Nothing but the metrics is affected.",
                method.__name__,
            )

    return call


class PrometheusMeter:
    """Keeps the metrics of one nova-compute.

    The public methods are those of :class:`nova_xloud.compute.meter.Meter`. They may be called in
    any thread, and never raise: an error is logged.

    :param now: returns monotonic seconds
    :param date: returns seconds since 1970
    :ivar registry: the ``prometheus_client.CollectorRegistry`` that has these metrics and no others
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        date: Callable[[], float] = time.time,
    ) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        self._date = date
        self._lock = threading.Lock()
        self._admitted: dict[str, _Admitted] = {}
        self._drifted: dict[str, str] = {}
        self._instances = Instances()
        self.registry.register(self._instances)
        self._adjustments = self._counter(
            "nova_xloud_adjustments",
            "Adjustments on this host, by their result and code.",
            ("result", "code"),
        )
        self._claimed = self._seconds(
            "claimed", "until its claim was in Placement and its desired size in Nova's database"
        )
        self._actuated = self._seconds("actuated", "until QEMU was read to have the desired size")
        self._observed = self._seconds(
            "observed", "until the guest was read to have the desired size"
        )
        self._pass = Histogram(
            "nova_xloud_reconcile_duration_seconds",
            "How long a pass over the instances of this host took.",
            buckets=PASS,
            registry=self.registry,
        )
        self._last_pass = Gauge(
            "nova_xloud_reconcile_last_pass_timestamp_seconds",
            "When the last pass over the instances of this host ended, in seconds since 1970; 0 if "
            "there was none yet. A pass that was skipped does not count.",
            registry=self.registry,
        )
        self._found = self._counter(
            "nova_xloud_drift_found",
            "Instances that a pass found to differ from their desired state, by the reason why.",
            ("why",),
        )
        self._repaired = self._counter(
            "nova_xloud_drift_repaired",
            "Instances that a pass found to differ, and that a run has then brought to their "
            "desired size, by the reason why.",
            ("why",),
        )

        self._autoscaling = Autoscaling(self.registry, date)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _seconds(self, what: str, until: str) -> Histogram:
        return Histogram(
            f"nova_xloud_adjustment_{what}_seconds",
            f"Seconds from an adjustment's arrival on this host {until}.",
            buckets=ADJUSTMENT,
            registry=self.registry,
        )

    @_never_raises
    def refused(self, code: str) -> None:
        """Count an adjustment that this host refused, under its reason ``code``."""
        self._adjustments.labels("refused", code).inc()

    @_never_raises
    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        """Count an adjustment that this host admitted.

        Unless there was nothing to do, this also records how long the admission took, and begins to
        time the rest of the adjustment.

        :param began: when the request came to this host, in monotonic seconds
        """
        if nothing_to_do:
            self._adjustments.labels("nothing_to_do", "").inc()
            return
        self._adjustments.labels("admitted", "").inc()
        self._claimed.observe(self._now() - began)
        with self._lock:
            self._admitted[uuid] = _Admitted(generation, began)

    @_never_raises
    def sampled(self, uuid: str, sample: Sample, project_id: str = "") -> None:
        """Export ``sample``, and record the time of the adjustment if its size is reached.

        The time since the request came is recorded once when QEMU has the desired size
        (``nova_xloud_adjustment_actuated_seconds``), and once when the guest was seen to have it
        too (``nova_xloud_adjustment_observed_seconds``). No time is recorded if the sample has
        another generation than the instance's last admitted adjustment.

        :param project_id: the project that the instance belongs to; empty if it is not known
        """
        self._instances.sampled(uuid, sample, project_id)
        with self._lock:
            self._time(uuid, sample)

    def _time(self, uuid: str, sample: Sample) -> None:
        one = self._admitted.get(uuid)
        if one is None or one.generation != sample.generation:
            return
        took = self._now() - one.began
        if not one.actuated and sample.actuated == sample.desired:
            self._actuated.observe(took)
            self._admitted[uuid] = one = replace(one, actuated=True)
        if one.actuated and sample.observed.is_size(sample.desired):
            self._observed.observe(took)
            del self._admitted[uuid]

    @_never_raises
    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        """Count the end of a run that was asked for, and the repair of a drift.

        If ``asked``, ``phase`` and ``code`` count as the result of an adjustment. If the run has
        converged, the instance's adjustment is not timed any longer, and the drift that a pass has
        found, if there was one, counts as repaired.

        :param asked: whether the run belongs to a request; False if it only repairs a drift or
            releases a claim
        """
        if asked:
            self._adjustments.labels(phase.value, code).inc()
        if phase is not Phase.CONVERGED:
            return
        with self._lock:
            # A guest that is off converges without being observed: stop timing the adjustment.
            self._admitted.pop(uuid, None)
            why = self._drifted.pop(uuid, None)
        if why is not None:
            self._repaired.labels(why).inc()

    @_never_raises
    def drifted(self, uuid: str, why: str) -> None:
        """Count a drift that a pass found, and remember ``why`` until its repair is counted.

        :param why: the code of the drift (:mod:`nova_xloud.core.convergence.drift`)
        """
        self._found.labels(why).inc()
        with self._lock:
            self._drifted[uuid] = why

    @_never_raises
    def pass_finished(self, seconds: float, entries: Mapping[str, PassEntry]) -> None:
        """Record how long a pass took and when it ended, and export the samples of ``entries``.

        All that is known of instances that are not in ``entries`` is forgotten.
        """
        self._pass.observe(seconds)
        self._last_pass.set(self._date())
        self._instances.pass_finished(entries)
        with self._lock:
            self._admitted = {u: one for u, one in self._admitted.items() if u in entries}
            self._drifted = {u: why for u, why in self._drifted.items() if u in entries}

    @_never_raises
    def round_finished(self, report: RoundReport) -> None:
        """Export what a round of automatic growth has found, with the recommended sizes."""
        self._autoscaling.round_finished(report)
        self._instances.scaled(report.recommended, report.deferred_servers)

    @_never_raises
    def scaled(self, *, grows: bool) -> None:
        """Count a request of automatic growth that was admitted."""
        self._autoscaling.scaled(grows=grows)
