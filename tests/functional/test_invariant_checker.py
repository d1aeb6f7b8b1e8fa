# SPDX-License-Identifier: Apache-2.0
"""nova-xloud-status invariants against a whole cloud in which each rule is broken for real."""

import collections
from unittest import mock

from nova import objects
from nova.db.main import api
from nova.scheduler.client import report
from oslo_utils.fixture import uuidsentinel as uuids

from nova_xloud.core.size import Size
from nova_xloud.rpc.client import XloudAPI
from nova_xloud.testing import Behaviour
from tests.functional.invariants import InvariantsTestCase


class Holds(InvariantsTestCase):
    def test_after_boot_and_after_adjusting(self):
        assert self._holds()["counts"] == {
            "instances": 1,
            "elastic_instances": 1,
            "hosts": 1,
            "breaks": 0,
            "notes": 0,
        }
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        self._holds()
        self._adjust(current_vcpus=2, persist=False)
        self._stop_server(self.server)
        self._holds()

    def test_as_a_table_the_last_line_counts(self):
        code, printed = self._run()
        assert code == 0
        assert printed == "1 elastic of 1 instances on 1 hosts: 0 broken, 0 notes, 0 not checked\n"

    def test_a_deleted_instance_is_none(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self._delete_server(self.server)
        assert self._holds()["counts"]["instances"] == 0

    def test_a_stock_instance_counts_in_sums_only(self):
        stock = self._record(self._boot(self._flavor()))
        stock.vcpus = 7
        stock.save()
        self._allocate(stock.uuid, {self.provider: {"VCPU": 1}})
        counts = self._holds()["counts"]
        assert (counts["instances"], counts["elastic_instances"]) == (2, 1)

    def test_what_need_not_be_so_while_a_task_runs(self):
        record = self._record(self.server)
        record.task_state = "rebooting"
        record.vcpus = 2
        record.save()
        self._holds()

    def test_all_instances_are_read_however_many_there_are(self):
        for _ in range(3):
            self._elastic()
        pages = {"PAGE": 2, "CHUNK": 1}
        with mock.patch.multiple("nova_xloud.audit.cloud", **pages):
            assert self._holds()["counts"]["instances"] == 4

    def test_each_host_is_asked_once(self):
        self.start_compute("host2")
        # A server whose balloon does not have its size yet is a suspect, and is checked again.
        self._has(1, 512, self._elastic(host="host1"))
        self._has(1, 512, self._elastic(host="host2"))
        get, guests_of = report.SchedulerReportClient.get, XloudAPI.guests
        urls, about = collections.Counter(), collections.Counter()

        def count_get(client, url, *args, **kwargs):
            urls[url] += 1
            return get(client, url, *args, **kwargs)

        def count_guests(rpc, context, host, uuids):
            about[host] += 1
            told = guests_of(rpc, context, host, uuids)
            assert told.keys() == set(uuids)
            return told

        with (
            mock.patch.object(report.SchedulerReportClient, "get", count_get),
            mock.patch.object(XloudAPI, "guests", count_guests),
            mock.patch.object(XloudAPI, "status", side_effect=AssertionError),
        ):
            self._holds()
        asked = {url: n for url, n in urls.items() if url.startswith("/resource_providers/")}
        assert asked == {
            f"/resource_providers/{self.compute_rp_uuids[host]}/{what}": 1
            for host in ("host1", "host2")
            for what in ("inventories", "allocations")
        }
        assert about == {"host1": 1, "host2": 1}

    def test_an_older_host_is_asked_about_one_after_the_other(self):
        self._has(1, 512, self._elastic())
        self.flags(xloud="1.4", group="upgrade_levels")
        asked, status_of = [], XloudAPI.status

        def count_status(rpc, context, instance):
            asked.append(instance.uuid)
            return status_of(rpc, context, instance)

        with mock.patch.object(XloudAPI, "status", count_status):
            self._holds()
        assert len(asked) == len(set(asked)) == 2


class Broken(InvariantsTestCase):
    """Each rule alone."""

    def test_reserved_below_held(self):
        self.guests.domain(self.server["id"]).set_vcpus(
            3, live=True, config=False, hotpluggable=True
        )
        (finding,) = self._broken("reserved_below_held")
        assert (finding["instance"], finding["host"]) == (self.server["id"], "host1")
        assert finding["what"] == "it holds 3 vCPUs, and 1 are reserved for it"
        assert "make room" in finding["message"]

    def test_memory_reserved_below_held_is_a_note_until_the_guest_has_booted(self):
        server = self._without_balloon_driver()
        ((note,), breaks) = (self._check()[1][kind] for kind in ("notes", "breaks"))
        assert (note["code"], note["instance"], breaks) == (
            "reserved_below_held",
            server["id"],
            [],
        )
        assert "has just started" in note["message"]

    def _without_balloon_driver(self):
        self.guests.behaviour = Behaviour.NO_BALLOON_DRIVER
        return self._elastic()

    def test_reserved_below_desired(self):
        self._desire(persisted=Size(2, 512))
        (finding,) = self._broken("reserved_below_desired")
        assert "2 vCPUs" in finding["what"]

    def test_columns_differ(self):
        record = self._record(self.server)
        record.memory_mb = 1024
        record.save()
        (finding,) = self._broken("columns_differ")
        assert "1 vCPU, 1024 MiB" in finding["what"]

    def test_desired_out_of_bounds(self):
        self._desire(persisted=Size(1, 400))
        self._broken("desired_out_of_bounds")

    def test_record_unreadable(self):
        self._desire()
        metadata = self._record(self.server).system_metadata
        # Nova's own writes leave the record alone, so past it.
        api.instance_system_metadata_update(
            self.admin, self.server["id"], {**metadata, "xloud_vcpus": "many"}, delete=False
        )
        self._broken("record_unreadable", arguments=("--no-guests",))

    def test_no_allocation(self):
        self._allocate(self.server["id"], {})
        (finding,) = self._broken("no_allocation")
        assert "heal_allocations" in finding["message"]

    def test_allocation_elsewhere(self):
        self.start_compute("host2")
        elsewhere = self.compute_rp_uuids["host2"]
        here = self._get_allocations_by_server_uuid(self.server["id"])[self.provider]["resources"]
        self._allocate(self.server["id"], {self.provider: here, elsewhere: {"VCPU": 1}})
        (finding,) = self._broken("allocation_elsewhere")
        assert (finding["host"], finding["provider"]) == ("host2", elsewhere)

    def test_host_oversold(self):
        url = f"/resource_providers/{self.provider}/inventories"
        inventories = self.placement.get(url).body
        memory = inventories["inventories"]["MEMORY_MB"]
        memory["total"] = memory["reserved"] + 511
        self.placement.put(url, inventories)
        (finding,) = self._broken("host_oversold")
        assert finding["what"] == "512 of MEMORY_MB are allocated, and its capacity is 511"
        assert (finding["host"], finding["instance"]) == ("host1", None)

    def test_orphaned_allocation(self):
        self._allocate(uuids.nobody, {self.provider: {"VCPU": 1}})
        (finding,) = self._broken("orphaned_allocation")
        assert finding["instance"] == uuids.nobody

    def test_allocation_of_a_migration_or_of_a_server_being_built_is_no_orphan(self):
        objects.Migration(
            self.admin,
            uuid=uuids.migration,
            instance_uuid=self.server["id"],
            source_compute="gone",
            source_node="gone",
            status="error",
            migration_type="migration",
        ).create()
        objects.InstanceMapping(
            self.admin, instance_uuid=uuids.built, cell_mapping=None, project_id="p"
        ).create()
        for consumer in (uuids.migration, uuids.built):
            self._allocate(consumer, {self.provider: {"VCPU": 1}})
        self._holds()

    def test_as_a_table(self):
        self._allocate(self.server["id"], {})
        code, printed = self._run()
        header, _, row, _, todo, remedy, *_, last = printed.splitlines()
        assert code == 1
        assert header.split() == ["code", "instance", "host", "what"]
        assert row.split(maxsplit=3)[:3] == ["no_allocation", self.server["id"], "host1"]
        assert (todo, remedy.split()[0]) == ("What to do:", "no_allocation:")
        assert last == "1 elastic of 1 instances on 1 hosts: 1 broken, 0 notes, 0 not checked"


class Moving(InvariantsTestCase):
    """What is reserved for an instance that moves is its migration's too."""

    def setUp(self):
        super().setUp()
        self.start_compute("host2")
        self.held = self._get_allocations_by_server_uuid(self.server["id"])[self.provider]
        self._allocate(self.server["id"], {self.compute_rp_uuids["host2"]: {"VCPU": 1}})

    def _migration(self, source, status, migration_type):
        migration = objects.Migration(
            self.admin,
            uuid=uuids.migration,
            instance_uuid=self.server["id"],
            source_compute=source,
            source_node=source,
            status=status,
            migration_type=migration_type,
        )
        migration.create()
        return migration

    def test_a_migration_that_runs_holds_the_source(self):
        self._migration("host1", "running", "live-migration")
        self._allocate(uuids.migration, {self.provider: self.held["resources"]})
        self._holds()

    def test_evacuated_the_source_is_held_until_it_is_back(self):
        migration = self._migration("host2", "done", "evacuation")
        there = {self.compute_rp_uuids["host2"]: {"VCPU": 1}}
        self._allocate(self.server["id"], {self.provider: self.held["resources"], **there})
        self._holds()
        migration.status = "completed"
        migration.save()
        self._broken("allocation_elsewhere")
