"""The panel Elastic servers: one request for a page of them, and what is done to several."""

import re
from typing import Any

import horizon
from django.test import override_settings
from django.urls import reverse
from requests.exceptions import ConnectTimeout

from tests.dashboard.cloud import OTHER_SERVER, SERVER, TestCase, limits, two_servers
from xloud_dashboard.install.links import PACKAGE

SEVERAL = reverse("horizon:project:elastic_servers:several")


class ElasticServersTests(TestCase):
    URL = reverse("horizon:project:elastic_servers:index")

    def setUp(self) -> None:
        super().setUp()
        servers = two_servers(project_id=self.tenant.id)
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": servers}
        for server_id, name in ((SERVER, "web1"), (OTHER_SERVER, "db1")):
            server = self.cloud.server | {"id": server_id, "name": name}
            self.cloud.answers["GET", f"/servers/{server_id}"] = {"server": server}

    def act(self, action: str, *ids: str) -> Any:
        form = {"action": f"elastic_servers__{action}", "object_ids": ids}
        return self.client.post(self.URL, form, follow=True)

    def shrink(self, *ids: str) -> Any:
        """The answer to *Shrink to the minimum*, and to the page that asks."""
        page = self.act("to_minimum", *ids)
        lines = re.findall(r'name="size" value="([^"]+)" checked', page.content.decode())
        self.assertEqual(self.cloud.sizes_asked(), {})
        return page, self.client.post(SEVERAL, {"size": lines}, follow=True)

    def test_page_is_two_requests_however_many_servers_there_are(self) -> None:
        self.client.get(self.URL)
        paths = [path for _, path, _, _ in self.cloud.asked]
        ends = [path.rsplit("/", 1)[1] for path in paths]
        self.assertEqual(ends, ["os-xloud-servers", "limits"])

    def test_rows_have_sizes_reasons_and_the_way_to_the_tab(self) -> None:
        answer = self.client.get(self.URL)
        said = self.text(answer)
        self.assertIn("3 of 4 vCPUs, minimum 1", said)
        self.assertIn("1 of 4 vCPUs, 4 claimed, minimum 1", said)
        self.assertIn("xloud.guest_refused.vcpus_not_removed", said)
        self.assertContains(
            answer, f"/project/instances/{SERVER}/?tab=instance_details__xloud_size"
        )

    def test_script_of_the_tab_leaves_this_page_alone(self) -> None:
        """It follows what has an address to read again; the style's class is here too."""
        script = (PACKAGE / "static" / "xloud_dashboard" / "size.js").read_text()
        self.assertIn('".xloud-size[data-url]:not([data-started])"', script)
        (section,) = re.findall(r'<[^>]*class="xloud-size"[^>]*>', self.page())
        self.assertNotIn("data-url", section)

    def page(self) -> str:
        return self.client.get(self.URL).content.decode()

    def test_totals_are_sums_of_what_was_answered(self) -> None:
        said = self.text(self.client.get(self.URL))
        self.assertIn("claimed for them 7 vCPUs, 1536 MiB", said)
        self.assertIn("they could have 8 vCPUs, 2048 MiB", said)
        self.assertIn("free if all had the minimums that their flavors name 5 vCPUs, 512 MiB", said)
        self.assertIn("size not reached 1", said)

    def quota(self, answer: Any) -> str:
        self.cloud.answers["GET", "/limits"] = answer
        return self.text(self.client.get(self.URL))

    def test_quota_is_novas_with_what_all_servers_use_of_it(self) -> None:
        said = self.text(self.client.get(self.URL))
        told = "quota used, by all servers of the project 9 of 20 vCPUs; 2560 of 51200 MiB"
        self.assertIn(told, said)

    def test_quota_without_a_limit_says_so(self) -> None:
        absolute = limits(maxTotalCores=-1, maxTotalRAMSize=-1)
        said = self.quota({"limits": {"rate": [], "absolute": absolute}})
        self.assertIn("9 vCPUs, no limit; 2560 MiB, no limit", said)

    def test_quota_of_zero_is_a_limit(self) -> None:
        said = self.quota({"limits": {"rate": [], "absolute": limits(maxTotalCores=0)}})
        self.assertIn("9 of 0 vCPUs", said)

    def test_quota_that_cannot_be_read_leaves_the_page_whole(self) -> None:
        without = {"limits": {"rate": [], "absolute": limits(maxTotalCores=None)}}
        for answer in (401, 403, 404, 500, without, {"limits": None}, ConnectTimeout()):
            with self.subTest(answer):
                said = self.quota(answer)
                self.assertIn("The quota of the project cannot be shown: ", said)
                self.assertIn("claimed for them 7 vCPUs", said)
                self.assertIn("web1", said)

    @override_settings(XLOUD_DASHBOARD={"servers_per_page": 1})
    def test_totals_of_a_part_say_so_and_there_is_a_next_page(self) -> None:
        answer = self.client.get(self.URL)
        self.assertIn("servers on this page 1", self.text(answer))
        self.assertContains(answer, f"marker={SERVER}")
        self.assertEqual(self.cloud.asked[0][2]["limit"], ["2"])

    def test_selected_servers_are_adjusted_to_their_minimums_after_a_question(self) -> None:
        page, done = self.shrink(SERVER, OTHER_SERVER)
        asked = "Server Desired Minimum web1 3 vCPUs, 768 MiB 1 vCPU, 512 MiB db1 1 vCPU, 768 MiB"
        self.assertIn(asked, self.text(page))
        said = self.text(done)
        both = {"current_vcpus": 1, "current_memory_mb": 512}
        asked = {SERVER: both, OTHER_SERVER: {"current_memory_mb": 512}}
        self.assertEqual(self.cloud.sizes_asked(), asked)
        self.assertIn("Admitted: web1 (1 vCPU, 512 MiB); db1 (512 MiB)", said)

    def test_server_whose_flavor_names_no_minimum_is_left_as_it_is(self) -> None:
        stock, cpus_only = two_servers()
        for one in stock, cpus_only:
            one |= {"min_vcpus": 1, "min_memory_mb": 256, "project_id": self.tenant.id}
            one |= {"vcpus": {"desired": 4, "reserved": 4}, "boot_memory_mb": 1024}
            one["memory_mb"] = {"desired": 1024, "reserved": 1024}
        stock["boot_vcpus"] = 4
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": [stock, cpus_only]}
        page, _done = self.shrink(SERVER, OTHER_SERVER)
        self.assertEqual(self.cloud.sizes_asked(), {OTHER_SERVER: {"current_vcpus": 1}})
        told = "No more than the minimums that their flavors name: web1"
        self.assertIn(told, self.text(page))
        again = self.act("to_minimum", SERVER)
        self.assertRedirects(again, self.URL)
        self.assertIn(told, self.text(again))
        self.assertIn("flavors name 3 vCPUs, 0 MiB", self.text(again))

    def test_server_below_that_minimum_is_not_made_larger(self) -> None:
        small, _ = two_servers()
        small |= {"project_id": self.tenant.id, "boot_memory_mb": 1024}
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": [small]}
        self.shrink(SERVER)
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [{"current_vcpus": 1}])

    def test_refused_server_is_named_with_the_reason(self) -> None:
        self.cloud.answers["POST", "/os-xloud-adjust"] = "refused-locked-resp"
        said = self.text(self.shrink(SERVER)[1])
        self.assertIn("web1: ", said)
        self.assertIn("locked", said)
        self.assertNotIn("Admitted", said)

    def test_server_that_is_gone_is_named_and_does_not_stop_the_others(self) -> None:
        gone = SERVER.replace("4c9b", "dead")
        page, done = self.shrink(SERVER, gone, OTHER_SERVER)
        self.assertEqual(set(self.cloud.sizes_asked()), {SERVER, OTHER_SERVER})
        self.assertIn(f"Not adjusted, because it is not in the list: {gone}", self.text(page))
        self.assertIn("Admitted: web1", self.text(done))

    def test_member_sees_the_table_without_actions(self) -> None:
        self.log_in("member", "reader")
        answer = self.client.get(self.URL)
        self.assertIn("web1", self.text(answer))
        self.assertNotContains(answer, "elastic_servers__to_minimum")

    def test_member_cannot_act_by_a_form_of_their_own(self) -> None:
        self.log_in("member", "reader")
        self.act("to_minimum", SERVER)
        self.client.post(SEVERAL, {"size": f"{SERVER} 1 512"})
        self.assertEqual(self.cloud.posted("/os-xloud-adjust/"), [])

    def test_cloud_without_nova_xloud_is_said_with_the_way_out(self) -> None:
        self.cloud.answers["GET", "/os-xloud-servers"] = 404
        said = self.text(self.client.get(self.URL))
        self.assertIn("this cloud's nova-api runs without nova-xloud", said)
        self.assertIn("Ask the cloud's administrator", said)

    @override_settings(DEFAULT_POLICY_FILES={"compute": "default_policies/nova.yaml"})
    def test_without_the_rules_there_is_no_panel(self) -> None:
        self.load_rules_again()
        panel = horizon.get_dashboard("project").get_panel("elastic_servers")
        self.assertFalse(panel.allowed({"request": self.request}))
