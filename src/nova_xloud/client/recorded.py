# SPDX-License-Identifier: Apache-2.0
"""What Nova's database has of servers, as typed objects: a server of the list, an adjustment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nova_xloud.client.resources import Autoscale, autoscale_of, conditions_of, reasons_of
from nova_xloud.client.values import integer, size, text, text_or_none, truth
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.size import Size


@dataclass(frozen=True, slots=True)
class RecordedServer:
    """A server of ``GET /os-xloud-servers``: its sizes and conditions as they were recorded last.

    :ivar project_id: the project that the server belongs to
    :ivar host: the compute host; None if the server is on none, or the user may not see the host
    :ivar vm_state: Nova's vm_state, such as ``active``
    :ivar minimum: the smallest size that may be asked for
    :ivar maximum: the size of the flavor
    :ivar boot: the size that a new server of the flavor boots with: for each resource the minimum
        that the flavor names, or the flavor's size if it names none. ``minimum`` is smaller where
        no minimum is named
    :ivar desired: the size that was asked for last and admitted; the boot size if none was
    :ivar reserved: the size in the server's columns; 0 and 0 if the server is on no host
    :ivar generation: a counter of admitted adjustments, as in ``Status``
    :ivar converged: whether the desired size was reached, as was recorded last
    :ivar conditions: ``Converged``, and the other conditions that were true then
    :ivar autoscale: how the server is scaled automatically, without a recommendation, which only
        the server's compute host knows
    :ivar body: the whole entry of the answer
    """

    id: str
    name: str
    project_id: str
    host: str | None
    vm_state: str
    minimum: Size
    maximum: Size
    boot: Size
    desired: Size
    reserved: Size
    generation: int
    converged: bool
    conditions: tuple[Condition, ...]
    autoscale: Autoscale | None
    body: Mapping[str, Any]

    @staticmethod
    def from_body(body: Mapping[str, Any]) -> RecordedServer:
        """Return the server that ``body``, an entry of ``xloud_servers``, describes."""
        vcpus, memory_mb = body["vcpus"], body["memory_mb"]
        return RecordedServer(
            id=text(body["id"]),
            name=text(body["name"]),
            project_id=text(body["project_id"]),
            host=text_or_none(body.get("host")),
            vm_state=text(body["vm_state"]),
            minimum=size(body["min_vcpus"], body["min_memory_mb"]),
            maximum=size(body["max_vcpus"], body["max_memory_mb"]),
            boot=size(body["boot_vcpus"], body["boot_memory_mb"]),
            desired=size(vcpus["desired"], memory_mb["desired"]),
            reserved=size(vcpus["reserved"], memory_mb["reserved"]),
            generation=integer(body["generation"]),
            converged=truth(body["converged"]),
            conditions=conditions_of(body),
            autoscale=autoscale_of(body),
            body=body,
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason codes of all that was not as it should be, as in ``Status.reasons``."""
        return reasons_of(self.conditions)


@dataclass(frozen=True, slots=True)
class PastAdjustment:
    """One of a server's last adjustments.

    :ivar at: when it was admitted: ISO 8601, UTC
    :ivar by: the ID of the user who asked, or ``autoscale``; empty if that is not known
    :ivar request_id: the id of the request, which its instance action has too. All adjustments of
        automatic growth of one server and day have the same
    :ivar before: the size that was desired before
    :ivar after: the size that was asked for
    :ivar outcome: ``admitted``, ``deferred``, ``guest_refused`` and ``failed`` may still change;
        ``converged``, ``gave_up`` and ``superseded`` stay
    :ivar code: the reason code of the outcome; if the adjustment was superseded, the code before
    :ivar body: the whole entry of the answer
    """

    at: str
    by: str
    request_id: str
    before: Size
    after: Size
    outcome: str
    code: str
    body: Mapping[str, Any]

    @staticmethod
    def from_body(body: Mapping[str, Any]) -> PastAdjustment:
        """Return the adjustment that ``body``, an entry of ``xloud_history``, describes."""
        before, after = body["from"], body["to"]
        return PastAdjustment(
            at=text(body["at"]),
            by=text(body["by"]),
            request_id=text(body["request_id"]),
            before=size(before["vcpus"], before["memory_mb"]),
            after=size(after["vcpus"], after["memory_mb"]),
            outcome=text(body["outcome"]),
            code=text(body["code"]),
            body=body,
        )
