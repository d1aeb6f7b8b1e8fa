# SPDX-License-Identifier: Apache-2.0
"""Tests of a server's xloud-status, as the server's owner sees it.

The client checks that each status fits its schema.
"""

from __future__ import annotations

from tempest.lib import decorators

from nova_xloud_tempest_plugin.tests import base


class StatusTest(base.BaseXloudTest):
    """The status of servers that were never adjusted."""

    @decorators.idempotent_id("8e2cd981-c928-414a-a43f-1c960420c28a")
    @decorators.attr(type="smoke")
    def test_boots_with_the_minimum(self) -> None:
        server_id = self.create_server()
        self.wait_settled(server_id, self.minimum)
        status = self.status(server_id)
        self.assertEqual("host", status["source"])
        self.assertEqual(self.minimum, _size(status, "current"))
        self.assertEqual(self.minimum, _size(status, "min"))
        self.assertEqual(self.maximum, _size(status, "max"))
        self.assertEqual([], status["blockers"])

    @decorators.idempotent_id("4413989b-e6fd-4da1-85b9-de9019d4b85a")
    def test_flavor_without_minimums(self) -> None:
        """A server of a flavor without minimums boots with all that the flavor has."""
        whole = base.Size(self.minimum.vcpus, self.minimum.memory_mb)
        server_id = self.create_server(self.create_flavor(whole))
        self.wait_settled(server_id, whole)
        self.assertEqual(whole, _size(self.status(server_id), "max"))


def _size(status: dict[str, int], which: str) -> base.Size:
    return base.Size(status[f"{which}_vcpus"], status[f"{which}_memory_mb"])
