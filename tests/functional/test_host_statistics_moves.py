# SPDX-License-Identifier: Apache-2.0
"""A host's sums between two counts: a server that moves takes out of them what it has added.

Nova counts all servers of a host anew each minute. Until then a server is in the host's sums with
the size with which it was counted last, whatever it has been adjusted to since.
"""

from unittest import mock

from nova import context as nova_context

from nova_xloud.errors import PlacementUnavailable
from nova_xloud.seams import resource_tracker
from nova_xloud.testing import Behaviour
from tests.functional.clouds import GROWN, HostsTestCase

BOOT = (1, 512)


class SumsTestCase(HostsTestCase):
    """Two hosts; on the first one a server between 1 / 512 and 4 / 1024, with its boot size."""

    def setUp(self):
        super().setUp()
        self._run_periodics()
        self._nothing = {host: self._counted(host) for host in self.hosts}
        self.server = self._elastic(host="host1")
        self._run_periodics()

    def _counted(self, host):
        node = self.computes[host].manager.rt.compute_nodes[host]
        return node.vcpus_used, node.memory_mb_used

    def _added(self, host):
        """All that servers have added to the sums of a host, and not taken out again."""
        now, before = self._counted(host), self._nothing[host]
        return now[0] - before[0], now[1] - before[1]

    def _have_added(self, host1, host2):
        assert (self._added("host1"), self._added("host2")) == (host1, host2)

    def _grow(self, server=None, **options):
        """Grow a server after it was counted."""
        self._adjust(server, current_vcpus=GROWN[0], current_memory_mb=GROWN[1], **options)
        self._has(*GROWN, server)

    def _larger(self):
        return self._flavor(vcpus=6, memory_mb=2048, minimum_cpu=2, minimum_memory=640)


class Moves(SumsTestCase):
    def test_server_that_grew_leaves_nothing_where_it_was_migrated_from(self):
        self._grow()
        self._migrate_server(self.server)
        self._have_added(BOOT, GROWN)
        self._confirm_resize(self.server)
        self._have_added((0, 0), GROWN)

    def test_server_that_shrank_leaves_nothing_where_it_was_migrated_from(self):
        self._grow()
        self._run_periodics()
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(*BOOT)
        self._migrate_server(self.server)
        self._have_added(GROWN, BOOT)
        self._confirm_resize(self.server)
        self._have_added((0, 0), BOOT)

    def test_server_that_grew_leaves_nothing_where_it_was_resized_from(self):
        self._grow()
        self._resize_server(self.server, self._larger())
        self._have_added(BOOT, (2, 640))
        self._confirm_resize(self.server)
        self._have_added((0, 0), (2, 640))

    def test_server_that_was_counted_while_it_was_resized_leaves_nothing(self):
        self._resize_server(self.server, self._larger())
        self._run_periodics()
        self._have_added(BOOT, (2, 640))
        self._confirm_resize(self.server)
        self._have_added((0, 0), (2, 640))

    def test_size_until_the_next_stop_leaves_nothing_where_it_was(self):
        self._grow(persist=False)
        self._run_periodics()
        self._have_added(GROWN, (0, 0))
        self._migrate_server(self.server)
        self._have_added(GROWN, BOOT)
        self._has(*BOOT)
        self._run_periodics()
        self._have_added(GROWN, BOOT)
        assert (self._usage_of("host1"), self._usage_of("host2")) == (GROWN, BOOT)
        self._confirm_resize(self.server)
        self._have_added((0, 0), BOOT)

    def test_server_that_grew_and_came_back_is_counted_as_it_was(self):
        self._grow()
        self._resize_server(self.server, self._larger())
        self._revert_resize(self.server)
        self._have_added(BOOT, (0, 0))
        self._delete_server(self.server)
        self._have_added((0, 0), (0, 0))

    def test_server_that_grew_after_a_migration_leaves_nothing_at_the_next(self):
        self._migrate_server(self.server)
        self._confirm_resize(self.server)
        self._grow()
        self._migrate_server(self.server)
        self._have_added(GROWN, BOOT)
        self._confirm_resize(self.server)
        self._have_added(GROWN, (0, 0))

    def test_stock_server_that_was_adjusted_leaves_nothing_where_it_was(self):
        stock = self._boot(self._flavor(vcpus=2, memory_mb=1024), host="host1")
        self._have_added((3, 1536), (0, 0))
        self._adjust(stock, current_memory_mb=512)
        self._has(2, 512, stock)
        self._migrate_server(stock)
        self._confirm_resize(stock)
        self._have_added(BOOT, (2, 512))


class PlacementIsAway(SumsTestCase):
    """Only for what the tracker asks it while it counts a move."""

    def test_servers_that_move_count_by_their_records_and_it_is_asked_once(self):
        self._grow()
        other = self._elastic(host="host1")
        for server in (self.server, other):
            self._resize_server(server, self._larger())
        asked = mock.Mock(side_effect=PlacementUnavailable("an example"))
        claims = mock.Mock(return_value=mock.Mock(read=asked))
        with (
            mock.patch.object(resource_tracker, "PlacementClaims", claims),
            self.assertLogs(resource_tracker.LOG, "WARNING") as logged,
        ):
            self.computes["host1"].manager.update_available_resource(
                nova_context.get_admin_context()
            )
        assert asked.call_count == 1
        assert self._added("host1") == (GROWN[0] + BOOT[0], GROWN[1] + BOOT[1])
        assert "could not be read" in logged.output[0]
        self._run_periodics()
        self._have_added((GROWN[0] + BOOT[0], GROWN[1] + BOOT[1]), (4, 1280))

    def test_it_is_waited_for_no_longer_than_the_option_says(self):
        self.flags(placement_timeout=3.0, group="xloud")
        with mock.patch.object(
            resource_tracker, "with_timeout", wraps=resource_tracker.with_timeout
        ) as timed:
            self._resize_server(self.server, self._larger())
        assert {call.args[1] for call in timed.call_args_list} == {3.0}


class GuestsThatHoldMore(SumsTestCase):
    boot_grace = 0

    def test_guest_that_took_memory_leaves_nothing_when_its_resize_is_reverted(self):
        self._resize_server(self.server, self._larger())
        self.guests.domain(self.server["id"]).behaviour = Behaviour.NO_BALLOON_DRIVER

        def has_all():
            self.computes["host2"].manager.xloud.reconcile().join()
            assert self._claims_on("host2") == (2, 2048)
            assert self._record(self.server).memory_mb == 2048

        self._wait(has_all)
        self._run_periodics()
        self._have_added(BOOT, (2, 2048))
        self._revert_resize(self.server)
        self._have_added(BOOT, (0, 0))

    def test_live_migration_with_numa_counts_what_the_guest_did_not_give_back(self):
        server = self._boot(
            self._flavor(minimum_cpu=1, minimum_memory=512, hw__mem_page_size="small"),
            host="host1",
        )
        self._grow(server)
        self.guests.domain(server["id"]).behaviour = Behaviour.REFUSES
        self._adjust(server, current_memory_mb=512)
        self._wait(lambda: self.assertIn("GuestRefused", self._conditions(server)))
        arrived = []
        self._while_it_migrates = lambda: arrived.append(self._added("host2"))
        self._live_migrate(server, host="host2")
        assert arrived == [GROWN]

    def _conditions(self, server):
        return [one["type"] for one in self._status(server)["conditions"]]


class MovesOfAnotherKind(SumsTestCase):
    def test_live_migration_counts_the_source_anew(self):
        self._grow()
        self._live_migrate(self.server, host="host2")
        self._have_added((0, 0), (0, 0))
        self._run_periodics()
        self._have_added((0, 0), GROWN)

    def test_server_that_was_not_counted_where_it_went_takes_nothing_out(self):
        self._grow()
        self._live_migrate(self.server, host="host2")
        self._migrate_server(self.server)
        self._have_added(GROWN, (0, 0))
        self._confirm_resize(self.server)
        self._have_added(GROWN, (0, 0))

    def test_server_that_went_and_came_back_uncounted_takes_nothing_out(self):
        self._grow()
        self._live_migrate(self.server, host="host2")
        self._live_migrate(self.server, host="host1")
        self._have_added((0, 0), (0, 0))
        self._migrate_server(self.server)
        self._confirm_resize(self.server)
        self._have_added((0, 0), GROWN)

    def test_failed_live_migration_with_numa_leaves_nothing(self):
        server = self._boot(
            self._flavor(minimum_cpu=1, minimum_memory=512, hw__mem_page_size="small"),
            host="host1",
        )
        self._grow(server)
        self.migration_fails = True
        self._live_migrate(server, migration_expected_state="failed", host="host2")
        assert self._added("host2") == (0, 0)
        assert self._added("host1") == (2, 1024)

    def test_evacuated_server_that_grew_leaves_nothing_at_its_next_migration(self):
        self._grow()
        self._goes_down("host1")
        self._evacuate_server(self.server, expected_host="host2")
        assert self._added("host2") == GROWN
        self.restart_compute_service("host1")
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], False)
        self._start_server(self.server)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(*BOOT)
        self._migrate_server(self.server)
        self._have_added(BOOT, GROWN)
        self._confirm_resize(self.server)
        self._have_added(BOOT, (0, 0))

    def test_server_that_grew_leaves_nothing_where_it_was_shelved(self):
        self._grow()
        self._shelve_server(self.server)
        self._have_added((0, 0), (0, 0))
        self._unshelve_server(self.server)
        added = {self._added(host) for host in self.hosts}
        assert added == {(0, 0), GROWN}
