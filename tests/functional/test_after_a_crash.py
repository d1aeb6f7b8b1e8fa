# SPDX-License-Identifier: Apache-2.0
"""A nova-compute that was killed: what was admitted is finished, and is seen to be finished."""

from unittest import mock

import oslo_messaging as messaging
from nova import exception
from nova.tests.functional.api.client import OpenStackApiException

from nova_xloud.adapters.record import NovaActions
from nova_xloud.errors import PlacementUnavailable
from tests.functional.engine import EngineTestCase


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

    def test_a_request_without_an_action_gets_one_and_leaves_others_alone(self):
        self._adjust(current_vcpus=2)
        self._wait(lambda: self.assertEqual(["Success"], self._results()))
        (before,) = self._events("xloud_adjust")
        killed = mock.patch.object(self.host, "_start_run", side_effect=RuntimeError("killed"))
        with killed, self.assertRaises(OpenStackApiException):
            self._adjust(current_vcpus=3)
        self.host.reconcile().join()
        self._has(3, 512)
        self._wait(lambda: self.assertEqual(["Success", "Success"], self._results()))
        now = {one["request_id"]: one for one in self._events("xloud_adjust")}
        assert now.pop(before["request_id"]) == before
        (created,) = now.values()
        assert created["user_id"] == before["user_id"]
        assert created["project_id"] == before["project_id"]

    def test_a_pass_in_the_middle_of_an_admission_creates_no_second_action(self):
        start = NovaActions.start

        def start_after_a_pass(actions, name):
            self.host.reconcile().join()
            start(actions, name)

        with mock.patch.object(NovaActions, "start", start_after_a_pass):
            self._adjust(current_vcpus=3)
        self._has(3, 512)
        self._wait(lambda: self.assertEqual(["Success"], self._results()))
        assert len(self._events("xloud_adjust")) == 1

    def test_an_action_that_was_left_open_is_ended_when_the_service_is_back(self):
        self._left_open()
        self.restart_compute_service("host1")
        self._wait(lambda: self.assertEqual(["Success"], self._results()))

    def test_an_action_whose_end_could_not_be_written_is_ended_by_a_pass(self):
        self._left_open()
        self.host.reconcile().join()
        assert self._results() == ["Success"]

    def test_of_many_requests_of_a_paused_server_none_is_left_open(self):
        server = self.server["id"]
        self.api.post_server_action(server, {"pause": None})
        self._wait_for_state_change(self.server, "PAUSED")
        for vcpus in (3, 2) * 5:
            self._adjust(current_vcpus=vcpus, current_memory_mb=512 + 64 * vcpus)
            self._wait(lambda: self.assertFalse(self.host._worker.is_busy(server)))
        # The record names the last seven; nothing but the database knows of the three before.
        results = self._results()
        assert results == [*[None] * 7, *["Error"] * 3], str(results)
        oldest = self._events("xloud_adjust")[-1]
        assert "other sizes were asked for" in oldest["events"][0]["details"]
        self.restart_compute_service("host1")
        self.api.post_server_action(server, {"unpause": None})
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(2, 640)

        def ended():
            self.host.reconcile().join()
            assert self._results() == [*["Success"] * 7, *["Error"] * 3]

        self._wait(ended)

    def _left_open(self):
        """Have a run write its outcome into the record, and not into the event."""
        with mock.patch.object(NovaActions, "_finish"):
            self._adjust(current_vcpus=3)
            self._has(3, 512)
            self._wait(lambda: self.assertTrue(self._condition("Converged")["status"]))
            self._wait(lambda: self.assertFalse(self.host._worker.is_busy(self.server["id"])))
        assert self._results() == [None]

    def test_a_run_after_one_whose_outcome_was_not_recorded_ends_the_same_event(self):
        refused = PlacementUnavailable("conflicts")
        with (
            mock.patch("nova_xloud.compute.converge.execute", side_effect=refused),
            mock.patch("nova_xloud.compute.converge.finish", side_effect=refused),
        ):
            self._adjust(current_vcpus=3)
            self._wait(lambda: self.assertEqual(["Error"], self._results()))
        self.host.reconcile().join()
        self._has(3, 512)
        self._wait(lambda: self.assertEqual(["Success"], self._results()))

    def _results(self):
        return [e["result"] for a in self._events("xloud_adjust") for e in a["events"]]

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
            self._refused(409, "xloud.host_unavailable", current_vcpus=4)
        assert self._reserved(self.server)["VCPU"] == 4
        self.host.reconcile().join()
        self._has(1, 512)

    def test_a_host_that_fails_to_admit_is_no_error_of_nova_api(self):
        for call, error in (
            ("adjust", KeyError("x")),
            ("reserve", exception.ComputeHostNotFound(host="x")),
            ("adjust", messaging.MessageDeliveryFailure("x")),
        ):
            # Only then is there a second check of the quota, and so a reservation.
            self.flags(cores=10 if call == "reserve" else -1, group="quota")
            with mock.patch.object(self.host, call, side_effect=error):
                text = self._refused(409, "xloud.host_unavailable", current_vcpus=2)
            assert "xloud-status shows whether the request was admitted" in text
        self._has(1, 512)
        self._adjust(current_vcpus=2)
        self._has(2, 512)

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
