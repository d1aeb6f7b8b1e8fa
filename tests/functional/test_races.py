# SPDX-License-Identifier: Apache-2.0
"""An adjustment and an operation of Nova at once: one comes first, and the other sees that."""

import contextlib
import os
from unittest import mock

import ddt
from nova.compute import api as compute_api
from nova.compute import rpcapi as compute_rpcapi
from nova.compute import task_states
from nova.conductor import api as conductor_api
from nova.conf import CONF
from nova.scheduler.client.query import SchedulerQueryClient
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.adapters.record import NovaRecord
from nova_xloud.compute.host import Host
from nova_xloud.compute.worker import Worker
from tests.functional.clouds import GROWN, MovesTestCase

LARGEST = (4, 1024)
OTHER_IMAGE = "a2459075-d96c-40d5-893e-577ff92e721c"


class RacesTestCase(MovesTestCase):
    """Each operation by its name, from begin to end."""

    def _cold_migration(self):
        self._migrate_server(self.server)
        self._confirm_resize(self.server)

    def _reverted_resize(self):
        self._resize_server(self.server, self._flavor(vcpus=6, minimum_cpu=2, minimum_memory=640))
        self._revert_resize(self.server)

    def _live_migration(self):
        self._live_migrate(self.server, host="host2")

    def _shelving(self):
        self._shelve_server(self.server)
        self._unshelve_server(self.server)

    def _rebuild(self):
        self._rebuild_server(self.server, OTHER_IMAGE)

    def _hard_reboot(self):
        self._reboot_server(self.server, hard=True)

    def _soft_reboot(self):
        self._reboot_server(self.server)

    def _stop_and_start(self):
        self._stop_server(self.server)
        self._start_server(self.server)

    def _rescue_in(self):
        # Nova keeps the XML there to come back to.
        os.makedirs(os.path.join(CONF.instances_path, self.server["id"]))
        self._act({"rescue": {}}, "RESCUE")

    def _rescue_out(self):
        self._act({"unrescue": None}, "ACTIVE")

    def _rescue(self):
        self._rescue_in()
        self._rescue_out()

    def _pause(self):
        self._act({"pause": None}, "PAUSED")
        self._act({"unpause": None}, "ACTIVE")

    def _suspend(self):
        self._suspend_server(self.server)
        self._resume_server(self.server)

    def _snapshot(self):
        # Nova's fake guest has no disk that could be copied.
        with mock.patch.object(LibvirtDriver, "snapshot", side_effect=_copied) as copied:
            self._snapshot_server(self.server, "snapshot")
            self._wait_for_server_parameter(self.server, {"OS-EXT-STS:task_state": None})
        copied.assert_called_once()

    def _act(self, action, status):
        self.admin_api.post_server_action(self.server["id"], action)
        self._wait_for_state_change(self.server, status)

    def _run(self, operation):
        """Run it; as often as the guest may be another one then, a pass looks at it at once."""
        begin, begun = Host.reconcile, []

        def reconcile(host):
            begun.append(host)
            return begin(host)

        with mock.patch.object(Host, "reconcile", reconcile):
            getattr(self, operation)()
        assert len(begun) == LOOKED_AT[operation]

    def _comes_to(self, vcpus, memory_mb):
        """It does by the next pass: periodic tasks do not run here by themselves."""

        def passes_and_has_it():
            for host in self.hosts:
                self.computes[host].manager.xloud.reconcile().join()
            assert self._status()["vcpus"]["actuated"] == vcpus

        self._wait(passes_and_has_it)
        self._has(vcpus, memory_mb)
        self._invariants_hold()

    def _grow_more(self):
        self._adjust(current_vcpus=LARGEST[0], current_memory_mb=LARGEST[1])


def _copied(context, instance, image_id, update_task_state):
    pending, uploading = task_states.IMAGE_PENDING_UPLOAD, task_states.IMAGE_UPLOADING
    update_task_state(task_state=pending)
    update_task_state(task_state=uploading, expected_state=pending)


# Of each operation the method of nova.compute.api.API with which it begins.
BEGINS = {
    "_cold_migration": "resize",
    "_reverted_resize": "resize",
    "_live_migration": "live_migrate",
    "_shelving": "shelve",
    "_rebuild": "rebuild",
    "_hard_reboot": "reboot",
    "_soft_reboot": "reboot",
    "_stop_and_start": "stop",
    "_rescue": "rescue",
    "_pause": "pause",
    "_suspend": "suspend",
    "_snapshot": "snapshot",
}

# How often a pass begins because of it: with the method of nova-compute that ends it, and when
# nova-compute starts.
LOOKED_AT = {
    "_cold_migration": 1,
    "_reverted_resize": 2,
    "_live_migration": 1,
    "_shelving": 1,
    "_rebuild": 1,
    "_hard_reboot": 1,
    "_soft_reboot": 1,
    "_stop_and_start": 2,
    "_rescue": 2,
    "_pause": 1,
    "_suspend": 1,
    "_snapshot": 0,
    "_lock": 0,
    "_nova_compute_restart": 1,
    "_host_restart": 1,
}


@ddt.ddt
class AdjustedFirst(RacesTestCase):
    @ddt.data(*BEGINS)
    def test_admitted_and_not_begun_the_operation_is_with_the_new_size(self, operation):
        """As after a kill of nova-compute between the two, or with a busy worker."""
        with mock.patch.object(Worker, "submit", autospec=True):
            self._grow_more()
        self._run(operation)
        self._comes_to(*LARGEST)

    @ddt.data(*BEGINS)
    def test_operation_uses_the_size_admitted_after_nova_read_the_server(self, operation):
        method = getattr(compute_api.API, BEGINS[operation])

        def adjusted_meanwhile(api, context, instance, *args, **kwargs):
            # The instance was read; its task_state is not set yet.
            self._grow_more()
            return method(api, context, instance, *args, **kwargs)

        with mock.patch.object(compute_api.API, BEGINS[operation], adjusted_meanwhile):
            self._run(operation)
        self._comes_to(*LARGEST)

    def test_admitted_and_not_begun_it_is_evacuated_with_the_new_size(self):
        with mock.patch.object(Worker, "submit", autospec=True):
            self._grow_more()
        self._goes_down("host1")
        self._evacuate_server(self.server, expected_host="host2")
        assert self._claims_on("host2") == LARGEST


@ddt.ddt
class TheOperationFirst(RacesTestCase):
    @ddt.data("_cold_migration", "_reverted_resize", "_live_migration", "_rebuild")
    def test_once_it_has_begun_an_adjustment_is_refused(self, operation):
        tried = []

        @contextlib.contextmanager
        def trying():
            schedule = SchedulerQueryClient.select_destinations

            def meanwhile(*args, **kwargs):
                tried.append(self._refused(409, "task_state", current_vcpus=4))
                return schedule(*args, **kwargs)

            with mock.patch.object(SchedulerQueryClient, "select_destinations", meanwhile):
                yield

        with trying():
            self._run(operation)
        assert len(tried) == 1
        self._has(*GROWN)
        self._invariants_hold()

    def test_while_a_resize_waits_for_its_confirmation_it_is_refused(self):
        self._migrate_server(self.server)
        self._refused(409, "resized", current_vcpus=4)
        self._confirm_resize(self.server)
        self._has(*GROWN)

    def test_while_it_is_shelved_it_is_refused(self):
        self._shelve_server(self.server)
        self._refused(409, "shelved_offloaded", current_vcpus=4)
        self._unshelve_server(self.server)
        self._has(*GROWN)

    @ddt.data(
        ("resize_instance", {"migrate": None}, "VERIFY_RESIZE"),
        (
            "live_migrate_instance",
            {"os-migrateLive": {"host": "host2", "block_migration": "auto"}},
            "ACTIVE",
        ),
    )
    @ddt.unpack
    def test_begun_between_claim_and_record_the_adjustment_is_refused(
        self, to_conductor, action, status
    ):
        """What the adjustment had claimed is not on the target, and goes with the source."""
        sent, write = [], NovaRecord.write

        def begins_first(record, *args, **kwargs):
            if not sent:
                with mock.patch.object(
                    conductor_api.ComputeTaskAPI,
                    to_conductor,
                    lambda api, *args, **kwargs: sent.append((args, kwargs)),
                ):
                    self.admin_api.post_server_action(self.server["id"], action)
                assert self._claims_on("host1") == LARGEST
            return write(record, *args, **kwargs)

        with mock.patch.object(NovaRecord, "write", begins_first):
            self._refused(409, "busy", current_vcpus=4, current_memory_mb=1024)
        assert self._claims_on("host1") == GROWN
        ((arguments, named),) = sent
        getattr(conductor_api.ComputeTaskAPI(), to_conductor)(*arguments, **named)
        self._wait_for_state_change(self.server, status)
        self._wait(lambda: self.assertEqual("host2", self._host_of()))
        assert self._claims_on("host2") == GROWN
        if status == "VERIFY_RESIZE":
            self._confirm_resize(self.server)
        self._has(*GROWN)
        self._invariants_hold()


class Deleted(RacesTestCase):
    def test_while_an_adjustment_is_admitted(self):
        sent, write = [], NovaRecord.write

        def deleted_first(record, *args, **kwargs):
            if not sent:
                with mock.patch.object(
                    compute_rpcapi.ComputeAPI,
                    "terminate_instance",
                    lambda api, *args, **kwargs: sent.append((args, kwargs)),
                ):
                    self.admin_api.delete_server(self.server["id"])
            return write(record, *args, **kwargs)

        with mock.patch.object(NovaRecord, "write", deleted_first):
            self._refused(409, "busy", current_vcpus=4)
        assert self._claims_on("host1") == GROWN
        ((arguments, named),) = sent
        compute_rpcapi.ComputeAPI().terminate_instance(*arguments, **named)
        self._wait_until_deleted(self.server)
        self._wait(lambda: self.assertEqual((0, 0), self._usage_of("host1")))
