# SPDX-License-Identifier: Apache-2.0
"""List servers with what Nova's database has of their sizes, a page at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import nova.conf
from nova import exception, objects
from nova.api.openstack import common
from oslo_db.exception import DBConnectionError

from nova_xloud.adapters import nova_objects
from nova_xloud.api import policies, recorded
from nova_xloud.api.servers_query import ServersQuery, no_such_marker
from nova_xloud.errors import HostUnavailable, Invalid
from nova_xloud.printable import one_line

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

PATH = "os-xloud-servers"


def check_policies(context: Any, query: ServersQuery) -> bool:
    """Raise unless the caller may list the servers that ``query`` asks for.

    :returns: whether the caller may also list servers of other projects, and see their hosts
    :raises nova.exception.PolicyNotAuthorized: the policy does not allow it
    """
    if context.project_id is None and not context.is_admin:
        # A token of the whole system: it has no project whose servers could be listed.
        raise exception.PolicyNotAuthorized(action=policies.STATUS)
    own = {"user_id": context.user_id, "project_id": context.project_id}
    context.can(policies.STATUS, target=own)
    is_for_all = not query.is_of_own_project(context.project_id)
    return bool(context.can(policies.ALL_PROJECTS, target=own, fatal=is_for_all))


def page(
    compute_api: Any, req: Any, query: ServersQuery, *, may_see_all: bool
) -> dict[str, list[dict[str, Any]]]:
    """Return one page of servers as the body of the answer.

    The servers are read as Nova's own list reads them, newest first. ``converged``, and a policy
    that depends on the server's user, are judged afterwards: the page has those of ``limit``
    servers that match, so it may have fewer, or none, and a link to the next page all the same.

    :param compute_api: ``nova.compute.api.API``
    :param may_see_all: whether the caller may see servers of other projects, and hosts
    :raises Invalid: there is no server with the ID ``marker``, or the header ``Host`` cannot be
        part of the link
    :raises HostUnavailable: the database of a cell does not answer: that of the marker, or any with
        ``[api] list_records_by_skipping_down_cells`` off. Otherwise the servers of such a cell are
        left out, as in Nova's own list with pages
    """
    context = req.environ["nova.context"]
    instances = _read(compute_api, context, query, may_see_all=may_see_all)
    seen = [one for one in instances if may_see_all or _may_see(context, one)]
    entries = list(_entries(seen, with_host=may_see_all))
    if query.converged is not None:
        entries = [one for one in entries if one["converged"] is query.converged]
    links = _links(req, instances)
    return {"xloud_servers": entries} | ({"xloud_servers_links": links} if links else {})


def _entries(instances: Iterable[Any], *, with_host: bool) -> Iterator[dict[str, Any]]:
    """Yield the entry of each instance; one whose data cannot be read is logged and left out."""
    for instance in instances:
        try:
            yield recorded.list_entry(instance, with_host=with_host)
        except nova_objects.NOT_PARSED as error:
            LOG.warning(
                "Instance %s is left out of a list of servers, because Nova's data of it cannot be "
                "read: %s",
                instance.uuid,
                one_line(str(error)),
            )


def _may_see(context: Any, instance: Any) -> bool:
    """Return whether the caller may read the status of a server of the project.

    By default that is so for each server. An operator's policy may name the server's user.
    """
    target = {"user_id": instance.user_id, "project_id": instance.project_id}
    return bool(context.can(policies.STATUS, target=target, fatal=False))


def _read(compute_api: Any, context: Any, query: ServersQuery, *, may_see_all: bool) -> list[Any]:
    most = CONF.api.max_limit
    filters: dict[str, Any] = {"deleted": False}
    if not query.all_projects:
        filters["project_id"] = query.project_id or context.project_id
    if query.host is not None:
        filters["host"] = query.host
    try:
        if query.marker is not None and not may_see_all:
            _check_own(context, query.marker)
        found = compute_api.get_all(
            context.elevated() if may_see_all else context,
            search_opts=filters,
            limit=min(query.limit or most, most),
            marker=query.marker,
            expected_attrs=["flavor", "system_metadata"],
            sort_keys=["created_at"],
            sort_dirs=["desc"],
        )
    except (exception.MarkerNotFound, exception.InstanceMappingNotFound) as error:
        raise no_such_marker(str(query.marker)) from error
    except DBConnectionError as error:
        # With a marker: of the cell that it is in, or else of the API.
        raise HostUnavailable("a database of Nova does not answer") from error
    except exception.NovaException as error:
        # Where a cell does not answer, Nova raises the base class itself.
        if type(error) is not exception.NovaException:
            raise
        raise HostUnavailable(error.format_message()) from error
    return list(found)


def _check_own(context: Any, marker: str) -> None:
    """Raise unless ``marker`` is a server of the caller's project, which may be deleted by now.

    Nova would begin after any server, so the list would show which IDs other projects have.

    :raises nova.exception.InstanceMappingNotFound: there is no such server
    :raises nova.exception.MarkerNotFound: the server is of another project
    """
    found = objects.InstanceMapping.get_by_instance_uuid(context, marker)
    if found.project_id != context.project_id:
        raise exception.MarkerNotFound(marker=marker)


def _links(req: Any, instances: list[Any]) -> list[dict[str, str]]:
    """Return the link to the next page; nothing if ``instances`` are fewer than a page has.

    :raises Invalid: the request's header ``Host`` cannot be part of a URL
    """
    items = [{"uuid": one.uuid} for one in instances]
    try:
        links: list[dict[str, str]] = common.ViewBuilder()._get_collection_links(req, items, PATH)
    except ValueError as error:
        raise Invalid(f"the header Host cannot be part of a URL: {error}") from error
    return links
