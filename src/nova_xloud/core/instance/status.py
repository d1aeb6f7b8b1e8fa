# SPDX-License-Identifier: Apache-2.0
"""The status of an instance as REST and RPC return it: numbers, bounds, conditions, blockers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nova_xloud.core.autoscaling.mode import Scaling
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.instance import pinned
from nova_xloud.core.instance.conditions import CONVERGED, judge
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.lifecycle import Event, Progress
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, Bounds

_NUMBERS = ("desired", "reserved", "actuated", "observed")


def status(
    state: InstanceState, bounds: Bounds, now: str, *, converging: bool = False
) -> dict[str, Any]:
    """Return the body of ``xloud_status`` with live numbers, without its key ``autoscale``.

    ``observed`` of a running guest is None for vCPUs without an answer of the guest agent, and for
    memory that is not known. ``current_*`` is never None: it is the size that the guest is to have,
    or the persisted size if the guest does not run. A form is prefilled with it and sends it back,
    so it must be the size that an adjustment leaves where it names none, and not the size of a
    balloon that is on its way.

    :param now: the present time, ISO 8601, UTC
    :param converging: whether a run is driving the instance now
    """
    guest = state.guest if state.running else None
    current = state.as_found.target if guest is not None else state.desired.persisted
    numbers = state.numbers
    return {
        "current_vcpus": current.vcpus,
        "min_vcpus": bounds.minimum.vcpus,
        "max_vcpus": bounds.maximum.vcpus,
        "current_memory_mb": current.memory_mb,
        "min_memory_mb": bounds.minimum.memory_mb,
        "max_memory_mb": bounds.maximum.memory_mb,
        "balloon_driver_active": _driver(guest),
        "attached_dimms_mb": guest.attached_dimms_mb if guest is not None else 0,
        "has_virtiomem": bool(guest and guest.has_virtiomem),
        "vcpus": {n: getattr(numbers, n).vcpus for n in _NUMBERS},
        "memory_mb": {n: getattr(numbers, n).memory_mb for n in _NUMBERS},
        "vcpu_step": bounds.vcpu_step,
        "generation": state.desired.generation,
        "conditions": [asdict(c) for c in judge(state, _progress(state, now, converging), now)],
        "blockers": blockers(state, bounds),
        "source": "host",
    }


def _driver(guest: DomainReading | None) -> bool:
    """Return whether the balloon driver is known to report; False also if that is not known."""
    return guest is not None and guest.has_balloon and bool(guest.balloon_driver)


def status_from_database(
    state: InstanceState, bounds: Bounds, now: str, *, may_run: bool = False
) -> dict[str, Any]:
    """Return the body of ``xloud_status`` from Nova's database, without asking the compute host.

    What only the compute host knows is None: ``actuated``, ``observed``, and the values of balloon
    and devices. ``source`` is ``database``. The conditions are those that follow from the record,
    and those that the compute host recorded last.

    :param state: the state, without a guest
    :param now: the present time, ISO 8601, UTC
    :param may_run: whether the instance may have a guest that runs. ``current_*`` is then the size
        that the guest is to have, else the persisted size
    """
    body = status(state, bounds, now)
    if may_run:
        target = state.desired.target
        body |= {"current_vcpus": target.vcpus, "current_memory_mb": target.memory_mb}
    body["conditions"] += [asdict(condition) for condition in state.desired.recorded_conditions]
    for resource in (VCPUS, MEMORY):
        body[resource] |= {"actuated": None, "observed": None}
    return body | {
        "balloon_driver_active": None,
        "attached_dimms_mb": None,
        "has_virtiomem": None,
        "source": "database",
    }


def not_adjustable(body: dict[str, Any], code: str, message: str) -> dict[str, Any]:
    """Return the body of ``xloud_status`` of an instance that cannot be adjusted where it is.

    Both resources are blocked with the code, and ``Converged`` is false with it: nothing of what is
    known tells which size the guest has. Its host runs without nova-xloud, or the database of its
    cell does not answer.

    :param body: the body from Nova's database
    :param code: the code with which an adjustment would be refused
    :param message: the message of that refusal
    """
    kept = [condition for condition in body["conditions"] if condition["type"] != CONVERGED]
    (found,) = (one for one in body["conditions"] if one["type"] == CONVERGED)
    unknown = found | {"status": False, "reason": code, "message": message}
    blocked = [
        {"resource": resource, "code": code, "message": message} for resource in (VCPUS, MEMORY)
    ]
    return body | {"conditions": [unknown, *kept], "blockers": [*blocked, *body["blockers"]]}


def autoscale_status(
    scaling: Scaling,
    desired: Desired,
    recommendation: Recommendation | None = None,
    since: str | None = None,
    age_seconds: int | None = None,
) -> dict[str, Any]:
    """Return the value of the key ``autoscale`` in the body of ``xloud_status``.

    :param scaling: the mode, profile and weight that count for the instance
    :param desired: the instance's record, with the mode that was requested
    :param recommendation: what is recommended; None if the guest does not run or was not read yet,
        or if only Nova's database was read
    :param since: since when the recommended size is the same: ISO 8601, UTC; None without one
    :param age_seconds: how old the figures of the guest are, in whole seconds; None without any
    :returns: a dict of ``mode``, ``requested``, ``profile``, ``weight``, ``recommendation``
        (``vcpus`` and ``memory_mb``, or None), ``reasons`` (for each resource a dict with
        ``resource``, ``code`` and ``message``; empty without a recommendation), ``since`` and
        ``age_seconds``
    """
    reasons: list[dict[str, str]] = []
    if recommendation is not None:
        advice = {VCPUS: recommendation.vcpus, MEMORY: recommendation.memory_mb}
        reasons = [
            {"resource": resource, "code": one.code, "message": one.reason}
            for resource, one in advice.items()
        ]
    return {
        "mode": scaling.mode.value,
        "requested": None if desired.autoscale is None else desired.autoscale.value,
        "profile": scaling.profile.value,
        "weight": scaling.weight,
        "recommendation": None if recommendation is None else asdict(recommendation.size),
        "reasons": reasons,
        "since": since,
        "age_seconds": age_seconds,
    }


def _progress(state: InstanceState, now: str, converging: bool) -> Progress:
    progress = state.desired.progress
    return progress.after(Event.BEGIN, progress.since or now) if converging else progress


def blockers(state: InstanceState, bounds: Bounds) -> list[dict[str, str]]:
    """Return why a resource cannot be adjusted, or only in one direction; empty if nothing blocks.

    A running guest whose vCPUs cannot be removed can only get more vCPUs. A guest in which vCPUs
    that were to be removed are still plugged can only get fewer.

    :returns: a dict with ``resource``, ``code`` and ``message`` for each reason
    """
    known = {(b.resource, b.why) for b in bounds.blockers}
    of_guest = [b for b in pinned.blockers(state.guest) if (b.resource, b.why) not in known]
    kept = [bounds.removal] if bounds.removal is not None and state.running else []
    found = [
        {"resource": b.resource, "code": b.code, "message": b.message}
        for b in (*bounds.blockers, *of_guest, *kept)
    ]
    if state.removal_unsettled:
        found.append(
            {
                "resource": VCPUS,
                "code": "xloud.blocked.removal_unsettled",
                "message": "vCPUs that were to be removed are still plugged; adding one now could "
                "crash the guest",
            }
        )
    return found
