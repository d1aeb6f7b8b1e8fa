# SPDX-License-Identifier: Apache-2.0
"""Tests of adjustments that are accepted, of running and of stopped servers, and of dry runs."""

from __future__ import annotations

from tempest.lib import decorators

from nova_xloud_tempest_plugin.tests import base


class AdjustTest(base.BaseXloudTest):
    """Adjustments of one running server, which has its minimum size when a test begins."""

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.server_id = cls.create_server()

    def setUp(self) -> None:
        super().setUp()
        self.wait_settled(self.server_id, self.minimum)

    def _given_back(self) -> None:
        """Have the server adjusted back to its minimum after the test.

        The test is skipped if ``[xloud] guest_follows`` is false.
        """
        self.need_following_guest()
        self.addCleanup(self.adjust_to, self.server_id, self.minimum)

    @decorators.idempotent_id("9a75acac-02d6-4c46-9a37-49104b69e584")
    @decorators.attr(type="smoke")
    def test_grow_and_shrink(self) -> None:
        self.need_following_guest()
        self.adjust_to(self.server_id, self.larger)
        self.adjust_to(self.server_id, self.minimum)

    @decorators.idempotent_id("65658b78-5937-45c6-aa01-db8a72610959")
    def test_vcpus_only(self) -> None:
        self._given_back()
        self.admin_xloud.adjust(self.server_id, current_vcpus=self.larger.vcpus)
        size = base.Size(self.larger.vcpus, self.minimum.memory_mb)
        self.wait_settled(self.server_id, size)

    @decorators.idempotent_id("9e45c6f0-32c7-423f-86c7-d73a3ad0035d")
    def test_memory_only(self) -> None:
        self._given_back()
        self.admin_xloud.adjust(self.server_id, current_memory_mb=self.larger.memory_mb)
        size = base.Size(self.minimum.vcpus, self.larger.memory_mb)
        self.wait_settled(self.server_id, size)

    @decorators.idempotent_id("e0179c39-2835-493f-8c5f-942eb04140b3")
    def test_strings_of_integers(self) -> None:
        self._given_back()
        asked = {name: str(number) for name, number in self.larger.asked.items()}
        self.admin_xloud.adjust(self.server_id, **asked, persist="true")
        self.wait_settled(self.server_id, self.larger)

    @decorators.idempotent_id("36484c4a-8a57-400d-8c97-aa78f9330bcc")
    def test_claimed_when_answered(self) -> None:
        """When the answer is 202, Placement has the new claim already, whatever the guest does."""
        self._given_back()
        self.admin_xloud.adjust(self.server_id, **self.larger.asked)
        self.assertEqual(self.larger, self.claim(self.server_id))

    @decorators.idempotent_id("cbb0037c-0aa5-4879-9d58-2b376fb80d6d")
    def test_location_and_instance_action(self) -> None:
        self._given_back()
        answer = self.admin_xloud.adjust(self.server_id, **self.larger.asked).response
        where = f"/servers/{self.server_id}/xloud-status"
        self.assertEqual(where, answer["location"][-len(where) :])
        self.wait_settled(self.server_id, self.larger)

        request_id = answer["x-openstack-request-id"]

        def results() -> list[str | None]:
            action = self.admin_servers.show_instance_action(self.server_id, request_id)
            self.assertEqual("xloud_adjust", action["instanceAction"]["action"])
            return [event["result"] for event in action["instanceAction"]["events"]]

        self.wait_until(
            f"events of {request_id} to be Success", lambda: set(results()) == {"Success"}
        )

    @decorators.idempotent_id("e0277e8f-5515-4960-9ab8-79adadba2764")
    def test_dry_run_changes_nothing(self) -> None:
        before = self.witnesses(self.server_id)
        plan = self.admin_xloud.adjust(self.server_id, **self.larger.asked, dry_run=True)["plan"]
        self.assertIs(True, plan["admitted"])
        self.assertEqual(_body(self.larger), plan["desired"])
        self.assertEqual(_body(self.larger), plan["claim"])
        self.assertNotEqual([], plan["steps"])
        self.assertEqual(before, self.witnesses(self.server_id))

    @decorators.idempotent_id("d0d0fcfc-ae6c-4f1a-8302-a58799fad008")
    def test_dry_run_out_of_bounds(self) -> None:
        """The plan of an adjustment that would be refused has the code of the refusal."""
        asked = self.maximum.vcpus + 1
        plan = self.admin_xloud.adjust(self.server_id, current_vcpus=asked, dry_run=True)["plan"]
        self.assertIs(False, plan["admitted"])
        self.assertEqual("xloud.out_of_bounds", plan["refusal"]["code"])

    @decorators.idempotent_id("a8068378-10c8-4cda-85ab-ce0627b30607")
    def test_what_it_has(self) -> None:
        """An adjustment to the size that the server has is accepted; its generation stays."""
        before = self.status(self.server_id)
        self.admin_xloud.adjust(self.server_id, **self.minimum.asked)
        after = self.status(self.server_id)
        self.assertEqual(before["generation"], after["generation"])
        self.wait_settled(self.server_id, self.minimum)


class AdjustStoppedTest(base.BaseXloudTest):
    """Adjustments of a stopped server, and of a running one until its next stop."""

    def _stopped(self) -> str:
        server_id = self.create_server()
        self.wait_settled(server_id, self.minimum)
        self._stop(server_id)
        return server_id

    def _stop(self, server_id: str) -> None:
        self.servers.stop_server(server_id)
        self.wait_server(server_id, "SHUTOFF")

    def _start(self, server_id: str) -> None:
        self.servers.start_server(server_id)
        self.wait_server(server_id, "ACTIVE")

    @decorators.idempotent_id("f7f342c2-9ff3-480f-8e72-5b586e7341bb")
    def test_stopped_server(self) -> None:
        """A stopped server's new size is claimed at once, and its guest starts with it."""
        server_id = self._stopped()
        self.admin_xloud.adjust(server_id, **self.larger.asked)
        self.assertEqual(self.larger, self.claim(server_id))
        self._start(server_id)
        self.wait_settled(server_id, self.larger)

    @decorators.idempotent_id("2a967292-0c5c-4059-85cd-50a130f72697")
    def test_not_persisted(self) -> None:
        """A size requested with persist=false ends when the guest stops."""
        server_id = self.create_server()
        self.wait_settled(server_id, self.minimum)
        self.adjust_to(server_id, self.larger, persist=False)
        self._stop(server_id)
        self._start(server_id)
        self.wait_settled(server_id, self.minimum)


def _body(size: base.Size) -> dict[str, int]:
    return {"vcpus": size.vcpus, "memory_mb": size.memory_mb}
