"""The panel Elastic hosts: sums of what Nova lists, for those who may see all projects."""

import re
from typing import Any

import horizon
from django.urls import reverse

from tests.dashboard.cloud import OTHER_SERVER, TestCase, two_servers


def hypervisors() -> list[dict[str, Any]]:
    """Two hosts of Nova's list; one has no server, the other more vCPUs in use than it has."""
    used = {"vcpus_used": 7, "memory_mb_used": 1024}
    return [
        {"service": {"host": name}, "vcpus": vcpus, "memory_mb": 1536} | used
        for name, vcpus in (("host1", 6), ("host2", 8))
    ]


class ElasticHostsTests(TestCase):
    URL = reverse("horizon:admin:elastic_hosts:index")

    def setUp(self) -> None:
        super().setUp()
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": two_servers()}
        self.cloud.answers["GET", "/os-hypervisors/detail"] = {"hypervisors": hypervisors()}

    def test_page_is_two_requests_however_many_hosts_there_are(self) -> None:
        self.client.get(self.URL)
        paths = [path.rsplit("/", 1)[1] for _, path, _, _ in self.cloud.asked]
        self.assertEqual(paths, ["os-xloud-servers", "detail"])
        self.assertEqual(self.cloud.asked[0][2], {"all_projects": ["true"]})

    def test_host_shows_what_is_claimed_and_promised_beyond_its_end(self) -> None:
        said = self.text(self.client.get(self.URL))
        self.assertIn(
            "claimed 7 vCPUs promised 8 vCPUs the host has 6 vCPUs of it used 7 vCPUs "
            "free, without overcommit 0 vCPUs promised beyond its end 2 vCPUs",
            said,
        )
        self.assertIn("claimed 1536 MiB promised 2048 MiB the host has 1536 MiB", said)

    def test_meaning_of_each_number_can_be_read_without_a_mouse(self) -> None:
        page = self.client.get(self.URL).content.decode()
        folded = page.split('<details class="xloud-meanings">')[1].split("</details>")[0]
        numbers = re.findall(r'<dl class="xloud-numbers">.*?</dl>', page, re.DOTALL)
        for term in re.findall(r"<dt>(.*?)</dt>", "".join(numbers)):
            self.assertIn(f"<dt>{self.text(term)}</dt>", folded)
        self.assertNotIn("title=", "".join(numbers))

    def test_host_shows_what_nova_counts_as_used_and_what_is_free(self) -> None:
        said = self.text(self.client.get(self.URL))
        self.assertIn("of it used 1024 MiB free, without overcommit 512 MiB", said)
        self.cloud.answers["GET", "/os-hypervisors/detail"] = 403
        self.assertNotIn("overcommit 512 MiB", self.text(self.client.get(self.URL)))

    def test_servers_that_refuse_are_named_with_the_reason(self) -> None:
        answer = self.client.get(self.URL)
        self.assertIn("db1 xloud.guest_refused.vcpus_not_removed", self.text(answer))
        self.assertContains(answer, f"/admin/instances/{OTHER_SERVER}/detail?tab=instance_details")

    def test_server_on_its_way_is_as_it_should_be(self) -> None:
        servers = two_servers()
        for one, reason in zip(servers, ("xloud.admitted", "xloud.converging"), strict=True):
            way = {"type": "Converged", "status": False, "reason": reason, "message": ""}
            one |= {"converged": False, "conditions": [way | {"since": ""}]}
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": servers}
        said = self.text(self.client.get(self.URL))
        self.assertNotIn("Not as it should be", said)
        self.assertNotIn("xloud.converging", said)

    def test_servers_are_named_that_would_free_most(self) -> None:
        said = self.text(self.client.get(self.URL))
        would = "5 vCPUs, 512 MiB would be free if all had the minimums that their flavors name"
        self.assertIn(would, said)
        self.assertIn(
            "web1 : 3 vCPUs, 768 MiB claimed, its flavor boots with 1 vCPU, 512 MiB", said
        )

    def test_host_without_a_server_is_there(self) -> None:
        self.assertIn("host2 0 servers", self.text(self.client.get(self.URL)))

    def test_host_whose_size_nova_does_not_tell_is_unknown(self) -> None:
        self.cloud.answers["GET", "/os-hypervisors/detail"] = 403
        said = self.text(self.client.get(self.URL))
        self.assertIn("promised 8 vCPUs the host has unknown", said)
        self.assertIn("you may not see Nova's list of hypervisors", said)

    def test_list_of_hosts_that_may_not_be_seen_is_not_an_empty_one(self) -> None:
        self.cloud.answers["GET", "/os-xloud-servers"] = {"xloud_servers": []}
        self.cloud.answers["GET", "/os-hypervisors/detail"] = 403
        self.assertNotIn("There is no compute host", self.text(self.client.get(self.URL)))

    def test_nova_that_fails_is_a_problem_and_not_a_cloud_without_hosts(self) -> None:
        for status in (401, 404, 500):
            with self.subTest(status):
                self.cloud.answers["GET", "/os-hypervisors/detail"] = status
                answer = self.client.get(self.URL)
                self.assertContains(answer, "xloud-problem")
                self.assertIn(str(status), self.text(answer))
                self.assertNotIn("There is no compute host", self.text(answer))

    def test_answer_of_another_form_is_a_problem(self) -> None:
        for told in ({}, {"hypervisors": [{"service": {"host": "host1"}}]}, {"hypervisors": None}):
            with self.subTest(told):
                self.cloud.answers["GET", "/os-hypervisors/detail"] = told
                said = self.text(self.client.get(self.URL))
                self.assertIn("the answer to /os-hypervisors/detail cannot be read", said)

    def page_of(self, one: dict[str, Any], marker: str) -> dict[str, Any]:
        href = f"http://elsewhere/v2.1/os-hypervisors/detail?limit=1&marker={marker}"
        return {"hypervisors": [one], "hypervisors_links": [{"rel": "next", "href": href}]}

    def test_hosts_of_all_pages_of_novas_list_are_shown(self) -> None:
        first, second = hypervisors()
        pages = [self.page_of(first, "first"), {"hypervisors": [second]}]
        self.cloud.answers["GET", "/os-hypervisors/detail"] = pages
        said = self.text(self.client.get(self.URL))
        self.assertIn("the host has 6 vCPUs", said)
        self.assertIn("host2 0 servers", said)
        self.assertEqual(self.cloud.asked[-1][2], {"limit": ["1"], "marker": ["first"]})

    def test_list_of_hosts_that_links_to_itself_ends(self) -> None:
        first, _ = hypervisors()
        pages = [self.page_of(first, "first"), self.page_of(first, "first")]
        self.cloud.answers["GET", "/os-hypervisors/detail"] = pages
        self.assertIn("links from a page to itself", self.text(self.client.get(self.URL)))

    def test_who_may_not_see_all_projects_has_no_panel_and_no_page(self) -> None:
        self.log_in("member", "reader")
        panel = horizon.get_dashboard("admin").get_panel("elastic_hosts")
        self.assertFalse(panel.allowed({"request": self.request}))
        self.client.get(self.URL)
        self.assertEqual(self.cloud.asked, [])

    def test_refusal_has_its_code_and_what_to_do(self) -> None:
        self.cloud.answers["GET", "/os-xloud-servers"] = "servers-policy-resp"
        said = self.text(self.client.get(self.URL))
        self.assertIn("xloud.forbidden", said)
        self.assertIn("What to do:", said)
