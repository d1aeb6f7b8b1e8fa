# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas of requests and answers, in draft 4, which Nova's validator uses."""

from __future__ import annotations

import copy
from typing import Any

from nova.api.validation import parameter_types

# 2**31 - 1: the columns that hold a size in Nova's database are 32 bits wide.
_SIZE = {
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": 2147483647,
    "pattern": "^[0-9]+$",
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
    },
    "anyOf": [{"required": ["current_vcpus"]}, {"required": ["current_memory_mb"]}],
    "additionalProperties": False,
}

STATUS_QUERY = {"type": "object", "properties": {}, "additionalProperties": True}

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
                "conditions": {
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
                },
                "blockers": _BLOCKERS,
                "source": {"type": "string", "enum": ["host", "database"]},
            }
        )
    }
)
