# SPDX-License-Identifier: Apache-2.0
"""A cloud that is being upgraded: hosts with nova-xloud, without it, and with an older one."""

import functools
from unittest import mock

import oslo_messaging as messaging
from nova.tests.functional.api.client import OpenStackApiException
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.core.sizing.traits import TRAITS
from nova_xloud.rpc.about import AboutEndpoint
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.rpc.versions import FIRST, NAMESPACE
from tests.functional.clouds import GROWN, MovesTestCase


class SomeHostsAreStock(MovesTestCase):
    """host2 runs without nova-xloud: it would start every guest with its maximum."""

    def start_compute(self, hostname="compute1", **kwargs):
        if hostname != "host2":
            return super().start_compute(hostname, **kwargs)
        stock = mock.patch.object(
            LibvirtDriver, "update_provider_tree", LibvirtDriver.update_provider_tree.__wrapped__
        )
        with stock:
            name = super().start_compute(hostname, **kwargs)
        driver = self.computes[name].driver
        driver.update_provider_tree = functools.partial(
            LibvirtDriver.update_provider_tree.__wrapped__, driver
        )
        return name

    def _is_refused(self, call, *args, **kwargs):
        self.assertRaises(OpenStackApiException, call, *args, **kwargs)
        assert self._usage_of("host2") == (0, 0)

    def test_a_host_says_what_it_can_do(self):
        assert set(TRAITS) <= set(self._get_provider_traits(self.compute_rp_uuids["host1"]))
        assert not set(TRAITS) & set(self._get_provider_traits(self.compute_rp_uuids["host2"]))

    def test_a_server_below_its_maximum_does_not_go_there(self):
        for _ in range(3):
            assert self._host_of(self._elastic()) == "host1"
        self._leave_memory("host1", GROWN[1] + 3 * 512 + 100)
        self._boot(self._flavor(minimum_cpu=1, minimum_memory=512), expected_state="ERROR")
        assert self._usage_of("host2") == (0, 0)

    def test_server_below_its_maximum_does_not_move_to_a_stock_host(self):
        self._is_refused(self._live_migrate, self.server)
        self._is_refused(self._migrate_server, self.server)
        self._has(*GROWN)

    def _force(self, action, **more):
        # Since 2.68 nothing is forced.
        self.api.microversion = self.admin_api.microversion = "2.67"
        body = {action: {"host": "host2", "force": True, **more}}
        return self.admin_api.post_server_action(self.server["id"], body)

    def _is_as_it_was(self):
        self.api.microversion = self.admin_api.microversion = "latest"
        server = self.admin_api.get_server(self.server["id"])
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        assert (self._host_of(), self._claims_on("host1")) == ("host1", GROWN)
        assert self._usage_of("host1") == GROWN
        assert "no trait CUSTOM_XLOUD_VCPUS and CUSTOM_XLOUD_MEMORY" in self.stdlog.logger.output

    def test_forced_live_migration_to_a_stock_host_is_refused(self):
        self._is_refused(self._force, "os-migrateLive", block_migration="auto")
        self._wait_for_migration_status(self.server, ["error"])
        self._is_as_it_was()
        self._has(*GROWN)
        self._adjust(current_vcpus=4, current_memory_mb=1024)
        self._has(4, 1024)
        self._force("os-migrateLive", block_migration="auto")
        self._wait_for_migration_status(self.server, ["completed"])
        assert self._claims_on("host2") == (4, 1024)

    def test_forced_evacuation_to_a_stock_host_is_refused(self):
        self._goes_down("host1")
        # Or nothing would come back from the other.
        self.computes["host2"].manager.rebuild_instance = mock.Mock(side_effect=AssertionError)
        self._is_refused(self._force, "evacuate")
        self._wait_for_migration_status(self.server, ["error"])
        self._is_as_it_was()

    def test_a_stock_server_is_forced_there_and_no_trait_is_asked_for(self):
        self.server = self._boot(self._flavor(), host="host1")
        ask = "nova.scheduler.client.report.SchedulerReportClient.get_provider_traits"
        with mock.patch(ask, side_effect=AssertionError("stock")):
            self._force("os-migrateLive", block_migration="auto")
            self._wait_for_migration_status(self.server, ["completed"])
        assert self._host_of() == "host2"

    def test_at_its_maximum_it_may(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024)
        self._has(4, 1024)
        self._live_migrate(self.server)
        assert (self._host_of(), self._claims_on("host2")) == ("host2", (4, 1024))

    def test_servers_of_stock_flavors_go_anywhere(self):
        for host in ("host1", "host2"):
            server = self._boot(self._flavor(vcpus=1, memory_mb=64), host=host)
            assert self._host_of(server) == host

    def test_a_host_that_can_balloon_no_more_loses_the_trait(self):
        self.flags(mem_stats_period_seconds=0, group="libvirt")
        self._run_periodics()
        traits = self._get_provider_traits(self.compute_rp_uuids["host1"])
        assert set(TRAITS) & set(traits) == {"CUSTOM_XLOUD_VCPUS"}
        server = self._boot(self._flavor(minimum_cpu=1))
        assert self._host_of(server) == "host1"
        self._boot(self._flavor(minimum_memory=512), expected_state="ERROR")

    def test_host_without_balloon_refuses_a_server_scheduled_with_old_traits(self):
        self.flags(mem_stats_period_seconds=0, group="libvirt")
        self._boot(self._flavor(minimum_memory=512), expected_state="ERROR")
        assert self._usage_of("host1") == GROWN


class AComputeWithTheFirstVersion(MovesTestCase):
    """It serves what it knows, and is not sent what it does not."""

    hosts = ("host1",)

    def setUp(self):
        first = messaging.Target(namespace=NAMESPACE, version=FIRST)
        for endpoint in (XloudEndpoint, AboutEndpoint):
            patched = mock.patch.object(endpoint, "target", first)
            patched.start()
            self.addCleanup(patched.stop)
        super().setUp()

    def test_a_plain_adjustment_works(self):
        self._adjust(current_vcpus=2)
        self._has(2, GROWN[1])

    def test_growth_on_an_older_host_checks_the_quota_once(self):
        self.flags(cores=4, ram=-1, group="quota")
        self._adjust(current_vcpus=4)
        self._has(4, GROWN[1])

    def test_what_came_later_is_refused_by_its_name_and_changes_nothing(self):
        for more in ({"force": True}, {"dry_run": True}):
            text = self._refused(409, "xloud.host_unsupported", current_vcpus=4, **more)
            assert "1.1" in text
        self._has(*GROWN)


class CappedRPC(MovesTestCase):
    """``[upgrade_levels] xloud``: what is later is not even sent."""

    hosts = ("host1",)

    def start_compute(self, *args, **kwargs):
        # Before the API makes its client, which is when it is first asked.
        self.flags(xloud=FIRST, group="upgrade_levels")
        return super().start_compute(*args, **kwargs)

    def test_what_needs_no_more_is_sent(self):
        self._adjust(current_vcpus=2)
        self._has(2, GROWN[1])

    def test_what_is_later_is_refused_with_the_option_and_not_sent(self):
        for more in ({"force": True}, {"dry_run": True}):
            text = self._refused(409, "xloud.host_unsupported", current_vcpus=4, **more)
            assert "[upgrade_levels] xloud" in text
        self._has(*GROWN)
