# SPDX-License-Identifier: Apache-2.0
"""Servers grow by themselves: from REST to the guest, with the quota and the mode's three sources.

A server here is between 1 / 512 and 4 / 1024. Its guest is a fake that uses what a test says.
"""

import tempfile
from pathlib import Path

import fixtures
from nova import context as nova_context
from nova import objects

from nova_xloud.compute.autoscaling.journal import CURRENT, read
from nova_xloud.core.autoscaling.journal import Entry
from nova_xloud.core.autoscaling.replay import replayed
from nova_xloud.testing.load import GuestLoad
from tests.functional.base import AdjustTestCase
from tests.functional.quota_case import TENANT, QuotaTestCase

_boot_of_a_guest = GuestLoad.boot


def _booted_long_ago(load):
    _boot_of_a_guest(load)
    load.earlier = 3600.0


class Scaled(AdjustTestCase):
    """The rounds of a host are a second apart."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        # What a new guest uses counts as its boot for a while.
        self.useFixture(fixtures.MockPatchObject(GuestLoad, "boot", _booted_long_ago))
        super().setUp()

    def start_compute(self, *args, **kwargs):
        self.flags(autoscale_interval=1.0, autoscale_journal=self.folder, group="xloud")
        return super().start_compute(*args, **kwargs)

    def _scaled(self, server=None):
        return self._status(server)["autoscale"]

    def _busy(self, vcpus=4.0, server=None):
        self.guests.domain((server or self.server)["id"]).work(vcpus)

    def _recommended(self, vcpus):
        def recommended():
            told = self._scaled()
            assert (told["recommendation"] or {}).get("vcpus") == vcpus, told

        self._wait(recommended)

    def _deferred(self, code):
        def deferred():
            found = {one["type"]: one["reason"] for one in self._status()["conditions"]}
            assert found.get("GrowthDeferred") == code, found

        self._wait(deferred)


class GrowsByItself(Scaled):
    def test_busy_server_grows_to_its_maximum_and_says_why(self):
        self._has(1, 512)
        self._busy()
        self._adjust(autoscale="on")
        self._has(4, 512)
        told = self._scaled()
        assert (told["mode"], told["requested"], told["profile"]) == ("on", "on", "balanced")
        assert told["age_seconds"] is not None
        assert {one["resource"] for one in told["reasons"]} == {"vcpus", "memory_mb"}
        # The request for the mode is one action, and all changes of the day are another.
        by = [one["user_id"] for one in self._events("xloud_adjust")]
        assert (len(by), by[0]) == (2, "autoscale")
        assert by[1] != "autoscale"
        self._wait(
            lambda: self.assertEqual(
                {"Success"},
                {
                    event["result"]
                    for one in self._events("xloud_adjust")
                    for event in one["events"]
                },
            )
        )

    def test_decisions_are_in_the_journal_and_replay_to_the_same(self):
        self._has(1, 512)
        self._adjust(autoscale="on")
        self._busy()
        self._has(4, 512)
        for host in self.computes.values():
            host.manager.xloud.close()
        records = list(read(Path(self.folder) / CURRENT))
        entries = [one for one in records if isinstance(one, Entry)]
        assert {one.uuid for one in entries} == {self.server["id"]}
        assert "grow" in {one.action.partition(".")[0] for one in entries}
        assert list(replayed(records)) == entries

    def test_observe_recommends_and_changes_nothing(self):
        self._has(1, 512)
        self._busy()
        self._adjust(autoscale="observe")
        self._recommended(2)
        self._has(1, 512)
        assert len(self._events("xloud_adjust")) == 1

    def test_off_ends_it_with_one_request(self):
        self._adjust(autoscale="on")
        self._recommended(1)
        self._adjust(autoscale="off")
        assert self._scaled()["mode"] == "off"
        assert self._scaled()["recommendation"] is None
        self._busy()
        rounds = self.computes["host1"].manager.xloud._scaling.rounds
        self._wait(lambda: self.assertFalse(rounds.has_work))
        self._has(1, 512)

    def test_size_that_a_person_asks_for_stands(self):
        self._adjust(autoscale="on", current_vcpus=3)
        self._has(3, 512)
        self._recommended(3)
        rounds = self.computes["host1"].manager.xloud._scaling.rounds
        (state,) = rounds._states.values()
        assert (state.ranges.vcpus.held, state.ranges.memory_mb.held) == (3, 0)

    def test_locked_server_is_left_alone_until_it_is_unlocked(self):
        self._has(1, 512)
        self._adjust(autoscale="on")
        self.admin_api.post_server_action(self.server["id"], {"lock": {}})
        self.computes["host1"].manager.xloud.reconcile()
        self._busy()
        self._deferred("xloud.growth_deferred.locked")
        self._has(1, 512)
        self.admin_api.post_server_action(self.server["id"], {"unlock": {}})
        self.computes["host1"].manager.xloud.reconcile()
        self._has(4, 512)

    def test_host_without_scaled_servers_has_no_thread_and_reads_nothing(self):
        self.computes["host1"].manager.xloud.reconcile().join()
        service = self.computes["host1"].manager.xloud._scaling
        assert service._loop._run is None
        assert service.rounds._states == {}
        assert not list(Path(self.folder).iterdir())

    def test_statistics_come_each_second_and_as_usual_after_off(self):
        self.flags(mem_stats_period_seconds=10, group="libvirt")
        manager = self.computes["host1"].manager
        manager.xloud._scaling.rounds._periods._short = 1
        manager.xloud._host_instances._usual_period = 10
        domain = self.guests.domain(self.server["id"])
        self._adjust(autoscale="on")
        self._wait(lambda: self.assertEqual(1, domain.asked_every))
        manager.xloud.reconcile().join()
        assert domain.asked_every == 1
        self._adjust(autoscale="off")
        self._wait(lambda: self._passed(domain, 10))

    def _passed(self, domain, period):
        self.computes["host1"].manager.xloud.reconcile()
        assert domain.asked_every == period

    def test_mode_outlives_a_stop_and_a_start(self):
        self._has(1, 512)
        self._adjust(autoscale="on")
        self.admin_api.post_server_action(self.server["id"], {"os-stop": {}})
        self._wait_for_state_change(self.server, "SHUTOFF")
        assert self._scaled()["mode"] == "on"
        self.admin_api.post_server_action(self.server["id"], {"os-start": {}})
        self._wait_for_state_change(self.server, "ACTIVE")
        told = self._scaled()
        assert (told["mode"], told["requested"]) == ("on", "on")

    def test_database_says_the_mode_while_the_host_is_down(self):
        self._adjust(autoscale="observe")
        self.computes["host1"].stop()
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)
        status = self._status()
        assert status["source"] == "database"
        assert status["autoscale"]["mode"] == "observe"
        assert status["autoscale"]["recommendation"] is None


class ModesOfFlavors(Scaled):
    # The server is scaled from its build on, so the cloud never stands still.
    own_cloud = True

    def _elastic(self):
        return self._boot(
            self._flavor(
                minimum_cpu=1,
                minimum_memory=512,
                xloud__autoscale="on",
                xloud__autoscale_profile="dense",
                xloud__autoscale_weight=250,
            )
        )

    def test_new_server_is_scaled_as_soon_as_it_is_built(self):
        self._busy()
        self._has(4, 512)

    def test_flavor_names_mode_profile_and_weight(self):
        self._busy()
        self._has(4, 512)
        told = self._scaled()
        assert (told["mode"], told["requested"]) == ("on", None)
        assert (told["profile"], told["weight"]) == ("dense", 250)

    def test_request_goes_before_the_flavor_until_it_is_taken_back(self):
        self._adjust(autoscale="off")
        assert self._scaled()["mode"] == "off"
        self._adjust(autoscale=None)
        assert (self._scaled()["mode"], self._scaled()["requested"]) == ("on", None)

    def test_stock_server_is_not_scaled_whatever_the_cloud_says(self):
        self.flags(autoscale="on", group="xloud")
        stock = self._boot(self._flavor())
        self.computes["host1"].manager.xloud.reconcile().join()
        scaled = self.computes["host1"].manager.xloud._scaling.rounds._members.scaled()
        assert stock["id"] not in scaled
        assert self._status(stock)["autoscale"]["mode"] == "off"


class Quotas(Scaled, QuotaTestCase):
    """nova-conductor says what the quota allows."""

    def test_growth_waits_for_quota_and_comes_with_it(self):
        self._has(1, 512)
        self._limit(cores=1)
        self._adjust(autoscale="on")
        self._busy()
        self._deferred("xloud.growth_deferred.quota")
        self._has(1, 512)
        assert self._usage() == (1, 512)
        self._limit(cores=4)
        self._has(4, 512)
        assert self._usage() == (4, 512)

    def test_memory_grows_though_the_project_has_no_cores_left(self):
        self._has(1, 512)
        self._limit(cores=1)
        self._adjust(autoscale="on")
        self._busy()
        self.guests.domain(self.server["id"]).uses_kib = 440 * 1024
        self._wait(lambda: self.assertGreater(self._usage()[1], 512))
        self._deferred("xloud.growth_deferred.quota")
        assert self._usage()[0] == 1

    def test_quota_that_cannot_be_checked_is_not_unlimited(self):
        self._has(1, 512)
        self._adjust(autoscale="on")
        self.conductor.manager.additional_endpoints[-1]._refusal = None
        self._busy()
        self._deferred("xloud.growth_deferred.quota_unknown")
        self._has(1, 512)

    def test_growth_counts_for_the_servers_own_project(self):
        self._has(1, 512)
        self.admin_api.update_quota({"cores": 2}, TENANT)
        self._adjust(autoscale="on")
        self._busy()
        self._has(2, 512)
        self._deferred("xloud.growth_deferred.quota")


class Stays(Scaled):
    def test_record_of_the_mode_is_not_the_tenants_to_write(self):
        self._adjust(autoscale="on")
        instance = objects.Instance.get_by_uuid(
            nova_context.get_admin_context(),
            self.server["id"],
            expected_attrs=["system_metadata", "metadata"],
        )
        assert instance.system_metadata["xloud_autoscale"] == "on"
        assert "xloud_autoscale" not in instance.metadata
