# SPDX-License-Identifier: Apache-2.0
"""Make an OpenAPI 3.1 document of the REST resources from the definitions in the API's code.

::

    python -m nova_xloud.api.openapi > openapi.json

Bodies come from :mod:`.schemas`, methods and paths from :mod:`.policies`, the statuses of refusals
from :data:`.http_errors.EXPECTED`, and codes from :mod:`nova_xloud.errors`. Nova validates with
JSON schema draft 4 and OpenAPI 3.1 uses 2020-12. The keywords that the schemas use mean the same in
both, which a test checks, except that ``1.0`` is an integer in 2020-12 only.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

from nova_xloud.api import policies, schemas
from nova_xloud.api.http_errors import EXPECTED
from nova_xloud.core.convergence.dry_run import STEP_NAMES
from nova_xloud.core.instance.history import LENGTH
from nova_xloud.errors import Blocked, Refused

# The key of the error in Nova's response body, by status.
FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    503: "serviceUnavailable",
}
_MEANINGS = {
    400: "The body or the query is not valid, or the size is out of bounds",
    403: "A policy, or the quota of the server's project or user, does not allow it",
    404: "The server does not exist, or is not visible to the caller",
    409: "The server, its state, or its host does not allow it",
    503: "Placement, or Keystone for a quota, cannot be used now",
}
_REQUEST_ID = {
    "x-openstack-request-id": {
        "description": "The id of this request, by which the instance action can be found.",
        "schema": {"type": "string"},
    }
}
_LOCATION = {
    "Location": {
        "description": "The URL of the server's xloud-status.",
        "schema": {"type": "string", "format": "uri"},
    }
}


# OpenAPI's links: a request that may follow, with values of this request and of its answer.
_LOOK = {
    "status": {
        "operationId": "xloud_status",
        "parameters": {"server_id": "$request.path.server_id"},
        "description": "How far the adjustment is.",
    }
}
_GROW = {
    "grow": {
        "operationId": "xloud_adjust",
        "parameters": {"server_id": "$request.path.server_id"},
        "requestBody": {
            "current_vcpus": "$response.body#/xloud_status/max_vcpus",
            "current_memory_mb": "$response.body#/xloud_status/max_memory_mb",
        },
        "description": "The largest size that the server may have.",
    }
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document as a dict that can be serialized as JSON."""
    made = {
        ("POST", "/os-xloud-adjust/{server_id}"): _adjust(),
        ("GET", "/servers/{server_id}/xloud-status"): _status(),
        ("GET", "/servers/{server_id}/xloud-history"): _history(),
        ("GET", "/os-xloud-servers"): _servers(),
    }
    paths: dict[str, Any] = {}
    for (method, path), operation in made.items():
        item = paths.setdefault(path, {"parameters": _PARAMETERS} if "{server_id}" in path else {})
        item[method.lower()] = {"description": _policies_of(method, path), **operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nova-xloud",
            "version": "1.0",
            "description": "Live vertical scaling: four resources beside those of Nova's compute "
            "API, the same at every microversion.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "{endpoint}",
                "description": "The compute endpoint of the service catalogue",
                "variables": {"endpoint": {"default": "http://controller:8774/v2.1"}},
            }
        ],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {"Adjust": schemas.ADJUST, **{FAULTS[s]: _fault(s) for s in EXPECTED}},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
        },
    }


def _policies_of(method: str, path: str) -> str:
    """Return the description of an operation: which policies are asked for, and their defaults.

    The first policy is asked for always, another one for what its own description says.
    """
    first, *others = (
        rule
        for rule in policies.RULES
        if {"method": method, "path": path} in [dict(one) for one in rule.operations]
    )
    told = [f"The policy is `{first.name}`, its default `{first.check_str}`."]
    for rule in others:
        told.append(f"{rule.description}: `{rule.name}`, its default `{rule.check_str}`.")
    return " ".join(told)


_PARAMETERS = [
    {
        "name": "server_id",
        "in": "path",
        "required": True,
        "description": "The UUID of the server.",
        "schema": {"type": "string"},
    }
]


_QUERY = (
    (
        "project_id",
        {"type": "string"},
        "Servers of this project; without it those of the token's project.",
    ),
    ("all_projects", {"type": "boolean", "default": False}, "Servers of all projects."),
    ("host", {"type": "string"}, "Servers on this compute host."),
    (
        "converged",
        {"type": "boolean"},
        "Servers whose recorded condition Converged is true, or false. It is judged after `limit` "
        "servers were read, so a page may have fewer, or none, and a link to the next.",
    ),
    (
        "limit",
        {"type": "integer", "minimum": 1},
        "How many servers a page has at most; Nova's `[api] max_limit` is the most.",
    ),
    ("marker", {"type": "string"}, "The page begins after the server with this ID."),
)


def _adjust() -> dict[str, Any]:
    nothing, plan = copy.deepcopy(schemas.ADJUST_RESPONSE["oneOf"])
    # The schema that validates answers has no enum: a later nova-xloud on a host may add steps.
    step = plan["properties"]["plan"]["properties"]["steps"]["items"]["properties"]["step"]
    step["enum"] = list(STEP_NAMES)
    return {
        "summary": "Adjust the vCPUs and memory of a server",
        "operationId": "xloud_adjust",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("Adjust")}},
        },
        "responses": {
            "200": _answer("With `dry_run`: the plan. Nothing was changed", plan),
            "202": _answer("The adjustment is admitted", nothing, _LOCATION) | {"links": _LOOK},
            **_refusals(EXPECTED),
        },
    }


def _status() -> dict[str, Any]:
    return {
        "summary": "Show the size of a server, its bounds and conditions",
        "operationId": "xloud_status",
        "responses": {
            "200": _answer("The size, bounds and conditions of the server", schemas.STATUS_RESPONSE)
            | {"links": _GROW},
            # The request has no body, any query is accepted, and if the host does not answer, the
            # database does.
            **_refusals((403, 404)),
        },
    }


def _history() -> dict[str, Any]:
    # The schema that validates answers has no enum: see schemas.HISTORY_RESPONSE.
    answer = copy.deepcopy(schemas.HISTORY_RESPONSE)
    entry = answer["properties"]["xloud_history"]["items"]
    entry["properties"]["outcome"]["enum"] = list(schemas.OUTCOMES)
    return {
        "summary": "List the last adjustments of a server, newest first",
        "operationId": "xloud_history",
        "responses": {
            "200": _answer(f"At most {LENGTH} adjustments, as Nova's database has them", answer),
            **_refusals((403, 404, 409)),
        },
    }


def _servers() -> dict[str, Any]:
    query = [
        {"name": name, "in": "query", "required": False, "description": told, "schema": schema}
        for name, schema, told in _QUERY
    ]
    return {
        "summary": "List servers with their sizes and conditions",
        "operationId": "xloud_servers",
        "parameters": query,
        "responses": {
            "200": _answer(
                "A page of servers, as Nova's database has them", schemas.SERVERS_RESPONSE
            ),
            **_refusals((400, 403, 409)),
        },
    }


def _answer(
    description: str, schema: dict[str, Any], headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {**_REQUEST_ID, **(headers or {})},
        "content": {"application/json": {"schema": schema}},
    }


def _refusals(statuses: tuple[int, ...]) -> dict[str, Any]:
    without_token = {"description": "The request has no valid token; keystonemiddleware answers"}
    refused = {str(s): _answer(_MEANINGS[s], _ref(FAULTS[s])) for s in statuses}
    return {"401": without_token, **refused}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _fault(status: int) -> dict[str, Any]:
    codes = codes_of(status)
    message = {
        "type": "string",
        "description": f"Begins with one of {', '.join(codes)}, and a colon, or is Nova's own.",
    }
    properties = {"code": {"type": "integer", "const": status}, "message": message}
    inner = {"type": "object", "properties": properties, "required": ["code", "message"]}
    name = FAULTS[status]
    return {"type": "object", "properties": {name: inner}, "required": [name]}


def codes_of(status: int) -> list[str]:
    """Return the reason codes of the refusals that have the HTTP status ``status``, sorted.

    The message of an error answer begins with one of them, unless the message is Nova's own.
    ``xloud.blocked.<why>`` stands for all codes of :class:`nova_xloud.errors.Blocked`.
    """
    refusals = [cls for cls in Refused.__subclasses__() if "code" in vars(cls)]
    codes = [cls.code for cls in refusals if cls.status == status]
    return sorted([*codes, f"{Blocked.PREFIX}<why>"] if status == Blocked.status else codes)


def text() -> str:
    """Return :func:`document` as JSON text: the content of the file ``api-ref/openapi.json``."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
