# SPDX-License-Identifier: Apache-2.0
"""Who tells ``nova-xloud-status invariants`` what guests hold, and what is left unchecked."""

import contextlib
import dataclasses
import io
import json
import threading
from unittest import mock

from keystoneauth1 import exceptions as ks_exc
from nova import objects
from nova.scheduler.client import report
from oslo_db import exception as db_exc
from oslo_utils.fixture import uuidsentinel as uuids

from nova_xloud.cmd import invariants, status
from nova_xloud.errors import DomainCallFailed, HostUnavailable
from nova_xloud.libvirt.domain_stats import survey
from nova_xloud.testing import Behaviour
from tests.functional.invariants import InvariantsTestCase

URI = "fake:///"


class Witnesses(InvariantsTestCase):
    """Who tells what a guest holds."""

    def _with_libvirt(self, *more, read=None):
        arguments = status.parser().parse_args(
            ["invariants", "--settle", "0.2", "-f", "json", "--libvirt", f"host1={URI}", *more]
        )
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = invariants.run(arguments, survey=read or self._survey)
        return code, json.loads(out.getvalue())

    def _survey(self, uri):
        assert uri == URI
        return survey(self.computes["host1"].driver._host.get_connection())

    def _grow_by_hand(self):
        self.guests.domain(self.server["id"]).set_vcpus(
            2, live=True, config=False, hotpluggable=True
        )

    def test_libvirt_is_a_witness_of_its_own(self):
        assert self._with_libvirt()[0] == 0
        self._grow_by_hand()
        with mock.patch("nova_xloud.rpc.client.XloudAPI.guests", side_effect=AssertionError):
            code, report = self._with_libvirt()
        assert (code, [f["code"] for f in report["breaks"]]) == (1, ["reserved_below_held"])

    def test_of_a_stopped_guest_libvirt_tells_that_it_holds_nothing(self):
        self._stop_server(self.server)
        code, report = self._with_libvirt()
        assert (code, report["notes"]) == (0, [])

    def test_memory_is_a_note_within_the_grace_of_the_last_start(self):
        self.guests.behaviour = Behaviour.NO_BALLOON_DRIVER
        self._elastic()
        code, report = self._with_libvirt()
        assert (code, [n["code"] for n in report["notes"]]) == (0, ["reserved_below_held"])
        code, report = self._with_libvirt("--boot-grace", "0")
        assert (code, [b["resource"] for b in report["breaks"]]) == (1, ["memory_mb"])

    def test_what_is_over_when_it_is_looked_at_again_is_not_told(self):
        looks = []

        def read(uri):
            looks.append(uri)
            seen = self._survey(uri)
            late = {u: dataclasses.replace(g, vcpus=g.vcpus + 1) for u, g in seen.items()}
            return late if len(looks) == 1 else seen

        assert self._with_libvirt(read=read)[0] == 0
        assert len(looks) == 2

    def test_a_domain_of_which_nothing_is_told_is_a_note(self):
        code, report = self._with_libvirt(read=lambda uri: {})
        assert (code, [n["code"] for n in report["notes"]]) == (0, ["guest_unknown"])

    def test_a_libvirt_that_hangs_is_left_behind_and_its_host_is_not_checked(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.flags(rpc_response_timeout=1)
        self._allocate(self.server["id"], {})
        code, report = self._with_libvirt(read=lambda uri: over.wait())
        # Placement alone shows that the allocation is missing, so this is still reported. A libvirt
        # that has not answered is asked once only.
        assert (code, [b["code"] for b in report["breaks"]]) == (1, ["no_allocation"])
        (unread,) = report["not_checked"]
        assert "no answer within 1 s" in unread["what"]

    def test_a_libvirt_that_does_not_answer(self):
        def read(uri):
            raise DomainCallFailed("openReadOnly(fake:///): no route to host")

        code, report = self._with_libvirt(read=read)
        assert code == 2
        (unread,) = report["not_checked"]
        assert "no route to host" in unread["what"]
        assert "--libvirt host1=URI" in unread["remedy"]

    def test_a_host_that_is_down_is_a_note_and_the_databases_are_compared(self):
        self._host_goes_down()
        report = self._holds()
        ((note,), count) = report["notes"], report["counts"]["notes"]
        assert (note["code"], note["host"], count) == ("guest_unknown", "host1", 1)
        assert "--libvirt HOST=URI" in note["message"]
        self._grow_by_hand()
        self._holds()
        assert self._with_libvirt()[0] == 1

    def test_without_guests(self):
        self._grow_by_hand()
        assert self._holds("--no-guests")["notes"] == []


class NotChecked(InvariantsTestCase):
    def test_a_nova_compute_that_runs_without_nova_xloud(self):
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        self._delete_server(self.server)
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            self.start_compute("host2")
        self._elastic(host="host2")
        what, remedy = self._not_checked()
        assert "host2" in what
        assert "start that nova-compute with nova-xloud-run" in remedy
        self._holds("--no-guests")

    def test_a_broken_rule_is_told_all_the_same(self):
        self._allocate(uuids.nobody, {self.provider: {"VCPU": 1}})
        with mock.patch.object(report.SchedulerReportClient, "get", self._away):
            assert self._check()[0] == 2
        with mock.patch("nova_xloud.rpc.client.XloudAPI.guests", side_effect=self._silent):
            code, found = self._check()
        assert (code, len(found["breaks"]), len(found["not_checked"])) == (1, 1, 1)

    def _away(self, *args, **kwargs):
        raise ks_exc.ConnectFailure("connection refused")

    def _silent(self, *args, **kwargs):
        raise HostUnavailable("the server's compute host did not answer in time")

    def test_placement_away(self):
        with mock.patch.object(report.SchedulerReportClient, "get", self._away):
            what, remedy = self._not_checked("--no-guests")
        assert "connection refused" in what
        assert "[placement]" in remedy

    def test_a_cell_that_is_away(self):
        away = db_exc.DBConnectionError(Exception("connection refused"))
        with mock.patch.object(objects.ComputeNodeList, "get_all", side_effect=away):
            code, found = self._check()
        assert code == 2
        assert all("could not be read" in unread["what"] for unread in found["not_checked"])

    def test_no_such_host(self):
        what, remedy = self._not_checked("--libvirt", f"host9={URI}")
        assert "host9" in what
        assert "host1" in remedy
