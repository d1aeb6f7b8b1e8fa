# SPDX-License-Identifier: Apache-2.0
"""The engine in real Nova services: many at once, crashes, drift, alarms, dry runs."""

import contextlib
import threading
from dataclasses import replace
from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.virt.libvirt.driver import LibvirtDriver
from oslo_concurrency import lockutils

from lab.patience import LIMIT
from nova_xloud.adapters.locks import InstanceLocks
from nova_xloud.adapters.record import NovaRecord
from nova_xloud.compute.worker import Worker
from nova_xloud.core.instance.desired import AdmittedRequest
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState
from tests.functional.engine import EngineTestCase


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
        """Collect in ``tried`` the servers whose lock a run could not get during their upload."""
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


class Afterwards(EngineTestCase):
    def test_deferred_event_stays_open_until_a_later_run_ends_it(self):
        self._deferred()
        (event,) = self._events("xloud_adjust")[0]["events"]
        assert (event["result"], event["finish_time"]) == (None, None)
        self.admin_api.post_server_action(self.server["id"], {"unpause": None})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(1, 512)

        def ended():
            (event,) = self._events("xloud_adjust")[0]["events"]
            assert (event["result"], event["details"]) == ("Success", None)

        self._wait(ended)

    def test_a_deferred_one_that_another_supersedes_has_an_end(self):
        self._deferred()
        self._adjust(current_vcpus=2, current_memory_mb=1024)
        self.admin_api.post_server_action(self.server["id"], {"unpause": None})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(2, 1024)

        def ended():
            # The passes that follow come to it.
            self.host.reconcile().join()
            results = {e["result"] for a in self._events("xloud_adjust") for e in a["events"]}
            assert results == {"Success"}

        self._wait(ended)

    def test_a_deferred_one_ends_when_its_server_is_deleted(self):
        self._deferred()
        self._delete_server(self.server)
        self.host.reconcile().join()
        events = [e for a in self._events("xloud_adjust") for e in a["events"]]
        assert sorted(e["result"] for e in events) == ["Error", "Success"], events

    def _deferred(self):
        """Leave an adjustment deferred, because the server is paused, and its event open."""
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self.admin_api.post_server_action(self.server["id"], {"pause": None})
        self._wait_for_state_change(self.server, "PAUSED")
        self._adjust(current_vcpus=1)
        self._wait(
            lambda: self.assertEqual("xloud.deferred", self._condition("Converged")["reason"])
        )

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
        url = f"/os-xloud-adjust/{self.server['id']}"
        body = {"current_vcpus": 4, "dry_run": True}
        refusal = self.admin_api.api_post(url, body).body["plan"]["refusal"]
        assert refusal["code"] == "xloud.no_allocation"
        self.host.reconcile().join()
        self._wait(lambda: self.assertIsNotNone(self._condition("ReservedTooLittle")))
        record = self._record(self.server)
        assert (record.vcpus, record.memory_mb) == (3, 512)


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
