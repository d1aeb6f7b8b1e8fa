# SPDX-License-Identifier: Apache-2.0
"""Servers that are older than the package, flavors that change under them, the package removed."""

from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.compute.reconcile import Reconciler
from tests.functional.base import told_of
from tests.functional.clouds import GROWN, MovesTestCase

MAXIMUM = (4, 1024)


class OlderThanThePackage(MovesTestCase):
    """Stock Nova has booted it with the maximum; the flavor had the extra specs already."""

    def setUp(self):
        super().setUp()
        self._delete_server(self.server)
        self.server = self._boot(self._flavor(), host="host1")
        instance = self._record(self.server)
        flavor = instance.flavor
        flavor.extra_specs = {"minimum_cpu": "1", "minimum_memory": "512"}
        instance.flavor = flavor
        instance.save()
        self.host = self.computes["host1"].manager.xloud

    def test_no_pass_touches_it(self):
        self.host.reconcile().join()
        self._has_all(*MAXIMUM)
        self._invariants_hold()

    def test_migrated_live_it_has_what_it_had(self):
        self._live_migrate(self.server, host="host2")
        self.computes["host2"].manager.xloud.reconcile().join()
        self._has_all(*MAXIMUM)

    def test_from_its_next_start_on_it_has_the_minimum(self):
        self._reboot_server(self.server, hard=True)
        self._has_all(1, 512)
        self._invariants_hold()

    def test_its_memory_is_adjusted_at_once_and_its_vcpus_after_a_start(self):
        self._adjust(current_memory_mb=640)
        self._has(4, 640)
        self._refused(409, "xloud.blocked.boot_vcpus", current_vcpus=2)
        self._stop_server(self.server)
        self._adjust(current_vcpus=2)
        self._start_server(self.server)
        self._has(2, 640)

    def _has_all(self, vcpus, memory_mb):
        def agree():
            self.host.reconcile().join()
            status = self._status()
            for resource, size in (("vcpus", vcpus), ("memory_mb", memory_mb)):
                numbers = told_of(status, resource, ("reserved", "actuated", "observed"))
                assert numbers == {size}, status
            record = self._record(self.server)
            assert (record.vcpus, record.memory_mb) == (vcpus, memory_mb)

        self._wait(agree)


class FlavorsThatChange(MovesTestCase):
    def _specs(self, **specs):
        flavor = self._record(self.server).flavor
        stored = objects.Flavor.get_by_flavor_id(nova_context.get_admin_context(), flavor.flavorid)
        stored.extra_specs = specs
        stored.save()
        return flavor.flavorid

    def test_a_server_keeps_the_extra_specs_that_it_was_booted_with(self):
        flavor = self._specs(minimum_cpu="2", minimum_memory="640")
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(1, 512)
        self._migrate_server(self.server)
        self._confirm_resize(self.server)
        self._has(1, 512)
        new = self._boot(flavor)
        assert self._reserved(new) == {"VCPU": 2, "MEMORY_MB": 640}

    def test_without_them_new_servers_are_stock_and_it_is_adjusted_as_before(self):
        flavor = self._specs()
        new = self._boot(flavor)
        assert self._reserved(new) == {"VCPU": 4, "MEMORY_MB": 1024}
        self._reboot_server(self.server, hard=True)
        self._has(*GROWN)
        self._shelve_server(self.server)
        self._unshelve_server(self.server)
        self._has(*GROWN)
        self._invariants_hold()


class ThePackageRemoved(MovesTestCase):
    """nova-compute is started without nova-xloud-run again, and the guest is started by it."""

    def _reboot_by_stock_nova(self):
        with mock.patch.object(
            LibvirtDriver, "_get_guest_config", LibvirtDriver._get_guest_config.__wrapped__
        ):
            self._reboot_server(self.server, hard=True)

    def test_at_its_maximum_it_holds_what_is_claimed(self):
        """What the docs say has to be done first."""
        self._adjust(current_vcpus=4, current_memory_mb=1024)
        self._has(*MAXIMUM)
        self._reboot_by_stock_nova()
        assert self._claims_on("host1") == MAXIMUM
        status = self._status()
        assert (status["vcpus"]["actuated"], status["memory_mb"]["actuated"]) == MAXIMUM
        self._invariants_hold()

    def test_below_it_the_checker_says_so(self):
        # Nor are there passes.
        with mock.patch.object(Reconciler, "run", return_value=0):
            self._reboot_by_stock_nova()
            report = self._invariants()
        found = {(one["code"], one["instance"]) for one in report["breaks"]}
        codes = ("reserved_below_held", "reserved_below_defined")
        assert found == {(code, self.server["id"]) for code in codes}, report

    def test_back_again_a_pass_claims_what_the_guest_has(self):
        self.flags(boot_grace=0, group="xloud")
        self._reboot_by_stock_nova()
        self.restart_compute_service("host1")
        self._wait(lambda: self.assertEqual(MAXIMUM[0], self._claims_on("host1")[0]))
        self._invariants_hold()
