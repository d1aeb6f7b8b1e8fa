# SPDX-License-Identifier: Apache-2.0
"""``nova-manage placement heal_allocations`` and ``audit``, as ``nova-xloud-run`` runs them."""

import contextlib
import io
from unittest import mock

from nova.cmd import manage
from nova.scheduler import utils

from nova_xloud.testing import Behaviour
from tests.functional.clouds import GROWN, MovesTestCase


class Tools(MovesTestCase):
    def setUp(self):
        super().setUp()
        self.commands = manage.PlacementCommands()

    def _say(self, command, *args, **kwargs):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = command(*args, **kwargs)
        return code, out.getvalue()

    def _heal(self):
        code, said = self._say(self.commands.heal_allocations, verbose=True)
        assert code == 0, said
        return said


class Heal(Tools):
    def test_allocates_what_the_server_holds(self):
        self._delete_server_allocations(self.server["id"])
        assert "Successfully created allocations" in self._heal()
        self._has(*GROWN)
        self._invariants_hold()

    def test_leaves_alone_what_is_there(self):
        code, _ = self._say(self.commands.heal_allocations)
        # Nova's own way to say that there was nothing to do.
        assert code == 4
        self._has(*GROWN)

    def test_what_the_guest_holds_more_than_it_should_is_allocated_too(self):
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        with mock.patch("nova_xloud.compute.worker.Worker.submit", autospec=True):
            self._adjust(current_vcpus=1, current_memory_mb=512)
        self._delete_server_allocations(self.server["id"])
        self._heal()
        assert self._claims_on("host1") == GROWN

    def test_heal_allocates_the_flavor_of_a_stock_server(self):
        server = self._boot(self._flavor(vcpus=2, memory_mb=256), host="host2")
        self._delete_server_allocations(server["id"])
        self._heal()
        assert self._claims_on("host2", server) == (2, 256)

    def test_stock_heal_allocates_the_maximum_and_a_pass_releases_it(self):
        """What the docs say: too much for a while, never too little."""
        self._delete_server_allocations(self.server["id"])
        with (
            mock.patch.object(
                utils, "resources_from_flavor", utils.resources_from_flavor.__wrapped__
            ),
            mock.patch.object(
                utils.ResourceRequest,
                "from_request_spec",
                utils.ResourceRequest.from_request_spec.__wrapped__,
            ),
            mock.patch("nova_xloud.adapters.nova_objects.has_minimums", return_value=False),
        ):
            self._heal()
        assert self._claims_on("host1") == (4, 1024)
        self.computes["host1"].manager.xloud.reconcile().join()
        self._has(*GROWN)


class Audit(Tools):
    def test_finds_nothing_to_complain_of(self):
        self._live_migrate(self.server, host="host2")
        self._has(*GROWN)
        code, said = self._say(self.commands.audit, verbose=True)
        assert code == 0, said

    def test_deletes_what_nobody_holds_and_nothing_else(self):
        orphan = self._elastic(host="host1")
        allocations = self._get_allocations_by_server_uuid(orphan["id"])
        self._delete_server(orphan)
        body = {
            "allocations": {p: {"resources": a["resources"]} for p, a in allocations.items()},
            "project_id": "p",
            "user_id": "u",
            "consumer_generation": None,
        }
        self.placement.put(f"/allocations/{orphan['id']}", body, version="1.28")
        code, said = self._say(self.commands.audit, verbose=True, delete=True)
        assert code == 4, said
        assert self._get_allocations_by_server_uuid(orphan["id"]) == {}
        self._has(*GROWN)
        self._invariants_hold()
