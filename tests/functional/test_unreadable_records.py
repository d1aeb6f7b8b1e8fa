# SPDX-License-Identifier: Apache-2.0
"""A record that nobody can read: that server keeps what it has, and all others go on."""

import logging

import ddt
from nova import context as nova_context
from nova.db.main import api

from nova_xloud.adapters import nova_objects
from tests.functional.base import AdjustTestCase
from tests.functional.clouds import GROWN, MovesTestCase

MANY = "9" * 255


def write_into_record(server, remove=(), **values):
    """Past Nova's own writes, which leave the record alone."""
    context = nova_context.get_admin_context()
    stored = api.instance_system_metadata_get(context, server["id"])
    stored = {name: value for name, value in stored.items() if name not in remove}
    api.instance_system_metadata_update(context, server["id"], {**stored, **values}, delete=True)


@ddt.ddt
class Unreadable(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        self.other = self._elastic()
        self.manager = self.computes["host1"].manager

    def _a_pass(self):
        self.manager.xloud.reconcile().join(30)

    @ddt.data(
        {"xloud_vcpus": "many"},
        {"xloud_vcpus": "64"},
        {"xloud_memory_mb": MANY},
        {"xloud_memory_mb": None},
        {"xloud_flavor": ""},
        {"xloud_phase": "||", "xloud_generation": "", "xloud_revision": "x"},
    )
    def test_its_columns_hold_and_the_others_go_on(self, broken):
        write_into_record(self.server, **broken)
        with self.assertLogs(nova_objects.LOG, logging.WARNING) as logs:
            for _ in range(3):
                self._a_pass()
            self.manager.update_available_resource(nova_context.get_admin_context())
            self._adjust(self.other, current_vcpus=2)
            self._has(2, 512, self.other)
        assert len(logs.output) == 1, logs.output
        assert self.server["id"] in logs.output[0]
        self._has(3, 768)
        self._reboot_server(self.server, hard=True)
        self._has(3, 768)
        # To what it has: a new adjustment all the same, and the record is written anew.
        self._adjust(current_vcpus=3)
        self._has(3, 768)
        record = self._record(self.server)
        facts = nova_objects.facts_of_instance(record)
        assert nova_objects.read_desired(record, facts).persisted.vcpus == 3
        self._adjust(current_vcpus=2)
        self._has(2, 768)

    def test_deleted_server_is_dropped_from_the_unreadable_records(self):
        host_instances = self.manager.xloud._reconciler._host_instances
        host_instances._unreadable["deleted long ago"] = "why"
        write_into_record(self.server, xloud_vcpus="many")
        self._a_pass()
        assert self.server["id"] in nova_objects._UNREADABLE
        self._delete_server(self.server)
        self._a_pass()
        assert self.server["id"] not in nova_objects._UNREADABLE
        assert not host_instances._unreadable

    def test_no_more_are_kept_than_a_service_has_room_for(self):
        with self.assertLogs(nova_objects.LOG, logging.WARNING):
            for number in range(3 * nova_objects._MOST_UNREADABLE):
                nova_objects._log_once(f"{number}", "why")
        assert len(nova_objects._UNREADABLE) <= nova_objects._MOST_UNREADABLE
        nova_objects.keep_logged_of(())
        assert not nova_objects._UNREADABLE


class UnreadableAndMoved(MovesTestCase):
    def test_it_moves_with_what_it_has(self):
        write_into_record(self.server, xloud_vcpus="-1")
        self._migrate_server(self.server)
        assert self._claims_on("host2") == GROWN
        self._confirm_resize(self.server)
        self._has(*GROWN)
        self._live_migrate(self.server, host="host1")
        self._has(*GROWN)
