# SPDX-License-Identifier: Apache-2.0
"""Moves between hosts: what is claimed on the target, and what the server has afterwards."""

import contextlib

from lxml import etree
from nova.tests.functional.api.client import OpenStackApiException

from nova_xloud.libvirt.guest_xml import stats_period
from nova_xloud.testing import Behaviour
from nova_xloud.testing.fake_virdomain import XML_INACTIVE
from tests.functional.clouds import GROWN, MovesTestCase


class LiveMigration(MovesTestCase):
    def test_the_live_size_is_claimed_on_the_target_before_it_starts(self):
        seen = []
        self._while_it_migrates = lambda: seen.append(
            (self._claims_on("host2"), self._usage_of("host1"))
        )
        self._live_migrate(self.server, host="host2")
        assert seen == [(GROWN, GROWN)]
        assert self._host_of() == "host2"
        self._has(*GROWN)
        self._wait(lambda: self.assertEqual((0, 0), self._usage_of("host1")))
        self._invariants_hold()

    def test_afterwards_it_is_grown_and_shrunk_as_before(self):
        self._live_migrate(self.server, host="host2")
        self._adjust(current_vcpus=4, current_memory_mb=1024)
        self._has(4, 1024)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(1, 512)
        self._live_migrate(self.server, host="host1")
        self._has(1, 512)
        self._invariants_hold()

    def test_a_size_that_is_not_persisted_goes_with_it(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(4, 1024)
        self._live_migrate(self.server)
        assert self._claims_on("host2") == (4, 1024)
        self._has(4, 1024)
        self._stop_server(self.server)
        self._wait(lambda: self.assertEqual(GROWN, self._claims_on("host2")))
        self._start_server(self.server)
        self._has(*GROWN)

    def test_it_has_no_grace_of_a_guest_that_boots(self):
        self._live_migrate(self.server, host="host2")
        manager = self.computes["host2"].manager
        connection = manager.driver._host.get_connection()
        boot_id = connection.lookupByUUIDString(self.server["id"]).ID()
        assert not manager._boot_grace.booting(self.server["id"], boot_id)

    def test_failed_live_migration_keeps_the_claim_on_the_source(self):
        self.migration_fails = True
        self._live_migrate(self.server, migration_expected_state="failed", host="host2")
        assert self._host_of() == "host1"
        self._wait(lambda: self.assertEqual((0, 0), self._usage_of("host2")))
        self._has(*GROWN)
        self._invariants_hold()

    def test_no_room_for_the_live_size_is_no_valid_host(self):
        others = self._leave_memory("host2", 700)
        # Casts are calls in Nova's functional tests, and NoValidHost is not for the API's users.
        self.assertRaises(OpenStackApiException, self._live_migrate, self.server)
        self._wait_for_migration_status(self.server, ["error"])
        assert self._usage_of("host2") == others
        self._has(*GROWN)

    def test_forced_it_claims_the_same(self):
        self.api.microversion = "2.67"
        self.admin_api.post_server_action(
            self.server["id"],
            {"os-migrateLive": {"host": "host2", "block_migration": "auto", "force": True}},
        )
        self._wait_for_migration_status(self.server, ["completed"])
        assert self._claims_on("host2") == GROWN
        self._has(*GROWN)

    def test_forced_move_is_refused_by_a_host_without_the_memory_it_holds(self):
        # Nova compares with the instance's own column, in its own words.
        node = self.computes["host2"].manager.rt.compute_nodes["host2"]
        node.free_ram_mb = 700
        node.save()
        self.api.microversion = "2.67"
        self.assertRaises(
            OpenStackApiException,
            self.admin_api.post_server_action,
            self.server["id"],
            {"os-migrateLive": {"host": "host2", "block_migration": "auto", "force": True}},
        )
        assert "Lack of memory(host:700.0 <= instance:768)" in self.stdlog.logger.output


class AskedOften(MovesTestCase):
    stats_period = 10

    def test_one_that_is_asked_often_is_asked_as_usual_where_it_went(self):
        self.guests.domain(self.server["id"]).set_statistics_period(1)
        self._live_migrate(self.server, host="host2")
        connection = self.computes["host2"].manager.driver._host.get_connection()
        domain = connection.lookupByUUIDString(self.server["id"])
        # What was set live is what it is defined as there.
        assert stats_period(etree.fromstring(domain.XMLDesc(XML_INACTIVE))) == 1

        def is_asked_as_usual():
            # The pass after the migration may come too early on a busy machine; others follow.
            self.computes["host2"].manager.xloud.reconcile().join()
            self.assertEqual(10, stats_period(etree.fromstring(domain.XMLDesc(0))))

        self._wait(is_asked_as_usual)


class ColdMigration(MovesTestCase):
    def test_the_persisted_size_is_claimed_and_is_what_it_starts_with(self):
        self._migrate_server(self.server)
        assert self._host_of() == "host2"
        assert self._claims_on("host2") == GROWN
        assert self._usage_of("host1") == GROWN
        self._confirm_resize(self.server)
        self._has(*GROWN)
        assert self._usage_of("host1") == (0, 0)
        self._invariants_hold()

    def test_a_size_that_is_not_persisted_ends_with_it(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(4, 1024)
        self._migrate_server(self.server)
        assert self._claims_on("host2") == GROWN
        self._confirm_resize(self.server)
        self._has(*GROWN)
        self._invariants_hold()

    def test_reverted_it_has_what_it_had(self):
        self._migrate_server(self.server)
        self._revert_resize(self.server)
        assert self._host_of() == "host1"
        self._has(*GROWN)
        assert self._usage_of("host2") == (0, 0)
        self._invariants_hold()

    def test_no_room_for_the_persisted_size_is_no_valid_host(self):
        self._does_not_go(others=self._leave_memory("host2", 700))

    def test_to_a_host_that_cannot_balloon_any_more_it_does_not_go(self):
        # The scheduler does not know it yet.
        self.flags(mem_stats_period_seconds=0, group="libvirt")
        self._does_not_go()

    def _does_not_go(self, others=(0, 0)):
        with contextlib.suppress(OpenStackApiException):
            self.admin_api.post_server_action(self.server["id"], {"migrate": None})
        self._wait_for_migration_status(self.server, ["error", "finished"])
        assert self._host_of() == "host1"
        assert self._usage_of("host2") == others

    def test_to_another_host_when_the_first_refuses(self):
        self.start_compute("host3")
        refused = []
        for host in ("host2", "host3"):
            tracker = self.computes[host].manager.rt
            claim = tracker._move_claim

            def once(*args, _claim=claim, _host=host, **kwargs):
                if not refused:
                    refused.append(_host)
                    from nova import exception

                    raise exception.ComputeResourcesUnavailable(reason="the first is always full")
                return _claim(*args, **kwargs)

            tracker._move_claim = once
        self._migrate_server(self.server)
        assert self._host_of() not in ("host1", *refused)
        assert self._claims_on(self._host_of()) == GROWN
        assert self._usage_of(refused[0]) == (0, 0)
        self._confirm_resize(self.server)
        self._has(*GROWN)


class Resize(MovesTestCase):
    def setUp(self):
        super().setUp()
        self.larger = self._flavor(vcpus=6, memory_mb=2048, minimum_cpu=2, minimum_memory=640)

    def test_to_the_new_flavors_minimum(self):
        self._resize_server(self.server, self.larger)
        assert self._claims_on("host2") == (2, 640)
        record = self._record(self.server)
        assert (record.vcpus, record.memory_mb) == (2, 640)
        assert self._usage_of("host1") == GROWN
        self._confirm_resize(self.server)
        self._has(2, 640)
        assert self._usage_of("host1") == (0, 0)
        self._adjust(current_vcpus=6, current_memory_mb=2048)
        self._has(6, 2048)
        self._invariants_hold()

    def test_reverted_it_has_what_it_held_before(self):
        self._resize_server(self.server, self.larger)
        self._revert_resize(self.server)
        self._has(*GROWN)
        assert self._usage_of("host2") == (0, 0)
        self._invariants_hold()

    def test_back_to_the_first_flavor_it_has_its_minimum(self):
        self._resize_server(self.server, self.larger)
        self._confirm_resize(self.server)
        self._adjust(current_vcpus=5)
        self._has(5, 640)
        first = self.api.get_flavors()
        small = next(f["id"] for f in first if f["id"] not in (self.larger,) and self._is_small(f))
        self._resize_server(self.server, small)
        assert self._claims_on(self._host_of()) == (1, 512)
        self._confirm_resize(self.server)
        self._has(1, 512)
        self._invariants_hold()

    def _is_small(self, flavor):
        specs = self.admin_api.api_get(f"/flavors/{flavor['id']}/os-extra_specs").body
        return specs["extra_specs"].get("minimum_memory") == "512"

    def test_to_a_stock_flavor_and_back(self):
        stock = self._flavor(vcpus=2, memory_mb=512)
        self._resize_server(self.server, stock)
        assert self._claims_on("host2") == (2, 512)
        self._revert_resize(self.server)
        self._has(*GROWN)
        self._resize_server(self.server, stock)
        self._confirm_resize(self.server)
        self._has(2, 512)
        self._invariants_hold()

    def test_on_the_same_host_both_are_claimed_until_it_is_confirmed(self):
        self.flags(allow_resize_to_same_host=True)
        self._disable("host2")
        self._resize_server(self.server, self.larger)
        assert self._host_of() == "host1"
        assert self._usage_of("host1") == (5, 1408)
        # Not what is in the guest: here all hosts have one CONF.host, and what Nova cleans up on
        # another host than the instance's it cleans up on this one.
        self._confirm_resize(self.server)
        assert self._usage_of("host1") == (2, 640)

    def _disable(self, host):
        (service,) = self.admin_api.get_services(host=host, binary="nova-compute")
        self.admin_api.put_service(service["id"], {"status": "disabled"})


class GuestsThatDoAsTheyLike(MovesTestCase):
    boot_grace = 0

    def test_what_its_guest_did_not_give_back_is_claimed_too(self):
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        self._adjust(current_memory_mb=512)
        self._failed("xloud.guest_refused")
        assert self._claims_on("host1") == GROWN
        self._live_migrate(self.server, host="host2")
        assert self._claims_on("host2") == GROWN
        self._invariants_hold()

    def test_what_a_pass_notes_before_it_is_reverted_is_not_what_it_held(self):
        larger = self._flavor(vcpus=6, memory_mb=2048, minimum_cpu=2, minimum_memory=640)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.NO_BALLOON_DRIVER
        self._resize_server(self.server, larger)
        host = self.computes["host2"].manager.xloud

        def is_claimed_and_noted():
            host.reconcile().join()
            assert self._claims_on("host2") == (2, 2048)
            metadata = self._record(self.server).system_metadata
            assert "xloud_condition_BalloonNotEffective" in metadata

        self._wait(is_claimed_and_noted)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.COOPERATIVE
        self._revert_resize(self.server)
        self._has(*GROWN)


class Evacuate(MovesTestCase):
    def test_the_persisted_size(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(4, 1024)
        self._goes_down("host1")
        self._evacuate_server(self.server, expected_host="host2")
        assert self._claims_on("host2") == GROWN
        # Whoever comes back there may still find it running.
        assert self._claims_on("host1") == (4, 1024)
        self._start_server(self.server)
        self._wait(lambda: self.assertEqual(GROWN, self._guest_has()))
        assert self._claims_on("host2") == GROWN

    def _guest_has(self):
        guest = self.guests.domain(self.server["id"])
        status = self._status()
        assert guest.active
        return status["vcpus"]["actuated"], status["memory_mb"]["actuated"]

    def test_no_room_for_it_is_no_valid_host(self):
        others = self._leave_memory("host2", 700)
        self._goes_down("host1")
        self.assertRaises(OpenStackApiException, self._evacuate_server, self.server)
        assert self._usage_of("host2") == others
        assert self._claims_on("host1") == GROWN


class Shelve(MovesTestCase):
    def test_unshelved_it_has_the_persisted_size(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(4, 1024)
        self._shelve_server(self.server)
        assert self._usage_of("host1") == (0, 0)
        status = self._status()
        assert status["source"] == "database"
        assert [status[name]["reserved"] for name in ("vcpus", "memory_mb")] == [0, 0]
        self._unshelve_server(self.server)
        assert self._claims_on(self._host_of()) == GROWN
        self._has(*GROWN)
        self._invariants_hold()

    def test_not_offloaded_it_keeps_its_claim(self):
        self.flags(shelved_offload_time=-1)
        self._shelve_server(self.server, expected_state="SHELVED")
        assert self._usage_of("host1") == GROWN
        self._unshelve_server(self.server)
        self._has(*GROWN)
        self._invariants_hold()


class Delete(MovesTestCase):
    def test_nothing_is_left_after_a_resize_was_not_confirmed(self):
        self._migrate_server(self.server)
        self._delete_server(self.server)
        for host in self.hosts:
            assert self._usage_of(host) == (0, 0)
        self._invariants_hold()
