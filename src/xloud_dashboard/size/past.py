# SPDX-License-Identifier: Apache-2.0
"""The last hour of a server: from Prometheus, or what the page has seen since it is open."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from nova_xloud.client import PastAdjustment, Status
from xloud_dashboard import prometheus
from xloud_dashboard.config import config
from xloud_dashboard.size import readings
from xloud_dashboard.size.chart import Chart, Samples, Span, charts_of

HOUR = 3600
# After so many seconds the script has the charts drawn again.
SECONDS = 30


@dataclass(frozen=True)
class Past:
    """What is shown of the past.

    :ivar title: what time the charts are of
    :ivar charts: may be empty
    :ivar note: why there is no chart, in a sentence; may be empty
    """

    title: str
    charts: tuple[Chart, ...] = ()
    note: str = ""


def past(
    server_id: str, project_id: str, history: Iterable[PastAdjustment], kept: str = ""
) -> Past:
    """Return the last hour of a server that the user has read with their own token.

    :param server_id: as Nova has answered it, as ``project_id`` too
    :param history: its last adjustments
    :param kept: the readings that the page has kept, as text; Prometheus needs none
    """
    url = config().prometheus_url
    now = time.time()
    if not url:
        samples = readings.samples(kept)
        return Past(_("Since this page was opened"), _since_open(samples, history, now))
    title = _("The last hour")
    try:
        samples = prometheus.samples(url, server_id, project_id, now - HOUR, now)
    except prometheus.PrometheusError as error:
        return Past(title, note=_("There is no chart of the last hour. %s") % error)
    # A sample late by less than a step is no gap.
    charts = charts_of(Span(now - HOUR, now, 2 * prometheus.STEP - 1), samples, history)
    return Past(title, charts, "" if charts else _("Prometheus has no sizes of this server."))


def reading(status: Status | None) -> str:
    """Return what the page is to keep of a status; empty if nothing is."""
    if status is None or config().prometheus_url:
        return ""
    return readings.written(status, time.time())


def _since_open(
    samples: Mapping[str, Samples], history: Iterable[PastAdjustment], now: float
) -> tuple[Chart, ...]:
    """Return the charts of what a page has kept; none before there are two readings."""
    moments = {
        at
        for kinds in samples.values()
        for line in kinds.values()
        for at, _value in line
        if now - HOUR <= at <= now
    }
    if len(moments) < 2:
        return ()
    # The script leaves a reading out while the reader is in the middle of a button.
    gap = 3 * max(config().seconds_at_rest, config().seconds_while_changing)
    return charts_of(Span(min(moments), now, gap), samples, history)
