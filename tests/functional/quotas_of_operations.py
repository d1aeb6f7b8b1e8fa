# SPDX-License-Identifier: Apache-2.0
"""What create, restore, resize and unshelve count for, the same with each of Nova's drivers."""

from unittest import mock

import fixtures
from nova.conductor.manager import ComputeTaskManager
from oslo_utils.fixture import uuidsentinel

from tests.functional.quota_case import PLENTY

ENCRYPTED = {
    "id": uuidsentinel.encrypted,
    "name": "encrypted",
    "status": "active",
    "container_format": "raw",
    "disk_format": "raw",
    "min_disk": 0,
    "min_ram": 0,
    "size": 1,
    "properties": {
        "hw_mem_encryption": "true",
        "hw_firmware_type": "uefi",
        "hw_machine_type": "q35",
    },
}


class QuotasOfOperations:
    """Tests to mix into a :class:`~tests.functional.quota_case.QuotaTestCase` with a driver.

    :cvar COUNTED_WHEN_RESTORED: how often a server that was deleted softly is counted when it is
        restored: Placement goes on to hold its allocation
    :cvar OLD_COUNTS: whether a resize needs quota for the whole new size while the old one still
        counts; unified limits do so, as in stock Nova
    :cvar REVERT_NEEDS: whether a revert needs quota for what the server held before the resize
    :cvar UNSHELVE_NEEDS: whether an unshelve needs quota for the whole server, because Placement
        holds nothing for a server that is offloaded
    """

    COUNTED_WHEN_RESTORED = 2
    OLD_COUNTS = False
    REVERT_NEEDS = True
    UNSHELVE_NEEDS = True

    def test_created_it_counts_its_boot_size(self):
        self._limit(cores=3, ram=1024 + 512)
        self._create()
        self._forbidden(self._create, self.stock)
        self._create()
        assert self.CORES in self._forbidden(self._create)
        self._limit(ram=4 * 512 - 1)
        assert self.RAM in self._forbidden(self._create)

    def test_several_at_once_count_their_boot_sizes(self):
        self._limit(cores=3)
        body = self._build_server(flavor_id=self.flavor, networks="none")
        body |= {"min_count": 2, "max_count": 4, "return_reservation_id": False}
        self.user_api.post_server({"server": body})
        # All of them: the cloud is not taken away from those that are being built.
        for server in self.user_api.get_servers(detail=False):
            self._wait_for_state_change(server, "ACTIVE")
        assert self._usage() == (3, 3 * 512)

    def test_a_stock_flavor_counts_what_it_always_did(self):
        self._limit(cores=4, ram=PLENTY)
        self._forbidden(self._create, self.stock)
        self._limit(cores=5, ram=512 + 1024)
        self._create(self.stock)
        assert self._usage() == (5, 512 + 1024)

    def test_memory_that_the_image_pins_counts_whole(self):
        self.glance.create(None, dict(ENCRYPTED))
        self._limit(ram=512 + 1023)
        text = self._forbidden(self._create, image_uuid=uuidsentinel.encrypted)
        assert self.RAM in text
        self._create()

    def test_rechecked_it_counts_what_is_held(self):
        schedule = ComputeTaskManager._schedule_instances
        allowed = [2, 1]

        def scheduled(*args, **kwargs):
            # What others of the project get at the same moment has the same effect.
            self._limit(cores=allowed.pop(0))
            return schedule(*args, **kwargs)

        with mock.patch.object(ComputeTaskManager, "_schedule_instances", scheduled):
            self._limit()
            self._delete_server(self._create())
            self._limit()
            self._forbidden(self._create)

    def test_restored_it_counts_what_it_held(self):
        self.flags(reclaim_instance_interval=3600)
        self._grown_to(3, 768)
        self.admin_api.delete_server(self.server["id"])
        self._wait_for_state_change(self.server, "SOFT_DELETED")
        times = self.COUNTED_WHEN_RESTORED
        self._limit(cores=3 * times - 1)
        assert self.CORES in self._forbidden(self._action, "restore", {})
        self._limit(ram=768 * times - 1)
        assert self.RAM in self._forbidden(self._action, "restore", {})
        self._limit(cores=3 * times, ram=768 * times)
        self._action("restore", {})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._wait(lambda: self._uses(3, 768))

    def _uses(self, *size):
        assert self._usage() == size

    def _resizing(self):
        self.flags(allow_resize_to_same_host=True)
        self.larger = self._flavor(vcpus=8, memory_mb=2048, minimum_cpu=2, minimum_memory=512)
        moved = "nova.virt.libvirt.driver.LibvirtDriver.migrate_disk_and_power_off"
        self.useFixture(fixtures.MockPatch(moved, return_value="{}"))

    def _resize(self, flavor):
        self._action("resize", {"flavorRef": flavor})
        self._wait_for_state_change(self.server, "VERIFY_RESIZE")

    def _resize_forbidden(self, flavor):
        text = self._forbidden(self._action, "resize", {"flavorRef": flavor})
        assert self.CORES in text, text

    def test_resized_it_counts_from_what_it_holds_to_what_it_will_hold(self):
        self._resizing()
        old = 1 if self.OLD_COUNTS else 0
        self._limit(cores=1 + old)
        self._resize_forbidden(self.larger)
        self._limit(cores=2 + old)
        self._resize(self.larger)

    def test_resized_to_less_than_it_has_grown_to(self):
        self._resizing()
        self._grown_to(3)
        old = 3 if self.OLD_COUNTS else 0
        self._limit(cores=3 + old)
        self._resize_forbidden(self.stock)
        self._limit(cores=max(2 + old, 3))
        self._resize(self.larger)

    def test_reverted_it_counts_what_it_held_before(self):
        self._resizing()
        self._grown_to(3)
        self._resize(self.larger)
        if self.REVERT_NEEDS:
            self._limit(cores=2)
            assert self.CORES in self._forbidden(self._action, "revertResize")
            self._limit(cores=3)
        else:
            self._limit(cores=1)
        self._action("revertResize")
        self._wait_for_state_change(self.server, "ACTIVE")
        self._wait(lambda: self._record_holds(3, 512))

    def _record_holds(self, *size):
        record = self._record(self.server)
        assert (record.vcpus, record.memory_mb) == size

    def test_unshelved_it_counts_what_is_persisted(self):
        self._grown_to(3, 768)
        self._shelve_server(self.server)
        if self.UNSHELVE_NEEDS:
            self._limit(cores=2)
            assert self.CORES in self._forbidden(self._action, "unshelve")
            self._limit(ram=767)
            assert self.RAM in self._forbidden(self._action, "unshelve")
            self._limit(cores=3, ram=768)
        else:
            assert self._usage() == (3, 768)
            self._limit(cores=1)
        self._unshelve_server(self.server)
