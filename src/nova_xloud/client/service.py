# SPDX-License-Identifier: Apache-2.0
"""The service ``xloud``: adjusts servers and reads sizes through a connection of openstacksdk."""

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
# How many statuses are requested at the same time.
_AT_ONCE = 8


@dataclass(frozen=True)
class Xloud:
    """The API of nova-xloud at the compute endpoint of one cloud.

    Methods take a server as its ID, its name, or a server object of openstacksdk.

    :ivar compute: ``Connection.compute``
    """

    compute: Any

    def find_server(self, server: Any, *, all_projects: bool = False) -> Any:
        """Return the server as a server object of openstacksdk.

        :param server: an ID or a name; a server object is returned as it is
        :param all_projects: look for the name in all projects; for administrators
        :raises openstack.exceptions.NotFoundException: no server has that ID or name
        :raises openstack.exceptions.DuplicateResource: several servers have that name
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
        """Ask for a size. Returns when the size is admitted, which is before the guest has it.

        At least one of ``vcpus`` and ``memory_mb`` is needed.

        :param vcpus: None: leave the number of vCPUs as it is
        :param memory_mb: MiB; None: leave the memory as it is
        :param persist: False: keep the size only until the guest next stops
        :param force: allow less memory than the guest's own statistics say that the guest needs
        :raises AdjustmentRefused: nothing was changed; but see
            :class:`nova_xloud.client.errors.HostUnavailable`
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        :raises openstack.exceptions.SDKException: the server is not found by its name (see
            :meth:`find_server`), or the API answered with another error
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
        """Return what :meth:`adjust` would do, without changing anything.

        A refusal by the server's bounds, by a quota or by Placement is in the plan.

        :raises AdjustmentRefused: no plan can be made, for example because the request is not well
            formed, the policy does not allow it, the server is locked or busy, or the server's
            compute host is down
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        """
        found = self.find_server(server)
        body = _body(vcpus, memory_mb, persist, force) | {"dry_run": True}
        return Plan.from_body(found.id, self._post(found.id, body).json()["plan"])

    def get_status(self, server: Any) -> Status:
        """Return a server's sizes, bounds and conditions.

        :raises AdjustmentRefused: the server is gone, or the policy does not allow to see it
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        """
        return self._status(self.find_server(server).id)

    def servers(self, limit: int | None = None, **query: Any) -> Iterator[Listed]:
        """Yield servers with their status, in Nova's order.

        A server whose status cannot be read is yielded with the error instead.

        :param limit: the largest number of servers; None: all
        :param query: the query of ``Connection.compute.servers()``, such as ``all_projects``,
            ``compute_host``, ``name``, ``marker``
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        :raises openstack.exceptions.SDKException: the servers cannot be listed
        """
        found = islice(self.compute.servers(**query), limit)
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            yield from pool.map(self._listed, found)
        finally:
            # A caller that stops early does not wait for thousands of statuses.
            pool.shutdown(cancel_futures=True)

    def wait_for_adjustment(
        self,
        adjustment: Adjustment,
        timeout: float = TIMEOUT,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        interval: float = 1.0,
    ) -> Status:
        """Wait until the guest has the size that was asked for.

        If the guest cannot confirm the size, wait until it is set; if the server does not run,
        until the size is claimed. Errors that pass, such as a lost connection, do not end the wait.

        :param timeout: seconds
        :param on_progress: called with each stage when it is reached, and with each reason for
            delay
        :param interval: seconds between two readings of the status
        :returns: the status with which the size was reached
        :raises GuestRefused: the guest does not follow; what the guest has stays claimed
        :raises TimedOut: the size was not reached in time; the adjustment continues
        :raises Superseded: another size is desired by now
        :raises AdjustmentFailed: the adjustment could not be done
        :raises AdjustmentRefused: the status cannot be had any more, for example because the server
            was deleted
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
    """The description of the service, which gives a connection the attribute ``xloud``.

    Use it as ``Connection(extra_services=[XloudService()])``, or see :func:`add_to`. The service
    has no endpoint of its own: requests go through ``Connection.compute``.
    """

    def __init__(self) -> None:
        super().__init__("xloud")

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else Xloud(instance.compute)


def connect(connection: Connection) -> Xloud:
    """Return the service for a connection of openstacksdk."""
    return Xloud(connection.compute)


def add_to(connection: Connection) -> None:
    """Give ``connection`` the attribute ``xloud``.

    For clouds.yaml: ``vendor_hook: nova_xloud.client:add_to``.
    """
    connection.add_service(XloudService())


def _body(vcpus: int | None, memory_mb: int | None, persist: bool, force: bool) -> dict[str, Any]:
    sizes = {"current_vcpus": vcpus, "current_memory_mb": memory_mb}
    asked = {name: size for name, size in sizes.items() if size is not None}
    # Defaults are not sent: an older API may not know the parameter.
    return asked | ({} if persist else {"persist": False}) | ({"force": True} if force else {})
