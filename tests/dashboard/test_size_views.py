"""What the forms and the script of the Size tab ask for, and what the cloud is asked then."""

import re
from typing import Any
from unittest import mock

from django.test import Client
from django.urls import reverse

from tests.dashboard.cloud import SERVER, TestCase, sample
from tests.dashboard.test_size_tab import recommending
from xloud_dashboard.size.forms import SizeForm

SIZES = {"vcpus": "4", "was_vcpus": "3", "memory_mb": "768", "was_memory_mb": "768"}
VALUE = re.compile(r'name="((?:was_)?(?:vcpus|memory_mb))"[^>]* value="([^"]*)"')
DETAIL = f"/project/instances/{SERVER}/?tab=instance_details__xloud_size"


def url(name: str) -> str:
    return reverse(f"horizon:project:elastic_servers:{name}", args=[SERVER])


def values_of(answer: Any) -> dict[str, str]:
    """The sizes that the form of a page would send, if nobody changed it."""
    return dict(VALUE.findall(answer.content.decode()))


def adjusted_by_somebody_else() -> dict[str, Any]:
    """The sample of a status, after somebody has asked for 896 MiB."""
    told = sample("status-resp")
    told["xloud_status"] |= {"current_memory_mb": 896}
    return told


class ViewTestCase(TestCase):
    def send(self, name: str, script: bool = False, **values: str) -> Any:
        headers = {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"} if script else {}
        return self.client.post(url(name), {"back": "project", "persist": "on"} | values, **headers)


class SizeViewTests(ViewTestCase):
    def test_apply_asks_for_what_was_changed_only(self) -> None:
        answer = self.send("size", do="apply", **SIZES)
        self.assertRedirectsNoFollow(answer, DETAIL)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [{"current_vcpus": 4}])

    def test_apply_without_a_change_asks_for_both_sizes(self) -> None:
        self.send("size", do="apply", **SIZES | {"vcpus": "3"})
        asked = {"current_vcpus": 3, "current_memory_mb": 768}
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [asked])

    def test_box_that_was_emptied_is_not_asked_for(self) -> None:
        self.send("size", do="apply", **SIZES | {"vcpus": "", "memory_mb": "512"})
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [{"current_memory_mb": 512}])
        self.send("size", do="apply", **SIZES | {"vcpus": ""})
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/")[1:], [{"current_memory_mb": 768}])

    def test_apply_from_the_admins_page_leads_back_there(self) -> None:
        answer = self.send("size", do="apply", **SIZES | {"back": "admin"})
        detail = f"/admin/instances/{SERVER}/detail?tab=instance_details__xloud_size"
        self.assertRedirectsNoFollow(answer, detail)

    def test_boxes_become_persist_and_force(self) -> None:
        self.client.post(url("size"), {"back": "project", "do": "apply", "force": "on", **SIZES})
        asked = {"current_vcpus": 4, "persist": False, "force": True}
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [asked])

    def test_refusal_is_a_page_with_code_remedy_and_the_values(self) -> None:
        self.cloud.answers["POST", "/os-xloud-adjust"] = "refused-no-capacity-resp"
        answer = self.send("size", do="apply", **SIZES)
        said = self.text(answer)
        self.assertIn("xloud.no_capacity the host has no room for this size", said)
        self.assertIn("What to do: Ask for less, or move", said)
        self.assertContains(answer, 'step="1" value="4">')

    def test_form_that_came_back_asks_for_what_was_changed_only(self) -> None:
        for do, samples in (
            ("plan", {}),
            ("apply", {("POST", "/os-xloud-adjust"): "refused-no-capacity-resp"}),
        ):
            with self.subTest(do):
                before = dict(self.cloud.answers)
                self.cloud.answers |= samples
                self.cloud.answers["GET", "/xloud-status"] = adjusted_by_somebody_else()
                values = values_of(self.send("size", do=do, **SIZES))
                self.cloud.answers = before
                self.assertEqual(values, SIZES)
                self.send("size", do="apply", **values)
                self.assertEqual(self.cloud.posted("/os-xloud-adjust/")[-1], {"current_vcpus": 4})

    def test_recommendation_asks_for_what_it_changes_only(self) -> None:
        """To ask for the rest would keep a temporary size, and undo what came since."""
        told = recommending()
        told["xloud_status"]["autoscale"]["recommendation"]["memory_mb"] = 768
        self.cloud.answers["GET", "/xloud-status"] = told
        card = self.client.get(url("size")).content.decode().split("xloud-card-advice")[1]
        values = dict(VALUE.findall(card.split("</form>")[0]))
        self.assertEqual(values, SIZES)
        self.cloud.answers["POST", "/os-xloud-adjust"] = "refused-no-capacity-resp"
        for _again in range(2):
            values = values_of(self.send("size", do="apply", **values))
        asked = {"current_vcpus": 4}
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [asked, asked])

    def test_refusal_is_shown_although_the_status_cannot_be_read(self) -> None:
        self.cloud.answers["POST", "/os-xloud-adjust"] = "refused-no-capacity-resp"
        self.cloud.answers["GET", "/xloud-status"] = 500
        said = self.text(self.send("size", do="apply", **SIZES))
        self.assertIn("xloud.no_capacity the host has no room for this size", said)

    def test_refusal_is_shown_once(self) -> None:
        self.cloud.answers["POST", "/os-xloud-adjust"] = "refused-no-capacity-resp"
        for name, values in (("size", {"do": "apply", **SIZES}), ("mode", {"mode": "on"})):
            with self.subTest(name):
                said = self.text(self.send(name, **values))
                self.assertEqual(said.count("xloud.no_capacity"), 1)

    def test_request_has_a_timeout(self) -> None:
        self.send("size", do="apply", **SIZES)
        self.assertEqual(self.cloud.timeouts, {60})

    def test_anything_but_apply_changes_nothing(self) -> None:
        answer = self.send("size", do="plan", **SIZES)
        asked = {"current_vcpus": 4, "dry_run": True}
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [asked])
        self.assertIn("claim 3 vCPUs, 768 MiB", self.text(answer))
        self.assertIn("It would be admitted.", self.text(answer))

    def test_script_gets_the_plan_as_a_part_of_a_page(self) -> None:
        told = self.send("size", script=True, do="plan", **SIZES).json()
        self.assertIs(told["admitted"], True)
        self.assertIn("<li>set the guest&#x27;s vCPUs to 3</li>", told["html"])
        self.assertNotIn("<html", told["html"])

    def test_script_gets_a_refusal_before_it_is_risked(self) -> None:
        self.cloud.answers["POST", "dry-run"] = "dry-run-refused-resp"
        told = self.send("size", script=True, do="plan", **SIZES).json()
        self.assertIs(told["admitted"], False)
        said = self.text(told["html"])
        self.assertIn("xloud.out_of_bounds 5 vCPUs is not between", said)
        self.assertIn("What to do:", said)

    def test_script_gets_what_refuses_the_plan_itself(self) -> None:
        self.cloud.answers["POST", "dry-run"] = "refused-locked-resp"
        told = self.send("size", script=True, do="plan", **SIZES).json()
        self.assertIs(told["admitted"], False)
        self.assertIn("locked", told["html"])

    def test_values_that_are_no_sizes_ask_the_cloud_nothing(self) -> None:
        for values in ({"vcpus": "two"}, {"vcpus": "", "memory_mb": ""}, {"vcpus": "-1"}):
            with self.subTest(values):
                told = self.send("size", script=True, do="plan", **SIZES | values).json()
                self.assertIs(told["admitted"], False)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_wrong_value_is_named_as_the_form_names_it(self) -> None:
        said = self.text(self.send("size", do="apply", **SIZES | {"memory_mb": "much"}))
        self.assertIn("Memory (MiB): Enter a whole number.", said)
        self.assertNotIn("memory_mb:", said)
        for field in SizeForm.base_fields.values():
            self.assertTrue(field.label)

    def test_member_is_not_let_through(self) -> None:
        self.log_in("member", "reader")
        self.assertEqual(self.send("size", do="apply", **SIZES).status_code, 403)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_server_that_the_user_may_not_see_is_a_404(self) -> None:
        self.cloud.answers["GET", "/servers"] = sample("status-not-found-resp")
        self.assertEqual(self.send("size", do="apply", **SIZES).status_code, 404)

    def test_nova_that_does_not_answer_leads_to_the_list(self) -> None:
        self.cloud.answers["GET", "/servers"] = 500
        answer = self.send("size", do="apply", **SIZES)
        self.assertRedirectsNoFollow(answer, "/project/instances/")

    def test_forms_need_the_token_of_the_session(self) -> None:
        client = Client(enforce_csrf_checks=True)
        answer = client.post(url("size"), {"back": "project", "do": "apply", **SIZES})
        self.assertEqual(answer.status_code, 403)
        self.assertEqual(self.cloud.asked, [])

    def test_page_without_the_script_has_everything(self) -> None:
        answer = self.client.get(url("size"))
        self.assertContains(answer, 'class="xloud-form"')
        self.assertContains(answer, DETAIL.replace("&", "&amp;"))


class LiveViewTests(ViewTestCase):
    def live(self, **query: str) -> Any:
        query = {"back": "project", "project": self.tenant.id} | query
        return self.client.get(url("live"), query, HTTP_X_REQUESTED_WITH="XMLHttpRequest").json()

    def test_script_gets_the_figures_and_when_to_ask_again(self) -> None:
        told = self.live()
        self.assertIn("xloud-sentence", told["html"])
        # Folded out, it would hold these figures back.
        self.assertNotIn("xloud-meanings", told["html"])
        self.assertEqual(told["seconds"], 15)

    def test_what_has_not_changed_is_not_sent_again(self) -> None:
        self.assertNotIn("html", self.live(mark=self.live()["mark"]))

    def test_what_has_changed_is_sent(self) -> None:
        mark = self.live()["mark"]
        self.cloud.answers["GET", "/xloud-status"] = "status-guest-refused-resp"
        told = self.live(mark=mark)
        self.assertIn("xloud.guest_refused.vcpus_not_removed", told["html"])

    def test_one_reading_is_two_requests(self) -> None:
        self.live()
        self.assertEqual(len(self.cloud.asked), 2)
        self.assertEqual(self.cloud.reads("/xloud-status"), 1)

    def test_a_cloud_that_fails_does_not_log_the_user_out(self) -> None:
        """openstacksdk's HttpException counts as unauthorized where Horizon handles it."""
        for status in (401, 500, 503):
            with self.subTest(status):
                self.cloud.answers["GET", "/xloud-status"] = status
                self.assertIn("xloud-problem", self.live()["html"])


class ModeAndRecommendationTests(ViewTestCase):
    def test_mode_is_asked_for_alone(self) -> None:
        self.assertRedirectsNoFollow(self.send("mode", mode="observe"), DETAIL)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [{"autoscale": "observe"}])

    def test_mode_of_the_flavor_is_null(self) -> None:
        self.send("mode", mode="flavor")
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [{"autoscale": None}])

    def test_mode_of_who_may_not_set_it_asks_the_cloud_nothing(self) -> None:
        refused = mock.patch("xloud_dashboard.size.page.may_set_mode", return_value=False)
        with refused:
            self.assertEqual(self.send("mode", mode="on").status_code, 403)
            self.assertNotIn("xloud-mode", self.client.get(url("size")).content.decode())
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_unknown_mode_asks_the_cloud_nothing(self) -> None:
        self.assertEqual(self.send("mode", mode="always").status_code, 400)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_dismissed_recommendation_is_not_shown_again(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = recommending()
        self.assertIn("Recommended", self.text(self.client.get(url("size"))))
        self.send("hide", recommended="4 vCPUs, 1024 MiB")
        for name in ("size", "live"):
            self.assertNotIn("Recommended", self.text(self.client.get(url(name))))

    def test_another_recommendation_is_shown_after_a_dismissed_one(self) -> None:
        self.send("hide", recommended="4 vCPUs, 896 MiB")
        self.cloud.answers["GET", "/xloud-status"] = recommending()
        self.assertIn("Recommended", self.text(self.client.get(url("size"))))


class ActViewTests(ViewTestCase):
    def test_hard_reboot_is_novas_own(self) -> None:
        self.assertRedirectsNoFollow(self.send("act", action="hard_reboot"), DETAIL)
        self.assertEqual(self.cloud.posted("/action"), [{"reboot": {"type": "HARD"}}])

    def test_unknown_action_is_refused(self) -> None:
        self.assertEqual(self.send("act", action="delete").status_code, 400)
        self.assertEqual(self.cloud.posted("/action"), [])

    def test_refusal_of_nova_is_shown(self) -> None:
        self.cloud.answers["POST", "/action"] = sample("refused-state-resp")
        self.assertContains(self.send("act", action="start"), "xloud-problem")

    def test_refusal_of_nova_is_shown_to_who_may_not_adjust(self) -> None:
        self.log_in("member", "reader")
        self.cloud.answers["POST", "/action"] = "refused-locked-resp"
        for status in ("status-guest-refused-resp", 500):
            with self.subTest(status):
                self.cloud.answers["GET", "/xloud-status"] = status
                said = self.text(self.send("act", action="hard_reboot"))
                self.assertIn(f"Instance {SERVER} is locked", said)
