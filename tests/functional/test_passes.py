# SPDX-License-Identifier: Apache-2.0
"""What a pass over the host finds and puts right, and what it leaves alone."""

import datetime
import logging
from unittest import mock

from nova import context, objects
from nova.db.main import api as main_db
from nova.db.main import models
from oslo_utils import timeutils

from nova_xloud.compute.worker import Worker
from nova_xloud.testing import Behaviour
from tests.functional.clouds import let_guests_move
from tests.functional.engine import EngineTestCase


class Pass(EngineTestCase):
    boot_grace = 0

    def test_is_a_periodic_task_of_nova_compute(self):
        manager = self.computes["host1"].manager
        assert manager._periodic_spacing["xloud_reconcile"] == 60
        with mock.patch.object(manager.xloud, "reconcile") as reconcile:
            tasks = dict(manager._periodic_tasks)
            tasks["xloud_reconcile"](manager, None)
        reconcile.assert_called_once_with()

    def test_pass_over_untouched_servers_makes_one_call_each_and_resumes_none(self):
        self._has(1, 512)
        self._boot(self._flavor())
        manager = self.computes["host1"].manager
        driver_host, client = manager.driver._host, manager.xloud_ports.placement
        with (
            mock.patch.object(
                driver_host, "get_connection", wraps=driver_host.get_connection
            ) as libvirt,
            mock.patch.object(client, "get", wraps=client.get) as placement,
            mock.patch.object(Worker, "submit", autospec=True) as submit,
        ):
            self.host.reconcile().join()
        assert (libvirt.call_count, placement.call_count) == (1, 1)
        submit.assert_not_called()

    def _read_by_a_pass(self):
        """The instances that a pass reads with their records."""
        read = []
        by_filters = objects.InstanceList.get_by_filters

        def counted(context, filters, **kwargs):
            read.append(sorted(filters["uuid"]))
            return by_filters(context, filters, **kwargs)

        with mock.patch.object(objects.InstanceList, "get_by_filters", counted):
            self.host.reconcile().join()
        return read

    def test_what_is_not_ours_is_read_once_until_it_becomes_ours(self):
        self._has(1, 512)
        stock = self._boot(self._flavor())
        ours = [self.server["id"]]
        self._as_if_settled(stock)
        assert self._read_by_a_pass() == [sorted([*ours, stock["id"]])]
        assert self._read_by_a_pass() == [ours]
        self.flags(allow_resize_to_same_host=True)
        let_guests_move(self, None)
        with_minimum = self._flavor(vcpus=2, memory_mb=2048, minimum_cpu=1)
        self._resize_server(stock, with_minimum)
        assert self._read_by_a_pass() == [sorted([*ours, stock["id"]])]
        self._delete_server(self.server)
        self._delete_server(stock)
        self._as_if_settled(self._boot(self._flavor()))
        assert len(self._read_by_a_pass()) == 1
        # Of a host of stock instances only columns are read.
        assert self._read_by_a_pass() == []

    def test_server_without_minimums_is_followed_once_it_was_adjusted(self):
        self._has(1, 512)
        stock = self._boot(self._flavor(vcpus=2, memory_mb=1024))
        both = sorted([self.server["id"], stock["id"]])
        # A row that has just changed may change again in the same second.
        assert self._read_by_a_pass() == self._read_by_a_pass() == [both]
        self._as_if_settled(stock)
        assert self._read_by_a_pass() == [both]
        assert self._read_by_a_pass() == [[self.server["id"]]]
        self._adjust(server=stock, current_memory_mb=768)
        # While its run goes on, a pass may read it more than once.
        self._has(2, 768, server=stock)
        assert self._read_by_a_pass() == self._read_by_a_pass() == [both]

    def _as_if_settled(self, server):
        """Have the database's row of the server changed a minute ago."""
        record = self._record(server)
        ago = timeutils.utcnow() - datetime.timedelta(minutes=1)
        admin = context.get_admin_context()
        with main_db.get_context_manager(admin).writer.using(admin) as session:
            row = session.query(models.Instance).filter_by(uuid=record.uuid)
            row.update({"updated_at": ago})

    def test_memory_that_a_guest_took_back_is_claimed_and_told(self):
        self._has(1, 512)
        self._guest().behaviour = Behaviour.NO_BALLOON_DRIVER
        self._guest().memory.actual_kib = 1024 * 1024
        self.host.reconcile().join()
        self._wait(lambda: self.assertEqual(1024, self._reserved(self.server)["MEMORY_MB"]))

        def told():
            condition = self._condition("BalloonNotEffective")
            assert condition is not None
            assert condition["reason"] == "xloud.balloon.holds_more"
            assert condition["since"].endswith("Z")

        self._wait(told)
        assert self._status()["memory_mb"]["desired"] == 512

    def test_memory_that_the_host_has_no_room_for_is_an_alarm(self):
        self._has(1, 512)
        (provider,) = self._get_allocations_by_server_uuid(self.server["id"])
        inventory = self._get_provider_inventory(provider)["MEMORY_MB"]
        inventory["reserved"] = inventory["total"] - 600
        self._update_inventory_of(provider, inventory)
        self._guest().behaviour = Behaviour.NO_BALLOON_DRIVER
        self._guest().memory.actual_kib = 1024 * 1024
        with self.assertLogs("nova_xloud.compute.finish", logging.ERROR) as logs:
            self.host.reconcile().join()

            def alarmed():
                condition = self._condition("ReservedTooLittle")
                assert condition is not None
                assert condition["reason"] == "xloud.reserved_too_little"
                metadata = self._record(self.server).system_metadata
                assert "xloud_condition_ReservedTooLittle" in metadata

            self._wait(alarmed, 15)
        assert self.server["id"] in logs.output[0]
        assert "1024 MiB" in logs.output[0]
        assert self._reserved(self.server)["MEMORY_MB"] == 512
        # It goes away with its cause.
        self._guest().behaviour = Behaviour.COOPERATIVE
        self.host.reconcile().join()
        self._has(1, 512)

        def over():
            assert self._condition("ReservedTooLittle") is None
            metadata = self._record(self.server).system_metadata
            assert "xloud_condition_ReservedTooLittle" not in metadata

        self._wait(over, 15)
