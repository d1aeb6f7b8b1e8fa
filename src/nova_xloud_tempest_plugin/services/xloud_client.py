# SPDX-License-Identifier: Apache-2.0
"""A client of nova-xloud's two REST resources, which checks each answer against its schema.

An error that the API answers is raised as Tempest's exception for its HTTP status, unchecked.
"""

from __future__ import annotations

import json
from typing import Any

from tempest.lib.common import rest_client
from tempest.lib.services.compute import base_compute_client

from nova_xloud_tempest_plugin.services import schemas


class XloudClient(base_compute_client.BaseComputeClient):  # type: ignore[misc]
    """Sends ``POST /os-xloud-adjust/{id}`` and ``GET /servers/{id}/xloud-status``."""

    def adjust(self, server_id: str, **body: Any) -> rest_client.ResponseBody:
        """Request an adjustment; with ``dry_run=True`` only its plan.

        :param body: the members of the request, such as ``current_vcpus``
        :returns: an empty object, or ``{"plan": {...}}`` for a dry run
        """
        return self.adjust_with(server_id, json.dumps(body))

    def adjust_with(self, server_id: str, body: str) -> rest_client.ResponseBody:
        """POST ``body`` as an adjust request, unchanged, even if it is not a valid one.

        :returns: an empty object, or ``{"plan": {...}}`` for a dry run
        """
        resp, answer = self.post(f"os-xloud-adjust/{server_id}", body)
        answer = json.loads(answer)
        schema = schemas.PLAN if resp.status == 200 else schemas.ADJUSTED
        self.validate_response(schema, resp, answer)
        return rest_client.ResponseBody(resp, answer)

    def show_status(self, server_id: str) -> rest_client.ResponseBody:
        """Return the xloud-status of a server, as ``{"xloud_status": {...}}``."""
        resp, answer = self.get(f"servers/{server_id}/xloud-status")
        answer = json.loads(answer)
        self.validate_response(schemas.STATUS, resp, answer)
        return rest_client.ResponseBody(resp, answer)
