# SPDX-License-Identifier: Apache-2.0
"""An adjustment from the REST call to the guest, and what becomes of it afterwards."""

import dataclasses
import itertools
from unittest import mock

from nova import context as nova_context
from nova.tests.functional.api.client import OpenStackApiException
from oslo_concurrency import lockutils

from nova_xloud.adapters.record import NovaRecord
from nova_xloud.errors import NotFound, OutOfBounds
from nova_xloud.rpc.client import XloudAPI
from nova_xloud.testing import Behaviour
from tests.functional.base import AdjustTestCase, XloudTestCase


class Adjust(AdjustTestCase):
    def test_up_and_down_again(self):
        self._has(1, 512)
        answer = self._adjust(current_vcpus=3, current_memory_mb=768)
        assert answer.body == {}
        assert answer.headers["Location"].endswith(f"/servers/{self.server['id']}/xloud-status")
        self._has(3, 768)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._has(1, 512)

    def test_location_is_made_as_novas_own_links(self):
        self.flags(compute_link_prefix="https://cloud.example.com/compute", group="api")
        where = self._adjust(current_vcpus=2).headers["Location"]
        links = self.admin_api.get_server(self.server["id"])["links"]
        (server,) = [link["href"] for link in links if link["rel"] == "self"]
        assert where == f"{server}/xloud-status"
        assert where.startswith("https://cloud.example.com/compute/v2.1/")

    def test_claimed_before_the_answer(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024)
        assert self._reserved(self.server) == {"VCPU": 4, "MEMORY_MB": 1024}

    def test_one_resource_leaves_the_other(self):
        self._adjust(current_vcpus=2)
        self._has(2, 512)
        self._adjust(current_memory_mb=600)
        self._has(2, 600)

    def test_operation_without_task_state_refuses_the_adjustment_in_2_s(self):
        # As nova-compute does while a volume is attached or detached.
        with lockutils.lock(self.server["id"]):
            text = self._refused(409, "xloud.invalid_state", current_vcpus=2)
        assert "another operation has held the instance for 2 s" in text
        assert self._reserved(self.server) == {"VCPU": 1, "MEMORY_MB": 512}
        self._adjust(current_vcpus=2)
        self._has(2, 512)

    def test_strings_of_integers(self):
        self._adjust(current_vcpus="2", current_memory_mb="640", persist="true")
        self._has(2, 640)

    def test_asking_for_what_it_has_does_nothing(self):
        self._has(1, 512)
        self._adjust(current_vcpus=1, current_memory_mb=512)
        assert self._events("xloud_adjust") == []

    def test_is_an_instance_action_with_an_event(self):
        # That its request id is the answer's is seen in the lab: Nova's fixture makes up others.
        self._adjust(current_vcpus=2)
        self._has(2, 512)

        def finished():
            (action,) = self._events("xloud_adjust")
            (event,) = action["events"]
            assert (event["event"], event["result"]) == ("compute_xloud_adjust", "Success")
            assert event["host"] == "host1"

        self._wait(finished)

    def test_tenant_metadata_decides_nothing(self):
        self.user_api.post_server_metadata(self.server["id"], {"minimum_cpu": "4"})
        assert self._status()["min_vcpus"] == 1
        self._adjust(current_vcpus=2)
        self._has(2, 512)

    def test_deleted_leaves_nothing(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self._delete_server(self.server)
        assert self._get_allocations_by_server_uuid(self.server["id"]) == {}


class Status(AdjustTestCase):
    def test_shape_that_dashboards_read(self):
        self._has(1, 512)
        status = self._status()
        assert {
            k: status[k]
            for k in (
                "current_vcpus",
                "min_vcpus",
                "max_vcpus",
                "current_memory_mb",
                "min_memory_mb",
                "max_memory_mb",
                "balloon_driver_active",
                "attached_dimms_mb",
                "has_virtiomem",
            )
        } == {
            "current_vcpus": 1,
            "min_vcpus": 1,
            "max_vcpus": 4,
            "current_memory_mb": 512,
            "min_memory_mb": 512,
            "max_memory_mb": 1024,
            "balloon_driver_active": True,
            "attached_dimms_mb": 0,
            "has_virtiomem": False,
        }
        assert (status["vcpu_step"], status["blockers"], status["source"]) == (1, [], "host")

    def test_status_is_of_the_database_if_operations_disturb_each_reading(self):
        self._has(1, 512)
        refresh, readings = NovaRecord.refresh, itertools.count()

        def changed_since(record):
            return dataclasses.replace(refresh(record), version=next(readings))

        with mock.patch.object(NovaRecord, "refresh", changed_since):
            status = self._status()
        assert next(readings) > 2
        assert (status["source"], status["vcpus"]["reserved"]) == ("database", 1)

    def test_status_is_of_the_database_if_the_server_has_left_its_host(self):
        with mock.patch.object(XloudAPI, "status", side_effect=NotFound("it has left")):
            status = self._status()
        assert (status["source"], status["vcpus"]["reserved"]) == ("database", 1)

    def test_without_the_host_the_database_answers_and_says_so(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self.computes["host1"].stop()
        self.admin_api.put_service_force_down(
            self.admin_api.get_services(host="host1", binary="nova-compute")[0]["id"], True
        )
        status = self._status()
        assert status["source"] == "database"
        assert status["vcpus"] == {
            "desired": 3,
            "reserved": 3,
            "actuated": None,
            "observed": None,
        }
        text = self._refused(409, "xloud.host_unavailable", current_vcpus=2)
        assert "down" in text

    def test_a_reader_of_the_project_may_look_but_not_adjust(self):
        assert self._status(api=self.user_api)["max_vcpus"] == 4


class WithoutNovaXloud(XloudTestCase):
    """A compute host that nobody has started with nova-xloud-run."""

    def test_stock_host_refuses_and_its_status_says_why(self):
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            self.start_compute("host1")
        server = self._boot(self._flavor(minimum_cpu=1))
        error = self.assertRaises(
            OpenStackApiException,
            self.admin_api.api_post,
            f"/os-xloud-adjust/{server['id']}",
            {"current_vcpus": 2},
        )
        assert error.response.status_code == 409
        assert "xloud.host_unsupported" in error.response.text
        assert "nova-xloud-run" in error.response.text
        url = f"/servers/{server['id']}/xloud-status"
        status = self.admin_api.api_get(url).body["xloud_status"]
        assert status["source"] == "database"
        assert {one["resource"] for one in status["blockers"]} == {"vcpus", "memory_mb"}
        for told in status["blockers"]:
            assert told["code"] == "xloud.host_unsupported"
            assert "nova-xloud-run" in told["message"]
        assert self._reserved(server)["VCPU"] == 1


class Refusals(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)
        self.before = dict(self._record(self.server).system_metadata)

    def _unchanged(self):
        assert dict(self._record(self.server).system_metadata) == self.before
        self._has(1, 512)

    def test_old_microversions_are_no_way_round(self):
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        for version in ("2.1", "2.79", "latest"):
            self.admin_api.microversion = version
            self._refused(400, "xloud.out_of_bounds", current_vcpus=5)
            self._refused(400, "xloud.out_of_bounds", current_memory_mb=511)
            self._refused(400, "xloud.out_of_bounds", current_vcpus=2, current_memory_mb=1025)
            self._refused(400, "current_vcpus", current_vcpus=1.5)
            self._refused(400, "extra", current_vcpus=2, extra=1)
            self.admin_api.microversion = "latest"
            self._has(3, 768)

    def test_policy(self):
        self._refused(403, "xloud.forbidden", api=self.user_api, current_vcpus=2)
        self._refused(403, "os_compute_api:xloud:adjust", api=self.user_api, current_vcpus=2)
        self._unchanged()

    def test_locked(self):
        self.admin_api.post_server_action(self.server["id"], {"lock": {}})
        assert "is locked" in self._refused(409, "", current_vcpus=2)
        self._unchanged()

    def test_wrong_state(self):
        self.admin_api.post_server_action(self.server["id"], {"suspend": {}})
        self._wait_for_state_change(self.server, "SUSPENDED")
        text = self._refused(409, "", current_vcpus=2)
        assert "Cannot 'xloud_adjust' instance" in text
        assert "vm_state suspended" in text

    def test_a_task_is_running(self):
        instance = self._record(self.server)
        instance.task_state = "rebooting"
        instance.save()
        assert "task_state rebooting" in self._refused(409, "", current_vcpus=2)
        instance.task_state = None
        instance.save()
        self._unchanged()

    def test_full_host(self):
        capacity = self._memory_capacity(self.server)
        self._boot(self._flavor(vcpus=1, memory_mb=capacity - 512 - 256))
        text = self._refused(409, "xloud.no_capacity", current_vcpus=2, current_memory_mb=1024)
        assert "MEMORY_MB: asked 1024, free 768 (too much)" in text
        assert "VCPU: asked 2" in text
        self._unchanged()
        self._adjust(current_memory_mb=768)

    def test_hotplug_above_the_flavor(self):
        record = self._record(self.server)
        manager = self.computes["host1"].manager
        self.assertRaises(
            OutOfBounds, manager.hotplug_vcpus, nova_context.get_admin_context(), record, 5
        )
        self._unchanged()


class Guests(AdjustTestCase):
    """Guests that do not follow an adjustment, and instances without minimums."""

    boot_grace = 0

    def test_removal_that_times_out_keeps_its_claim(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REMOVAL_TIMES_OUT
        self._adjust(current_vcpus=1)
        self._failed("xloud.guest_refused", "stays claimed")
        assert self._reserved(self.server) == {"VCPU": 3, "MEMORY_MB": 512}
        text = self._refused(409, "xloud.blocked.removal_unsettled", current_vcpus=4)
        assert "hard reboot" in text
        self.admin_api.post_server_action(self.server["id"], {"reboot": {"type": "HARD"}})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(1, 512)

    def test_a_guest_without_balloon_driver_keeps_its_claim(self):
        self._adjust(current_memory_mb=1024)
        self._has(1, 1024)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.NO_BALLOON_DRIVER
        self._adjust(current_memory_mb=512)
        self._failed("xloud.guest_refused", "512 MiB", "1024")
        assert self._reserved(self.server) == {"VCPU": 1, "MEMORY_MB": 1024}

    def test_without_minimums_memory_goes_down_at_once(self):
        server = self._boot(self._flavor())
        self._adjust(server, current_memory_mb=600)
        self._has(4, 600, server)

    def test_without_minimums_boot_vcpus_stay_until_it_was_stopped(self):
        server = self._boot(self._flavor())
        error = self.assertRaises(OpenStackApiException, self._adjust, server, current_vcpus=2)
        assert error.response.status_code == 409
        assert "xloud.blocked.boot_vcpus" in error.response.text
        self._stop_server(server)
        self._adjust(server, current_vcpus=2)
        self._wait(lambda: self.assertEqual(2, self._reserved(server)["VCPU"]))
        self._start_server(server)
        self._has(2, 1024, server)
        self._adjust(server, current_vcpus=1)
        self._has(1, 1024, server)

    def test_locked_memory_blocks_memory_only(self):
        server = self._boot(
            self._flavor(minimum_cpu=1, hw__locked_memory="true", hw__mem_page_size="small")
        )
        error = self.assertRaises(
            OpenStackApiException, self._adjust, server, current_memory_mb=600
        )
        assert "xloud.blocked.locked_memory" in error.response.text
        self._adjust(server, current_vcpus=2)
        self._wait(lambda: self.assertEqual(2, self._status(server)["vcpus"]["actuated"]))
        (blocker,) = self._status(server)["blockers"]
        assert blocker["code"] == "xloud.blocked.locked_memory"


class Hotplug(AdjustTestCase):
    def _hotplug(self, count):
        from nova_xloud.rpc.client import XloudAPI

        XloudAPI().hotplug_vcpus(nova_context.get_admin_context(), self._record(self.server), count)

    def test_returns_when_it_is_done(self):
        self._hotplug(4)
        numbers = dict.fromkeys(("desired", "reserved", "actuated"), 4)
        assert self._status()["vcpus"] == {**numbers, "observed": None}
        self._hotplug(2)
        assert self._reserved(self.server)["VCPU"] == 2
        actions = self._events("hotplug_vcpus")
        assert [e["result"] for a in actions for e in a["events"]] == ["Success", "Success"]

    def test_as_a_python_call_on_the_manager(self):
        manager = self.computes["host1"].manager
        manager.hotplug_vcpus(nova_context.get_admin_context(), self._record(self.server), 3)
        assert self._reserved(self.server)["VCPU"] == 3
