"""Beside a dry run: what is used of the project's quota and of the host, where it may be seen."""

from typing import Any

from requests.exceptions import ConnectTimeout

from tests.dashboard.cloud import limits, sample
from tests.dashboard.test_elastic_hosts import hypervisors
from tests.dashboard.test_size_views import SIZES, ViewTestCase

QUOTA = "Used of the project's quota: "
HOST = {"OS-EXT-SRV-ATTR:host": "host1", "OS-EXT-SRV-ATTR:hypervisor_hostname": "node1"}


class RoomTests(ViewTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud.answers["GET", "/os-hypervisors/detail"] = {"hypervisors": hypervisors()}
        # What is claimed before; the dry run of the sample would claim 3 vCPUs and 768 MiB.
        self.status = sample("status-resp")
        self.status["xloud_status"]["vcpus"]["reserved"] = 1
        self.cloud.answers["GET", "/xloud-status"] = self.status

    def planned(self, **values: str) -> str:
        told = self.send("size", script=True, do="plan", **SIZES | values).json()
        return self.text(told["html"])

    def queries(self, end: str) -> list[Any]:
        return [query for _, path, query, _ in self.cloud.asked if path.endswith(end)]

    def test_quota_says_what_is_used_now_and_after_this(self) -> None:
        said = self.planned()
        self.assertIn("It would be admitted.", said)
        self.assertIn(f"{QUOTA}9 of 20 vCPUs, 11 after this adjustment; 2560 of 51200 MiB.", said)

    def test_shrink_gives_nothing_back_before_it_is_seen(self) -> None:
        self.status["xloud_status"]["vcpus"]["reserved"] = 3
        self.assertIn(f"{QUOTA}9 of 20 vCPUs; 2560 of 51200 MiB.", self.planned())

    def test_plan_that_claims_nothing_reads_no_status(self) -> None:
        plan = sample("dry-run-resp")
        plan["plan"]["steps"] = [one for one in plan["plan"]["steps"] if one["step"] != "claim"]
        self.cloud.answers["POST", "dry-run"] = plan
        self.assertIn(f"{QUOTA}9 of 20 vCPUs; 2560 of 51200 MiB.", self.planned())
        self.assertEqual(self.cloud.reads("/xloud-status"), 0)

    def test_quota_without_a_limit_says_so(self) -> None:
        told = {"limits": {"rate": [], "absolute": limits(maxTotalCores=-1)}}
        self.cloud.answers["GET", "/limits"] = told
        self.assertIn(f"{QUOTA}9 vCPUs, no limit, 11 after this adjustment; ", self.planned())

    def test_refusal_has_what_is_used_now_only(self) -> None:
        self.cloud.answers["POST", "dry-run"] = "dry-run-refused-resp"
        self.assertIn(f"{QUOTA}9 of 20 vCPUs; 2560 of 51200 MiB.", self.planned())
        self.assertEqual(self.cloud.reads("/xloud-status"), 0)

    def test_quota_of_another_project_is_for_who_may_see_it(self) -> None:
        self.planned()
        self.assertEqual(self.queries("/limits"), [{}])
        self.cloud.server["tenant_id"] = "other"
        self.assertIn(QUOTA, self.planned())
        self.assertEqual(self.queries("/limits")[1:], [{"tenant_id": ["other"]}])

    def test_host_is_what_nova_counts_there(self) -> None:
        self.assertNotIn("Used of host", self.planned())
        self.cloud.server |= HOST
        told = "Used of host host1, as Nova counts: 7 of 6 vCPUs; 1024 of 1536 MiB."
        self.assertIn(told, self.planned())
        asked = {"hypervisor_hostname_pattern": ["node1"]}
        self.assertEqual(self.queries("/os-hypervisors/detail"), [asked])

    def test_host_that_may_not_be_seen_is_not_shown(self) -> None:
        self.cloud.server |= HOST
        self.cloud.answers["GET", "/os-hypervisors/detail"] = 403
        self.assertNotIn("host", self.planned())

    def test_what_cannot_be_read_leaves_the_plan_whole(self) -> None:
        self.cloud.server |= HOST
        addresses = ("/limits", "/xloud-status", "/os-hypervisors/detail")
        for failing in (401, 404, 500, ConnectTimeout(), {}):
            self.cloud.answers |= {("GET", end): failing for end in addresses}
            with self.subTest(failing):
                said = self.planned()
                self.assertIn("It would be admitted.", said)
                self.assertIn("The quota of the project cannot be shown: ", said)
                self.assertIn("What the host has cannot be shown: ", said)

    def test_page_without_the_script_has_it_too(self) -> None:
        said = self.text(self.send("size", do="plan", **SIZES))
        self.assertIn("11 after this adjustment", said)
