# SPDX-License-Identifier: Apache-2.0
"""``openstack server adjust``, ``show`` and ``list``, run by the real shell."""

import csv
import io
import re
import threading
from unittest import mock

import fixtures
import yaml

from nova_xloud.client import service
from nova_xloud.client.commands.adjust import AdjustServer
from nova_xloud.compute.worker import Worker
from nova_xloud.testing import Behaviour
from tests.functional.base import XloudTestCase
from tests.functional.shell import MEMBER, ClientTestCase, Shells

STAGES = ["asked", "claimed", "set", "seen in the guest"]


def stages(text):
    """The stages that progress tells, in its order."""
    told = [line.split(" s  ", 1)[1] for line in text.splitlines() if " s  " in line]
    return [name for line in told for name in STAGES if line.split("  ")[0] == name]


MESSAGE = (
    "the guest's balloon driver does not report how much memory the guest uses, so its memory "
    "stays at 1024 MiB and does not become 640; load the driver, or ask with force; the next "
    "start of the server gives it 640 MiB all the same"
)


def widest(text):
    """The length of the longest line."""
    return max(len(line) for line in text.splitlines())


def table_of(text):
    """A table of fields and values as a dict, each value in one line."""
    fields, last = {}, ""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| Field "):
            name, value = (cell.strip() for cell in line[1:-1].split(" | ", 1))
            last = name or last
            fields[last] = f"{fields.get(last, '')} {value}".strip()
    return fields


def heads_of(text):
    """The columns of a table."""
    return [cell.strip() for cell in text.splitlines()[1].strip("|").split("|")]


def troubled(server_id, body):
    """In place of ``Status.from_body``: a server with three conditions and a blocker."""
    since = "2026-11-25T04:12:41Z"
    kinds = {
        "Converged": (False, "xloud.guest_refused.no_statistics"),
        "GuestRefused": (True, "xloud.guest_refused.no_statistics"),
        "GaveUp": (True, "xloud.gave_up.memory_floor"),
    }
    conditions = [
        {"type": kind, "status": status, "reason": code, "message": MESSAGE, "since": since}
        for kind, (status, code) in kinds.items()
    ]
    code = "xloud.blocked.locked_memory"
    blockers = [{"resource": "memory_mb", "code": code, "message": MESSAGE}]
    return from_body(server_id, {**body, "conditions": conditions, "blockers": blockers})


from_body = service.Status.from_body


class Adjust(ClientTestCase):
    boot_grace = 0

    def test_wait_shows_progress_and_ends_with_what_was_reached(self):
        argv = ("--vcpus", "3", "--memory", "0.75G", "--wait", "-f", "json")
        ended = self.adjust(self.server["name"], *argv)
        # Its guest has no agent.
        assert (ended.code, stages(ended.err)) == (0, STAGES[:3]), ended
        assert "set; the guest has no agent to confirm it" in ended.err
        told = ended.json
        assert (told["outcome"], told["id"]) == ("reached", self.server["id"])
        assert told["asked"] == {"vcpus": 3, "memory_mb": 768}
        assert told["vcpus"] == dict.fromkeys(told["vcpus"], 3) | {"observed": None}
        assert told["memory_mb"] == dict.fromkeys(told["memory_mb"], 768)
        self._has(3, 768)
        assert self._events("xloud_adjust")[0]["request_id"] == told["request_id"]

        quiet = self.openstack(
            "-q", "server", "adjust", self.server["id"], "--vcpus", "1", "--wait"
        )
        assert (quiet.code, quiet.err) == (0, "")
        assert "desired 1, reserved 1, actuated 1, observed unknown" in quiet.out
        self._has(1, 768)

    def test_without_wait_it_says_what_was_asked(self):
        ended = self.adjust(self.server["name"], "--vcpus", "2", "--no-persist")
        assert (ended.code, ended.err) == (0, "")
        assert "admitted" in ended.out
        assert "2 vCPUs" in ended.out
        self._has(2, 512)
        record = self._record(self.server).system_metadata
        assert (record["xloud_vcpus"], record["xloud_live_vcpus"]) == ("1", "2")
        assert "xloud_force" not in record

        assert self.adjust(self.server["name"], "--memory", "600", "--force").code == 0
        assert self._record(self.server).system_metadata["xloud_force"] == "1"

    def test_dry_run(self):
        server = self.server["name"]
        ended = self.adjust(server, "--vcpus", "3", "--memory", "768", "--dry-run")
        assert (ended.code, ended.err) == (0, "")
        assert "1. claim 3 vCPUs, 768 MiB" in ended.out
        assert "set the guest's vCPUs to 3" in ended.out
        told = self.adjust(server, "--vcpus", "3", "--dry-run", "-f", "json").json
        assert told["admitted"] is True
        assert told["desired"] == told["claim"] == {"vcpus": 3, "memory_mb": 512}
        assert told["steps"][0] == {"step": "claim", "vcpus": 3, "memory_mb": 512}

        ended = self.adjust(server, "--vcpus", "5", "--dry-run", "-f", "json")
        assert ended.code == 3
        assert ended.json["refusal"]["code"] == "xloud.out_of_bounds"
        assert "The adjustment would be refused." in ended.err
        assert "larger flavor" in ended.err
        self._has(1, 512)
        assert not self._events("xloud_adjust")

    def test_refusals_say_what_to_do_and_exit_3(self):
        server = self.server["id"]
        for argv, *words in (
            (("--vcpus", "5"), "xloud.out_of_bounds: 5 vCPUs", "req-", "server adjust show"),
            (("--memory", "2G"), "xloud.out_of_bounds: 2048 MiB", "openstack server resize"),
        ):
            ended = self.adjust(server, *argv)
            assert (ended.code, ended.out) == (3, ""), ended
            assert all(word in ended.err for word in words), ended
        ended = self.adjust(server, "--vcpus", "2", user=MEMBER)
        assert ended.code == 3
        assert "xloud.forbidden" in ended.err
        assert "os_compute_api:xloud:adjust" in ended.err
        assert "administrator" in ended.err

        self.admin_api.post_server_action(server, {"lock": {}})
        ended = self.adjust(server, "--vcpus", "2")
        assert ended.code == 3
        assert "locked" in ended.err
        assert "openstack server unlock" in ended.err
        self._has(1, 512)

    def test_a_wrong_command_line_exits_2_and_says_why(self):
        server = self.server["name"]
        for argv, word in (
            ((), "--vcpus, --memory, or both"),
            (("--memory", "1GB"), "write 1G or 1GiB"),
            (("--memory", "0.3G"), "write 307M or 308M"),
            (("--vcpus", "1.5"), "'1.5' is not a number of vCPUs"),
            (("--vcpus", "0"), "'0' is not a number of vCPUs; write a whole number, at least 1"),
            (("--vcpus", "2", "--timeout", "5"), "add --wait"),
            (("--vcpus", "2", "--wait", "--timeout", "0"), "seconds above 0"),
            (("--vcpus", "2", "--wait", "--dry-run"), "not allowed with"),
        ):
            ended = self.adjust(server, *argv)
            assert (ended.code, ended.out) == (2, ""), (argv, ended)
            assert word in ended.err, (argv, ended)
        self._has(1, 512)

    def test_names(self):
        ended = self.adjust("nobody", "--vcpus", "2")
        assert (ended.code, ended.out) == (1, "")
        assert "nobody" in ended.err
        assert "--all-projects" in ended.err
        unknown = "14aa6f0c-a50b-4178-8992-1176bdf4a7a1"
        ended = self.adjust("show", unknown)
        assert ended.code == 1
        assert "you may not see that server" in ended.err
        assert "--all-projects" not in ended.err
        # As a word after the command it would be taken for one.
        self.admin_api.put_server(self.server["id"], {"server": {"name": "show"}})
        assert self.adjust("--vcpus", "2", "show").code == 0
        self._has(2, 512)
        assert self.adjust("show", "show", "-f", "value", "-c", "current_vcpus").out == "2\n"


class Waiting(ClientTestCase):
    boot_grace = 0

    def _adjust_after(self, stage, then, *argv):
        """Adjust and wait; do ``then`` when that line of progress has been told."""
        done = threading.Event()
        tell = service.Waiting._tell

        def told(waiting, began, reached):
            tell(waiting, began, reached)
            if reached.value == stage and not done.is_set():
                done.set()
                then()

        with mock.patch.object(service.Waiting, "_tell", told):
            return self.adjust(self.server["name"], *argv, "--wait", "--timeout", "60")

    def test_a_guest_that_refuses_exits_5(self):
        self.flags(step_timeout=1, group="xloud")
        assert self.adjust(self.server["name"], "--memory", "1024", "--wait").code == 0
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        ended = self.adjust(self.server["name"], "--memory", "512", "--wait", "-f", "json")
        assert ended.code == 5, ended
        assert "xloud.guest_refused.memory_not_reached" in ended.err
        assert "1 vCPUs, 1024 MiB are claimed for the server" in ended.err
        assert "nova-xloud tries again" in ended.err
        assert ended.json["outcome"] == "guest refused"
        assert ended.json["memory_mb"] == {
            "desired": 512,
            "reserved": 1024,
            "actuated": 1024,
            "observed": 1024,
        }

    def test_a_timeout_exits_4_and_the_adjustment_goes_on(self):
        guest = self.guests.domain(self.server["id"])
        assert self.adjust(self.server["name"], "--memory", "1024", "--wait").code == 0
        guest.behaviour = Behaviour.REFUSES
        argv = ("--memory", "512", "--wait", "--timeout", "0.5", "-f", "json")
        ended = self.adjust(self.server["name"], *argv)
        assert ended.code == 4, ended
        assert "did not reach 512 MiB within 0.5 s; the adjustment continues" in ended.err
        assert ended.json["outcome"] == "timed out"
        guest.behaviour = Behaviour.COOPERATIVE
        self._has(1, 512)

    def test_somebody_adjusts_it_again(self):
        def again():
            self._adjust(current_vcpus=2)

        # Else the guest might have the first size before the second is asked for.
        with mock.patch.object(Worker, "submit", autospec=True):
            ended = self._adjust_after("claimed", again, "--vcpus", "4", "-f", "json")
        self.computes["host1"].manager.xloud.reconcile()
        assert ended.code == 1, ended
        assert "the server's desired size is now 2 vCPUs, 512 MiB" in ended.err
        assert ended.json["outcome"] == "superseded"
        self._has(2, 512)

    def test_a_paused_guest_is_waited_for_and_that_is_said_once(self):
        self.admin_api.post_server_action(self.server["id"], {"pause": None})
        self._wait_for_state_change(self.server, "PAUSED")

        def unpause():
            self.admin_api.post_server_action(self.server["id"], {"unpause": None})

        # It stays paused for some more looks, so that "once" means something.
        timer = threading.Timer(2, unpause)
        tell = AdjustServer._tell_progress

        def told(command, progress, adjustment):
            tell(command, progress, adjustment)
            if progress.stage is None and timer.ident is None:
                timer.start()
                self.addCleanup(timer.join)

        argv = ("--vcpus", "3", "--memory", "768", "--wait", "--timeout", "60")
        with mock.patch.object(AdjustServer, "_tell_progress", told):
            ended = self.adjust(self.server["name"], *argv)
        assert ended.code == 0, ended
        assert ended.err.count("waiting:") == 1, ended
        assert "paused" in ended.err
        assert stages(ended.err) == STAGES[:3]

    def test_a_stopped_server_is_done_when_it_is_claimed(self):
        self._stop_server(self.server)
        argv = ("--vcpus", "3", "--wait", "--timeout", "60", "-f", "json")
        ended = self.adjust(self.server["name"], *argv)
        assert ended.code == 0, ended
        assert stages(ended.err) == ["asked", "claimed"]
        assert ended.json["outcome"] == "claimed"
        assert "will have this size when the server starts" in ended.err
        assert self._reserved(self.server)["VCPU"] == 3

    def test_its_host_goes_down(self):
        def down():
            self.computes["host1"].stop()
            (record,) = self.admin_api.get_services(host="host1", binary="nova-compute")
            self.admin_api.put_service_force_down(record["id"], True)

        with mock.patch("nova_xloud.compute.worker.Worker.submit"):
            ended = self._adjust_and_then(down)
        assert ended.code == 4, ended
        assert ended.err.count("the server's compute host is down") == 2, ended
        assert "what the guest has is unknown" in ended.err
        shown = self.adjust("show", self.server["name"], "-f", "json").json
        assert (shown["source"], shown["vcpus"]["actuated"]) == ("database", None)
        table = table_of(self.adjust("show", self.server["name"]).out)
        assert "actuated unknown" in table["vcpus"]
        assert "(from Nova's database: the compute host did not answer)" in table["state"]

    def _adjust_and_then(self, act):
        adjust = service.Xloud.adjust

        def then_act(xloud, *args, **kwargs):
            adjustment = adjust(xloud, *args, **kwargs)
            act()
            return adjustment

        with mock.patch.object(service.Xloud, "adjust", then_act):
            argv = ("--vcpus", "3", "--wait", "--timeout", "3")
            return self.adjust(self.server["name"], *argv)

    def test_interrupted_it_says_that_the_adjustment_goes_on(self):
        def interrupt():
            raise KeyboardInterrupt

        ended = self._adjust_after("claimed", interrupt, "--vcpus", "3")
        assert ended.code == 130
        assert f"continues; openstack server adjust show {self.server['id']}" in ended.err
        self._has(3, 512)


class Show(ClientTestCase):
    def test_every_format(self):
        name = self.server["name"]
        # Of one that was never adjusted the conditions are since now.
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
        first = ["id", "name", "state", "vcpus", "memory_mb", "bounds", "conditions", "blockers"]
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
        for command, last in (((), 5), (("show",), 3), (("list",), 3)):
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

    def test_a_table_breaks_no_id_and_leaves_it_out_where_it_has_no_room(self):
        with mock.patch.object(service.Status, "from_body", troubled):
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
    def test_a_server_without_a_status_is_a_row_with_the_reason(self):
        self.start_compute("host1")
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            self.start_compute("host2")
        ours = self._elastic(host="host1")
        theirs = self._boot(self._flavor(), host="host2")

        def listed():
            rows = {row["ID"]: row for row in self.adjust("list", "-f", "json").json}
            # It may still boot.
            assert rows[ours["id"]]["Converged"] is True
            return rows

        rows = self._wait(listed)
        without = rows[theirs["id"]]
        assert (without["Converged"], without["vCPUs"]) == (None, None)
        assert "xloud.host_unsupported" in without["Reasons"][0]
        for columns, width in ((None, 150), ("120", 120), ("80", 80)):
            with fixtures.EnvironmentVariable("COLUMNS", columns):
                assert widest(self.adjust("list").out) <= width
        listed = self.adjust("list", "--not-converged", "-f", "json").json
        assert [row["ID"] for row in listed] == [theirs["id"]]
        ended = self.adjust(theirs["id"], "--vcpus", "1")
        assert ended.code == 3
        assert "nova-xloud-run" in ended.err
