# SPDX-License-Identifier: Apache-2.0
"""The engine in real Nova services: many at once, crashes, drift, alarms, dry runs."""

import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.tests.functional.api.client import OpenStackApiException
from nova.virt.libvirt.driver import LibvirtDriver
from oslo_concurrency import lockutils

from lab.patience import LIMIT
from nova_xloud.adapters.host_instances import ATTRIBUTES
from nova_xloud.adapters.locks import InstanceLocks
from nova_xloud.adapters.record import NovaRecord
from nova_xloud.compute.observe import observe
from nova_xloud.compute.worker import Worker
from nova_xloud.core.instance.desired import AdmittedRequest
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState
from nova_xloud.testing import Behaviour
from tests.functional.base import AdjustTestCase, XloudTestCase
from tests.functional.clouds import let_guests_move


class EngineTestCase(AdjustTestCase):
    @property
    def host(self):
        return self.computes["host1"].manager.xloud

    def _guest(self, server=None):
        return self.guests.domain((server or self.server)["id"])

    def _condition(self, kind, server=None):
        found = [c for c in self._status(server)["conditions"] if c["type"] == kind]
        return found[0] if found else None

    def _crashes_before_converging(self):
        """As after kill -9: what is admitted is with nobody."""
        return mock.patch.object(Worker, "submit", autospec=True)


class Concurrent(EngineTestCase):
    def test_many_adjustments_of_one_server_at_once(self):
        sizes = [(v, m) for v in (1, 2, 3, 4) for m in (512, 640, 768, 1024)]

        def adjust(size):
            self._adjust(current_vcpus=size[0], current_memory_mb=size[1])

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(adjust, sizes))
        desired = {r: self._status()[r]["desired"] for r in ("vcpus", "memory_mb")}
        assert tuple(desired.values()) in sizes
        self._has(*desired.values())
        metadata = self._record(self.server).system_metadata
        # Each was admitted as it stood: the first of (1, 512) alone may have asked for nothing new.
        assert len(sizes) - 1 <= int(metadata["xloud_generation"]) <= len(sizes)
        events = [e for a in self._events("xloud_adjust") for e in a["events"]]
        assert {e["result"] for e in events} <= {"Success", None}

    def test_a_claim_that_somebody_changes_at_every_try(self):
        client = self.computes["host1"].manager.xloud_ports.placement
        put, tries = client._put_allocations, []

        def changed_meanwhile(context, consumer, payload):
            tries.append(dict(payload))
            if len(tries) <= 2:
                fresh = client.get_allocs_for_consumer(context, consumer)
                for one in fresh["allocations"].values():
                    one.pop("generation", None)
                assert put(context, consumer, fresh).status_code == 204
            return put(context, consumer, payload)

        with mock.patch.object(client, "_put_allocations", changed_meanwhile):
            self._adjust(current_vcpus=3)
        assert len(tries) == 3
        self._has(3, 512)

    def test_a_claim_that_never_succeeds_is_503_and_nothing_is_changed(self):
        client = self.computes["host1"].manager.xloud_ports.placement
        conflict = mock.Mock(status_code=409, text="code: placement.concurrent_update")
        with mock.patch.object(client, "_put_allocations", return_value=conflict):
            self._refused(503, "xloud.placement_unavailable", current_vcpus=3)
        self._has(1, 512)
        assert self._record(self.server).system_metadata["xloud_generation"] == "0"


class Fifty(XloudTestCase):
    def _active(self):
        return self.api.get_servers(detail=False, search_opts={"status": "ACTIVE"})

    def test_fifty_servers_grow_at_once_and_the_host_is_never_oversold(self):
        self.flags(instances=-1, group="quota")
        self.flags(cpu_allocation_ratio=50.0, disk_allocation_ratio=100.0)
        self.flags(memory_floor_mb=64, memory_floor_percent=0, group="xloud")
        self.start_compute("host1")
        flavor = self._flavor(vcpus=2, memory_mb=128, minimum_cpu=1, minimum_memory=64)
        for there in range(0, 50, 5):
            body = self._build_server(flavor_id=flavor, networks="none") | {"min_count": 5}
            self.api.post_server({"server": body})
            self._wait(lambda some=there + 5: self.assertEqual(some, len(self._active())), LIMIT)
        servers = self._active()
        (provider,) = self._get_allocations_by_server_uuid(servers[0]["id"])
        inventory = self._get_provider_inventory(provider)["MEMORY_MB"]
        # Room for thirty of the fifty.
        inventory["reserved"] = inventory["total"] - 50 * 64 - 30 * 64
        self._update_inventory_of(provider, inventory)

        def grow(server):
            answer = self.admin_api.api_post(
                f"/os-xloud-adjust/{server['id']}",
                {"current_memory_mb": 128},
                check_response_status=[202, 409],
            )
            return answer.status, str(answer.body)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(grow, servers))
        admitted = [status == 202 for status, _ in answers]
        assert sum(admitted) == 30
        assert all("xloud.no_capacity" in body for status, body in answers if status == 409)
        used = self._get_provider_usages(provider)["MEMORY_MB"]
        assert used == inventory["total"] - inventory["reserved"]
        for server, grown in zip(servers, admitted, strict=True):
            assert self._reserved(server)["MEMORY_MB"] == (128 if grown else 64)


class Held(EngineTestCase):
    """Operations of Nova's that have their instance for long, as Nova's own lock of it shows."""

    boot_grace = 0
    # Nobody waits for one of them to end.
    CAST_AS_CALL = False

    def setUp(self):
        super().setUp()
        self.uploading, self.tried = set(), set()
        self._watch_locks()

    def test_four_that_are_shelved_with_slow_uploads_delay_no_other_server(self):
        servers = [self._elastic() for _ in range(4)]
        uuids, submitted, submit = {server["id"] for server in servers}, [], Worker.submit
        # As one that is admitted and has not had its turn yet.
        with mock.patch.object(Worker, "submit", lambda *a, **k: submitted.append((a, k))):
            for server in servers:
                self._adjust(server, current_memory_mb=768)
        uploaded = threading.Event()
        self.addCleanup(uploaded.set)

        def upload(driver, context, instance, *args, **kwargs):
            self.uploading.add(instance.uuid)
            assert uploaded.wait(LIMIT)

        with mock.patch.object(LibvirtDriver, "snapshot", upload):
            for server in servers:
                self.admin_api.post_server_action(server["id"], {"shelve": {}})
            self._wait(lambda: self.assertEqual(uuids, self.uploading))
            for arguments, options in submitted:
                submit(*arguments, **options)
            self._adjust(current_vcpus=3, current_memory_mb=768)
            self._has(3, 768)
            # Meanwhile they were not left alone, and nobody had their locks.
            self._wait(lambda: self.assertEqual(uuids, self.tried))
            for server in servers:
                assert not lockutils.internal_lock(server["id"]).acquire(blocking=False)
                assert self._status(server)["memory_mb"]["desired"] == 768
                self._refused(409, "shelving", server=server, current_vcpus=2)
            uploaded.set()
            for server in servers:
                self._wait_for_state_change(server, "SHELVED_OFFLOADED")

    def test_one_that_is_held_answers_status_and_dry_run(self):
        self._has(1, 512)
        url, body = f"/os-xloud-adjust/{self.server['id']}", {"current_vcpus": 2, "dry_run": True}
        with lockutils.lock(self.server["id"]):
            assert self._status()["vcpus"]["actuated"] == 1
            plan = self.admin_api.api_post(url, body, check_response_status=[200]).body["plan"]
        assert plan["admitted"] is True
        self._has(1, 512)

    def _watch_locks(self):
        """Have ``tried`` be those in whose uploads a run tries to get their lock, in vain."""
        hold = InstanceLocks.hold

        @contextlib.contextmanager
        def watched(locks, uuid, within):
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(hold(locks, uuid, within))
                except InvalidState:
                    if uuid in self.uploading and not within:
                        self.tried.add(uuid)
                    raise
                yield

        patched = mock.patch.object(InstanceLocks, "hold", watched)
        patched.start()
        self.addCleanup(patched.stop)


class Crashed(EngineTestCase):
    def test_what_was_admitted_is_finished_when_the_service_is_back(self):
        with self._crashes_before_converging():
            self._adjust(current_vcpus=3, current_memory_mb=768)
        status = self._status()
        assert (status["vcpus"]["reserved"], status["vcpus"]["actuated"]) == (3, 1)
        condition = self._condition("Converged")
        assert (condition["status"], condition["reason"]) == (False, "xloud.admitted")
        self.restart_compute_service("host1")
        self._has(3, 768)
        self._wait(lambda: self.assertTrue(self._condition("Converged")["status"]))

    def test_it_is_finished_as_the_action_that_asked_for_it(self):
        with self._crashes_before_converging():
            self._adjust(current_vcpus=3)
        request_id = self._record(self.server).system_metadata["xloud_request_id"]
        self.host.reconcile().join()
        self._has(3, 512)

        def finished():
            (action,) = [a for a in self._events("xloud_adjust") if a["request_id"] == request_id]
            (event,) = action["events"]
            assert (event["event"], event["result"]) == ("compute_xloud_adjust", "Success")

        self._wait(finished)

    def test_a_service_that_ends_in_order_ends_what_it_began(self):
        with mock.patch.object(self.host, "close", wraps=self.host.close) as close:
            self.computes["host1"].stop()
        assert close.call_count == 1

    def test_a_guest_that_ran_when_the_service_began_is_none_that_boots(self):
        self.restart_compute_service("host1")
        manager = self.computes["host1"].manager
        connection = manager.driver._host.get_connection()
        boot_id = connection.lookupByUUIDString(self.server["id"]).ID()
        assert not manager._boot_grace.booting(self.server["id"], boot_id)

    def test_claimed_and_not_written_is_given_back(self):
        record = "nova_xloud.adapters.record.NovaRecord.write"
        with mock.patch(record, side_effect=RuntimeError("killed")):
            error = self.assertRaises(OpenStackApiException, self._adjust, current_vcpus=4)
        assert error.response.status_code == 500
        assert self._reserved(self.server)["VCPU"] == 4
        self.host.reconcile().join()
        self._has(1, 512)

    def test_one_that_had_to_stand_back_is_finished_by_a_pass(self):
        with self._crashes_before_converging():
            self._adjust(current_vcpus=3)
        record = self._record(self.server)
        record.task_state = "image_snapshot"
        record.save()
        self.host.reconcile().join()
        assert self._status()["vcpus"]["actuated"] == 1
        record.task_state = None
        record.save()
        self.host.reconcile().join()
        self._has(3, 512)


class Afterwards(EngineTestCase):
    def test_deferred_event_stays_open_until_a_later_run_ends_it(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self.admin_api.post_server_action(self.server["id"], {"pause": None})
        self._wait_for_state_change(self.server, "PAUSED")
        self._adjust(current_vcpus=1)
        self._wait(
            lambda: self.assertEqual("xloud.deferred", self._condition("Converged")["reason"])
        )
        (event,) = self._events("xloud_adjust")[0]["events"]
        assert (event["result"], event["finish_time"]) == (None, None)
        self.admin_api.post_server_action(self.server["id"], {"unpause": None})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(1, 512)

        def ended():
            (event,) = self._events("xloud_adjust")[0]["events"]
            assert (event["result"], event["details"]) == ("Success", None)

        self._wait(ended)

    def test_unpersisted_vcpus_stay_unpersisted_when_memory_is_adjusted(self):
        self._adjust(current_vcpus=3, persist=False)
        self._has(3, 512)
        self._adjust(current_memory_mb=768)
        self._has(3, 768)
        self._stop_server(self.server)
        self._wait(lambda: self.assertEqual(1, self._reserved(self.server)["VCPU"]))
        self._start_server(self.server)
        self._has(1, 768)

    def test_what_others_keep_in_system_metadata_is_not_lost(self):
        record = NovaRecord(self._record(self.server), "host1")
        view = record.refresh()
        other = self._record(self.server)
        other.system_metadata["password_0"] = "theirs"
        other.save()
        desired = view.desired.after(AdmittedRequest(Size(2, 512), Size(2, 512)))
        record.write(desired, recorded=Size(2, 512))
        kept = self._record(self.server).system_metadata
        assert (kept["password_0"], kept["xloud_vcpus"]) == ("theirs", "2")

    def test_it_is_read_anew_by_one_question(self):
        instance, other = (
            objects.Instance.get_by_uuid(
                nova_context.get_admin_context(),
                self.server["id"],
                expected_attrs=["flavor", "info_cache", "system_metadata"],
            )
            for _ in range(2)
        )
        other.vm_state, other.vcpus = "rescued", 2
        other.system_metadata["xloud_generation"] = "7"
        other.flavor.memory_mb = 2048
        other.save()
        cache, read = objects.InstanceInfoCache, objects.Instance.get_by_uuid
        with (
            mock.patch.object(cache, "get_by_instance_uuid") as asked_for_its_network,
            mock.patch.object(objects.Instance, "get_by_uuid", side_effect=read) as asked,
        ):
            view = NovaRecord(instance, "host1").refresh()
        assert (asked.call_count, asked_for_its_network.called) == (1, False)
        assert (view.vm_state, view.recorded.vcpus) == ("rescued", 2)
        assert view.facts.maximum.memory_mb == 2048
        assert view.version == self._record(self.server).updated_at

    def test_what_was_changed_since_it_was_read_is_not_written_over(self):
        record = NovaRecord(self._record(self.server), "host1")
        view = record.refresh()
        NovaRecord(self._record(self.server), "host1").write(
            replace(view.desired, generation=7), recorded=Size(1, 512)
        )
        desired = view.desired.after(AdmittedRequest(Size(2, 512), Size(2, 512)))
        self.assertRaises(InvalidState, record.write, desired, recorded=Size(2, 512))
        assert self._record(self.server).system_metadata["xloud_vcpus"] == "1"

    def test_stale_save_does_not_overwrite_the_record_of_an_adjustment(self):
        stale = self._record(self.server)
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        stale.system_metadata["theirs"] = "kept"
        stale.save()
        metadata = self._record(self.server).system_metadata
        assert (metadata.get("xloud_vcpus"), metadata["theirs"]) == ("3", "kept")
        # And what he holds in his hands from now on is the newer one.
        assert stale.system_metadata["xloud_vcpus"] == "3"

    def test_a_lost_allocation_is_said_and_its_size_is_not_forgotten(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self.placement.delete(f"/allocations/{self.server['id']}")
        self._refused(409, "xloud.no_allocation", current_vcpus=4)
        self.host.reconcile().join()
        self._wait(lambda: self.assertIsNotNone(self._condition("ReservedTooLittle")))
        record = self._record(self.server)
        assert (record.vcpus, record.memory_mb) == (3, 512)


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
        """How many instances a pass reads with their records."""
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
        assert self._read_by_a_pass() == [sorted([*ours, stock["id"]])]
        assert self._read_by_a_pass() == [ours]
        self.flags(allow_resize_to_same_host=True)
        let_guests_move(self, None)
        with_minimum = self._flavor(vcpus=2, memory_mb=2048, minimum_cpu=1)
        self._resize_server(stock, with_minimum)
        assert self._read_by_a_pass() == [sorted([*ours, stock["id"]])]
        self._delete_server(self.server)
        self._delete_server(stock)
        self._boot(self._flavor())
        assert len(self._read_by_a_pass()) == 1
        # Of a host of stock instances only columns are read.
        assert self._read_by_a_pass() == []

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


class Asked(EngineTestCase):
    boot_grace = 0

    def _plan(self, **body):
        url = f"/os-xloud-adjust/{self.server['id']}"
        body["dry_run"] = True
        return self.admin_api.api_post(url, body, check_response_status=[200]).body["plan"]

    def test_a_dry_run_tells_the_steps_and_changes_nothing(self):
        self._has(1, 512)
        plan = self._plan(current_vcpus=3, current_memory_mb=768)
        assert (plan["admitted"], plan["refusal"], plan["blockers"]) == (True, None, [])
        assert plan["desired"] == plan["claim"] == {"vcpus": 3, "memory_mb": 768}
        assert plan["steps"] == [
            {"step": "claim", "vcpus": 3, "memory_mb": 768},
            {"step": "set_definition", "vcpus": 3, "memory_mb": 768},
            {"step": "set_memory", "mib": 768},
            {"step": "set_vcpus", "count": 3},
        ]
        self._has(1, 512)
        assert self._record(self.server).system_metadata["xloud_generation"] == "0"
        assert self._events("xloud_adjust") == []

    def test_a_dry_run_tells_why_not(self):
        plan = self._plan(current_vcpus=5)
        assert plan["admitted"] is False
        assert plan["refusal"]["code"] == "xloud.out_of_bounds"
        (provider,) = self._get_allocations_by_server_uuid(self.server["id"])
        inventory = self._get_provider_inventory(provider)["MEMORY_MB"]
        inventory["reserved"] = inventory["total"] - 600
        self._update_inventory_of(provider, inventory)
        plan = self._plan(current_memory_mb=1024)
        assert plan["refusal"]["code"] == "xloud.no_capacity"
        assert "asked 1024, free 600" in plan["refusal"]["message"]
        assert [s["step"] for s in plan["steps"]] == ["claim", "set_definition", "set_memory"]

    def test_a_guest_is_not_pushed_below_what_it_uses(self):
        self._adjust(current_memory_mb=1024)
        self._has(1, 1024)
        self._guest().uses_kib = 700 * 1024
        self._adjust(current_memory_mb=512)
        self._failed("xloud.guest_refused.memory_floor")
        status = self._status()["memory_mb"]
        # Its 700 and the reserve of 64 MiB.
        assert status == {"desired": 512, "reserved": 764, "actuated": 764, "observed": 764}
        assert self._condition("GuestRefused")["reason"] == "xloud.guest_refused.memory_floor"
        assert self._guest().oom_kills == 0

    def test_unless_it_is_forced(self):
        self._adjust(current_memory_mb=1024)
        self._has(1, 1024)
        self._guest().uses_kib = 460 * 1024
        self._adjust(current_memory_mb=512, force=True)
        self._has(1, 512)

    def test_is_notified_of(self):
        self.notifier.reset()
        self._adjust(current_vcpus=2)
        self._has(2, 512)

        def notified():
            sent = [n for n in self.notifier.notifications if "xloud" in n.event_type]
            kinds = [n.event_type for n in sent]
            assert kinds == [
                "compute.instance.xloud_adjust.start",
                "compute.instance.xloud_adjust.end",
            ]
            assert sent[0].payload["xloud"]["desired"] == {"vcpus": 2, "memory_mb": 512}
            assert sent[0].payload["instance_id"] == self.server["id"]

        self._wait(notified, 5)


class Queued(AdjustTestCase):
    """A run may wait for minutes, and somebody comes first."""

    def test_open_instance_reads_its_record_with_a_changed_flavor(self):
        manager = self.computes["host1"].manager
        context = nova_context.get_admin_context()
        instance = objects.Instance.get_by_uuid(context, self.server["id"], ATTRIBUTES)
        waiting = manager.xloud_ports.open(context, instance)
        assert observe(waiting).reservation.size == Size(1, 512)
        other = self._record(self.server)
        other.flavor.extra_specs = {**other.flavor.extra_specs, "resources:MEMORY_MB": "1024"}
        other.save()
        seen = observe(waiting)
        assert seen.reservation.size == Size(1, 1024)
        # Nor is it written as the old one would have it.
        waiting.claims.write(seen.reservation, Size(2, 768))
        assert self._reserved(self.server) == {"VCPU": 2, "MEMORY_MB": 512}
