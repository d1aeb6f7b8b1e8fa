# SPDX-License-Identifier: Apache-2.0
"""Give the flavors of one of Nova's tests minimums, and grow its servers by nova-xloud's API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from nova import context as nova_context
from nova import exception, objects
from nova.image import glance

from lab.patience import Patience
from nova_xloud.adapters import nova_objects
from tests.nova_own.grown.swap import Swap, swap
from tests.nova_own.grown.tally import Tally

# Resources by their names in a request, and in a status.
SIZES = {
    "current_vcpus": ("max_vcpus", "vcpus"),
    "current_memory_mb": ("max_memory_mb", "memory_mb"),
}
NO_GUEST = "xloud.no_guest"
PAUSE_SECONDS = 0.05
ENOUGH_SECONDS = 20
ADMIN_ROLES = ["reader", "member", "manager", "admin"]


class Grower:
    """Grows the servers of one test.

    :param client: Nova's class of REST clients, with its own methods; of it an administrator's is
        made for each call
    :param tally: counts what is grown
    :param computes: returns the test's compute services by host
    """

    def __init__(
        self, client: Callable[..., Any], tally: Tally, computes: Callable[[], dict[str, Any]]
    ) -> None:
        self._client = client
        self._tally = tally
        self._computes = computes
        # By flavor id: why it has no minimum of a resource.
        self._swaps: dict[str, Swap] = {}
        self._looked_at: set[tuple[str, str]] = set()

    def give_minimums(self, flavor_id: str, image_id: str | None) -> None:
        """Add minimums to a flavor, in the database: through the API a test would see a request.

        :param image_id: the image of the server that is created with the flavor; None: of none
        """
        context = nova_context.get_admin_context()
        try:
            flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        except exception.FlavorNotFound:
            return
        found = swap(nova_objects.facts_of(flavor, _image(context, image_id)))
        if found.specs:
            flavor._flavor_extra_specs_add(context, flavor.id, found.specs)
        if found.specs or found.why_not:
            self._swaps[flavor.name] = self._swaps[flavor.flavorid] = found

    def grow(self, base_url: str, project: str, server: dict[str, Any]) -> bool:
        """Grow an active server to its flavor's size, and return whether that changed anything.

        A server is grown once for each flavor that it has.

        :param server: the answer of Nova's API
        """
        flavor = server.get("flavor", {})
        key = server["id"], json.dumps(flavor, sort_keys=True)
        if key in self._looked_at:
            return False
        self._looked_at.add(key)
        admin = self._client("admin", base_url, project, ADMIN_ROLES)
        admin.microversion = "latest"
        status = _status(admin, server["id"])
        if isinstance(status, str):
            self._tally.stays(server["id"], [status])
            return False
        wanted = {
            size: status[most]
            for size, (most, resource) in SIZES.items()
            # A guest whose memory is pinned has its maximum before that is desired.
            if min(status[size], status[resource]["desired"]) < status[most]
        }
        if not wanted:
            self._tally.stays(server["id"], self._why_not(flavor, status))
            return False
        if _converged(status)["reason"] == NO_GUEST:
            # Some of Nova's tests replace the driver's spawn(): there is nothing that could grow.
            self._tally.stays(server["id"], [NO_GUEST])
            return False
        return self._adjust(admin, server["id"], wanted)

    def _adjust(self, admin: Any, server_id: str, wanted: dict[str, int]) -> bool:
        answer = admin.api_request(
            f"/os-xloud-adjust/{server_id}",
            method="POST",
            body=json.dumps(wanted),
            headers={"Content-Type": "application/json"},
        )
        if answer.status_code != 202:
            self._tally.stays(server_id, [_code(answer)])
            return False
        why_not = _wait(admin, server_id, wanted)
        if why_not:
            self._tally.stays(server_id, [why_not])
        else:
            self._tally.grew(server_id)
        self._run_periodic_task(admin, server_id)
        return True

    def _run_periodic_task(self, admin: Any, server_id: str) -> None:
        """Have the server's host count its resources, as each nova-compute does every minute."""
        host = admin.api_get(f"/servers/{server_id}").body["server"]["OS-EXT-SRV-ATTR:host"]
        if compute := self._computes().get(host):
            compute.manager.update_available_resource(nova_context.get_admin_context())

    def _why_not(self, flavor: dict[str, Any], status: dict[str, Any]) -> Iterable[str]:
        """Return why a server has its maximum already: one reason for each resource."""
        known = self._swaps.get(flavor.get("original_name") or flavor.get("id", ""), Swap())
        reasons = dict(known.why_not)
        for blocker in status["blockers"]:
            reasons[blocker.get("resource", "")] = blocker["code"]
        return set(reasons.values()) or {"it has its flavor's size already"}


def _image(context: Any, image_id: str | None) -> Any:
    """Return the image as Nova's object; None if there is none."""
    if image_id is None:
        return None
    try:
        return objects.ImageMeta.from_image_ref(context, glance.API(), image_id)
    except exception.ImageNotFound:
        return None


def _status(admin: Any, server_id: str) -> dict[str, Any] | str:
    """Return the status of a server, or why there is none."""
    answer = admin.api_request(f"/servers/{server_id}/xloud-status")
    if answer.status_code != 200:
        return _code(answer)
    status: dict[str, Any] = answer.json()["xloud_status"]
    return status


def _wait(admin: Any, server_id: str, wanted: dict[str, int]) -> str | None:
    """Wait until a server has the size that was asked for; return why it has not, or None."""
    patience = Patience(ENOUGH_SECONDS)
    while True:
        status = _status(admin, server_id)
        if isinstance(status, str):
            return f"not reached: {status}"
        missing = _missing(status, wanted)
        if not missing:
            return None
        if patience.is_over():
            return f"not reached: {missing}"
        time.sleep(PAUSE_SECONDS)


def _missing(status: dict[str, Any], wanted: dict[str, int]) -> str | None:
    """Return what of a status is not yet as wanted; None if all is."""
    for size, amount in wanted.items():
        numbers = status[SIZES[size][1]]
        for name in ("desired", "reserved", "actuated"):
            if numbers[name] != amount:
                return f"{size} {amount}, {name} {numbers[name]}"
    converged = _converged(status)
    return None if converged["status"] else str(converged["reason"])


def _converged(status: dict[str, Any]) -> dict[str, Any]:
    """Return the condition ``Converged``, which each status has once."""
    return next(one for one in status["conditions"] if one["type"] == "Converged")


def _code(answer: Any) -> str:
    found = re.search(r"xloud\.[a-z_.]*[a-z]", answer.text)
    return found.group() if found else f"HTTP {answer.status_code}"
