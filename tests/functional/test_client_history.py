# SPDX-License-Identifier: Apache-2.0
"""``openstack server adjust history``, run by the real shell, and the SDK's history."""

from unittest import mock

import fixtures

from nova_xloud import client
from nova_xloud.client import service
from nova_xloud.client.recorded import PastAdjustment
from tests.functional.shell import ADMIN, MEMBER, ClientTestCase
from tests.functional.tables import heads_of, widest

COLUMNS = ["At", "By", "From", "To", "Outcome", "Code", "Request ID"]
OF_A_PERSON = "0123456789abcdef" * 2


def told(**more):
    return PastAdjustment.from_body(
        {
            "at": "2026-11-30T14:05:11Z",
            "by": OF_A_PERSON,
            "request_id": "req-5b1f8a52-1f3b-4d0e-9e0b-3c8f1d2e4a60",
            "from": {"vcpus": 128, "memory_mb": 131072},
            "to": {"vcpus": 256, "memory_mb": 262144},
            "outcome": "guest_refused",
            "code": "xloud.guest_refused.memory_not_reached",
            **more,
        }
    )


class History(ClientTestCase):
    def _adjusted(self):
        assert self.adjust(self.server["name"], "--vcpus", "3", "--wait").code == 0
        assert self.adjust(self.server["name"], "--memory", "768", "--wait").code == 0

    def test_json_has_every_key_and_a_table_the_sizes(self):
        name = self.server["name"]
        assert self.adjust("history", name, "-f", "json").json == []
        self._adjusted()
        newest, older = self.adjust("history", name, "-f", "json", user=MEMBER).json
        assert list(newest) == COLUMNS
        assert (newest["Outcome"], newest["Code"]) == ("converged", "xloud.converged")
        assert (newest["By"], newest["Request ID"][:4]) == (ADMIN, "req-")
        assert older["To"] == newest["From"] == {"vcpus": 3, "memory_mb": 512}
        assert newest["To"] == {"vcpus": 3, "memory_mb": 768}
        table = self.adjust("history", name).out
        assert heads_of(table) == ["At", "By", "vCPUs", "Memory MiB", "Outcome"]
        assert "1 -> 3" in table
        assert "512 -> 768" in table
        named = self.adjust("history", name, "-c", "Request ID", "-c", "To").out
        assert newest["Request ID"] in named
        assert "3 vCPUs, 768 MiB" in named

    def test_the_sdk_has_it_as_objects(self):
        self._adjusted()
        newest, older = self.xloud().get_history(self.server["name"])
        assert (older.before, older.after) == (client.Size(1, 512), client.Size(3, 512))
        assert (newest.after, newest.outcome, newest.by) == (
            client.Size(3, 768),
            "converged",
            ADMIN,
        )
        (server,) = self.xloud().recorded_servers()
        assert (server.desired, server.converged) == (client.Size(3, 768), True)
        assert server.host == "host1"

    def test_a_table_is_no_wider_than_80_columns(self):
        past = (
            told(),
            told(by="autoscale", outcome="superseded", code="xloud.admitted"),
            told(outcome="gave_up", code="xloud.gave_up.vcpus_not_removed"),
            told(by="a\x1b[31mb", outcome="failed", code="xloud.failed"),
        )
        with mock.patch.object(service.Xloud, "get_history", return_value=past):
            for columns in (None, "80", "200"):
                with fixtures.EnvironmentVariable("COLUMNS", columns):
                    table = self.adjust("history", self.server["name"]).out
                    assert widest(table) <= 80, table
            assert "superseded" in table
            assert "\x1b" not in table
            named = self.adjust("history", self.server["name"], "-c", "By", "-c", "Code").out
        assert OF_A_PERSON in named
        assert "xloud.gave_up.vcpus_not_removed" in named

    def test_a_server_of_nobody_has_none(self):
        ended = self.adjust("history", "nobody")
        assert (ended.code, ended.out) == (1, "")
