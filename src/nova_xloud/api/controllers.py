# SPDX-License-Identifier: Apache-2.0
"""The controllers of the REST resources of nova-xloud."""

from __future__ import annotations

from typing import Any

from nova import exception
from nova.api import validation
from nova.api.openstack import common, wsgi
from nova.compute import api as compute_api
from oslo_utils import strutils, uuidutils

from nova_xloud import releases
from nova_xloud.api import policies, recorded, schemas, servers, servers_query
from nova_xloud.api.adjustment import AdjustmentAPI
from nova_xloud.api.http_errors import EXPECTED, coded
from nova_xloud.core.autoscaling.mode import OF_FLAVOR
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import HostUnavailable, Invalid
from nova_xloud.printable import one_line


class _XloudController(wsgi.Controller):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.compute_api = compute_api.API()
        self.adjustment_api = AdjustmentAPI()

    def _server(self, req: Any, server_id: str, *rules: str) -> tuple[Any, Any]:
        """Return the context of a request, and the ``nova.objects.Instance`` of its server.

        :param rules: the policies that have to allow the request
        :raises HostUnavailable: the database of the server's cell does not answer
        """
        context, instance = self._server_if_only_in_part(req, server_id, *rules)
        if recorded.is_in_part(instance):
            raise HostUnavailable(recorded.CELL_IS_DOWN)
        return context, instance

    def _server_if_only_in_part(self, req: Any, server_id: str, *rules: str) -> tuple[Any, Any]:
        """Return what :meth:`_server` returns, also if the server's cell does not answer.

        The instance has then only what is in Nova's API database, as in Nova's own answers.
        """
        context = req.environ["nova.context"]
        if context.project_id is None and not context.is_admin:
            # A token of the whole system: Nova answers 500 when it looks for a server with it.
            raise exception.PolicyNotAuthorized(action=rules[0])
        if not uuidutils.is_uuid_like(server_id):
            # As Nova answers, but in one line: Nova logs what it answers.
            raise exception.InstanceNotFound(instance_id=one_line(server_id))
        instance = common.get_instance(
            self.compute_api,
            context,
            server_id,
            expected_attrs=["flavor", "metadata", "system_metadata", "services"],
            cell_down_support=True,
        )
        if recorded.is_in_part(instance) and not _is_visible(context, instance):
            raise exception.InstanceNotFound(instance_id=server_id)
        target = {"user_id": instance.user_id, "project_id": instance.project_id}
        for rule in rules:
            context.can(rule, target=target)
        return context, instance


@releases.validated
class XloudAdjustController(_XloudController):
    """The controller of ``POST /os-xloud-adjust/{server_id}``, which adjusts a server."""

    @wsgi.response(202)
    @wsgi.expected_errors(EXPECTED)
    @coded("xloud_adjust")
    @validation.schema(schemas.ADJUST)
    @releases.response_body_schema(schemas.ADJUST_RESPONSE)
    def adjust(self, req: Any, server_id: str, body: dict[str, Any]) -> Any:
        """Adjust a server to a size between its minimum and its flavor's size.

        The answer is 202, with the URL of the server's xloud-status in the header ``Location``. It
        comes once the compute host has admitted the adjustment, and does not wait for the guest.
        With ``dry_run`` nothing is changed, and the answer is 200 with the plan. A body that names
        a mode of automatic growth is allowed by a policy of its own as well.
        """
        rules = [policies.ADJUST, *([policies.AUTOSCALE] if "autoscale" in body else ())]
        context, instance = self._server(req, server_id, *rules)
        if _is_true(body, "dry_run"):
            plan = self.adjustment_api.plan(context, instance, _request(body))
            return wsgi.ResponseObject({"plan": plan}, code=200)
        # First, because a request that is refused must not have changed anything.
        location = _status_url(req, server_id)
        self.adjustment_api.xloud_adjust(context, instance, _request(body))
        return wsgi.ResponseObject({}, headers={"Location": location})


@releases.validated
class XloudStatusController(_XloudController):
    """The controller of ``GET /servers/{server_id}/xloud-status``, which shows a server's size."""

    @wsgi.expected_errors(EXPECTED)
    @coded("xloud_status")
    @validation.query_schema(schemas.STATUS_QUERY)
    @releases.response_body_schema(schemas.STATUS_RESPONSE)
    def show(self, req: Any, server_id: str) -> dict[str, Any]:
        """Show the size of a server, its bounds, conditions and blockers.

        If the server is on no compute host, the host is down, does not answer or cannot read the
        guest, or Placement does not answer the host, the answer is what Nova's database has, and
        ``source`` is ``database``. If Nova's database of the server's cell does not answer either,
        it is the flavor's boot size, with a blocker that says so.
        """
        context, instance = self._server_if_only_in_part(req, server_id, policies.STATUS)
        if recorded.is_in_part(instance):
            return {"xloud_status": recorded.status_in_part(instance)}
        return {"xloud_status": self.adjustment_api.status(context, instance)}


@releases.validated
class XloudHistoryController(_XloudController):
    """The controller of ``GET /servers/{server_id}/xloud-history``: the last adjustments."""

    @wsgi.expected_errors(EXPECTED)
    @coded("xloud_history")
    @validation.query_schema(schemas.STATUS_QUERY)
    @releases.response_body_schema(schemas.HISTORY_RESPONSE)
    def index(self, req: Any, server_id: str) -> dict[str, Any]:
        """List the last adjustments of a server, newest first, as Nova's database has them."""
        _, instance = self._server(req, server_id, policies.STATUS)
        return {"xloud_history": recorded.history(instance)}


@releases.validated
class XloudServersController(_XloudController):
    """The controller of ``GET /os-xloud-servers``, which lists many servers with their sizes."""

    @wsgi.expected_errors(EXPECTED)
    @coded("xloud_servers")
    @validation.query_schema(schemas.SERVERS_QUERY)
    @releases.response_body_schema(schemas.SERVERS_RESPONSE)
    def index(self, req: Any) -> dict[str, Any]:
        """List servers with their sizes and conditions, as Nova's database has them.

        No compute host is asked. The list has pages, as Nova's own list of servers has.
        """
        query = servers_query.read(req.GET.dict_of_lists())
        may_see_all = servers.check_policies(req.environ["nova.context"], query)
        return servers.page(self.compute_api, req, query, may_see_all=may_see_all)


def _is_visible(context: Any, instance: Any) -> bool:
    """Return whether the caller would find the server, if its cell's database answered."""
    return bool(context.is_admin or context.project_id == instance.project_id)


def _status_url(req: Any, server_id: str) -> str:
    """Return the URL of the server's xloud-status.

    :raises Invalid: the request's header ``Host`` cannot be part of a URL
    """
    try:
        # Nova's link builder honors [api] compute_link_prefix and a project id in the path.
        server = common.ViewBuilder()._get_href_link(req, server_id, "servers")
    except ValueError as error:
        raise Invalid(f"the header Host cannot be part of a URL: {error}") from error
    return f"{server}/xloud-status"


def _request(body: dict[str, Any]) -> AdjustRequest:
    sizes = {name: _size(body, name) for name in ("current_vcpus", "current_memory_mb")}
    return AdjustRequest(
        vcpus=sizes["current_vcpus"],
        memory_mb=sizes["current_memory_mb"],
        persist=_is_true(body, "persist", default=True),
        force=_is_true(body, "force"),
        autoscale=(body["autoscale"] or OF_FLAVOR) if "autoscale" in body else None,
    )


def _size(body: dict[str, Any], name: str) -> int | None:
    """Return the value of the key ``name`` as an integer; None if the body lacks the key.

    :raises Invalid: the value is a float such as 1.0, which is an integer for some of Nova's
        validators
    """
    value = body.get(name)
    if isinstance(value, float):
        raise Invalid(f"{name} is {value}; it must be an integer or a string of an integer")
    return None if value is None else int(value)


def _is_true(body: dict[str, Any], name: str, *, default: bool = False) -> bool:
    return bool(strutils.bool_from_string(body.get(name, default), strict=True))
