# SPDX-License-Identifier: Apache-2.0
"""Answers of the API, to try the client on without one."""

from __future__ import annotations

import json
from typing import Any

import requests

from nova_xloud.client.resources import Status

SERVER = "a0a60462-f60d-4459-8b97-cc9af5f2c1d8"


def condition(kind: str, status: bool, reason: str, message: str = "") -> dict[str, Any]:
    since = "2026-11-25T04:12:41Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "since": since}


def converged(reason: str = "xloud.converged", message: str = "") -> dict[str, Any]:
    return condition("Converged", reason == "xloud.converged", reason, message)


def numbers(desired: int, reserved: int, actuated: int | None, observed: int | None) -> Any:
    return {
        "desired": desired,
        "reserved": reserved,
        "actuated": actuated,
        "observed": observed,
    }


def autoscale(mode: str = "off", **more: Any) -> dict[str, Any]:
    """``autoscale`` of a status; without arguments of a server that is not scaled."""
    return {
        "mode": mode,
        "requested": None,
        "profile": "balanced",
        "weight": 100,
        "recommendation": None,
        "reasons": [],
        "since": None,
        "age_seconds": None,
        **more,
    }


def body(vcpus: Any = None, memory_mb: Any = None, *conditions: Any, **more: Any) -> dict[str, Any]:
    """``xloud_status``; without arguments of a server that is as it should be."""
    return {
        "current_vcpus": 1,
        "min_vcpus": 1,
        "max_vcpus": 4,
        "current_memory_mb": 512,
        "min_memory_mb": 512,
        "max_memory_mb": 1024,
        "balloon_driver_active": True,
        "attached_dimms_mb": 0,
        "has_virtiomem": False,
        "vcpus": vcpus or numbers(1, 1, 1, 1),
        "memory_mb": memory_mb or numbers(512, 512, 512, 512),
        "vcpu_step": 1,
        "generation": 1,
        "conditions": list(conditions) or [converged()],
        "blockers": [],
        "autoscale": autoscale(),
        "source": "host",
        **more,
    }


def status(*args: Any, **more: Any) -> Status:
    return Status.from_body(SERVER, body(*args, **more))


def response(code: int, told: Any, request_id: str = "req-1") -> requests.Response:
    """As it comes from ``requests``; ``told`` is text, or becomes JSON."""
    made = requests.Response()
    made.status_code = code
    is_text = isinstance(told, str)
    made._content = (told if is_text else json.dumps(told)).encode()
    made.headers["content-type"] = "text/plain" if is_text else "application/json"
    made.headers["x-openstack-request-id"] = request_id
    return made
