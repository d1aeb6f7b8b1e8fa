# SPDX-License-Identifier: Apache-2.0
"""What a host could ever hold of one instance, as Placement has it."""

from __future__ import annotations

from typing import Any

from keystoneauth1 import exceptions as keystone

from nova_xloud.core.sizing.allocation import most_of


def most_on(reportclient: Any, context: Any, provider: str) -> dict[str, int] | None:
    """The largest amount of each resource class that one consumer could have of a provider.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    :param provider: its UUID, that of the compute node
    :returns: None where Placement did not say it
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
