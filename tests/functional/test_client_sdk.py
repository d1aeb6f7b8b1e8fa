# SPDX-License-Identifier: Apache-2.0
"""The SDK service, through openstacksdk, against Nova's API in this process."""

import fixtures
from openstack.exceptions import ConflictException, NotFoundException, SDKException

from nova_xloud import client
from nova_xloud.client import errors
from nova_xloud.client.waiting import unconfirmed
from nova_xloud.testing import Behaviour
from tests.functional.shell import ADMIN, MEMBER, ClientTestCase
from tests.guides import script


class Service(ClientTestCase):
    def test_adjust_wait_and_read(self):
        xloud = self.xloud()
        adjustment = xloud.adjust(self.server["name"], vcpus=3, memory_mb=768)
        told = []
        status = xloud.wait_for_adjustment(
            adjustment, timeout=60, on_progress=told.append, interval=0.1
        )
        # The guest has no agent that could say that it has seen its vCPUs.
        reached = [one.stage for one in told if one.stage is not None]
        assert reached == [client.Stage.ASKED, client.Stage.CLAIMED, client.Stage.SET]
        assert unconfirmed(status) == "set; no guest agent answers to confirm it"
        assert status.converged
        assert status.reasons == ()
        assert status.current == status.numbers.reserved == client.Size(3, 768)
        assert (status.minimum, status.maximum) == (client.Size(1, 512), client.Size(4, 1024))
        assert (status.generation, status.from_host, status.running) == (1, True, True)
        assert status.condition("Converged").reason == "xloud.converged"
        assert adjustment.request_id == self._events("xloud_adjust")[0]["request_id"]
        server = xloud.find_server(self.server["id"])
        assert xloud.get_status(server).body == self._status()
        (listed,) = xloud.servers(name=self.server["name"])
        assert (listed.server.id, listed.status.current) == (server.id, client.Size(3, 768))

    def test_plan_changes_nothing(self):
        xloud = self.xloud()
        plan = xloud.plan(self.server["name"], vcpus=2)
        assert (plan.admitted, plan.refusal, plan.claim) == (True, None, client.Size(2, 512))
        assert plan.steps[0] == {"step": "claim", "vcpus": 2, "memory_mb": 512}
        assert plan.steps[-1] == {"step": "set_vcpus", "count": 2}
        plan = xloud.plan(self.server["name"], memory_mb=4096)
        assert (plan.admitted, plan.refusal.code) == (False, "xloud.out_of_bounds")
        assert xloud.get_status(self.server["id"]).generation == 0

    def test_errors_are_typed(self):
        xloud = self.xloud()
        refused = self.assertRaises(errors.OutOfBounds, xloud.adjust, self.server["id"], vcpus=5)
        assert (refused.code, refused.http_status) == ("xloud.out_of_bounds", 400)
        assert refused.message.startswith("5 vCPUs is not between")
        assert refused.request_id.startswith("req-")
        assert "server resize" in refused.next_step
        assert isinstance(refused, SDKException)
        self.assertRaises(errors.Invalid, xloud.adjust, self.server["id"])
        self.assertRaises(errors.Forbidden, self.xloud(MEMBER).adjust, self.server["id"], vcpus=2)
        self.assertRaises(NotFoundException, xloud.adjust, "nobody", vcpus=2)
        self._update_inventory()
        self.assertRaises(errors.NoCapacity, xloud.adjust, self.server["id"], memory_mb=1024)
        self.admin_api.post_server_action(self.server["id"], {"lock": {}})
        locked = self.assertRaises(errors.InvalidState, xloud.adjust, self.server["id"], vcpus=2)
        assert (locked.code, locked.http_status) == ("", 409)
        found = xloud.find_server(self.server["id"])
        self.admin_api.post_server_action(self.server["id"], {"unlock": None})
        self._delete_server(self.server)
        self.assertRaises(errors.NotFound, xloud.get_status, found)
        self.assertRaises(errors.NotFound, xloud.adjust, found, vcpus=2)

    def _update_inventory(self):
        """The host has no room for more memory."""
        (provider,) = self._get_allocations_by_server_uuid(self.server["id"])
        memory = self._get_provider_inventory(provider)["MEMORY_MB"]
        memory["reserved"] = memory["total"] - 512
        self._update_inventory_of(provider, memory)

    def test_a_url_that_nova_does_not_know_is_a_nova_without_nova_xloud(self):
        compute = self.connection().compute
        answer = compute.get(f"/servers/{self.server['id']}/not-a-route")
        self.assertRaises(errors.NotInstalled, errors.check, answer)
        answer = compute.post("/os-not-a-route/1", json={})
        self.assertRaises(errors.NotInstalled, errors.check, answer)
        # What is Nova's own, and not of ours.
        answer = compute.post(f"/servers/{self.server['id']}/action", json={"os-start": None})
        self.assertRaises(ConflictException, compute.start_server, self.server["id"])
        self.assertRaises(errors.InvalidState, errors.check, answer)

    def test_on_a_connection(self):
        connection = self.connection()
        client.add_to(connection)
        assert connection.xloud.get_status(self.server["id"]).current == client.Size(1, 512)
        extended = self.connection(extra_services=[client.XloudService()])
        assert extended.xloud.compute is extended.compute
        hooked = self.connection(vendor_hook="nova_xloud.client:add_to")
        assert hooked.xloud.get_status(self.server["name"]).generation == 0

    def test_the_script_of_the_guide(self):
        lines = script("docs/client.md")
        assert len(lines.splitlines()) <= 14
        for name, value in {
            "OS_AUTH_TYPE": "admin_token",
            "OS_TOKEN": ADMIN,
            "OS_ENDPOINT": self.api_fixture.api.base_url,
        }.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        self.useFixture(fixtures.MonkeyPatch("sys.argv", ["grow.py", self.server["name"]]))
        exec(compile(lines, "docs/client.md", "exec"), {})
        self._has(2, 768)


class Refusing(ClientTestCase):
    boot_grace = 0

    def test_a_guest_that_refuses_and_one_that_is_late(self):
        xloud = self.xloud()
        grown = xloud.adjust(self.server["id"], memory_mb=1024)
        xloud.wait_for_adjustment(grown, timeout=60)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        shrunk = xloud.adjust(self.server["id"], memory_mb=512)
        late = self.assertRaises(errors.TimedOut, xloud.wait_for_adjustment, shrunk, timeout=0.01)
        assert late.status.numbers.desired == client.Size(1, 512)
        refused = self.assertRaises(errors.GuestRefused, xloud.wait_for_adjustment, shrunk, 60)
        assert refused.code == "xloud.guest_refused.memory_not_reached"
        assert refused.status.numbers.reserved == client.Size(1, 1024)
        again = xloud.adjust(self.server["id"], vcpus=2)
        gone = self.assertRaises(errors.Superseded, self._wait_for_old, xloud, again)
        assert gone.status.numbers.desired == client.Size(3, 512)

    def _wait_for_old(self, xloud, adjustment):
        xloud.adjust(self.server["id"], vcpus=3)
        xloud.wait_for_adjustment(adjustment)
