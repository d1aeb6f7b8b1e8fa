# SPDX-License-Identifier: Apache-2.0
"""Reads the records of Nova's services in all cells, and asks the services over RPC."""

from __future__ import annotations

from typing import Any

from nova import objects, servicegroup

from nova_xloud.audit.cells import Cells
from nova_xloud.core.checks.services import About, Runs, Service
from nova_xloud.errors import HostUnavailable, HostUnsupported
from nova_xloud.rpc.client import XloudAPI

SCHEDULER = "nova-scheduler"
CONDUCTOR = "nova-conductor"
# nova-api registers itself by this name when it starts, and does not update the record later.
API = "nova-osapi_compute"


def services(cells: Cells, binary: str) -> list[Service]:
    """Return every service with the name ``binary``, with the answer of each that is up.

    Each service that is up is asked over RPC, one after the other. A service that does not answer
    within 10 s is returned as ``SILENT``. Services of a cell that cannot be read are left out.

    :param binary: ``nova-compute``, ``nova-conductor`` or ``nova-scheduler``
    """
    group = servicegroup.API()
    rpc = XloudAPI()
    return [
        _asked(rpc, cells, context, record)
        if group.service_is_up(record)
        else Service(binary, record.host, Runs.DOWN)
        for context, record in _records(cells, binary)
    ]


def api_hosts(cells: Cells) -> list[str]:
    """Return the hosts for which Nova's databases have a record of a nova-api, sorted.

    A nova-api was started on each of them at some time. Nova does not record whether it still runs.
    """
    return sorted({record.host for _, record in _records(cells, API)})


def _records(cells: Cells, binary: str) -> list[tuple[Any, Any]]:
    """Return a pair for each service with the name ``binary``: context and record.

    The context is targeted at the service's cell. The record is a ``nova.objects.Service``.
    """

    def read(context: Any) -> list[tuple[Any, Any]]:
        found = objects.ServiceList.get_by_binary(context, binary, include_disabled=True)
        return [(context, record) for record in found]

    return list(cells.every(read))


def _asked(rpc: XloudAPI, cells: Cells, context: Any, record: Any) -> Service:
    # A scheduler serves all cells and listens on the API's broker, wherever its record is: cell0
    # has no broker.
    by_broker_of = cells.context if record.binary == SCHEDULER else context
    try:
        told = rpc.about(by_broker_of, record.topic, record.host)
    except HostUnsupported:
        return Service(record.binary, record.host, Runs.STOCK)
    except HostUnavailable as error:
        return Service(record.binary, record.host, Runs.SILENT, why=error.message)
    if told is None:
        return Service(record.binary, record.host, Runs.OLDER)
    about = About(told["package"], told["rpc_version"], told["options"])
    return Service(record.binary, record.host, Runs.EXTENDED, about)
