# SPDX-License-Identifier: Apache-2.0
"""Tests of who may adjust a server and read its status, with the default policies."""

from __future__ import annotations

from typing import Any

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc

from nova_xloud_tempest_plugin.tests import base


class PolicyTest(base.BaseXloudTest):
    """Requests by the owner, a reader of the project, a user of another project, and an admin."""

    credentials = ["primary", "admin", "project_reader", "alt"]

    @classmethod
    def setup_clients(cls) -> None:
        super().setup_clients()
        cls.reader_xloud = cls.os_project_reader.xloud.XloudClient()
        cls.alt_xloud = cls.os_alt.xloud.XloudClient()

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.server_id = cls.create_server()

    def _may_not_adjust(self, client: Any, kind: type[Exception], says: str) -> None:
        self.wait_settled(self.server_id, self.minimum)
        try:
            client.adjust(self.server_id, **self.larger.asked)
        except kind as refusal:
            self.assertIn(says, str(refusal))
        else:
            self.fail("the adjustment was accepted")
        self.wait_settled(self.server_id, self.minimum)

    def _sees(self, client: Any) -> None:
        status = client.show_status(self.server_id)["xloud_status"]
        self.assertEqual(self.maximum.vcpus, status["max_vcpus"])

    @decorators.idempotent_id("d2a60fa8-f2a3-453c-9f6b-5d2e45bae6b1")
    def test_owner_sees(self) -> None:
        self._sees(self.xloud)

    @decorators.idempotent_id("e3465738-67e3-4086-931d-6f91b570cba1")
    @decorators.attr(type="negative")
    def test_owner_may_not_adjust(self) -> None:
        self._may_not_adjust(self.xloud, lib_exc.Forbidden, "xloud.forbidden")

    @decorators.idempotent_id("4bcf220f-872b-46ba-9e7c-ff614fcea970")
    def test_reader_sees(self) -> None:
        self._sees(self.reader_xloud)

    @decorators.idempotent_id("a86a8cbb-7fa2-4a30-b5ad-d1b58a099f11")
    @decorators.attr(type="negative")
    def test_reader_may_not_adjust(self) -> None:
        self._may_not_adjust(self.reader_xloud, lib_exc.Forbidden, "xloud.forbidden")

    @decorators.idempotent_id("8565c602-2165-4e85-acda-82aa28eda3c6")
    @decorators.attr(type="negative")
    def test_other_project_sees_nothing(self) -> None:
        self.assertRaises(lib_exc.NotFound, self.alt_xloud.show_status, self.server_id)

    @decorators.idempotent_id("880017b1-bbe7-43ad-a6ac-d504cd8ddeee")
    @decorators.attr(type="negative")
    def test_other_project_may_not_adjust(self) -> None:
        self._may_not_adjust(self.alt_xloud, lib_exc.NotFound, self.server_id)

    @decorators.idempotent_id("531cc65a-2b50-4855-b6d4-5dc9b3a6e018")
    def test_admin_sees(self) -> None:
        self._sees(self.admin_xloud)
