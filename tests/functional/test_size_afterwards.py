# SPDX-License-Identifier: Apache-2.0
"""The size that a server has after other operations."""

from unittest import mock

from nova import context as nova_context
from nova import objects

from nova_xloud.adapters import nova_objects
from nova_xloud.core.instance.desired import AdmittedRequest
from nova_xloud.core.size import Size
from tests.functional.base import AdjustTestCase, XloudTestCase


class Afterwards(AdjustTestCase):
    """What the size is after other operations."""

    def setUp(self):
        super().setUp()
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)

    def test_stop_and_start(self):
        self._stop_server(self.server)
        assert self._reserved(self.server) == {"VCPU": 3, "MEMORY_MB": 768}
        self._start_server(self.server)
        self._has(3, 768)

    def test_hard_reboot(self):
        self._reboot_server(self.server, hard=True)
        self._has(3, 768)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(1, 512)

    def test_adjusted_while_stopped(self):
        self._stop_server(self.server)
        self._adjust(current_vcpus=4)
        assert self._reserved(self.server) == {"VCPU": 4, "MEMORY_MB": 768}
        self._adjust(current_vcpus=2, current_memory_mb=640)
        self._wait(
            lambda: self.assertEqual({"VCPU": 2, "MEMORY_MB": 640}, self._reserved(self.server))
        )
        self._start_server(self.server)
        self._has(2, 640)

    def test_not_persisted_growth_ends_with_the_guest(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(4, 1024)
        self._stop_server(self.server)
        self._wait(
            lambda: self.assertEqual({"VCPU": 3, "MEMORY_MB": 768}, self._reserved(self.server))
        )
        self._start_server(self.server)
        self._has(3, 768)

    def test_not_persisted_shrinking_keeps_the_claim_it_comes_back_with(self):
        self._adjust(current_vcpus=1, persist=False)
        self._wait(lambda: self.assertEqual(1, self._status()["vcpus"]["actuated"]))
        assert self._reserved(self.server) == {"VCPU": 3, "MEMORY_MB": 768}
        self._reboot_server(self.server, hard=True)
        self._has(3, 768)

    def test_rebuilt(self):
        self._rebuild_server(self.server, self.server["image"]["id"])
        self._has(3, 768)

    def test_failed_reconcile_does_not_fail_stop_and_start(self):
        manager = self.computes["host1"].manager
        with mock.patch.object(manager.xloud, "reconcile", side_effect=KeyError("no such node")):
            self._stop_server(self.server)
            self._start_server(self.server)
        self._has(3, 768)

    def test_paused(self):
        self.admin_api.post_server_action(self.server["id"], {"pause": {}})
        self._wait_for_state_change(self.server, "PAUSED")
        self._adjust(current_memory_mb=512)
        assert self._reserved(self.server) == {"VCPU": 3, "MEMORY_MB": 768}
        self.admin_api.post_server_action(self.server["id"], {"unpause": {}})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(3, 512)


class Moved(XloudTestCase):
    """Claims and records around a change of flavor, without the moving."""

    def setUp(self):
        super().setUp()
        self.start_compute("host1")
        self.manager = self.computes["host1"].manager
        self.record = self._record(self._elastic())
        self.small = self.record.flavor
        larger = self._flavor(vcpus=8, memory_mb=2048, minimum_cpu=2, minimum_memory=1024)
        self.large = objects.Flavor.get_by_flavor_id(nova_context.get_admin_context(), larger)
        facts = nova_objects.facts_of_instance(self.record)
        grown = nova_objects.desired_of(self.record, facts).after(
            AdmittedRequest(Size(3, 768), Size(3, 768))
        )
        nova_objects.set_desired(self.record, grown)

    def _becomes(self, flavor, old_flavor):
        """As Nova does it: the flavor, then the XML."""
        self.record.old_flavor = old_flavor
        self.manager._set_instance_info(self.record, flavor)
        return nova_objects.restart_record(self.record).persisted

    def test_resized_it_has_the_new_minimum_and_reverted_what_it_held(self):
        assert self._becomes(self.large, self.small) == Size(2, 1024)
        assert (self.record.vcpus, self.record.memory_mb) == (2, 1024)
        assert self._becomes(self.small, None) == Size(3, 768)
        assert (self.record.vcpus, self.record.memory_mb) == (3, 768)

    def test_resized_back_later_it_does_not_find_what_it_held_long_ago(self):
        self._becomes(self.large, self.small)
        self.record.old_flavor = None  # confirmed
        assert self._becomes(self.small, self.large) == Size(1, 512)

    def test_migrated_cold_it_keeps_what_is_persisted(self):
        assert self._becomes(self.small, self.small) == Size(3, 768)
