# SPDX-License-Identifier: Apache-2.0
"""What is told of an instance: the four numbers per resource, bounds and blockers."""

from __future__ import annotations

from typing import Any

from nova_xloud.core.envelope import MEMORY, VCPUS, Envelope
from nova_xloud.core.plan import InstanceState
from nova_xloud.core.size import Size


def status(state: InstanceState, bounds: Envelope) -> dict[str, Any]:
    """The body of ``xloud_status``, with live numbers.

    ``current_*`` is what the guest has; for one that does not run, what it will start with.
    """
    guest = state.guest if state.running else None
    current = guest.actuated if guest is not None else state.desired.persisted
    actuated = guest.actuated if guest is not None else Size(0, 0)
    observed = guest.observed if guest is not None else Size(0, 0)
    return {
        "current_vcpus": current.vcpus,
        "min_vcpus": bounds.minimum.vcpus,
        "max_vcpus": bounds.maximum.vcpus,
        "current_memory_mb": current.memory_mb,
        "min_memory_mb": bounds.minimum.memory_mb,
        "max_memory_mb": bounds.maximum.memory_mb,
        "balloon_driver_active": bool(guest and guest.balloon_driver),
        "attached_dimms_mb": guest.attached_dimms_mb if guest is not None else 0,
        "has_virtiomem": bool(guest and guest.has_virtiomem),
        "vcpus": {
            "desired": state.desired.target.vcpus,
            "reserved": state.reserved.vcpus,
            "actuated": actuated.vcpus,
            "observed": observed.vcpus,
        },
        "memory_mb": {
            "desired": state.desired.target.memory_mb,
            "reserved": state.reserved.memory_mb,
            "actuated": actuated.memory_mb,
            "observed": observed.memory_mb,
        },
        "vcpu_step": bounds.vcpu_step,
        "conditions": [],
        "blockers": _blockers(state, bounds),
        "source": "host",
    }


def status_from_database(state: InstanceState, bounds: Envelope) -> dict[str, Any]:
    """The same without the host: nothing is known of the guest, and it is said so."""
    body = status(state, bounds)
    for resource in (VCPUS, MEMORY):
        body[resource] |= {"actuated": None, "observed": None}
    return body | {
        "balloon_driver_active": None,
        "attached_dimms_mb": None,
        "has_virtiomem": None,
        "source": "database",
    }


def _blockers(state: InstanceState, bounds: Envelope) -> list[dict[str, str]]:
    found = [
        {"resource": b.resource, "code": b.code, "message": b.message} for b in bounds.blockers
    ]
    if state.removal_unsettled:
        found.append(
            {
                "resource": VCPUS,
                "code": "xloud.blocked.removal_unsettled",
                "message": "a vCPU removal timed out and has not settled",
            }
        )
    return found
