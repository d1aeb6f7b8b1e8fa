# SPDX-License-Identifier: Apache-2.0
"""``openstack server adjust show`` and ``list``, run by the real shell."""

import csv
import io
import re
from unittest import mock

import fixtures
import yaml

from nova_xloud.client import errors, service
from tests.functional.base import XloudTestCase
from tests.functional.shell import MEMBER, ClientTestCase, Shells
from tests.functional.tables import heads_of, table_of, widest

MESSAGE = (
    "the guest's balloon driver does not report how much memory the guest uses, so its memory "
    "stays at 1024 MiB and does not become 640; load the driver, or ask with force; the next "
    "start of the server gives it 640 MiB all the same"
)


def trouble():
    """Three conditions with long messages."""
    since = "2026-11-25T04:12:41Z"
    kinds = {
        "Converged": (False, "xloud.guest_refused.no_statistics"),
        "GuestRefused": (True, "xloud.guest_refused.no_statistics"),
        "GaveUp": (True, "xloud.gave_up.memory_floor"),
    }
    return [
        {"type": kind, "status": status, "reason": code, "message": MESSAGE, "since": since}
        for kind, (status, code) in kinds.items()
    ]


def troubled(server_id, body):
    """In place of ``Status.from_body``: a server with three conditions and a blocker."""
    code = "xloud.blocked.locked_memory"
    blockers = [{"resource": "memory_mb", "code": code, "message": MESSAGE}]
    return from_body(server_id, {**body, "conditions": trouble(), "blockers": blockers})


def troubled_in_list(body):
    """In place of ``RecordedServer.from_body``: the same."""
    return recorded_from_body({**body, "converged": False, "conditions": trouble()})


from_body = service.Status.from_body
recorded_from_body = service.RecordedServer.from_body


class Show(ClientTestCase):
    def test_every_format(self):
        name = self.server["name"]
        # Before its first adjustment a server's conditions are new in each answer: since is now.
        assert self.adjust(name, "--vcpus", "2", "--wait", "--timeout", "60").code == 0
        body = self._status()
        told = self.adjust("show", name, "-f", "json").json
        assert told == {"id": self.server["id"], "name": name, **body}
        assert yaml.safe_load(self.adjust("show", name, "-f", "yaml").out) == told
        table = self.adjust("show", name).out
        assert "desired 512, reserved 512, actuated 512, observed 512" in table
        assert "Converged: True since " in table
        assert "xloud.converged" in table
        value = self.adjust("show", name, "-f", "value", "-c", "current_vcpus", "-c", "source")
        assert value.out.split() == ["2", "host"]
        assert 'current_memory_mb="512"' in self.adjust("show", name, "-f", "shell").out

    def test_a_table_begins_with_what_people_look_for(self):
        name = self.server["name"]
        assert self.adjust(name, "--vcpus", "2", "--wait", "--timeout", "60").code == 0
        first = ["id", "name", "state", "vcpus", "memory_mb", "bounds", "conditions"]
        first += ["blockers", "autoscale"]
        shown = table_of(self.adjust("show", name).out)
        assert list(shown) == first
        assert shown["state"] == "converged"
        assert shown["bounds"] == "1 to 4 vCPUs, 512 to 1024 MiB"
        body = self._status()
        rest = [key for key in body if key not in first]
        shown = table_of(self.adjust("show", name, "--long").out)
        assert list(shown) == first + rest
        assert (shown["generation"], shown["source"]) == ("1", "host")
        # What is named is shown, in the table too.
        shown = table_of(self.adjust("show", name, "-c", "source", "-c", "state").out)
        assert list(shown) == ["state", "source"]
        # Other formats are as the API answers, with or without it.
        for form in ("json", "yaml", "shell", "value"):
            assert self.adjust("show", name, "-f", form).out == (
                self.adjust("show", name, "-f", form, "--long").out
            )
        keys = list(self.adjust("show", name, "-f", "json").json)
        assert keys == ["id", "name", *body]

    def test_long_messages_do_not_make_it_wide(self):
        with mock.patch.object(service.Status, "from_body", troubled):
            for columns, width in (("80", 80), ("160", 120), ("", 80)):
                with fixtures.EnvironmentVariable("COLUMNS", columns):
                    for argv in ((), ("--long",)):
                        table = self.adjust("show", self.server["name"], *argv).out
                        assert widest(table) <= width, table
                        assert table_of(table)["state"].startswith("not converged: xloud.guest_r")
                        assert MESSAGE in table_of(table)["conditions"]
                        assert MESSAGE in table_of(table)["blockers"]
            ended = self.adjust("show", self.server["name"], "--max-width", "200")
            assert 120 < widest(ended.out) <= 200
            told = self.adjust("show", self.server["name"], "-f", "json").json
            assert [one["message"] for one in told["conditions"]] == [MESSAGE] * 3

    def test_what_blocks_it(self):
        server = self._boot(
            self._flavor(minimum_cpu=1, hw__locked_memory="true", hw__mem_page_size="small")
        )
        ended = self.adjust("show", server["id"])
        assert "memory_mb: xloud.blocked.locked_memory" in ended.out
        ended = self.adjust(server["id"], "--memory", "600")
        assert ended.code == 3
        assert "xloud.blocked.locked_memory" in ended.err

    def test_help_has_examples_and_fits_80_columns(self):
        self.useFixture(fixtures.EnvironmentVariable("COLUMNS", "80"))
        for command, last in (((), 5), (("show",), 3), (("list",), 3), (("history",), 3)):
            ended = self.openstack("server", "adjust", *command, "--help")
            assert ended.code == 0
            assert "\nexamples:\n  openstack server adjust" in ended.out
            codes = re.findall(r"^  (\d)  ", ended.out.split("exit codes:")[1], re.MULTILINE)
            # Looking is not waited for.
            assert codes == [str(code) for code in range(last + 1)]
            assert widest(ended.out) <= 80, ended.out


class List(ClientTestCase):
    def setUp(self):
        super().setUp()
        self.start_compute("host2")
        self.other = self._elastic(host="host2")
        self._has(1, 512, self.other)

    def _names(self, *argv, **options):
        ended = self.adjust("list", "-f", "json", "-c", "Name", *argv, **options)
        assert ended.code == 0, ended
        return {row["Name"] for row in ended.json}

    def test_rows_filters_and_formats(self):
        one, other = self.server["name"], self.other["name"]
        assert self._names() == self._names("--all-projects") == {one, other}
        assert self._names(user=MEMBER) == {one, other}
        assert self._names("--host", "host2") == {other}
        assert self._names("--name", one) == {one}
        assert self._names("--not-converged") == set()
        (first,) = self._names("--limit", "1")
        marker = self.server["id"] if first == one else self.other["id"]
        assert self._names("--marker", marker) == {one, other} - {first}

        assert self.adjust(one, "--vcpus", "3", "--wait").code == 0
        listed = self.adjust("list", "--name", one, "--long", "-f", "json").json
        assert listed == [
            {
                "ID": self.server["id"],
                "Name": one,
                "vCPUs": 3,
                "Min vCPUs": 1,
                "Max vCPUs": 4,
                "Memory MiB": 512,
                "Min Memory": 512,
                "Max Memory": 1024,
                "Converged": True,
                "Reasons": [],
                "Status": "ACTIVE",
                "Host": "host1",
                "Project ID": self.api_fixture.api.project_id,
                "Desired vCPUs": 3,
                "Reserved vCPUs": 3,
                # The guest has no agent that could tell.
                "Observed vCPUs": None,
                "Desired Memory": 512,
                "Reserved Memory": 512,
                "Observed Memory": 512,
                "Generation": 1,
                "Source": "host",
            }
        ]
        text = self.adjust("list", "-f", "csv", "-c", "Name", "-c", "vCPUs").out
        assert sorted(csv.reader(io.StringIO(text)))[0:1] == [["Name", "vCPUs"]]
        assert [one, "3"] in list(csv.reader(io.StringIO(text)))
        assert "| True      |" in self.adjust("list").out
        with fixtures.EnvironmentVariable("COLUMNS", None):
            # Of no width that is known; more columns are in --long.
            heads = heads_of(self.adjust("list").out)
            assert heads == ["ID", "Name", "vCPUs", "Memory MiB", "Converged", "Reasons"]
            assert heads_of(self.adjust("list", "--long").out) == list(listed[0])
        assert heads_of(self.adjust("list", "-c", "Max vCPUs").out) == ["Max vCPUs"]
        by_vcpus = self.adjust("list", "--sort-column", "Min vCPUs", "--sort-column", "vCPUs").out
        assert by_vcpus.index(other) < by_vcpus.index(one)
        assert "Min vCPUs" not in heads_of(by_vcpus)

    def test_a_page_of_servers_is_one_request(self):
        asked = []
        get = service.Xloud._get

        def counted(xloud, path, query=None):
            asked.append(path)
            return get(xloud, path, query)

        with mock.patch.object(service.Xloud, "_get", counted):
            self._names("--all-projects", "--host", "host2")
        assert asked == ["/os-xloud-servers"]

    def test_with_an_older_api_each_server_is_asked_for(self):
        get = service.Xloud._get

        def older(xloud, path, query=None):
            if path == "/os-xloud-servers":
                raise errors.NotInstalled
            return get(xloud, path, query)

        listed = self.adjust("list", "-f", "json").json
        with mock.patch.object(service.Xloud, "_get", older):
            assert self.adjust("list", "-f", "json").json == listed
            assert self._names("--host", "host2") == {self.other["name"]}

    def test_a_table_breaks_no_id_and_leaves_it_out_where_it_has_no_room(self):
        with (
            mock.patch.object(service.Status, "from_body", troubled),
            mock.patch.object(service.RecordedServer, "from_body", troubled_in_list),
        ):
            for columns in ("80", "100", "120", "160"):
                with fixtures.EnvironmentVariable("COLUMNS", columns):
                    table = self.adjust("list").out
                    assert widest(table) <= int(columns), table
                    assert ("ID" in heads_of(table)) == (self.server["id"] in table)
                    assert ("ID" in heads_of(table)) == (int(columns) >= 120)
                    named = self.adjust("list", "-c", "ID", "-c", "Reasons").out
                    assert self.server["id"] in named
            (row,) = self.adjust("list", "--name", self.server["name"], "-f", "json").json
            assert row["Reasons"][0] == "xloud.guest_refused.no_statistics"
        with fixtures.EnvironmentVariable("COLUMNS", "106"):
            # Without reasons there is room for it.
            table = self.adjust("list").out
            assert (heads_of(table)[0], widest(table)) == ("ID", 106)

    def test_not_converged_is_listed_with_its_reason(self):
        with mock.patch("nova_xloud.compute.worker.Worker.submit"):
            self._adjust(current_vcpus=3)
        (row,) = self.adjust("list", "--not-converged", "-f", "json").json
        assert (row["Name"], row["Converged"]) == (self.server["name"], False)
        assert row["Reasons"] == ["xloud.admitted"]

    def test_what_only_an_administrator_may(self):
        ended = self.adjust("list", "--host", "host2", user=MEMBER)
        assert (ended.code, ended.out) == (1, "")
        assert "--host is for administrators" in ended.err
        ended = self.adjust("list", "--all-projects", user=MEMBER)
        assert (ended.code, ended.out) == (1, "")
        assert "--all-projects is for administrators" in ended.err


class ListOfMixedHosts(Shells, XloudTestCase):
    def test_a_server_on_a_stock_host_is_a_row_with_the_reason(self):
        self.start_compute("host1")
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            self.start_compute("host2")
        ours = self._elastic(host="host1")
        theirs = self._boot(self._flavor(), host="host2")

        def listed():
            told = self.adjust("list", "--long", "-f", "json").json
            rows = {row["ID"]: row for row in told}
            # It may still boot.
            assert rows[ours["id"]]["Converged"] is True
            return rows

        rows = self._wait(listed)
        without = rows[theirs["id"]]
        assert (without["Converged"], without["vCPUs"]) == (False, 4)
        assert without["Reasons"] == ["xloud.host_unsupported"]
        for columns, width in ((None, 150), ("120", 120), ("80", 80)):
            with fixtures.EnvironmentVariable("COLUMNS", columns):
                assert widest(self.adjust("list").out) <= width
        listed = self.adjust("list", "--long", "--not-converged", "-f", "json").json
        assert [row["ID"] for row in listed] == [theirs["id"]]
        # What is recorded does not tell that the host cannot adjust the server.
        assert {row["Converged"] for row in self.adjust("list", "-f", "json").json} == {True}
        ended = self.adjust(theirs["id"], "--vcpus", "1")
        assert ended.code == 3
        assert "nova-xloud-run" in ended.err
