# SPDX-License-Identifier: Apache-2.0
"""Let Nova's services report their nova-xloud version and options to the upgrade check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nova.conf

from nova_xloud.core.checks.upgrade_check import FILTERS, STATISTICS_PERIOD
from nova_xloud.rpc.about import AboutEndpoint

CONF = nova.conf.CONF


def conductor_starts(original: Callable[..., None], manager: Any, service_ref: Any) -> None:
    """Add the ``about`` endpoint, without options, to nova-conductor before its RPC server starts.

    Wraps ``ConductorManager.pre_start_hook``.
    """
    original(manager, service_ref)
    manager.additional_endpoints.append(AboutEndpoint(dict))


def scheduler_starts(original: Callable[..., None], manager: Any, service_ref: Any) -> None:
    """Add the ``about`` endpoint, with the enabled filters, to nova-scheduler before it serves RPC.

    Wraps ``SchedulerManager.pre_start_hook``.
    """
    original(manager, service_ref)
    manager.additional_endpoints.append(
        AboutEndpoint(lambda: {FILTERS: CONF.filter_scheduler.enabled_filters})
    )


def of_compute() -> AboutEndpoint:
    """Return the ``about`` endpoint of nova-compute.

    It reports ``[libvirt] mem_stats_period_seconds``.
    """
    return AboutEndpoint(lambda: {STATISTICS_PERIOD: CONF.libvirt.mem_stats_period_seconds})
