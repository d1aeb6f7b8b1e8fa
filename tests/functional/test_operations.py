# SPDX-License-Identifier: Apache-2.0
"""SPEC's table on one host: what a server has after each of Nova's operations."""

import ddt

from tests.functional.clouds import GROWN
from tests.functional.test_races import LARGEST, RacesTestCase

# After these the guest is the same one.
UNCHANGED = ("_soft_reboot", "_pause", "_suspend", "_snapshot", "_lock", "_nova_compute_restart")
# After these it has started anew.
STARTED = ("_stop_and_start", "_hard_reboot", "_rebuild", "_rescue", "_host_restart")


@ddt.ddt
class Operations(RacesTestCase):
    hosts = ("host1",)

    @ddt.data(*UNCHANGED, *STARTED)
    def test_persisted_it_stays(self, operation):
        self._run(operation)
        self._comes_to(*GROWN)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(1, 512)

    @ddt.data(*UNCHANGED)
    def test_not_persisted_it_stays_while_the_guest_does(self, operation):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(*LARGEST)
        self._run(operation)
        self._comes_to(*LARGEST)

    @ddt.data(*STARTED)
    def test_not_persisted_it_is_gone_when_the_guest_starts_anew(self, operation):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(*LARGEST)
        self._run(operation)
        self._comes_to(*GROWN)

    def test_while_it_is_rescued_what_it_holds_is_claimed(self):
        self._rescue_in()
        assert self._claims_on("host1") == GROWN
        self._invariants_hold()
        self._rescue_out()
        self._comes_to(*GROWN)

    def _lock(self):
        self.admin_api.post_server_action(self.server["id"], {"lock": None})
        self.admin_api.post_server_action(self.server["id"], {"unlock": None})

    def _nova_compute_restart(self):
        self.restart_compute_service("host1")

    def _host_restart(self):
        """nova-compute comes up and its guests are gone; it starts them again."""
        self.flags(resume_guests_state_on_host_boot=True)
        connection = self.computes["host1"].driver._host.get_connection()
        connection.lookupByUUIDString(self.server["id"]).destroy()
        self.restart_compute_service("host1")
        self._wait_for_state_change(self.server, "ACTIVE")
