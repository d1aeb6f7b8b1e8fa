# SPDX-License-Identifier: Apache-2.0
"""What a host is said to have left, and what is said of a server: what it holds, or its flavor."""

import datetime
from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.compute import claims
from nova.tests.functional.api.client import OpenStackApiException
from oslo_utils.fixture import uuidsentinel as uuids

from tests.functional.clouds import GROWN, MovesTestCase

RESERVED_MB = 512


class HostStatistics(MovesTestCase):
    def setUp(self):
        super().setUp()
        self.stock = self._boot(self._flavor(vcpus=2, memory_mb=256), host="host2")

    def _hypervisor(self, host):
        self._run_periodics()
        self.admin_api.microversion = "2.87"
        (found,) = [
            h
            for h in self.admin_api.api_get("/os-hypervisors/detail").body["hypervisors"]
            if h["hypervisor_hostname"] == host
        ]
        return found["vcpus_used"], found["memory_mb_used"] - RESERVED_MB

    def test_hypervisors_have_used_what_instances_hold(self):
        assert self._hypervisor("host1") == GROWN
        assert self._hypervisor("host2") == (2, 256)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(1, 512)
        assert self._hypervisor("host1") == (1, 512)

    def _in_the_sums(self):
        """What the tracker's sums have now; they are made anew every minute only."""
        (node,) = self.computes["host1"].manager.rt.compute_nodes.values()
        return node.vcpus_used, node.memory_mb_used

    def test_one_that_grew_leaves_the_sums_as_it_entered_them(self):
        before = self._in_the_sums()
        server = self._elastic(host="host1")
        self._adjust(server, current_vcpus=3, current_memory_mb=768)
        self._has(3, 768, server)
        self._delete_server(server)
        assert self._in_the_sums() == before

    def test_one_that_shrank_leaves_the_sums_as_it_entered_them(self):
        self._run_periodics()
        before = self._in_the_sums()
        server = self._elastic(host="host1")
        self._adjust(server, current_vcpus=3, current_memory_mb=768)
        self._has(3, 768, server)
        self._run_periodics()
        assert self._in_the_sums() == (before[0] + 3, before[1] + 768)
        self._adjust(server, current_vcpus=1, current_memory_mb=512)
        self._has(1, 512, server)
        self._delete_server(server)
        assert self._in_the_sums() == before

    def test_one_that_was_not_elastic_leaves_the_sums_as_it_entered_them(self):
        self._run_periodics()
        before = self._in_the_sums()
        server = self._boot(self._flavor(vcpus=2, memory_mb=1024), host="host1")
        assert self._in_the_sums() == (before[0] + 2, before[1] + 1024)
        self._adjust(server, current_memory_mb=512)
        self._has(2, 512, server)
        self._delete_server(server)
        assert self._in_the_sums() == before

    def test_what_one_was_counted_with_is_forgotten_once_it_has_left(self):
        tracker = self.computes["host1"].manager.rt
        self._run_periodics()
        assert self.server["id"] in {uuid for uuid, _ in tracker._counted}
        self._resize_server(self.server, self._flavor(vcpus=6, memory_mb=2048))
        self._confirm_resize(self.server)
        assert self._host_of(self.server) == "host2"
        other = self._elastic(host="host1")
        self._run_periodics()
        assert {uuid for uuid, _ in tracker._counted} == {other["id"]}

    def test_the_sum_over_all_hypervisors(self):
        self._run_periodics()
        self.admin_api.microversion = "2.87"
        told = self.admin_api.api_get("/os-hypervisors/statistics").body["hypervisor_statistics"]
        used = told["vcpus_used"], told["memory_mb_used"] - 2 * RESERVED_MB
        assert used == (GROWN[0] + 2, GROWN[1] + 256)

    def test_while_it_is_resized_both_hosts_have_it_as_it_is_there(self):
        larger = self._flavor(vcpus=6, memory_mb=2048, minimum_cpu=2, minimum_memory=640)
        self._resize_server(self.server, larger)
        assert self._hypervisor("host1") == GROWN
        assert self._hypervisor("host2") == (2 + 2, 640 + 256)
        self._revert_resize(self.server)
        assert self._hypervisor("host1") == GROWN
        assert self._hypervisor("host2") == (2, 256)

    def test_the_scheduler_weighs_hosts_by_what_instances_hold(self):
        self._run_periodics()
        context = nova_context.get_admin_context()
        spec = objects.RequestSpec(flavor=self._record(self.server).flavor, instance_uuid=uuids.new)
        states = self.scheduler.manager.host_manager.get_host_states_by_uuids(
            context, list(self.compute_rp_uuids.values()), spec
        )
        seen = {s.host: s for s in states}
        total = seen["host1"].total_usable_ram_mb
        assert seen["host1"].free_ram_mb == total - RESERVED_MB - GROWN[1]
        assert (seen["host1"].vcpus_used, seen["host2"].vcpus_used) == (3, 2)
        # And with what a new one is going to hold.
        assert (spec.vcpus, spec.memory_mb) == (1, 512)

    def test_among_equals_the_one_that_holds_less_is_chosen(self):
        # Both hosts are alike; of stock sizes host1's server would weigh 1024 MiB.
        self._adjust(current_memory_mb=512)
        self._has(3, 512)
        big = self._boot(self._flavor(vcpus=1, memory_mb=768 - 256), host="host2")
        assert self._host_of(big) == "host2"
        self._run_periodics()
        new = self._boot(self._flavor(vcpus=1, memory_mb=64))
        assert self._host_of(new) == "host1"

    def test_os_hosts_of_old_clients_too(self):
        self.admin_api.microversion = "2.42"
        resources = self.admin_api.api_get("/os-hosts/host1").body["host"]
        rows = {row["resource"]["project"]: row["resource"] for row in resources}
        assert (rows["(used_max)"]["cpu"], rows["(used_max)"]["memory_mb"]) == GROWN

    def test_a_server_is_shown_with_its_flavor(self):
        shown = self.admin_api.get_server(self.server["id"])["flavor"]
        assert (shown["vcpus"], shown["ram"]) == (4, 1024)

    def test_what_a_claim_says_in_the_log_is_what_is_held(self):
        seen = []
        init = claims.Claim.__init__

        def spy(claim, context, instance, *args, **kwargs):
            init(claim, context, instance, *args, **kwargs)
            seen.append((instance.vcpus, instance.memory_mb))

        with mock.patch.object(claims.Claim, "__init__", spy):
            self._elastic(host="host1")
        assert seen == [(1, 512)]


class UsageReports(MovesTestCase):
    def _usage(self):
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        tenant = self.admin_api.get_server(self.server["id"])["tenant_id"]
        url = f"/os-simple-tenant-usage/{tenant}?end={end:%Y-%m-%dT%H:%M:%S}"
        self.admin_api.microversion = "2.1"

        def rows():
            usage = self.admin_api.api_get(url).body["tenant_usage"]
            # A list of all cells may be without one that does not answer in time.
            assert usage, "no usage yet"
            return usage["server_usages"]

        try:
            (row,) = self._wait(rows)
        except AssertionError as error:
            # A witness takes that for what it looks for.
            raise LookupError(str(error)) from error
        return row["vcpus"], row["memory_mb"]

    def _exists(self):
        from nova.compute import utils

        manager = self.computes["host1"].manager
        sent = []
        notifier = mock.Mock(info=lambda context, event, payload: sent.append(payload))
        utils.notify_about_instance_usage(
            notifier, nova_context.get_admin_context(), self._record(self.server), "exists"
        )
        assert manager.host == "host1"
        return sent[0]["vcpus"], sent[0]["memory_mb"]

    def _updated(self):
        self.flags(notify_on_state_change="vm_state", group="notifications")
        self.notifier.reset()
        self.admin_api.put_server(self.server["id"], {"server": {"name": "renamed"}})
        (sent,) = [
            n.payload
            for n in self.notifier.notifications
            if n.event_type == "compute.instance.update"
        ]
        return sent["vcpus"], sent["memory_mb"]

    def test_are_of_the_flavor_as_ever(self):
        assert self._usage() == (4, 1024)
        assert self._exists() == (4, 1024)
        assert self._updated() == (4, 1024)

    def test_are_of_what_is_held_if_an_operator_wants_that(self):
        self.flags(usage_reports="held", group="xloud")
        assert self._usage() == GROWN
        assert self._exists() == GROWN
        assert self._updated() == GROWN


class Images(MovesTestCase):
    def _image(self, min_ram, **properties):
        image = self.glance.show(None, "155d900f-4e14-4e4c-a73d-069cbf4541e6")
        fresh = {**image, "id": "11111111-2222-4333-8444-555555555555", "min_ram": min_ram}
        fresh["properties"] = {**image["properties"], **properties}
        return self.glance.create(None, fresh)["id"]

    def test_image_with_min_ram_above_the_boot_size_is_refused(self):
        image = self._image(600)
        error = self.assertRaises(OpenStackApiException, self._elastic, image_uuid=image)
        assert error.response.status_code == 400
        assert "512 MiB" in error.response.text
        assert "min_ram is 600" in error.response.text
        error = self.assertRaises(OpenStackApiException, self._rebuild_server, self.server, image)
        assert error.response.status_code == 400

    def test_rebuild_of_a_small_server_with_a_memory_locking_image_is_refused(self):
        image = self._image(0, hw_locked_memory="true")
        flavor = self._flavor(hw__mem_page_size="small", minimum_memory=512)
        server = self._boot(flavor, host="host1")
        error = self.assertRaises(OpenStackApiException, self._rebuild_server, server, image)
        assert error.response.status_code == 400
        assert "locked memory" in error.response.text
        assert "maximum of 1024" in error.response.text
        self._adjust(server, current_memory_mb=1024)
        self._has(4, 1024, server)
        self._rebuild_server(server, image)
        assert self._reserved(server)["MEMORY_MB"] == 1024

    def test_image_with_min_ram_of_the_boot_size_boots(self):
        server = self._elastic(image_uuid=self._image(512))
        assert self._reserved(server)["MEMORY_MB"] == 512

    def test_below_what_it_needs_no_server_is_adjusted(self):
        server = self._boot(self._flavor(), image_uuid=self._image(600))
        text = self._refused_of(server, current_memory_mb=599)
        assert "minimum of 600" in text

    def _refused_of(self, server, **body):
        error = self.assertRaises(OpenStackApiException, self._adjust, server, **body)
        assert error.response.status_code == 400
        return error.response.text
