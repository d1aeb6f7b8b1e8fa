# SPDX-License-Identifier: Apache-2.0
"""The service ``xloud``: adjusts servers and reads sizes through a connection of openstacksdk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException
from openstack.service_description import ServiceDescription

from nova_xloud.client.errors import NotInstalled, UnreadableAnswer, check, understood
from nova_xloud.client.recorded import PastAdjustment, RecordedServer
from nova_xloud.client.resources import Adjustment, Listed, Plan, Status
from nova_xloud.client.waiting import Progress, Waiting
from nova_xloud.core.autoscaling.mode import OF_FLAVOR

TIMEOUT = 300.0
# How many statuses are requested at the same time.
_AT_ONCE = 8


@dataclass(frozen=True)
class Xloud:
    """The API of nova-xloud at the compute endpoint of one cloud.

    A parameter ``server`` may be a server's ID, its name, or a server object of openstacksdk.

    :ivar compute: ``Connection.compute`` of openstacksdk
    """

    compute: Any

    def find_server(self, server: Any, *, all_projects: bool = False) -> Any:
        """Return the server as a server object of openstacksdk.

        :param server: an ID or a name; a server object is returned as it is
        :param all_projects: look for the name in all projects; for administrators
        :raises openstack.exceptions.NotFoundException: no server has that ID or name, or the user
            may not see that server
        :raises openstack.exceptions.DuplicateResource: several servers have that name
        :raises openstack.exceptions.SDKException: the servers cannot be read
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
        autoscale: str | None = None,
    ) -> Adjustment:
        """Ask for a size, or a mode of automatic growth; return when the adjustment is admitted.

        The guest may not have the size yet: see :meth:`wait_for_adjustment`. At least one of
        ``vcpus``, ``memory_mb`` and ``autoscale`` is needed.

        :param vcpus: None: leave the number of vCPUs as it is
        :param memory_mb: MiB; None: leave the memory as it is
        :param persist: False: keep the size only until the guest next stops
        :param force: allow less memory than the guest needs by its own statistics
        :param autoscale: ``off``, ``observe``, ``on``, or ``flavor`` for the mode that the flavor
            names; None: leave it as it is
        :raises AdjustmentRefused: the API refuses the adjustment;
            :class:`~nova_xloud.client.errors.AdjustmentRefused` says what may have changed
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        :raises openstack.exceptions.SDKException: the server is not found (see
            :meth:`find_server`), or the API answered with another error
        """
        found = self.find_server(server)
        body = _body(vcpus, memory_mb, persist, force, autoscale)
        response = self._post(found.id, body)
        request_id = response.headers.get("x-openstack-request-id", "")
        return Adjustment(found.id, vcpus, memory_mb, persist, request_id, autoscale)

    def plan(
        self,
        server: Any,
        *,
        vcpus: int | None = None,
        memory_mb: int | None = None,
        persist: bool = True,
        force: bool = False,
        autoscale: str | None = None,
    ) -> Plan:
        """Return what :meth:`adjust` would do with the same arguments, without changing anything.

        A refusal by the server's bounds or blockers, by a quota, or because the compute host has no
        room is in the plan, and not raised.

        :raises AdjustmentRefused: no plan can be made, for example because the request is not well
            formed, the policy does not allow it, the server is locked or busy, or the server's
            compute host is down
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        :raises openstack.exceptions.SDKException: as in :meth:`adjust`
        """
        found = self.find_server(server)
        body = _body(vcpus, memory_mb, persist, force, autoscale) | {"dry_run": True}
        response = self._post(found.id, body)
        with understood("the dry run"):
            return Plan.from_body(found.id, response.json()["plan"])

    def get_status(self, server: Any) -> Status:
        """Return a server's sizes, bounds and conditions.

        If the compute host is down, does not answer or cannot read the guest, Placement does not
        answer the host, or the server is on no host, the status is from Nova's database.

        :raises AdjustmentRefused: the status cannot be read, for example because the server is
            gone, the policy does not allow it, or the compute host runs without nova-xloud
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud
        :raises openstack.exceptions.SDKException: as in :meth:`adjust`
        """
        return self._status(self.find_server(server).id)

    def get_history(self, server: Any) -> tuple[PastAdjustment, ...]:
        """Return a server's last adjustments, newest first, at most ten.

        They are read from Nova's database, so the server's compute host may be down.

        :raises AdjustmentRefused: the history cannot be read, for example because the server is
            gone, or the policy does not allow it
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud, or with one that is too
            old
        :raises openstack.exceptions.SDKException: as in :meth:`adjust`
        """
        path = f"/servers/{self.find_server(server).id}/xloud-history"
        body = self._get(path)
        with understood(path):
            return tuple(PastAdjustment.from_body(one) for one in body["xloud_history"])

    def recorded_servers(
        self,
        limit: int | None = None,
        *,
        project_id: str | None = None,
        all_projects: bool = False,
        host: str | None = None,
        converged: bool | None = None,
        marker: str | None = None,
    ) -> Iterator[RecordedServer]:
        """Yield servers with the sizes and conditions that were recorded last, newest first.

        This is one request for each page of Nova's list, and no compute host is asked.
        :meth:`servers` asks each server's host instead. A page is read when it is needed.

        :param limit: the largest number of servers; None: all
        :param project_id: only servers of this project; None: of the project of the connection.
            Another project is for administrators
        :param all_projects: servers of all projects; for administrators
        :param host: only servers on this compute host; for administrators
        :param converged: only servers that are converged, or that are not; None: both
        :param marker: begin after the server with this ID
        :raises AdjustmentRefused: the policy does not allow it, or there is no server ``marker``
        :raises NotInstalled: this cloud's nova-api runs without nova-xloud, or with one that is too
            old
        :raises openstack.exceptions.SDKException: the servers cannot be listed
        """
        asked = {"project_id": project_id, "host": host, "limit": limit, "marker": marker}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        query |= {"all_projects": "true"} if all_projects else {}
        query |= {} if converged is None else {"converged": str(converged).lower()}
        yield from islice(self._recorded("/os-xloud-servers", query), limit)

    def _recorded(self, path: str, query: dict[str, str]) -> Iterator[RecordedServer]:
        markers = {query.get("marker")}
        while True:
            body = self._get(path, query)
            with understood(path):
                found = [RecordedServer.from_body(one) for one in body["xloud_servers"]]
                links = body.get("xloud_servers_links", ())
                following = [one["href"] for one in links if one["rel"] == "next"]
                # The href may name an address of nova-api that this client does not reach.
                query = dict(parse_qsl(urlsplit(following[0]).query)) if following else {}
            yield from found
            if not following:
                return
            if query.get("marker") in markers:
                raise UnreadableAnswer(f"{path} links from a page to itself or to one before it")
            markers.add(query.get("marker"))

    def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        response = self.compute.get(path, params=query or {}, skip_cache=True)
        check(response)
        with understood(path):
            return response.json()

    def servers(self, limit: int | None = None, **query: Any) -> Iterator[Listed]:
        """Yield servers with their statuses, in the order of Nova's list.

        A server whose status cannot be read is yielded with the error instead. The list is read to
        its end before the first server is yielded, and up to eight statuses are read at a time.

        :param limit: the largest number of servers; None: all
        :param query: arguments of ``Connection.compute.servers()``, such as ``all_projects``,
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
        """Wait until the guest has the size that was asked for, and return the server's status.

        If the guest cannot confirm the size, wait until QEMU has it; if the server does not run,
        until the size is claimed. A lost connection, an error of Nova (HTTP 500, for example) or a
        Placement that does not answer does not end the wait.

        :param timeout: seconds after which the wait ends
        :param on_progress: called once with each stage when it is reached, and with each reason for
            a delay
        :param interval: seconds between two readings of the status
        :returns: the status with which the size was reached
        :raises GuestRefused: the guest does not follow; what the guest has stays claimed
        :raises TimedOut: the size was not reached in time; the adjustment continues
        :raises Superseded: another size is desired by now; a change of a resource that the
            adjustment left as it was is none
        :raises AdjustmentFailed: the adjustment could not be done
        :raises AdjustmentRefused: the status cannot be read, for example because the server was
            deleted
        :raises NotInstalled: the nova-api that answered runs without nova-xloud
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
        path = f"/servers/{server_id}/xloud-status"
        body = self._get(path)
        with understood(path):
            return Status.from_body(server_id, body["xloud_status"])

    def _listed(self, server: Any) -> Listed:
        try:
            return Listed(server, self._status(server.id))
        except NotInstalled:
            raise
        except (SDKException, ClientException) as error:
            return Listed(server, None, error)


class XloudService(ServiceDescription):  # type: ignore[type-arg]
    """The description of the service, which gives a connection the attribute ``xloud``.

    Pass it to a connection, as in ``Connection(extra_services=[XloudService()])``, or use
    :func:`add_to`. The service has no endpoint of its own: its requests go through
    ``Connection.compute``.
    """

    def __init__(self) -> None:
        super().__init__("xloud")

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else Xloud(instance.compute)


def connect(connection: Connection) -> Xloud:
    """Return the service ``xloud`` of a connection of openstacksdk."""
    return Xloud(connection.compute)


def add_to(connection: Connection) -> None:
    """Give ``connection`` the attribute ``xloud``, an :class:`Xloud`.

    In clouds.yaml ``vendor_hook: nova_xloud.client:add_to`` does this for every connection to that
    cloud.
    """
    connection.add_service(XloudService())


def _body(
    vcpus: int | None, memory_mb: int | None, persist: bool, force: bool, autoscale: str | None
) -> dict[str, Any]:
    sizes = {"current_vcpus": vcpus, "current_memory_mb": memory_mb}
    asked: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
    if autoscale is not None:
        asked["autoscale"] = None if autoscale == OF_FLAVOR else autoscale
    # Defaults are not sent: an older API may not know the parameter.
    return asked | ({} if persist else {"persist": False}) | ({"force": True} if force else {})
