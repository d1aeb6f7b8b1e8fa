# SPDX-License-Identifier: Apache-2.0
"""Our URLs, in the form of Nova's ``ROUTE_LIST``."""

from __future__ import annotations

import functools
from typing import Any

from nova.api.openstack import wsgi

from nova_xloud.api.controllers import XloudAdjustController, XloudStatusController


def routes() -> tuple[tuple[str, dict[str, list[Any]]], ...]:
    """``(path, {method: [resource factory, action]})``, one a resource."""
    adjust = functools.partial(_resource, XloudAdjustController)
    status = functools.partial(_resource, XloudStatusController)
    return (
        ("/os-xloud-adjust/{server_id}", {"POST": [adjust, "adjust"]}),
        ("/servers/{server_id}/xloud-status", {"GET": [status, "show"]}),
    )


def _resource(controller: type[Any]) -> Any:
    return wsgi.Resource(controller())
