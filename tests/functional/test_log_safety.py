# SPDX-License-Identifier: Apache-2.0
"""What tenants and guests say makes no line of its own in a log, and no secret is in one."""

import logging
from unittest import mock
from urllib.parse import urlencode

from nova_xloud.api import servers_query
from nova_xloud.errors import DomainCallFailed
from nova_xloud.libvirt.domain import LibvirtDomain
from tests.functional.raw_requests import SERVERS, RawRequests
from tests.functional.test_logs import LogsTestCase
from tests.log_secrets import secrets_in

TOKEN = "gAAAAABo" + "aB3_-" * 30
PASSWORD = "x7PqJ3vv"
FORGED = "no\n2026-11-29 12:00:00.000 1 ERROR nova.compute.manager [-] forged\x1b[2J"
# What is shown in place of it: two characters for the line break, four for the escape.
ESCAPED = r"no\n2026-11-29 12:00:00.000 1 ERROR nova.compute.manager [-] forged\x1b[2J"


class AllLines(logging.Handler):
    """All that any logger of this process says, at whatever level."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append((record.name, record.levelno, record.getMessage()))

    def said_by(self, *names, level=logging.DEBUG):
        return [line for name, at, line in self.lines if name.startswith(names) and at >= level]


class LogSafety(RawRequests, LogsTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)

    def _all_lines(self):
        lines = AllLines()
        root = logging.getLogger()
        root.addHandler(lines)
        self.addCleanup(root.removeHandler, lines)
        return lines

    def test_no_secret_of_a_request_is_logged(self):
        lines = self._all_lines()
        secret = {"x_auth_token": TOKEN, "authorization": f"Basic {PASSWORD}"}
        self.adjust({"current_vcpus": 3}, **secret)
        self._has(3, 512)
        self.adjust({"current_vcpus": 99}, **secret)
        self.adjust(b"{", **secret)
        self.adjust({"adminPass": PASSWORD}, **secret)
        self.send("GET", self.status_path(), **secret)
        body = self._build_server(flavor_id=self._flavor(minimum_cpu=1), networks="none")
        body["adminPass"] = PASSWORD
        server = self.api.post_server({"server": body})
        self._wait_for_state_change(server, "ACTIVE")
        self.computes["host1"].manager.xloud.reconcile().join(30)
        said = lines.said_by("")
        known = {TOKEN: "the token", PASSWORD: "the password"}
        assert list(secrets_in(said, "log", known)) == []
        assert len(said) > 100

    def test_text_of_a_request_makes_no_line_of_its_own(self):
        lines = self._all_lines()
        # As a value it is in the message twice: as it is, and as Python writes it.
        for name, times in (("current_vcpus", 2), ("persist", 2), (FORGED, 1)):
            answer = self.adjust({name: FORGED, "current_memory_mb": 512})
            assert answer.status_int == 400
            assert answer.json["badRequest"]["message"].count(ESCAPED) == times, answer.text
        for name in ("x-openstack-request-id", "user-agent", "x-forwarded-for", "accept"):
            self.adjust({"current_vcpus": 1}, **{name: FORGED})
        said = lines.said_by("nova_xloud", "nova.api.openstack.wsgi", level=logging.INFO)
        # Hidden would be as bad: who looks for what was sent has to find it.
        assert len([line for line in said if ESCAPED in line]) >= 3, said
        assert [line for line in said if "\n" in line or "\x1b" in line] == []

    def test_an_id_or_query_with_a_line_break_makes_no_line_of_its_own(self):
        lines = self._all_lines()
        for path in (self.adjust_path, self.status_path, self.history_path):
            method = "POST" if path == self.adjust_path else "GET"
            answer = self.send(method, path({"id": FORGED}), b'{"current_vcpus": 1}')
            assert answer.status_int == 404
            assert answer.json["itemNotFound"]["message"] == (
                f"Instance {ESCAPED} could not be found."
            )
        for name in (*servers_query.NAMES, "another"):
            answer = self.send("GET", SERVERS, query=urlencode({name: FORGED}))
            assert answer.status_int == 400, answer.text
        for path in (self.status_path(), self.history_path()):
            self.send("GET", path, query=urlencode({FORGED: FORGED}))
        said = lines.said_by("nova_xloud", "nova.api.openstack.wsgi", "nova.compute.api")
        assert len([line for line in said if "forged" in line]) >= 3 + len(servers_query.NAMES)
        assert [line for line in said if "\n" in line or "\x1b" in line] == []

    def test_a_request_id_that_is_none_is_not_taken(self):
        for given in (FORGED, "req-1", "\x1b[31m", "x" * 5000):
            answer = self.adjust({"current_vcpus": 1}, x_openstack_request_id=given)
            assert answer.headers["x-openstack-request-id"] != given
            assert answer.headers["x-openstack-request-id"].isprintable()

    def test_what_a_guest_says_makes_no_line_of_its_own_and_is_shown_in_one(self):
        lines = self._all_lines()
        failed = DomainCallFailed(f"setMemoryFlags: {FORGED}")
        with mock.patch.object(LibvirtDomain, "set_memory", side_effect=failed):
            self._adjust(current_memory_mb=1024)
            self._ends_with("the run to its desired size failed")
        said = lines.said_by("nova_xloud")
        assert [line for line in said if ESCAPED in line]
        assert [line for line in said if "\n" in line or "\x1b" in line] == []
        shown = [condition["message"] for condition in self._status()["conditions"]]
        assert all(message.isprintable() for message in shown), shown
        assert [message for message in shown if ESCAPED in message], shown
        (event,) = self._events("xloud_adjust")[0]["events"]
        assert "\x1b" not in event["details"]
        assert ESCAPED in event["details"]
