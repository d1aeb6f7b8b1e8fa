# SPDX-License-Identifier: Apache-2.0
"""A flavor that is larger than a host: no candidate, as in stock Nova, however small it begins."""

import contextlib
from unittest import mock

from nova.compute.resource_tracker import ResourceTracker
from nova.scheduler.client.report import SchedulerReportClient
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api.client import OpenStackApiException

from tests.functional.base import XloudTestCase
from tests.functional.clouds import MovesTestCase, let_guests_move

KIB = 1024
CPUS, TOTAL_MB = 4, 2048
# Nova keeps 512 MiB of a host for itself.
MOST_MB = TOTAL_MB - 512


class HostsOfTwoSizes(MovesTestCase):
    """``small`` has 4 CPUs and 2 GiB, ``large`` has 10 and 16 GiB; CPUs are given four times."""

    def setUp(self):
        XloudTestCase.setUp(self)
        self.flags(instances=-1, group="quota")
        let_guests_move(self, self._migrate_domain)
        self.api.microversion = self.admin_api.microversion = "latest"
        self._start("small", CPUS, TOTAL_MB)

    def _start(self, host, cpus, memory_mb, dedicated=None):
        info = fakelibvirt.HostInfo(
            cpu_nodes=1, cpu_sockets=1, cpu_cores=10, cpu_threads=1, kB_mem=memory_mb * KIB
        )
        # The fake answers with it where libvirt has MiB.
        info.kB_mem = memory_mb
        self.flags(cpu_shared_set=f"0-{cpus - 1}", cpu_dedicated_set=dedicated, group="compute")
        self.start_compute(host, host_info=info)

    def _start_large(self, cpus=10, dedicated=None):
        self._start("large", cpus, 16384, dedicated)

    def _of(self, vcpus, memory_mb, **more):
        specs = {"minimum_cpu": 1, "minimum_memory": 512} | more
        return self._flavor(vcpus=vcpus, memory_mb=memory_mb, **specs)

    def _finds_no_host(self, flavor, **options):
        with mock.patch.object(ResourceTracker, "instance_claim", autospec=True) as tried:
            server = self._boot(flavor, expected_state="ERROR", **options)
        assert "No valid host" in server["fault"]["message"]
        tried.assert_not_called()
        assert self._usage_of("small") == (0, 0)

    def test_memory_beyond_the_hosts(self):
        self._finds_no_host(self._of(2, 4096))

    def test_memory_beyond_what_the_host_keeps_for_itself(self):
        self._finds_no_host(self._of(2, MOST_MB + 1))

    def test_vcpus_beyond_the_hosts_whatever_the_allocation_ratio(self):
        self._finds_no_host(self._of(CPUS + 1, 1024))

    def test_stock_nova_says_the_same_of_each(self):
        for size in ((2, 4096), (2, MOST_MB + 1), (CPUS + 1, 1024)):
            self._finds_no_host(self._flavor(*size))

    def test_just_as_large_as_the_host(self):
        self._boot(self._of(CPUS, MOST_MB))
        assert self._usage_of("small") == (1, 512)

    def test_the_host_is_named(self):
        self._finds_no_host(self._of(2, 4096), az="nova:small")

    def test_a_class_that_the_flavor_fixes_is_claimed_as_in_stock_nova(self):
        self._boot(self._of(2, 4096, resources__MEMORY_MB="512"))
        assert self._usage_of("small") == (1, 512)

    def test_the_one_that_is_large_enough_is_taken(self):
        self._start_large()
        for _ in range(4):
            assert self._host_of(self._boot(self._of(2, 4096))) == "large"

    def test_though_placement_names_the_small_one_only(self):
        self.flags(max_placement_results=1, group="scheduler")
        self._start_large()
        real = SchedulerReportClient.get_allocation_candidates
        small = self.compute_rp_uuids["small"]

        def by_chance_the_small_one(client, context, resources):
            limit, resources._limit = resources._limit, None
            requests, summaries, version = real(client, context, resources)
            if limit is None:
                return requests, summaries, version
            first = [request for request in requests if small in request["allocations"]]
            return first[:limit], {small: summaries[small]}, version

        with mock.patch.object(
            SchedulerReportClient, "get_allocation_candidates", by_chance_the_small_one
        ):
            assert self._host_of(self._boot(self._of(8, 1024))) == "large"

    def test_it_is_not_moved_to_a_small_one(self):
        self._start_large()
        self.server = self._boot(self._of(2, 4096))
        for move in (self._live_migrate, self._migrate_server):
            with contextlib.suppress(OpenStackApiException):
                move(self.server)
            self._stays()
        self.api.microversion = self.admin_api.microversion = "2.67"
        action = {"host": "small", "block_migration": "auto", "force": True}
        with contextlib.suppress(OpenStackApiException):
            self.admin_api.post_server_action(self.server["id"], {"os-migrateLive": action})
        self.api.microversion = self.admin_api.microversion = "latest"
        self._stays()
        assert "4096 MEMORY_MB, and the host can never give more than" in self.stdlog.logger.output

    def test_resize_on_the_same_host_to_a_too_large_flavor_is_refused(self):
        self.flags(allow_resize_to_same_host=True)
        self.server = self._boot(self._of(2, 1024))
        with contextlib.suppress(OpenStackApiException):
            self._resize_server(self.server, self._of(2, 4096))
        self._stays("small")

    def _stays(self, host="large"):
        server = self._wait_for_state_change(self.server, "ACTIVE")
        assert (server["OS-EXT-SRV-ATTR:host"], server["OS-EXT-STS:task_state"]) == (host, None)
        assert self._usage_of(host) == (1, 512)
        if host != "small":
            assert self._usage_of("small") == (0, 0)

    def test_a_host_that_is_sent_one_all_the_same_refuses_it(self):
        with mock.patch("nova_xloud.seams.candidates.never_fits", return_value=None):
            self._boot(self._of(2, 4096), expected_state="ERROR")
        assert "4096 MEMORY_MB, and the host can never give more" in self.stdlog.logger.output
        assert self._usage_of("small") == (0, 0)

    def test_dedicated_cpus_beyond_the_hosts(self):
        self._start_large(2, "2-9")
        pinned = {"hw__cpu_policy": "dedicated"}
        self._finds_no_host(self._of(9, 1024, **pinned))
        assert self._host_of(self._boot(self._of(8, 1024, **pinned))) == "large"
