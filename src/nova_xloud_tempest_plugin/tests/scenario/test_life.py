# SPDX-License-Identifier: Apache-2.0
"""Tests of a server from its boot to its deletion, with its claim checked after each operation."""

from __future__ import annotations

from tempest import config
from tempest.lib import decorators

from nova_xloud_tempest_plugin.tests import base

CONF = config.CONF


class LifeTest(base.BaseXloudTest):
    """A server's claim is right after each operation, on one host only, and gone at the end."""

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        if not CONF.xloud.guest_follows:
            raise cls.skipException("[xloud] guest_follows is false")

    @decorators.idempotent_id("0f805336-7920-4e23-90ca-5d131dfd844b")
    @decorators.attr(type="slow")
    def test_life(self) -> None:
        """A server keeps its size over stop, start and hard reboot, then shrinks and is deleted."""
        server_id = self._booted_and_grown()
        self.servers.stop_server(server_id)
        self.wait_server(server_id, "SHUTOFF")
        self.assertEqual(self.larger, self.claim(server_id))
        self.servers.start_server(server_id)
        self.wait_server(server_id, "ACTIVE")
        self.wait_settled(server_id, self.larger)
        self.servers.reboot_server(server_id, type="HARD")
        self.wait_server(server_id, "ACTIVE")
        self.wait_settled(server_id, self.larger)
        self._shrunk_and_deleted(server_id)

    @decorators.idempotent_id("f7f82daf-cffc-4190-aa99-0cce9869bae4")
    @decorators.attr(type="slow")
    def test_live_migration(self) -> None:
        """A grown server keeps its size and its claim on another host, and shrinks there."""
        if not CONF.compute_feature_enabled.live_migration or CONF.compute.min_compute_nodes < 2:
            raise self.skipException("needs live_migration, and two compute hosts")
        server_id = self._booted_and_grown()
        source = self._host(server_id)
        self.admin_servers.live_migrate_server(server_id, host=None, block_migration="auto")
        self.wait_until(
            f"{server_id} to leave {source}",
            lambda: self._host(server_id) != source,
            CONF.compute.build_timeout,
        )
        self.wait_server(server_id, "ACTIVE")
        # Nova drops the migration's own claim on the source last.
        target = self._host(server_id)
        self.wait_until(
            f"{server_id} to have a claim on {target} only",
            lambda: self.holders(server_id) == [target],
        )
        self.wait_settled(server_id, self.larger)
        self._shrunk_and_deleted(server_id)

    def _booted_and_grown(self) -> str:
        server_id = self.create_server()
        self.wait_settled(server_id, self.minimum)
        self.assertEqual([self._host(server_id)], self.holders(server_id))
        self.adjust_to(server_id, self.larger)
        return server_id

    def _shrunk_and_deleted(self, server_id: str) -> None:
        self.adjust_to(server_id, self.minimum)
        self.servers.delete_server(server_id)
        self.wait_gone(server_id)
        self.assertIsNone(self.claim(server_id))

    def _host(self, server_id: str) -> str:
        server = self.admin_servers.show_server(server_id)["server"]
        return str(server["OS-EXT-SRV-ATTR:hypervisor_hostname"])
