# SPDX-License-Identifier: Apache-2.0
"""Services say that they run with nova-xloud: the upgrade check asks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nova.conf

from nova_xloud.core.checks.upgrade_check import FILTERS, STATISTICS_PERIOD
from nova_xloud.rpc.about import AboutEndpoint

CONF = nova.conf.CONF


def conductor_starts(original: Callable[..., None], manager: Any, service_ref: Any) -> None:
    """Nova's hook before the service makes its RPC server: it answers ``about`` too."""
    original(manager, service_ref)
    manager.additional_endpoints.append(AboutEndpoint(dict))


def scheduler_starts(original: Callable[..., None], manager: Any, service_ref: Any) -> None:
    """The same of nova-scheduler."""
    original(manager, service_ref)
    manager.additional_endpoints.append(
        AboutEndpoint(lambda: {FILTERS: CONF.filter_scheduler.enabled_filters})
    )


def of_compute() -> AboutEndpoint:
    """What nova-compute says of itself."""
    return AboutEndpoint(lambda: {STATISTICS_PERIOD: CONF.libvirt.mem_stats_period_seconds})
