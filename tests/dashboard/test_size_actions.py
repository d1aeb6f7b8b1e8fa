"""What Nova itself can do about a card, as buttons: each command of an advice, where it helps."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test.utils import override_settings

from nova_xloud.core.remedies.table import REMEDIES
from tests.dashboard.cloud import sample
from tests.dashboard.test_size_views import ViewTestCase, url
from xloud_dashboard.size.actions import ACTIONS

COMMAND = re.compile(r"`(openstack server [^`]+)`")
# What needs more than the server, or changes nothing.
NO_ACTIONS = (
    "openstack server adjust",
    "openstack server event show",
    "openstack server migrate",
    "openstack server rebuild",
    "openstack server remove port",
    "openstack server resize",
    "openstack server set",
    "openstack server show",
)


class ActionsTests(ViewTestCase):
    def offered(self, status: str, **server: Any) -> set[str]:
        """The names of the actions that the page of a server in this Nova status has."""
        self.cloud.server |= {"status": status, **server}
        page = self.client.get(url("size")).content.decode()
        return set(re.findall(r'name="action" value="(\w+)"', page))

    def has(self, kind: str, reason: str, running: bool = True, source: str = "host") -> None:
        told = sample("status-resp")
        is_wrong = kind != "Converged"
        told["xloud_status"]["conditions"] = [
            {"type": kind, "status": is_wrong, "reason": reason, "message": "", "since": ""}
        ]
        told["xloud_status"]["source"] = source
        for resource in ("vcpus", "memory_mb"):
            if not running:
                told["xloud_status"][resource] |= {"actuated": 0, "observed": 0}
            if source != "host":
                told["xloud_status"][resource] |= {"actuated": None, "observed": None}
        self.cloud.answers["GET", "/xloud-status"] = told

    def test_each_command_that_needs_nothing_but_the_server_is_an_action(self) -> None:
        named = {one for remedy in REMEDIES.values() for one in COMMAND.findall(remedy.do)}
        commands = {one for one in named if not one.startswith(NO_ACTIONS)}
        self.assertEqual(commands, {action.command for action in ACTIONS.values()})

    def test_server_without_a_guest_can_be_rebooted_hard(self) -> None:
        self.has("Converged", "xloud.no_guest", running=False)
        for status in ("ERROR", "ACTIVE", "SUSPENDED"):
            with self.subTest(status):
                self.assertEqual(self.offered(status), {"hard_reboot"})
        self.assertEqual(self.offered("BUILD"), set(), "Nova reboots no server that is built")

    def test_server_whose_host_is_down_cannot_be_rebooted(self) -> None:
        self.has("GuestRefused", "xloud.guest_refused.vcpus_not_removed", source="database")
        self.assertEqual(self.offered("ACTIVE"), set())

    def test_paused_server_can_be_unpaused(self) -> None:
        for kind, reason in (
            ("Converged", "xloud.deferred"),
            ("GrowthDeferred", "xloud.growth_deferred.busy"),
        ):
            with self.subTest(reason):
                self.has(kind, reason)
                self.assertEqual(self.offered("PAUSED"), {"unpause"})
                self.assertEqual(self.offered("ACTIVE"), set())

    def test_locked_server_can_be_unlocked(self) -> None:
        for source in ("host", "database"):
            with self.subTest(source):
                self.has("GrowthDeferred", "xloud.growth_deferred.locked", source=source)
                self.assertEqual(self.offered("ACTIVE", locked=True), {"unlock"})
                self.assertEqual(self.offered("ACTIVE", locked=False), set())

    def test_each_action_is_novas_own(self) -> None:
        for name, asked in (
            ("hard_reboot", {"reboot": {"type": "HARD"}}),
            ("stop", {"os-stop": None}),
            ("start", {"os-start": None}),
            ("unpause", {"unpause": None}),
            ("unlock", {"unlock": None}),
        ):
            with self.subTest(name):
                self.send("act", action=name)
                self.assertEqual(self.cloud.posted("/action")[-1], asked)

    def test_button_comes_and_goes_with_what_nova_says_of_the_server(self) -> None:
        self.has("Converged", "xloud.deferred")
        marks = set()
        for status in ("PAUSED", "ACTIVE"):
            self.cloud.server["status"] = status
            answer = self.client.get(url("live"), HTTP_X_REQUESTED_WITH="XMLHttpRequest")
            marks.add(answer.json()["mark"])
        self.assertEqual(len(marks), 2)

    def test_user_is_offered_what_the_rules_of_nova_let_them_do(self) -> None:
        # Not Nova's default: Horizon 24.0.2 lets a reader do what Nova's older rules did.
        rules = Path(tempfile.mkdtemp()) / "nova.yaml"
        self.addCleanup(shutil.rmtree, rules.parent)
        rules.write_text("os_compute_api:os-pause-server:unpause: role:operator\n")
        self.has("Converged", "xloud.deferred")
        with override_settings(POLICY_FILES=settings.POLICY_FILES | {"compute": str(rules)}):
            self.load_rules_again()
            self.log_in("member", "reader")
            self.assertEqual(self.offered("PAUSED"), set())
            self.log_in("member", "reader", "operator")
            self.assertEqual(self.offered("PAUSED"), {"unpause"})
