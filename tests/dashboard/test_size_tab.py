"""The Size tab on Nova's own pages of a server: what it shows, and to whom it offers what."""

import re
from typing import Any
from unittest import mock

from django.test import override_settings
from openstack_dashboard.dashboards.admin.instances import tabs as admin_tabs
from openstack_dashboard.dashboards.project.instances import tabs as project_tabs

from nova_xloud.client import Status
from tests.dashboard.cloud import SERVER, TestCase, sample
from xloud_dashboard.size import words

TABS = {"project": project_tabs.InstanceDetailTabs, "admin": admin_tabs.AdminInstanceDetailTabs}
# Whole numbers of their own, and not parts of IDs or of percentages.
NUMBER = re.compile(r"(?<![\w.-])\d+(?![\w%-]|\.\d)")


class SizeTabTests(TestCase):
    def tab(self, dashboard: str = "project", project_id: str = "") -> Any:
        instance = mock.Mock(id=SERVER, tenant_id=project_id or self.tenant.id, image=None)
        instance.name = "web1"
        group = TABS[dashboard](self.request, instance=instance, instance_id=SERVER)
        return group.get_tab("xloud_size")

    def rendered(self, dashboard: str = "project") -> str:
        tab = self.tab(dashboard)
        tab._active = True
        return tab.render()

    def test_both_dashboards_have_the_tab(self) -> None:
        for dashboard in TABS:
            with self.subTest(dashboard):
                page = self.rendered(dashboard)
                self.assertIn('class="xloud-size"', page)
                self.assertIn(f'name="back" value="{dashboard}"', page)

    def test_sentence_says_what_the_server_has(self) -> None:
        self.assertIn(
            "The server has 3 vCPUs, 768 MiB of at most 4 vCPUs, 1024 MiB; 3 vCPUs, 768 MiB are "
            "claimed for it, and nothing is left to do.",
            self.text(self.rendered()),
        )

    def test_bars_have_bounds_and_the_four_numbers_to_scale(self) -> None:
        page = self.rendered()
        self.assertIn('class="xloud-room" x="25.00%" y="2" width="75.00%"', page)
        self.assertIn('class="xloud-reserved" x="0" y="9" width="75.00%"', page)
        self.assertIn(
            'aria-label="Memory: desired 768, claimed 768, set 768, in the guest 768; '
            'minimum 512, maximum 1024 MiB"',
            page,
        )

    def test_meaning_of_each_number_can_be_read_without_a_mouse(self) -> None:
        page = self.rendered()
        folded = page.split('<details class="xloud-meanings">')[1].split("</details>")[0]
        said = self.text(folded)
        self.assertIn("What the numbers mean minimum The smallest size", said)
        self.assertIn("claimed What Placement has allocated to the server.", said)
        numbers = re.findall(r'<dl class="xloud-numbers">.*?</dl>', page, re.DOTALL)[0]
        terms = re.findall(r"<dt>(.*?)</dt>", numbers)
        self.assertEqual(len(terms), 6)
        for term in terms:
            self.assertIn(f"<dt>{self.text(term)}</dt>", folded)
        self.assertNotIn("title=", numbers)

    def test_form_takes_what_is_desired_already_although_the_bounds_changed(self) -> None:
        """The API admits it: a form that has both sizes could else change neither."""
        for changed, least, most in (
            ({"min_vcpus": 4, "max_vcpus": 8}, 3, 8),
            ({"max_vcpus": 2}, 1, 3),
            ({"vcpu_step": 2, "min_vcpus": 2}, 2, 4),
        ):
            with self.subTest(changed):
                told = sample("status-resp")
                told["xloud_status"] |= changed
                self.cloud.answers["GET", "/xloud-status"] = told
                page = self.rendered()
                bounds = f'min="{least}" max="{most}" step="1" value="3"'
                self.assertRegex(page, f'<input type="range"[^>]*for="xloud-vcpus"[^>]*{bounds}')
                self.assertRegex(page, f'<input type="number"[^>]*name="vcpus" {bounds}')

    def test_form_has_the_step_of_whole_cores(self) -> None:
        told = sample("status-resp")
        told["xloud_status"] |= {"vcpu_step": 2, "min_vcpus": 2, "current_vcpus": 4}
        self.cloud.answers["GET", "/xloud-status"] = told
        self.assertIn('min="2" max="4" step="2" value="4"', self.rendered())

    def test_what_nobody_can_tell_is_unknown_and_has_no_bar(self) -> None:
        page = self.rendered()
        self.assertEqual(page.count('class="xloud-observed"'), 1)
        self.assertIn("in the guest unknown", page)
        self.assertIn("set; no guest agent answers to confirm it", self.text(page))

    def test_every_number_is_the_apis(self) -> None:
        """A status with a number of its own for each place: no other number is on the page."""
        told = sample("status-resp")
        told["xloud_status"] |= {
            "current_vcpus": 13, "min_vcpus": 2, "max_vcpus": 29,
            "current_memory_mb": 7001, "min_memory_mb": 601, "max_memory_mb": 9007,
            "vcpus": {"desired": 13, "reserved": 17, "actuated": 19, "observed": 23},
            "memory_mb": {"desired": 7001, "reserved": 7507, "actuated": 7703, "observed": 8009},
        }  # fmt: skip
        self.cloud.answers["GET", "/xloud-status"] = told
        self.cloud.answers["GET", "/xloud-history"] = {"xloud_history": []}
        numbers = set(map(int, NUMBER.findall(self.text(self.rendered()))))
        known = {13, 2, 29, 7001, 601, 9007, 17, 19, 23, 7507, 7703, 8009, 100}
        self.assertEqual(numbers - known, set())
        self.assertLessEqual(known, numbers)

    def test_condition_is_a_card_with_the_remedy_and_its_button(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-guest-refused-resp"
        page = self.rendered()
        said = self.text(page)
        self.assertIn("GuestRefused xloud.guest_refused.vcpus_not_removed", said)
        self.assertIn("the guest gives vCPUs back down to 1 (has 3)", said)
        self.assertIn("What to do: Reboot the server hard", said)
        self.assertIn('name="action" value="hard_reboot"', page)
        self.assertNotIn('name="action" value="start"', page)

    def test_reason_of_several_conditions_is_one_card(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-guest-refused-resp"
        page = self.rendered()
        self.assertEqual(page.count("<code>xloud.guest_refused.vcpus_not_removed</code></h4>"), 1)
        self.assertEqual(page.count("<code>xloud.blocked.removal_unsettled</code></h4>"), 1)

    def test_status_of_the_database_says_what_is_not_known(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-database-resp"
        page = self.rendered()
        self.assertIn("what its guest has is not known", self.text(page))
        self.assertIn("the server's compute host is down", self.text(page))
        self.assertEqual(page.count('class="xloud-lamp-unknown"'), 2)

    def test_server_of_a_cell_that_does_not_answer_has_no_sizes_of_its_own(self) -> None:
        told = sample("status-database-resp")["xloud_status"]
        why = {"status": False, "reason": "xloud.host_unavailable", "message": "the cell is away"}
        told["conditions"][0] |= why
        told["vcpus"]["reserved"] = told["memory_mb"]["reserved"] = 0
        status = Status.from_body(SERVER, told)
        states = [lamp.state for lamp in words.lamps(status)]
        self.assertEqual(states, ["on", "unknown", "unknown", "unknown"])
        self.assertEqual(list(words.remarks(status)), ["the cell is away"])
        self.assertIsNone(NUMBER.search(words.sentence(status)))

    def test_lamps_show_how_far_an_adjustment_is(self) -> None:
        told = sample("status-resp")
        told["xloud_status"]["memory_mb"] |= {"desired": 1024, "reserved": 1024}
        told["xloud_status"]["conditions"][0] |= {"status": False, "reason": "xloud.converging"}
        self.cloud.answers["GET", "/xloud-status"] = told
        page = self.rendered()
        self.assertEqual(page.count('class="xloud-lamp-on"'), 2)
        self.assertIn('data-seconds="2"', page)

    def test_server_that_was_never_adjusted_has_no_way_of_an_adjustment(self) -> None:
        told = sample("status-resp")
        self.cloud.answers["GET", "/xloud-status"] = told
        self.cloud.answers["GET", "/xloud-history"] = {"xloud_history": []}
        page = self.rendered()
        self.assertIn("xloud-lamps", page)
        self.assertIn("The last adjustments of this server were not recorded.", self.text(page))
        told["xloud_status"]["generation"] = 0
        page = self.rendered()
        self.assertNotIn("xloud-lamps", page)
        self.assertIn("This server was not adjusted yet.", self.text(page))

    def test_server_that_is_stopped_can_be_started_although_its_card_is_gone(self) -> None:
        start = 'name="action" value="start"'
        told = sample("status-resp")
        boot_vcpus = {"resource": "vcpus", "code": "xloud.blocked.boot_vcpus", "message": ""}
        told["xloud_status"]["blockers"] = [boot_vcpus]
        self.cloud.answers["GET", "/xloud-status"] = told
        page = self.rendered()
        self.assertIn('name="action" value="stop"', page)
        self.assertNotIn(start, page)
        for blockers in ([], [boot_vcpus]):
            told["xloud_status"]["blockers"] = blockers
            for resource in ("vcpus", "memory_mb"):
                told["xloud_status"][resource] |= {"actuated": 0, "observed": 0}
            self.cloud.server["status"] = "SHUTOFF"
            self.assertEqual(self.rendered().count(start), 1)
        told["xloud_status"]["blockers"] = []
        for status in ("SUSPENDED", "ERROR", "BUILD"):
            self.cloud.server["status"] = status
            self.assertNotIn(start, self.rendered(), f"Nova does not start a server in {status}")

    def test_server_that_is_off_starts_with_what_persists(self) -> None:
        """A temporary size is desired until the next pass sees that the guest is off."""
        told = sample("status-resp")
        told["xloud_status"] |= {"current_vcpus": 2, "current_memory_mb": 512}
        for resource in ("vcpus", "memory_mb"):
            told["xloud_status"][resource] |= {"actuated": 0, "observed": 0}
        self.cloud.answers["GET", "/xloud-status"] = told
        said = self.text(self.rendered())
        self.assertIn("it will start with 2 vCPUs, 512 MiB, and 3 vCPUs, 768 MiB are", said)
        self.cloud.server["status"] = "SHUTOFF"
        said = self.text(self.rendered())
        self.assertIn("started with the size that is kept for its next start", said)
        self.assertNotIn("the size that is desired", said)

    def test_history_has_both_sizes_who_and_how_it_ended(self) -> None:
        said = self.text(self.rendered())
        self.assertIn(
            "2026-11-25T04:00:00Z 1 vCPU, 512 MiB 3 vCPUs, 768 MiB converged admin req-4c9b5e1a",
            said,
        )

    def test_recommendation_has_its_reason_and_can_be_applied(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = recommending()
        page = self.rendered()
        self.assertIn("Recommended: 4 vCPUs, 1024 MiB", self.text(page))
        self.assertIn("the guest's CPUs are used up xloud.need.cpu_busy", self.text(page))
        self.assertIn('name="memory_mb" value="1024"', page)

    def test_member_may_see_and_is_offered_nothing(self) -> None:
        self.log_in("member", "reader")
        page = self.rendered()
        self.assertNotIn("xloud-form", page)
        self.assertIn("you may see the size of this server, and not change it", self.text(page))

    def test_user_without_a_role_does_not_get_the_tab(self) -> None:
        self.log_in("other")
        self.assertIsNone(self.tab())

    @override_settings(DEFAULT_POLICY_FILES={"compute": "default_policies/nova.yaml"})
    def test_without_the_rules_nothing_is_offered(self) -> None:
        self.load_rules_again()
        self.assertIsNone(self.tab())

    def test_server_of_another_project_is_for_admins(self) -> None:
        self.assertIsNotNone(self.tab(project_id="other"))
        self.log_in("member", "reader")
        self.assertIsNone(self.tab(project_id="other"))

    def test_nova_without_nova_xloud_is_said_with_the_way_out(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = 404
        said = self.text(self.rendered())
        self.assertIn("this cloud's nova-api runs without nova-xloud", said)
        self.assertIn("What to do: Ask the cloud's administrator", said)

    def test_refused_status_has_its_code_and_no_form(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-policy-resp"
        page = self.rendered()
        self.assertIn("xloud.forbidden", page)
        self.assertNotIn("xloud-form", page)

    def test_host_without_nova_xloud_is_said_with_the_way_out(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-host-unsupported-resp"
        page = self.rendered()
        self.assertIn("xloud.host_unsupported", page)
        self.assertIn("nova-xloud-run", self.text(page))


def recommending() -> dict[str, Any]:
    """The sample of a status, with a recommendation."""
    told = sample("status-resp")
    reasons = [
        {
            "resource": "vcpus",
            "code": "xloud.need.cpu_busy",
            "message": "the guest's CPUs are used up",
        }
    ]
    told["xloud_status"]["autoscale"] |= {
        "mode": "observe",
        "recommendation": {"vcpus": 4, "memory_mb": 1024},
        "reasons": reasons,
        "since": "2026-11-25T04:00:00Z",
        "age_seconds": 5,
    }
    return told
