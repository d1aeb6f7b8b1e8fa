# SPDX-License-Identifier: Apache-2.0
"""``openstack server adjust``, run by the real shell, with and without waiting."""

import threading
from unittest import mock

from nova_xloud.client import service
from nova_xloud.client.commands.adjust import AdjustServer
from nova_xloud.compute.worker import Worker
from nova_xloud.testing import Behaviour
from tests.functional.shell import MEMBER, ClientTestCase
from tests.functional.tables import table_of

STAGES = ["asked", "claimed", "set", "seen in the guest"]


def stages(text):
    """The stages that progress tells, in its order."""
    told = [line.split(" s  ", 1)[1] for line in text.splitlines() if " s  " in line]
    return [name for line in told for name in STAGES if line.split("  ")[0] == name]


class Adjust(ClientTestCase):
    boot_grace = 0

    def test_wait_shows_progress_and_ends_with_what_was_reached(self):
        argv = ("--vcpus", "3", "--memory", "0.75G", "--wait", "-f", "json")
        ended = self.adjust(self.server["name"], *argv)
        # Its guest has no agent.
        assert (ended.code, stages(ended.err)) == (0, STAGES[:3]), ended
        assert "set; no guest agent answers to confirm it" in ended.err
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
            ((), "name at least one of --vcpus, --memory and --autoscale"),
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
        assert self.adjust(self.server["name"], "--memory", "1024", "--wait").code == 0
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        ended = self.adjust(self.server["name"], "--memory", "512", "--wait", "-f", "json")
        assert ended.code == 5, ended
        assert "xloud.guest_refused.memory_not_reached" in ended.err
        assert "1 vCPU, 1024 MiB are claimed for the server" in ended.err
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
        assert "(from Nova's database, not from the compute host)" in table["state"]

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
