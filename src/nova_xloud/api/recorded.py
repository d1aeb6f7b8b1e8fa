# SPDX-License-Identifier: Apache-2.0
"""What Nova's database has of a server, as the API returns it; no compute host is asked.

An instance is a ``nova.objects.Instance`` whose flavor and ``system_metadata`` are loaded.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nova import objects

from nova_xloud.adapters import nova_objects
from nova_xloud.clock import utc_now
from nova_xloud.core.instance.conditions import CONVERGED
from nova_xloud.core.instance.history import Entry
from nova_xloud.core.instance.state import NOTHING, WITHOUT_GUEST, InstanceState, lacks_guest
from nova_xloud.core.instance.status import (
    autoscale_status,
    not_adjustable,
    status_from_database,
)
from nova_xloud.core.sizing.boot_size import boot_size
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, FlavorFacts, bounds_of
from nova_xloud.errors import HostUnavailable

# What an entry of the list of servers has as xloud_status has it.
_KEPT = ("min_vcpus", "max_vcpus", "min_memory_mb", "max_memory_mb", "generation", "conditions")
_NUMBERS = ("desired", "reserved")

CELL_IS_DOWN = "Nova's database of the server's cell does not answer"


def status(instance: Any) -> dict[str, Any]:
    """Return the body of ``xloud_status``, with ``source`` ``database``."""
    return _status(instance, nova_objects.facts_of_instance(instance))


def is_in_part(instance: Any) -> bool:
    """Return whether an instance has only what is in Nova's API database.

    Nova makes such an instance if the database of the instance's cell does not answer. Nova's own
    answers tell it by the same attribute.
    """
    return "display_name" not in instance


def status_in_part(instance: Any) -> dict[str, Any]:
    """Return the body of ``xloud_status`` of an instance for which :func:`is_in_part` is True.

    Only its flavor is known. So the desired size is the flavor's boot size, nothing is reserved,
    ``Converged`` is false, and both resources are blocked, all with ``xloud.host_unavailable``.
    """
    flavor = instance.flavor
    known = objects.Instance(
        uuid=instance.uuid,
        flavor=flavor,
        old_flavor=None,
        system_metadata={},
        image_ref=None,
        vcpus=flavor.vcpus,
        memory_mb=flavor.memory_mb,
        host=None,
        vm_state=None,
        task_state=None,
    )
    message = f"{CELL_IS_DOWN}: the size shown is what the server's flavor boots with"
    return not_adjustable(status(known), HostUnavailable.code, message)


def _status(instance: Any, facts: FlavorFacts) -> dict[str, Any]:
    desired = nova_objects.desired_of(instance, facts)
    # A server that is on no host (shelved and offloaded) has no claim.
    state = InstanceState(
        desired=desired,
        reserved=nova_objects.recorded_size(instance) if instance.host else NOTHING,
        guest=None,
        lacks_guest=lacks_guest(instance.vm_state, instance.task_state, is_known=False),
    )
    scaling = nova_objects.scaling_of_instance(instance, desired)
    may_run = instance.vm_state not in WITHOUT_GUEST
    body = status_from_database(state, bounds_of(facts), utc_now(), may_run=may_run)
    return body | {"autoscale": autoscale_status(scaling, desired)}


def scaling(instance: Any) -> dict[str, Any]:
    """Return what Nova's database has of a server's automatic growth: ``autoscale`` of a status."""
    desired = nova_objects.desired_of(instance, nova_objects.facts_of_instance(instance))
    return autoscale_status(nova_objects.scaling_of_instance(instance, desired), desired)


def list_entry(instance: Any, *, with_host: bool) -> dict[str, Any]:
    """Return what the list of servers has of one server.

    :param with_host: whether the caller may see the name of the server's compute host
    """
    facts = nova_objects.facts_of_instance(instance)
    body, boot = _status(instance, facts), boot_size(facts)
    return {
        "id": instance.uuid,
        # Nova's columns may be null.
        "name": instance.display_name or "",
        "project_id": instance.project_id or "",
        **({"host": instance.host} if with_host else {}),
        "vm_state": instance.vm_state or "",
        **{name: body[name] for name in _KEPT},
        "boot_vcpus": boot.vcpus,
        "boot_memory_mb": boot.memory_mb,
        **{resource: {n: body[resource][n] for n in _NUMBERS} for resource in (VCPUS, MEMORY)},
        "converged": any(one["status"] for one in body["conditions"] if one["type"] == CONVERGED),
        "autoscale": body["autoscale"],
    }


def history(instance: Any) -> list[dict[str, Any]]:
    """Return the last adjustments of a server, newest first."""
    facts = nova_objects.facts_of_instance(instance)
    return [_told(entry) for entry in nova_objects.desired_of(instance, facts).history.entries()]


def _told(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "by": entry.by,
        "request_id": entry.request_id,
        "from": asdict(entry.before),
        "to": asdict(entry.after),
        "outcome": entry.outcome,
        "code": entry.code,
    }
