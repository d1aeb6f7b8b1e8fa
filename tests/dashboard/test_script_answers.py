"""What the script of the Size tab is answered where something fails; it keeps nobody logged in."""

import re
from typing import Any
from unittest import mock

from django.conf import settings
from django.urls import reverse
from requests.exceptions import ConnectTimeout

from tests.dashboard.cloud import SAMPLES, SERVER, sample
from tests.dashboard.test_size_tab import recommending
from tests.dashboard.test_size_views import DETAIL, SIZES, ViewTestCase, url
from xloud_dashboard.elastic_servers.urls import urlpatterns
from xloud_dashboard.size import page

INDEX = reverse("horizon:project:elastic_servers:index")
AJAX = {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}
# What is sent to each address of a server.
SENT = {
    "size": {"do": "plan", **SIZES},
    "past": {"readings": ""},
    "mode": {"mode": "on"},
    "hide": {"recommended": "4 vCPUs, 1024 MiB"},
    "act": {"action": "hard_reboot"},
}
READ = ("live", "past")
FAILING = (401, 403, 404, 500, 503, ConnectTimeout())
# The addresses of nova-api that are asked on behalf of a server.
ASKED = (("GET", "/servers"), ("GET", "/xloud-status"), ("GET", "/xloud-history"))


class AddressTests(ViewTestCase):
    """A login on an open page leads to the address of the form that was sent, without the form."""

    def test_every_address_can_be_opened(self) -> None:
        for pattern in urlpatterns:
            of_server = [SERVER] if "server_id" in str(pattern.pattern) else []
            address = reverse(f"horizon:project:elastic_servers:{pattern.name}", args=of_server)
            with self.subTest(pattern.name):
                answer = self.client.get(address)
                is_button = pattern.name in ("mode", "hide", "act", "several")
                self.assertEqual(answer.status_code, 302 if is_button else 200)
                if is_button:
                    self.assertEqual(answer.url, DETAIL if of_server else INDEX)
        self.assertEqual([one for one in self.cloud.asked if one[0] != "GET"], [])


class FailingCloudTests(ViewTestCase):
    def answers(self) -> dict[str, Any]:
        """What the script gets from each address that it could ask, by method and name."""
        found = {
            f"POST {name}": self.client.post(url(name), {"back": "project"} | values, **AJAX)
            for name, values in SENT.items()
        }
        query = {"back": "project", "project": self.tenant.id}
        found |= {f"GET {name}": self.client.get(url(name), query, **AJAX) for name in READ}
        return found

    def test_every_address_of_a_server_is_looked_at(self) -> None:
        names = {one.name for one in urlpatterns if "server_id" in str(one.pattern)}
        self.assertEqual(names, {*SENT, *READ})

    def test_problem_is_in_the_answer_in_words(self) -> None:
        for failing in FAILING:
            self.cloud.answers |= dict.fromkeys(ASKED, failing)
            for name, answer in self.answers().items():
                with self.subTest(name, failing=failing):
                    # Of another form than Nova's is that nova-xloud is not there.
                    is_missing = failing == 404 and name != "GET live"
                    self.assertEqual(answer.status_code, 404 if is_missing else 200)
                    words = self.text(answer.json()["html"])
                    number = str(failing) if isinstance(failing, int) else "connect"
                    self.assertTrue(number in words or "nova-xloud" in words, words)

    def test_server_that_the_user_may_not_see_is_a_404_in_words(self) -> None:
        self.cloud.answers |= dict.fromkeys(ASKED, "status-not-found-resp")
        for name, answer in self.answers().items():
            with self.subTest(name):
                self.assertEqual(answer.status_code, 404)
                self.assertIn("could not be found", self.text(answer.json()["html"]))

    def test_404_has_its_words_also_for_a_page_that_has_shown_them(self) -> None:
        self.cloud.answers |= dict.fromkeys(ASKED, "status-not-found-resp")
        query = {"back": "project", "project": self.tenant.id}
        mark = self.client.get(url("live"), query, **AJAX).json()["mark"]
        answer = self.client.get(url("live"), query | {"mark": mark}, **AJAX)
        self.assertEqual(answer.status_code, 404)
        self.assertIn("could not be found", self.text(answer.json()["html"]))

    def test_server_that_the_user_may_not_see_is_a_404_for_a_browser_too(self) -> None:
        self.cloud.answers |= dict.fromkeys(ASKED, "status-not-found-resp")
        for name in (*SENT, *READ):
            with self.subTest(name):
                self.assertEqual(self.client.get(url(name)).status_code, 404)

    def test_no_message_is_left_for_the_next_page(self) -> None:
        self.cloud.answers |= dict.fromkeys(ASKED, 503)
        for name, answer in self.answers().items():
            with self.subTest(name):
                self.assertNotIn("X-Horizon-Messages", answer.headers)
                self.assertNotIn("X-Horizon-Location", answer.headers)
                self.assertNotIn("messages", answer.cookies)

    def test_dry_run_that_cannot_be_read_is_no_refusal(self) -> None:
        for answer in (401, 500, ConnectTimeout(), {"plan": None}, {"plan": {"admitted": 1}}):
            with self.subTest(answer):
                self.cloud.answers["POST", "dry-run"] = answer
                told = self.send("size", script=True, **SENT["size"]).json()
                self.assertIsNone(told["admitted"])
                self.assertIn("cannot be read at the moment", self.text(told["html"]))

    def test_apply_that_fails_without_the_script_keeps_the_values(self) -> None:
        self.cloud.answers["POST", "/os-xloud-adjust"] = 500
        answer = self.send("size", **SENT["size"] | {"do": "apply"})
        self.assertContains(answer, "xloud-problem")
        self.assertContains(answer, 'step="1" value="4">')

    def test_chart_that_cannot_be_read_says_why(self) -> None:
        self.cloud.answers["GET", "/xloud-history"] = 503
        told = self.client.post(url("past"), {"readings": ""}, **AJAX).json()
        self.assertIn("503", self.text(told["html"]))


class SessionTests(ViewTestCase):
    """Horizon lets a session end later with each request: what is saved has a cookie anew."""

    def is_saved(self, answer: Any) -> bool:
        return settings.SESSION_COOKIE_NAME in answer.cookies

    def test_page_that_somebody_opens_saves_the_session(self) -> None:
        self.assertTrue(self.is_saved(self.client.get(url("size"))))

    def test_what_is_read_again_and_again_does_not_save_it(self) -> None:
        for failing in (None, 503):
            if failing:
                self.cloud.answers |= dict.fromkeys(ASKED, failing)
            for name in READ:
                with self.subTest(name, failing=failing):
                    self.assertFalse(self.is_saved(self.client.get(url(name), **AJAX)))
            self.assertFalse(self.is_saved(self.client.post(url("past"), **AJAX)))

    def test_chart_is_what_the_docs_leave_out_of_horizons_log(self) -> None:
        page = (SAMPLES.parent / "admin" / "dashboard.md").read_text()
        (pattern,) = re.findall(r'"([^"]+past/\$)"', page)
        found = [name for name in (*SENT, *READ) if re.search(pattern, url(name))]
        self.assertEqual(set(found), {"past"})

    def test_refused_chart_does_not_save_it(self) -> None:
        self.log_in("member", "reader")
        self.cloud.server["tenant_id"] = "other"
        answer = self.client.post(url("past"), **AJAX)
        self.assertEqual(answer.status_code, 403)
        self.assertFalse(self.is_saved(answer))

    def test_reading_that_overlaps_a_dismissal_does_not_undo_it(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = recommending()
        real = page.live_context

        def overlapped(request: Any, shown: Any) -> Any:
            request.session.get(page.HIDDEN)
            self.send("hide", **SENT["hide"])
            return real(request, shown)

        with mock.patch.object(page, "live_context", overlapped):
            self.client.get(url("live"), {"project": self.tenant.id}, **AJAX)
        self.assertNotIn("Recommended", self.text(self.client.get(url("size"))))


class RhythmTests(ViewTestCase):
    """How often the script reads, and when it puts a new part into the page."""

    def live(self, **query: str) -> Any:
        asked = {"back": "project", "project": self.tenant.id} | query
        return self.client.get(url("live"), asked, **AJAX).json()

    def with_condition(self, **condition: Any) -> None:
        told = sample("status-resp")
        told["xloud_status"]["conditions"][0] |= condition
        self.cloud.answers["GET", "/xloud-status"] = told

    def test_server_is_read_often_while_it_is_being_changed(self) -> None:
        for reason in ("xloud.admitted", "xloud.converging"):
            self.with_condition(status=False, reason=reason)
            self.assertEqual(self.live()["seconds"], 2, reason)
        self.with_condition(type="Booting", status=True, reason="xloud.booting")
        self.assertEqual(self.live()["seconds"], 2)

    def test_server_that_does_not_move_is_read_seldom(self) -> None:
        for reason in (
            "xloud.guest_refused.memory_floor",
            "xloud.deferred",
            "xloud.drifted",
            "xloud.failed",
            "xloud.no_guest",
        ):
            self.with_condition(status=False, reason=reason)
            self.assertEqual(self.live()["seconds"], 15, reason)

    def test_age_of_the_guests_figures_is_no_change(self) -> None:
        told = recommending()
        self.cloud.answers["GET", "/xloud-status"] = told
        mark = self.live()["mark"]
        told["xloud_status"]["autoscale"]["age_seconds"] = 7
        self.assertNotIn("html", self.live(mark=mark))
        told["xloud_status"]["autoscale"]["recommendation"]["vcpus"] = 2
        self.assertIn("html", self.live(mark=mark))

    def test_mode_that_somebody_else_has_set_is_shown(self) -> None:
        mark = self.live()["mark"]
        self.cloud.answers["GET", "/xloud-status"] = recommending()
        said = self.text(self.live(mark=mark)["html"])
        self.assertIn("Automatic growth: observe, profile balanced, weight 100.", said)
