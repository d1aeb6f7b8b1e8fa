# SPDX-License-Identifier: Apache-2.0
"""Let three services of Nova report their nova-xloud version and options to the upgrade check.

They are nova-conductor, nova-scheduler and nova-compute. nova-conductor also checks quotas for the
automatic growth of compute hosts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nova.conf

from nova_xloud.core.checks.autoscale import AUTOSCALE
from nova_xloud.core.checks.upgrade_check import FILTERS, STATISTICS_PERIOD
from nova_xloud.rpc.about import AboutEndpoint
from nova_xloud.rpc.conductor import ConductorEndpoint

CONF = nova.conf.CONF


def conductor_starts(original: Callable[..., None], manager: Any, service_ref: Any) -> None:
    """Add nova-xloud's two endpoints to nova-conductor before its RPC server starts.

    One answers ``about``, and reports no options. The other answers ``check_growth``.

    Wraps ``ConductorManager.pre_start_hook``.
    """
    original(manager, service_ref)
    # Imported here, because nova-compute loads this module too.
    from nova_xloud.api.quotas import refusal_of_growth

    endpoints = [AboutEndpoint(dict), ConductorEndpoint(refusal_of_growth)]
    manager.additional_endpoints.extend(endpoints)


def scheduler_starts(original: Callable[..., None], manager: Any, service_ref: Any) -> None:
    """Add the ``about`` endpoint to nova-scheduler before its RPC server starts.

    The endpoint reports ``[filter_scheduler] enabled_filters``.

    Wraps ``SchedulerManager.pre_start_hook``.
    """
    original(manager, service_ref)
    manager.additional_endpoints.append(
        AboutEndpoint(lambda: {FILTERS: CONF.filter_scheduler.enabled_filters})
    )


def of_compute() -> AboutEndpoint:
    """Return the ``about`` endpoint of nova-compute.

    It reports ``[libvirt] mem_stats_period_seconds`` and ``[xloud] autoscale``.
    """
    return AboutEndpoint(
        lambda: {
            STATISTICS_PERIOD: CONF.libvirt.mem_stats_period_seconds,
            AUTOSCALE: CONF.xloud.autoscale,
        }
    )
