# SPDX-License-Identifier: Apache-2.0
"""The sizes of a server in the past, from the operator's Prometheus (``prometheus_url``).

Prometheus knows no users: whoever calls this module has read the server with the user's own token
first, and hands over the IDs that Nova has answered.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import requests
from django.utils.translation import gettext as _

from xloud_dashboard import api
from xloud_dashboard.size.chart import KINDS, Sample, Samples

LOG = logging.getLogger(__name__)

# Seconds between two samples: as often as deploy/prometheus/prometheus.yml scrapes.
STEP = 30
# Seconds to connect, and seconds without a byte of an answer, after which a page has no chart.
TIMEOUT = (2, 4)
MIB = 1024 * 1024
# For each resource its metric (docs/metrics.md), and how many units of the metric are one of ours.
_METRICS = {
    "vcpus": ("nova_xloud_instance_vcpus", 1),
    "memory_mb": ("nova_xloud_instance_memory_bytes", MIB),
}
_PROJECT_ID = re.compile(r"[A-Za-z0-9_.-]{1,255}")


class PrometheusError(Exception):
    """There are no samples; the message says why, to users of the dashboard."""


def samples(
    url: str, server_id: str, project_id: str, begin: float, end: float
) -> Mapping[str, Samples]:
    """Return for each resource what Prometheus has of one server.

    :param url: the address of Prometheus
    :param begin: seconds since 1970, as ``end`` too
    :raises PrometheusError: Prometheus does not answer, or with something else, or an ID is none
    """
    where = _selector(server_id, project_id)
    address = f"{url.rstrip('/')}/api/v1/query_range"
    asked: dict[str, str | float] = {"start": begin, "end": end, "step": STEP}
    try:
        with requests.Session() as session:
            found = {}
            for resource, (metric, unit) in _METRICS.items():
                # After a live migration two hosts name the server for a while.
                asked["query"] = f"max by (kind) ({metric}{{{where}}})"
                # A session's own verify gives way to REQUESTS_CA_BUNDLE, and this one does not.
                answer = session.get(address, params=asked, timeout=TIMEOUT, verify=api.verify())
                if answer.status_code != 200:
                    raise _failed(server_id, f"HTTP status {answer.status_code}")
                found[resource] = _samples(answer.json(), unit)
            return found
    # No JSON is an error of requests' own, and of reading too.
    except (AttributeError, IndexError, KeyError, TypeError, requests.JSONDecodeError) as error:
        raise _unreadable(server_id, error) from error
    except requests.RequestException as error:
        # The URL may have a password.
        raise _failed(server_id, str(error).replace(url.rstrip("/"), "prometheus_url")) from error
    except ValueError as error:
        raise _unreadable(server_id, error) from error


def _failed(server_id: str, why: str) -> PrometheusError:
    """Log why there is no answer, which is nothing for users, and return the error for them."""
    LOG.warning("Prometheus does not answer a query for %s: %s", server_id, why)
    return PrometheusError(_("Prometheus does not answer."))


def _unreadable(server_id: str, error: Exception) -> PrometheusError:
    LOG.warning("An answer of Prometheus for %s cannot be read: %r", server_id, error)
    return PrometheusError(_("The answer of Prometheus cannot be read."))


def _selector(server_id: str, project_id: str) -> str:
    """Return the labels of one server of one project.

    :raises PrometheusError: an ID has a form in which it cannot be a label here
    """
    try:
        uuid = UUID(server_id)
    except ValueError as error:
        raise PrometheusError(_("The server's ID is not a UUID.")) from error
    if not _PROJECT_ID.fullmatch(project_id):
        raise PrometheusError(_("The ID of the server's project has a form that is not known."))
    return f'instance_uuid="{uuid}",project_id="{project_id}",kind=~"{"|".join(KINDS)}"'


def _samples(body: Any, unit: int) -> Samples:
    """Return the samples of an answer, by kind."""
    if body["status"] != "success" or body["data"]["resultType"] != "matrix":
        raise ValueError(f"status {body['status']!r}, and not a matrix")
    return {
        one["metric"]["kind"]: tuple(_values(one["values"], unit)) for one in body["data"]["result"]
    }


def _values(pairs: Iterable[Any], unit: int) -> Iterable[Sample]:
    for at, text in pairs:
        value = float(text)
        yield float(at), int(value / unit) if math.isfinite(value) else None
