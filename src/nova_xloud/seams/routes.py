# SPDX-License-Identifier: Apache-2.0
"""The routes of the REST resources of nova-xloud, to be added to Nova's ``ROUTE_LIST``."""

from __future__ import annotations

import functools
from typing import Any

from nova.api.openstack import wsgi

from nova_xloud.api import request_body
from nova_xloud.api.controllers import (
    XloudAdjustController,
    XloudHistoryController,
    XloudServersController,
    XloudStatusController,
)


def routes() -> tuple[tuple[str, dict[str, list[Any]]], ...]:
    """Return ``(path, {method: [resource factory, action]})`` for each resource."""
    adjust = functools.partial(_resource, XloudAdjustController)
    status = functools.partial(_resource, XloudStatusController)
    history = functools.partial(_resource, XloudHistoryController)
    servers = functools.partial(_resource, XloudServersController)
    return (
        ("/os-xloud-adjust/{server_id}", {"POST": [adjust, "adjust"]}),
        ("/servers/{server_id}/xloud-status", {"GET": [status, "show"]}),
        ("/servers/{server_id}/xloud-history", {"GET": [history, "index"]}),
        ("/os-xloud-servers", {"GET": [servers, "index"]}),
    )


def _resource(controller: type[Any]) -> Any:
    return request_body.checked(wsgi.Resource(controller()))
