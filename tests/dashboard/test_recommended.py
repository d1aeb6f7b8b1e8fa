"""What is recommended for several servers is shown, with a question, before any is adjusted."""

import re
from typing import Any
from unittest import mock

from django.urls import reverse

from tests.dashboard.cloud import OTHER_SERVER, SERVER, TestCase, two_servers
from tests.dashboard.test_size_tab import recommending
from xloud_dashboard.elastic_servers import together

TABLE = reverse("horizon:project:elastic_servers:index")
APPLY = reverse("horizon:project:elastic_servers:several")
LINE = f"{SERVER} 4 1024"


class RecommendedTests(TestCase):
    def setUp(self) -> None:
        super().setUp()
        servers = two_servers(project_id=self.tenant.id)
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": servers}
        self.cloud.answers["GET", "/xloud-status"] = recommending()

    def asked(self, *ids: str) -> Any:
        """The answer to a press on *Adjust as recommended*."""
        form = {"action": "elastic_servers__to_recommendation", "object_ids": ids}
        return self.client.post(TABLE, form, follow=True)

    def applied(self, *lines: str) -> Any:
        """The answer to what the page sends."""
        return self.client.post(APPLY, {"size": lines}, follow=True)

    def test_sizes_and_reasons_are_shown_and_nothing_is_adjusted(self) -> None:
        answer = self.asked(SERVER, OTHER_SERVER)
        said = self.text(answer)
        self.assertIn("Server Desired Recommended Why web1 3 vCPUs, 768 MiB 4 vCPUs, 1024", said)
        self.assertIn("the guest's CPUs are used up xloud.need.cpu_busy", said)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])
        self.assertContains(answer, f'<a href="{TABLE}">Back to Elastic servers</a>')
        lines = re.findall(r'name="size" value="([^"]+)" checked', answer.content.decode())
        self.assertEqual(lines, [LINE, f"{OTHER_SERVER} 4 1024"])

    def test_page_adjusts_to_what_it_has_shown_and_not_to_what_came_since(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = 500
        said = self.text(self.applied(LINE))
        asked = {"current_vcpus": 4, "current_memory_mb": 1024}
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [asked])
        self.assertIn("Admitted: web1 (4 vCPUs, 1024 MiB)", said)

    def test_resource_that_keeps_its_size_is_not_asked_for(self) -> None:
        """To ask for it would keep a temporary size, and undo what came since."""
        told = recommending()
        told["xloud_status"]["autoscale"]["recommendation"]["memory_mb"] = 768
        self.cloud.answers["GET", "/xloud-status"] = told
        self.assertContains(self.asked(SERVER), f'value="{SERVER} 4 -"')
        self.applied(f"{SERVER} 4 -")
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [{"current_vcpus": 4}])
        self.applied(f"{SERVER} - 512")
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/")[1:], [{"current_memory_mb": 512}])

    def test_nothing_that_was_left_selected_is_said(self) -> None:
        said = self.text(self.applied())
        self.assertIn("No server was selected.", said)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_server_without_a_recommendation_is_left_out_and_named(self) -> None:
        self.cloud.answers["GET", f"/{OTHER_SERVER}/xloud-status"] = "status-resp"
        answer = self.asked(SERVER, OTHER_SERVER)
        self.assertContains(answer, LINE)
        self.assertNotContains(answer, f"{OTHER_SERVER} ")
        self.assertIn("No other size is recommended: db1", self.text(answer))

    def test_server_whose_host_was_not_heard_is_told_apart(self) -> None:
        self.cloud.answers["GET", f"/{OTHER_SERVER}/xloud-status"] = "status-database-resp"
        answer = self.asked(SERVER, OTHER_SERVER)
        said = self.text(answer)
        self.assertIn("did not say what they recommend; try again later: db1", said)
        self.assertNotIn("No other size is recommended", said)
        self.assertContains(answer, LINE)

    def at_once(self, lines: list[str], **sent: str) -> int:
        """How many servers the page adjusts at the same time."""
        with mock.patch.object(together, "each", wraps=together.each) as each:
            self.client.post(APPLY, {"size": lines, **sent})
        _servers, adjusted = each.call_args_list
        return adjusted.args[-1]

    def test_hosts_are_asked_as_many_at_a_time_as_one_host_reads(self) -> None:
        with mock.patch.object(together, "each", wraps=together.each) as each:
            self.asked(SERVER, OTHER_SERVER)
        self.assertEqual(each.call_args.args[-1], 4)

    def test_growths_are_asked_for_one_after_the_other(self) -> None:
        """At the same time the quota may refuse them all, where some would fit."""
        self.assertNotContains(self.asked(SERVER), "only_shrinks")
        self.assertEqual(self.at_once([LINE]), 1)

    def test_page_that_only_shrinks_adjusts_servers_at_the_same_time(self) -> None:
        told = recommending()
        told["xloud_status"]["autoscale"]["recommendation"] = {"vcpus": 1, "memory_mb": 768}
        self.cloud.answers["GET", "/xloud-status"] = told
        self.assertContains(self.asked(SERVER), 'name="only_shrinks" value="on"')
        self.assertEqual(self.at_once([f"{SERVER} 1 -"], only_shrinks="on"), 8)

    def test_nothing_recommended_leads_back_to_the_table(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-resp"
        answer = self.asked(SERVER)
        self.assertRedirects(answer, TABLE)
        self.assertIn("No other size is recommended: web1", self.text(answer))

    def test_host_that_does_not_answer_is_said_and_does_not_stop_the_others(self) -> None:
        self.cloud.answers["GET", f"/{SERVER}/xloud-status"] = 503
        answer = self.asked(SERVER, OTHER_SERVER)
        self.assertIn("web1: ", self.text(answer))
        self.assertContains(answer, f"{OTHER_SERVER} 4 1024")

    def test_refused_server_is_named_and_does_not_stop_the_others(self) -> None:
        self.cloud.answers["POST", f"/os-xloud-adjust/{OTHER_SERVER}"] = "refused-locked-resp"
        other = self.cloud.server | {"id": OTHER_SERVER, "name": "db1"}
        self.cloud.answers["GET", f"/servers/{OTHER_SERVER}"] = {"server": other}
        said = self.text(self.applied(f"{OTHER_SERVER} 4 1024", LINE))
        self.assertIn("db1: ", said)
        self.assertIn("locked", said)
        self.assertIn("Admitted: web1 (4 vCPUs, 1024 MiB)", said)

    def test_server_that_is_gone_is_said(self) -> None:
        self.cloud.answers["GET", "/servers"] = 404
        said = self.text(self.applied(LINE))
        self.assertIn(f"{SERVER}: ", said)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_member_is_not_let_through(self) -> None:
        self.log_in("member", "reader")
        self.assertIn("You may not adjust web1.", self.text(self.applied(LINE)))
        self.asked(SERVER)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_line_of_another_form_changes_nothing(self) -> None:
        for line in (
            "",
            SERVER,
            f"{SERVER} 4",
            f"{SERVER} -1 5",
            f"{LINE} 3",
            "../x 4 1024",
            f"{SERVER} - -",
        ):
            with self.subTest(line):
                self.assertEqual(self.applied(LINE, line).status_code, 400)
        self.assertEqual(self.cloud.asked, [])
