# SPDX-License-Identifier: Apache-2.0
"""Make an OpenAPI 3.1 document of the two REST resources from the definitions in the API's code.

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
    400: "The body is not valid, or the size is out of bounds",
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
    made = {policies.ADJUST: _adjust(), policies.STATUS: _status()}
    paths: dict[str, Any] = {}
    for rule in policies.RULES:
        for operation in rule.operations:
            item = paths.setdefault(operation["path"], {"parameters": _PARAMETERS})
            item[operation["method"].lower()] = {
                "summary": rule.description,
                "description": f"The policy is `{rule.name}`, its default `{rule.check_str}`.",
                **made[rule.name],
            }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nova-xloud",
            "version": "1.0",
            "description": "Live vertical scaling: two resources beside those of Nova's compute "
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


_PARAMETERS = [
    {
        "name": "server_id",
        "in": "path",
        "required": True,
        "description": "The UUID of the server.",
        "schema": {"type": "string"},
    }
]


def _adjust() -> dict[str, Any]:
    nothing, plan = copy.deepcopy(schemas.ADJUST_RESPONSE["oneOf"])
    # The schema that validates answers has no enum: a later nova-xloud on a host may add steps.
    step = plan["properties"]["plan"]["properties"]["steps"]["items"]["properties"]["step"]
    step["enum"] = list(STEP_NAMES)
    return {
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
    # 400 cannot occur: the request has no body, and any query is accepted.
    refused = tuple(status for status in EXPECTED if status != 400)
    return {
        "operationId": "xloud_status",
        "responses": {
            "200": _answer("The size, bounds and conditions of the server", schemas.STATUS_RESPONSE)
            | {"links": _GROW},
            **_refusals(refused),
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
