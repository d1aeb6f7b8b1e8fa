# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas of the REST API's requests and answers, in draft 4 as for Nova's validator."""

from __future__ import annotations

import copy
from typing import Any

from nova.api.validation import parameter_types

from nova_xloud.api import servers_query
from nova_xloud.core.instance import history
from nova_xloud.core.instance.lifecycle import Phase

# 2**31 - 1: the columns that hold a size in Nova's database are 32 bits wide. In Python a $ also
# matches before a line break at the end, which the last part of the pattern refuses.
_SIZE = {
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": 2147483647,
    "pattern": "^[0-9]+$(?!\\n)",
    "maxLength": 10,
}

ADJUST = {
    "type": "object",
    "properties": {
        "current_vcpus": _SIZE,
        "current_memory_mb": _SIZE,
        "persist": copy.deepcopy(parameter_types.boolean),
        "force": copy.deepcopy(parameter_types.boolean),
        "dry_run": copy.deepcopy(parameter_types.boolean),
        # null: the mode that the flavor names.
        "autoscale": {"type": ["string", "null"], "enum": ["off", "observe", "on", None]},
    },
    "anyOf": [
        {"required": ["current_vcpus"]},
        {"required": ["current_memory_mb"]},
        {"required": ["autoscale"]},
    ],
    "additionalProperties": False,
}

STATUS_QUERY = {"type": "object", "properties": {}, "additionalProperties": True}

# Nova gives each parameter as a list. What its value may be, servers_query.read() decides.
SERVERS_QUERY = {
    "type": "object",
    "properties": {
        name: {"type": "array", "items": {"type": "string"}} for name in servers_query.NAMES
    },
    "additionalProperties": False,
}

_COUNT = {"type": "integer", "minimum": 0}
_COUNT_OR_UNKNOWN = {"type": ["integer", "null"], "minimum": 0}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


_FOUR_NUMBERS = _object(
    {
        "desired": _COUNT,
        "reserved": _COUNT,
        "actuated": _COUNT_OR_UNKNOWN,
        "observed": _COUNT_OR_UNKNOWN,
    }
)

_BLOCKERS = {
    "type": "array",
    "items": _object(
        {
            "resource": {"type": "string", "enum": ["vcpus", "memory_mb"]},
            "code": {"type": "string"},
            "message": {"type": "string"},
        }
    ),
}

_SIZE_OR_NONE = {
    **_object({"vcpus": _COUNT, "memory_mb": _COUNT}),
    "type": ["object", "null"],
}

PLAN_RESPONSE = _object(
    {
        "plan": _object(
            {
                "admitted": {"type": "boolean"},
                "refusal": {
                    **_object({"code": {"type": "string"}, "message": {"type": "string"}}),
                    "type": ["object", "null"],
                },
                "desired": _SIZE_OR_NONE,
                "claim": _SIZE_OR_NONE,
                "steps": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"step": {"type": "string"}},
                        "required": ["step"],
                        # The keys beside the name differ from step to step.
                        "additionalProperties": True,
                    },
                },
                "blockers": _BLOCKERS,
            }
        )
    }
)

# 202 has an empty body; 200 is the answer to a dry run and has the plan.
ADJUST_RESPONSE = {
    "oneOf": [
        {"type": "object", "properties": {}, "additionalProperties": False},
        PLAN_RESPONSE,
    ]
}

_ADVICE = _object(
    {
        "resource": {"type": "string", "enum": ["vcpus", "memory_mb"]},
        "code": {"type": "string"},
        "message": {"type": "string"},
    }
)

# What only the compute host knows is null, or an empty list, with the mode off too.
_AUTOSCALE = _object(
    {
        "mode": {"type": "string", "enum": ["off", "observe", "on"]},
        "requested": {"type": ["string", "null"], "enum": ["off", "observe", "on", None]},
        "profile": {"type": "string"},
        "weight": {"type": "integer", "minimum": 1},
        "recommendation": _SIZE_OR_NONE,
        "reasons": {"type": "array", "items": _ADVICE},
        "since": {"type": ["string", "null"]},
        "age_seconds": _COUNT_OR_UNKNOWN,
    }
)

_CONDITIONS = {
    "type": "array",
    "items": _object(
        {
            "type": {"type": "string"},
            "status": {"type": "boolean"},
            "reason": {"type": "string"},
            "message": {"type": "string"},
            "since": {"type": "string"},
        }
    ),
}

STATUS_RESPONSE = _object(
    {
        "xloud_status": _object(
            {
                "current_vcpus": _COUNT,
                "min_vcpus": _COUNT,
                "max_vcpus": _COUNT,
                "current_memory_mb": _COUNT,
                "min_memory_mb": _COUNT,
                "max_memory_mb": _COUNT,
                "balloon_driver_active": {"type": ["boolean", "null"]},
                "attached_dimms_mb": _COUNT_OR_UNKNOWN,
                "has_virtiomem": {"type": ["boolean", "null"]},
                "vcpus": _FOUR_NUMBERS,
                "memory_mb": _FOUR_NUMBERS,
                "vcpu_step": _COUNT,
                "generation": _COUNT,
                "conditions": _CONDITIONS,
                "blockers": _BLOCKERS,
                "autoscale": _AUTOSCALE,
                "source": {"type": "string", "enum": ["host", "database"]},
            }
        )
    }
)

_RECORDED = _object({"desired": _COUNT, "reserved": _COUNT})

_SERVER = _object(
    {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "project_id": {"type": "string"},
        "vm_state": {"type": "string"},
        "min_vcpus": _COUNT,
        "max_vcpus": _COUNT,
        "min_memory_mb": _COUNT,
        "max_memory_mb": _COUNT,
        "boot_vcpus": _COUNT,
        "boot_memory_mb": _COUNT,
        "vcpus": _RECORDED,
        "memory_mb": _RECORDED,
        "generation": _COUNT,
        "converged": {"type": "boolean"},
        "conditions": _CONDITIONS,
        "autoscale": _AUTOSCALE,
    }
)
# Only who may list servers of all projects sees the host; null: the server is on none.
_SERVER["properties"]["host"] = {"type": ["string", "null"]}

SERVERS_RESPONSE = _object({"xloud_servers": {"type": "array", "items": _SERVER}})
# It is there if there may be another page.
SERVERS_RESPONSE["properties"]["xloud_servers_links"] = {
    "type": "array",
    "items": _object({"rel": {"type": "string", "enum": ["next"]}, "href": {"type": "string"}}),
}

# A run that goes on is not recorded, so no outcome is "converging".
OUTCOMES = (
    *(phase.value for phase in Phase if phase is not Phase.CONVERGING),
    history.GAVE_UP,
    history.SUPERSEDED,
)
_ADJUSTED_SIZE = _object({"vcpus": _COUNT, "memory_mb": _COUNT})

HISTORY_RESPONSE = _object(
    {
        "xloud_history": {
            "type": "array",
            "maxItems": history.LENGTH,
            "items": _object(
                {
                    "at": {"type": "string"},
                    "by": {"type": "string"},
                    "request_id": {"type": "string"},
                    "from": _ADJUSTED_SIZE,
                    "to": _ADJUSTED_SIZE,
                    # A later nova-xloud on the host may know more outcomes.
                    "outcome": {"type": "string"},
                    "code": {"type": "string"},
                }
            ),
        }
    }
)
