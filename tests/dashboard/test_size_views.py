"""What the forms and the script of the Size tab ask for, and what the cloud is asked then."""

from typing import Any

from django.test import Client
from django.urls import reverse

from tests.dashboard.cloud import SERVER, TestCase, sample
from tests.dashboard.test_size_tab import recommending

SIZES = {"vcpus": "4", "was_vcpus": "3", "memory_mb": "768", "was_memory_mb": "768"}
DETAIL = f"/project/instances/{SERVER}/?tab=instance_details__xloud_size"


def url(name: str) -> str:
    return reverse(f"horizon:project:elastic_servers:{name}", args=[SERVER])


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
        self.assertEqual(told["seconds"], 15)

    def test_what_has_not_changed_is_not_sent_again(self) -> None:
        self.assertNotIn("html", self.live(mark=self.live()["mark"]))

    def test_what_has_changed_is_sent(self) -> None:
        mark = self.live()["mark"]
        self.cloud.answers["GET", "/xloud-status"] = "status-guest-refused-resp"
        told = self.live(mark=mark)
        self.assertIn("xloud.guest_refused.vcpus_not_removed", told["html"])
        self.assertEqual(told["seconds"], 2)

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
