# SPDX-License-Identifier: Apache-2.0
"""What an operator reads: one request id from POST to guest, and no traceback for a refusal."""

import logging
import re
import threading
from unittest import mock

from nova.context import RequestContext
from nova.tests.functional.api.client import OpenStackApiException
from oslo_context import context as oslo_context

from nova_xloud.compute.worker import Worker
from nova_xloud.testing import Behaviour
from tests.functional.base import AdjustTestCase


class Lines(logging.Handler):
    """Every record of ours, with the request id that oslo.log would write before it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.records = []

    def emit(self, record):
        context = oslo_context.get_current()
        self.records.append((context.request_id if context else None, record))


_store = oslo_context.RequestContext.update_store


def _store_novas(context):
    if isinstance(context, RequestContext):
        _store(context)


class LogsTestCase(AdjustTestCase):
    def setUp(self):
        super().setUp()
        # Before Nova 34 this process imports oslo.context earlier than a service does: not for
        # eventlet's threads.
        for_each_thread = mock.patch.object(oslo_context, "_request_store", threading.local())
        for_each_thread.start()
        self.addCleanup(for_each_thread.stop)
        # Placement answers in the thread that asks it here, and has contexts of its own.
        patch = mock.patch.object(oslo_context.RequestContext, "update_store", _store_novas)
        patch.start()
        self.addCleanup(patch.stop)
        self.lines = Lines()
        ours = logging.getLogger("nova_xloud")
        before = ours.level
        ours.setLevel(logging.DEBUG)
        ours.addHandler(self.lines)
        self.addCleanup(ours.removeHandler, self.lines)
        self.addCleanup(ours.setLevel, before)

    def _request_id(self):
        return self._events("xloud_adjust")[0]["request_id"]

    def _said(self, request_id=None, level=logging.INFO):
        """The messages of a request, in their order."""
        return [
            record.getMessage()
            for found, record in self.lines.records
            if found == (request_id or self._request_id()) and record.levelno >= level
        ]

    def _ends_with(self, end):
        """The last line of the newest request is of the server, and of this end and its details."""
        line = re.compile(rf"Instance {self.server['id']}:? {end}([.,:] ?.*)?")

        def ended():
            said = self._said()
            assert said, self.lines.records
            assert line.fullmatch(said[-1]), said

        self._wait(ended)


class OneRequest(LogsTestCase):
    boot_grace = 0

    def test_it_tells_the_whole_story(self):
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        self._ends_with("has reached its desired size")
        uuid = self.server["id"]
        said = self._said()
        expected = [
            f"Instance {uuid}: host host1 is asked for vcpus=3 memory_mb=768.",
            f"Instance {uuid}: desired is 3 vCPUs, 768 MiB (generation 1), ",
            f"Instance {uuid}: step done: balloon target set to 768 MiB.",
            f"Instance {uuid}: step done: vCPUs in QEMU set to 3.",
            f"Instance {uuid} has reached its desired size, or is off and will start with it.",
        ]
        places = [[n for n, line in enumerate(said) if line.startswith(one)] for one in expected]
        assert [len(found) for found in places] == [1] * len(expected), said
        assert places == sorted(places), said

    def test_two_requests_are_told_apart(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self._ends_with("has reached its desired size")
        first = self._request_id()
        self._adjust(current_vcpus=1)
        self._has(1, 512)
        self._ends_with("has reached its desired size")
        second = next(a["request_id"] for a in self._events("xloud_adjust"))
        assert first != second
        assert any("in QEMU set to 3" in line for line in self._said(first))
        assert not any("in QEMU set to 1" in line for line in self._said(first))
        assert any("in QEMU set to 1" in line for line in self._said(second))

    def test_a_pass_that_goes_on_after_a_crash_has_it_too(self):
        with mock.patch.object(Worker, "submit", autospec=True):
            self._adjust(current_vcpus=3)
        self.computes["host1"].manager.xloud.reconcile().join(30)
        self._has(3, 512)
        self._ends_with("has reached its desired size")
        said = self._said()
        assert any("queues a run, because its adjustment is admitted" in line for line in said), (
            said
        )
        assert any("vCPUs in QEMU set to 3" in line for line in said), said

    def test_a_guest_that_refuses_is_a_warning_without_traceback(self):
        self._adjust(current_memory_mb=1024)
        self._has(1, 1024)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.NO_BALLOON_DRIVER
        self._adjust(current_memory_mb=512)
        self._ends_with("the run to its desired size failed")
        assert [r.exc_info for _, r in self.lines.records if r.exc_info] == []


class Refusals(LogsTestCase):
    def test_what_a_user_did_is_information_and_no_traceback(self):
        self._refused(400, "xloud.invalid", current_vcpus="many")
        self._refused(400, "xloud.out_of_bounds", current_vcpus=9)
        self._refused(400, "xloud.out_of_bounds", current_memory_mb=64)
        self._refused(403, "xloud.forbidden", api=self.user_api, current_vcpus=2)
        self.api.post_server_action(self.server["id"], {"lock": {}})
        self._refused(409, "locked", current_vcpus=2)
        self.api.post_server_action(self.server["id"], {"unlock": {}})
        self.flags(cores=1, group="quota")
        self._refused(403, "xloud.quota", current_vcpus=3)
        self.flags(cores=-1, group="quota")
        plain = self._boot(self._flavor(vcpus=2))
        error = self.assertRaises(OpenStackApiException, self._adjust, plain, current_vcpus=1)
        assert "xloud.blocked.boot_vcpus" in error.response.text
        self._delete_server(plain)
        capacity = self._memory_capacity(self.server)
        self._boot(self._flavor(vcpus=1, memory_mb=capacity - 512 - 256))
        self._refused(409, "xloud.no_capacity", current_vcpus=2, current_memory_mb=1024)
        loud = [
            (r.name, r.levelname, r.getMessage())
            for _, r in self.lines.records
            if r.levelno > logging.INFO or r.exc_info
        ]
        assert loud == []
        assert any("refused: xloud.out_of_bounds" in r.getMessage() for _, r in self.lines.records)
