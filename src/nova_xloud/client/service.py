# SPDX-License-Identifier: Apache-2.0
"""The service: what a connection of openstacksdk can do with nova-xloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException
from openstack.service_description import ServiceDescription

from nova_xloud.client.errors import NotInstalled, check
from nova_xloud.client.resources import Adjustment, Listed, Plan, Status
from nova_xloud.client.waiting import Progress, Waiting

TIMEOUT = 300.0
# How many statuses are asked for at a time.
_AT_ONCE = 8


@dataclass(frozen=True)
class Xloud:
    """nova-xloud behind one cloud's compute endpoint.

    Servers are named by their id or name, or are servers of openstacksdk.

    :ivar compute: ``Connection.compute``
    """

    compute: Any

    def find_server(self, server: Any, *, all_projects: bool = False) -> Any:
        """The server, as openstacksdk has it.

        :param all_projects: of any project, by name; for administrators
        :raises openstack.exceptions.NotFoundException:
        :raises openstack.exceptions.DuplicateResource: several have that name
        """
        if not isinstance(server, str):
            return server
        return self.compute.find_server(server, ignore_missing=False, all_projects=all_projects)

    def adjust(
        self,
        server: Any,
        *,
        vcpus: int | None = None,
        memory_mb: int | None = None,
        persist: bool = True,
        force: bool = False,
    ) -> Adjustment:
        """Ask for a size; returns when it is admitted, which is before the guest has it.

        :param vcpus: None: leave them as they are
        :param memory_mb: MiB; likewise. At least one of the two
        :param persist: False: until the guest next stops
        :param force: memory may go below what the guest's own statistics say that it needs
        :raises AdjustmentRefused: nothing was changed
        :raises NotInstalled: this cloud has no nova-xloud
        """
        found = self.find_server(server)
        body = _body(vcpus, memory_mb, persist, force)
        response = self._post(found.id, body)
        request_id = response.headers.get("x-openstack-request-id", "")
        return Adjustment(found.id, vcpus, memory_mb, persist, request_id)

    def plan(
        self,
        server: Any,
        *,
        vcpus: int | None = None,
        memory_mb: int | None = None,
        persist: bool = True,
        force: bool = False,
    ) -> Plan:
        """What :meth:`adjust` would do; changes nothing.

        :raises AdjustmentRefused: it could not even be planned: its host is down, it is locked
        """
        found = self.find_server(server)
        body = _body(vcpus, memory_mb, persist, force) | {"dry_run": True}
        return Plan.from_body(found.id, self._post(found.id, body).json()["plan"])

    def get_status(self, server: Any) -> Status:
        """What a server has, holds, and may become.

        :raises AdjustmentRefused: it is gone, or must not be looked at
        """
        return self._status(self.find_server(server).id)

    def servers(self, limit: int | None = None, **query: Any) -> Iterator[Listed]:
        """Servers with their status, in Nova's order.

        Of one whose status cannot be had there is the error, and the others all the same.

        :param limit: not more than so many
        :param query: as of ``Connection.compute.servers()``: ``all_projects``,
            ``compute_host``, ``name``
        """
        found = islice(self.compute.servers(**query), limit)
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            yield from pool.map(self._listed, found)
        finally:
            # Whoever stops early does not wait for thousands.
            pool.shutdown(cancel_futures=True)

    def wait_for_adjustment(
        self,
        adjustment: Adjustment,
        timeout: float = TIMEOUT,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        interval: float = 1.0,
    ) -> Status:
        """Wait until the guest has what was asked for; of one that does not run, until it is
        claimed.

        :param timeout: seconds
        :param on_progress: is told of each stage when it is reached
        :param interval: seconds between two looks
        :raises GuestRefused: the guest does not follow; what it has stays claimed
        :raises TimedOut: the adjustment goes on
        :raises Superseded: something else is desired by now
        :raises AdjustmentFailed: it could not be done
        """
        return Waiting(
            adjustment,
            lambda: self._status(adjustment.server_id),
            timeout,
            on_progress,
            interval,
        ).run()

    def _post(self, server_id: str, body: dict[str, Any]) -> Any:
        response = self.compute.post(f"/os-xloud-adjust/{server_id}", json=body)
        check(response)
        return response

    def _status(self, server_id: str) -> Status:
        response = self.compute.get(f"/servers/{server_id}/xloud-status", skip_cache=True)
        check(response)
        return Status.from_body(server_id, response.json()["xloud_status"])

    def _listed(self, server: Any) -> Listed:
        try:
            return Listed(server, self._status(server.id))
        except NotInstalled:
            raise
        except (SDKException, ClientException) as error:
            return Listed(server, None, error)


class XloudService(ServiceDescription):  # type: ignore[type-arg]
    """For ``Connection(extra_services=[XloudService()])``: the connection has ``xloud`` then.

    It has no endpoint of its own, so none is looked for: it is spoken to through ``compute``.
    """

    def __init__(self) -> None:
        super().__init__("xloud")

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else Xloud(instance.compute)


def connect(connection: Connection) -> Xloud:
    """The service of a connection of openstacksdk."""
    return Xloud(connection.compute)


def add_to(connection: Connection) -> None:
    """Give a connection ``xloud``: ``vendor_hook: nova_xloud.client:add_to`` in clouds.yaml."""
    connection.add_service(XloudService())


def _body(vcpus: int | None, memory_mb: int | None, persist: bool, force: bool) -> dict[str, Any]:
    sizes = {"current_vcpus": vcpus, "current_memory_mb": memory_mb}
    asked = {name: size for name, size in sizes.items() if size is not None}
    # What is the default is not sent: an older API may not know it.
    return asked | ({} if persist else {"persist": False}) | ({"force": True} if force else {})
