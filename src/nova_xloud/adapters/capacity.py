# SPDX-License-Identifier: Apache-2.0
"""Read from Placement the largest amounts that a host could ever give to one instance."""

from __future__ import annotations

from typing import Any

from keystoneauth1 import exceptions as keystone

from nova_xloud.core.sizing.allocation import most_of


def most_on(reportclient: Any, context: Any, provider: str) -> dict[str, int] | None:
    """Return for each resource class the most that one consumer could have of a resource provider.

    That is the provider's whole capacity (the total less the host reserve, times the allocation
    ratio), or ``max_unit`` if that is less.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    :param provider: the UUID of the resource provider, which is that of the compute node
    :returns: for example ``{"VCPU": 16, "MEMORY_MB": 31000}``; None if Placement did not return the
        inventories
    """
    url = f"/resource_providers/{provider}/inventories"
    try:
        answer = reportclient.get(url, global_request_id=context.global_id)
    except keystone.ClientException:
        return None
    if answer.status_code != 200:
        return None
    inventories = answer.json()["inventories"]
    return {name: most_of(inventory) for name, inventory in inventories.items()}
