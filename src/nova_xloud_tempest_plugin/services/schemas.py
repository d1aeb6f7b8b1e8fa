# SPDX-License-Identifier: Apache-2.0
"""JSON schemas of the answers with status 200 and 202, written from the API's documentation.

They are not the schemas of the API itself, so that the tests find where the API and its
documentation differ.
"""

from __future__ import annotations

from typing import Any


def _exactly(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_TEXT = {"type": "string"}
_CODE = {"type": "string", "pattern": r"^xloud\.[a-z_.]+$"}
_COUNT = {"type": "integer", "minimum": 0}
_AT_LEAST_ONE = {"type": "integer", "minimum": 1}
_MAYBE_COUNT = {"type": ["integer", "null"], "minimum": 0}
_MAYBE = {"type": ["boolean", "null"]}

_FOUR_NUMBERS = _exactly(
    desired=_COUNT, reserved=_COUNT, actuated=_MAYBE_COUNT, observed=_MAYBE_COUNT
)
_CONDITION = _exactly(
    type=_TEXT, status={"type": "boolean"}, reason=_TEXT, message=_TEXT, since=_TEXT
)
_BLOCKER = _exactly(
    resource={"type": "string", "enum": ["vcpus", "memory_mb"]}, code=_TEXT, message=_TEXT
)
_SIZE = {**_exactly(vcpus=_AT_LEAST_ONE, memory_mb=_AT_LEAST_ONE), "type": ["object", "null"]}
_REFUSAL = {**_exactly(code=_CODE, message=_TEXT), "type": ["object", "null"]}
_STEP = {"type": "object", "properties": {"step": _TEXT}, "required": ["step"]}

_MODE = {"type": "string", "enum": ["off", "observe", "on"]}
_ADVICE = _exactly(
    resource={"type": "string", "enum": ["vcpus", "memory_mb"]}, code=_TEXT, message=_TEXT
)
_AUTOSCALE = _exactly(
    mode=_MODE,
    requested={"type": ["string", "null"], "enum": ["off", "observe", "on", None]},
    profile={"type": "string", "enum": ["dense", "balanced", "careful"]},
    weight={"type": "integer", "minimum": 1, "maximum": 1000},
    recommendation=_SIZE,
    reasons=_list_of(_ADVICE),
    since={"type": ["string", "null"]},
    age_seconds=_MAYBE_COUNT,
)

STATUS = {
    "status_code": [200],
    "response_body": _exactly(
        xloud_status=_exactly(
            current_vcpus=_AT_LEAST_ONE,
            min_vcpus=_AT_LEAST_ONE,
            max_vcpus=_AT_LEAST_ONE,
            current_memory_mb=_AT_LEAST_ONE,
            min_memory_mb=_AT_LEAST_ONE,
            max_memory_mb=_AT_LEAST_ONE,
            balloon_driver_active=_MAYBE,
            attached_dimms_mb=_MAYBE_COUNT,
            has_virtiomem=_MAYBE,
            vcpus=_FOUR_NUMBERS,
            memory_mb=_FOUR_NUMBERS,
            vcpu_step=_AT_LEAST_ONE,
            generation=_COUNT,
            conditions=_list_of(_CONDITION),
            blockers=_list_of(_BLOCKER),
            autoscale=_AUTOSCALE,
            source={"type": "string", "enum": ["host", "database"]},
        )
    ),
}

ADJUSTED = {"status_code": [202], "response_body": {"type": "object", "maxProperties": 0}}

PLAN = {
    "status_code": [200],
    "response_body": _exactly(
        plan=_exactly(
            admitted={"type": "boolean"},
            refusal=_REFUSAL,
            desired=_SIZE,
            claim=_SIZE,
            steps=_list_of(_STEP),
            blockers=_list_of(_BLOCKER),
        )
    ),
}
