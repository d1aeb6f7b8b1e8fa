# SPDX-License-Identifier: Apache-2.0
"""The ``Claims`` port, over nova-compute's own Placement client."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from nova import exception

from nova_xloud.compute.ports import ClaimConflict, Claims, Reservation
from nova_xloud.core import allocation
from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.size import Size
from nova_xloud.errors import NoAllocation, NoCapacity, PlacementUnavailable

_CONFLICT = "placement.concurrent_update"


class CurrentClaims:
    """The ``Claims`` port of an instance by the flavor, image and node that it has now.

    A run may be queued for minutes, and a resize or a rebuild come first.

    :param now: the port by the instance's last reading
    """

    def __init__(self, now: Callable[[], Claims]) -> None:
        self._now = now

    def read(self) -> Reservation:
        return self._now().read()

    def check(self, current: Reservation, size: Size) -> None:
        self._now().check(current, size)

    def write(self, current: Reservation, size: Size) -> Reservation:
        return self._now().write(current, size)


class PlacementClaims:
    """The allocation of one instance against one compute node.

    :param reportclient: ``nova.scheduler.client.report.SchedulerReportClient``
    :param provider: the compute node's resource provider UUID
    """

    def __init__(
        self,
        reportclient: Any,
        context: Any,
        instance_uuid: str,
        provider: str,
        facts: FlavorFacts,
    ) -> None:
        self._client = reportclient
        self._context = context
        self._consumer = instance_uuid
        self._provider = provider
        self._facts = facts

    def read(self) -> Reservation:
        try:
            body = self._client.get_allocs_for_consumer(self._context, self._consumer)
        except (ks_exc.ClientException, exception.ConsumerAllocationRetrievalFailed) as error:
            raise PlacementUnavailable(
                f"Placement did not say what is allocated to {self._consumer}: {error}"
            ) from error
        return Reservation(self._size(body), body)

    def write(self, current: Reservation, size: Size) -> Reservation:
        if self._provider not in current.body["allocations"]:
            raise NoAllocation(
                "Placement holds nothing for it on this host: it is being moved, or its allocation "
                "is lost (nova-manage placement heal_allocations)"
            )
        body = copy.deepcopy(current.body)
        mine = body["allocations"][self._provider]
        mine["resources"] = allocation.resized(mine["resources"], size, self._facts)
        for provider_allocation in body["allocations"].values():
            # The providers' generations are for readers; Placement refuses nothing by them.
            provider_allocation.pop("generation", None)
        try:
            # Not put_allocations(): it answers a full host with a bare False.
            answer = self._client._put_allocations(self._context, self._consumer, body)
        except ks_exc.ClientException as error:
            raise PlacementUnavailable(f"Placement could not be reached: {error}") from error
        if answer.status_code == 204:
            # Placement counts the consumer's generation up by one. Were that ever wrong, the next
            # write would conflict, and read.
            if body["consumer_generation"] is not None:
                body["consumer_generation"] += 1
            return Reservation(size, body)
        raise self._refusal(answer, mine["resources"])

    def _size(self, body: dict[str, Any]) -> Size:
        mine = body["allocations"].get(self._provider, {})
        return allocation.size_held(mine.get("resources", {}), self._facts)

    def _refusal(self, answer: Any, asked: dict[str, int]) -> Exception:
        if answer.status_code >= 500:
            return PlacementUnavailable(f"Placement answered {answer.status_code}: {answer.text}")
        if answer.status_code == 409:
            if _CONFLICT in answer.text:
                return ClaimConflict(answer.text)
            return self._no_capacity(asked)
        return PlacementUnavailable(
            f"Placement refused the allocation ({answer.status_code}): {answer.text}"
        )

    def check(self, current: Reservation, size: Size) -> None:
        held = current.body["allocations"].get(self._provider, {}).get("resources", {})
        asked = allocation.resized(held, size, self._facts)
        try:
            rooms = self._rooms(held)
        except (ks_exc.ClientException, ValueError) as error:
            raise PlacementUnavailable(f"Placement could not be reached: {error}") from error
        if not rooms:
            raise PlacementUnavailable("Placement did not say what room there is")
        if any(asked.get(name, 0) > room for name, room in rooms.items()):
            raise _no_room(asked, rooms)

    def _no_capacity(self, asked: dict[str, int]) -> NoCapacity:
        try:
            held = self.read().body["allocations"].get(self._provider, {}).get("resources", {})
            return _no_room(asked, self._rooms(held))
        except (ks_exc.ClientException, ValueError, PlacementUnavailable) as error:
            return NoCapacity(
                f"the host has no room for it; how much there is, is not known: {error}"
            )

    def _rooms(self, held: dict[str, int]) -> dict[str, int]:
        """How much of each class this consumer could have at the most."""
        inventories, usages = self._ask("inventories"), self._ask("usages")
        rooms: dict[str, int] = {}
        for name in ("VCPU", "PCPU", "MEMORY_MB"):
            if name in inventories:
                others = usages.get(name, 0) - held.get(name, 0)
                room = allocation.free(inventories[name], others)
                rooms[name] = min(room, inventories[name]["max_unit"])
        return rooms

    def _ask(self, what: str) -> dict[str, Any]:
        answer = self._client.get(
            f"/resource_providers/{self._provider}/{what}",
            version="1.29",
            global_request_id=self._context.global_id,
        )
        return answer.json().get(what, {}) if answer else {}


def _no_room(asked: dict[str, int], rooms: dict[str, int]) -> NoCapacity:
    parts = []
    for name, room in rooms.items():
        if name in asked:
            mark = " (too much)" if asked[name] > room else ""
            parts.append(f"{name}: asked {asked[name]}, free {room}{mark}")
    return NoCapacity(
        "the host has no room for it; "
        + "; ".join(parts)
        + "; what it holds now counts as free to it"
    )
