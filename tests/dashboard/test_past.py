"""The last hour on the Size tab: who gets it, from where, and what a page says without it."""

import re
import time
from typing import Any
from unittest import mock

import requests_mock
from django.test import override_settings
from django.urls import reverse
from openstack_dashboard.dashboards.project.instances import tabs
from requests.exceptions import ConnectionError, ConnectTimeout, ReadTimeout

from nova_xloud.client import Status
from tests.dashboard.cloud import SERVER, TestCase, sample
from xloud_dashboard import prometheus
from xloud_dashboard.install.links import PACKAGE
from xloud_dashboard.size import readings

URL = reverse("horizon:project:elastic_servers:past", args=[SERVER])
LIVE = reverse("horizon:project:elastic_servers:live", args=[SERVER])
AJAX = {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}
NOW = 1764043500.0  # 2025-11-25T04:05:00Z
WITH_PROMETHEUS = override_settings(XLOUD_DASHBOARD={"prometheus_url": "http://prometheus:9090/p/"})


def matrix(**kinds: list[tuple[float, str]]) -> dict[str, Any]:
    """What Prometheus answers: for each kind its samples."""
    found = [
        {"metric": {"kind": kind}, "values": [list(one) for one in values]}
        for kind, values in kinds.items()
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": found}}


def reading(at: float, vcpus: int = 3) -> str:
    """A line that the page has got from the server."""
    told = sample("status-resp")["xloud_status"]
    told["vcpus"]["reserved"] = vcpus
    return readings.written(Status.from_body(SERVER, told), at)


class PastTestCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        clock = mock.patch.object(time, "time", return_value=NOW)
        clock.start()
        self.addCleanup(clock.stop)

    def past(self, *kept: str) -> str:
        told = self.client.post(URL, {"readings": "\n".join(kept)}, **AJAX)
        return told.json()["html"]

    def tab(self) -> str:
        instance = mock.Mock(id=SERVER, tenant_id=self.tenant.id, image=None)
        instance.name = "web1"
        group = tabs.InstanceDetailTabs(self.request, instance=instance, instance_id=SERVER)
        tab = group.get_tab("xloud_size")
        tab._active = True
        return tab.render()


class SinceOpenTests(PastTestCase):
    """Without Prometheus."""

    def test_page_is_given_its_first_reading_and_no_chart(self) -> None:
        page = self.tab()
        self.assertIn(f'data-reading="{reading(NOW)}"', page)
        self.assertNotIn("xloud-chart", page)

    def test_each_answer_of_the_live_part_has_a_reading(self) -> None:
        told = self.client.get(LIVE).json()
        self.assertEqual(told["reading"], reading(NOW))
        again = self.client.get(LIVE, {"mark": told["mark"]}).json()
        self.assertNotIn("html", again)
        self.assertEqual(again["reading"], reading(NOW))

    def test_status_that_is_refused_is_no_reading(self) -> None:
        self.cloud.answers["GET", "/xloud-status"] = "status-policy-resp"
        self.assertEqual(self.client.get(LIVE).json()["reading"], "")
        self.assertIn('data-reading=""', self.tab())

    def test_readings_come_back_as_charts(self) -> None:
        page = self.past(reading(NOW - 100), reading(NOW - 85, 4), reading(NOW - 70, 4))
        self.assertIn("Since this page was opened", page)
        self.assertEqual(page.count('<svg class="xloud-lines" role="img"'), 2)
        self.assertIn(
            'class="xloud-line xloud-line-reserved" points="0.0,25.0 150.0,25.0 150.0,0.0', page
        )
        self.assertIn("claimed 3 to 4, last 4", self.text(page))
        self.assertIn("04:03 UTC 04:05 UTC", self.text(page))

    def test_what_nobody_could_tell_has_no_line(self) -> None:
        page = self.past(reading(NOW - 30), reading(NOW - 15))
        self.assertEqual(page.count("xloud-line-actuated"), 2)
        self.assertEqual(page.count("xloud-line-observed"), 1)

    def test_page_sends_its_readings(self) -> None:
        form = re.search(r'<form class="xloud-readings".*?</form>', self.tab(), re.DOTALL)
        assert form is not None
        self.assertIn('method="post"', form[0])
        self.assertIn("csrfmiddlewaretoken", form[0])

    def test_one_reading_is_no_chart(self) -> None:
        self.assertEqual(self.text(self.past(reading(NOW))), "")

    def test_reading_of_more_than_an_hour_ago_is_left_out(self) -> None:
        page = self.past(reading(NOW - 3700, 4), reading(NOW - 60), reading(NOW - 45))
        self.assertNotIn("3 to 4", self.text(page))

    def test_page_that_was_hidden_has_a_gap(self) -> None:
        page = self.past(*(reading(NOW - ago) for ago in (600, 585, 60, 45)))
        self.assertEqual(page.count("xloud-line-reserved"), 4)

    def test_lines_of_another_form_are_left_out(self) -> None:
        good = [reading(NOW - 30), reading(NOW - 15)]
        for bad in ("<script>", "1 2 3", good[0] + " 7", good[0].replace("3", "3.5"), "²" * 11):
            with self.subTest(bad):
                self.assertEqual(self.past(bad, *good), self.past(*good))

    def test_no_more_readings_are_drawn_than_the_script_keeps(self) -> None:
        many = [reading(NOW - 3000 + 3 * second, second) for second in range(500)]
        self.assertIn("100 to 499, last 499", self.text(self.past(*many)))
        script = (PACKAGE / "static" / "xloud_dashboard" / "size.js").read_text()
        self.assertIn(f"var READINGS = {readings.MOST};", script)

    def test_every_number_of_a_chart_is_the_apis(self) -> None:
        page = self.past(reading(NOW - 30), reading(NOW - 15))
        said = re.sub(r"\d\d:\d\d UTC", "", self.text(page))
        self.assertEqual(set(re.findall(r"\d+", said)), {"3", "4", "768", "1024"})

    def test_nothing_but_nova_is_asked(self) -> None:
        self.past(reading(NOW - 30), reading(NOW - 15))
        ends = [path.rsplit("/", 1)[1] for _, path, _, _ in self.cloud.asked]
        self.assertEqual(ends, [SERVER, "xloud-history"])


@WITH_PROMETHEUS
class PrometheusTests(PastTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud.answers["GET", "/query_range"] = [
            matrix(maximum=[(NOW - 60, "4"), (NOW - 30, "4")], reserved=[(NOW - 60, "1")]),
            matrix(observed=[(NOW - 60, "805306368"), (NOW - 30, "NaN"), (NOW, "1073741824")]),
        ]

    def queries(self) -> list[dict[str, list[str]]]:
        return [query for _, path, query, _ in self.cloud.asked if path.endswith("query_range")]

    def test_charts_are_on_the_page_without_the_script(self) -> None:
        page = self.tab()
        said = self.text(page)
        self.assertIn("The last hour", said)
        self.assertIn("in the guest 768 to 1024, last 1024", said)
        self.assertIn("03:05 UTC 04:05 UTC", said)
        self.assertIn('points="983.3,0.0 991.7,0.0"', page)
        self.assertIn('data-reading=""', page)

    def test_page_asks_with_a_get(self) -> None:
        self.assertIn('<form class="xloud-readings" method="get" action="', self.tab())

    def test_charts_can_be_asked_for_with_a_get(self) -> None:
        page = self.client.get(URL, **AJAX).json()["html"]
        self.assertIn("in the guest 768 to 1024, last 1024", self.text(page))

    def test_certificate_is_checked_as_keystones_whatever_the_environment_has(self) -> None:
        cas = {"REQUESTS_CA_BUNDLE": "/etc/hosts"}
        for setting, verify in (
            ({"OPENSTACK_SSL_CACERT": "/ca.pem"}, "/ca.pem"),
            ({"OPENSTACK_SSL_NO_VERIFY": True}, False),
        ):
            with self.subTest(setting), mock.patch.dict("os.environ", cas):
                self.cloud.answers["GET", "/query_range"] = matrix()
                with self.settings(**setting):
                    self.past()
                self.assertEqual(self.cloud.verified["/p/api/v1/query_range"], verify)

    def test_query_names_the_server_and_its_project(self) -> None:
        self.past()
        first, second = self.queries()
        kinds = "maximum|reserved|actuated|observed|desired"
        labels = f'instance_uuid="{SERVER}",project_id="{self.tenant.id}",kind=~"{kinds}"'
        self.assertEqual(first["query"], [f"max by (kind) (nova_xloud_instance_vcpus{{{labels}}})"])
        self.assertIn("nova_xloud_instance_memory_bytes{", second["query"][0])
        self.assertEqual((first["start"], first["end"]), ([str(NOW - 3600)], [str(NOW)]))

    def test_address_may_have_a_path(self) -> None:
        self.past()
        self.assertIn("/p/api/v1/query_range", [path for _, path, _, _ in self.cloud.asked])

    def test_adjustment_of_the_last_hour_is_a_mark(self) -> None:
        history = sample("history-resp")
        history["xloud_history"][0]["at"] = "2025-11-25T04:00:00Z"
        self.cloud.answers["GET", "/xloud-history"] = history
        page = self.past()
        self.assertIn('<line class="xloud-mark" x1="916.7" x2="916.7"', page)
        self.assertIn("1 vCPU, 512 MiB to 3 vCPUs, 768 MiB, converged</title>", page)

    def test_readings_that_a_page_sends_are_not_drawn(self) -> None:
        self.cloud.answers["GET", "/query_range"] = [matrix(), matrix()]
        said = self.text(self.past(reading(NOW - 30), reading(NOW - 15)))
        self.assertEqual(said, "The last hour Prometheus has no sizes of this server.")

    def test_user_without_the_server_reaches_no_prometheus(self) -> None:
        self.cloud.answers["GET", "/servers"] = 404
        self.assertEqual(self.client.post(URL).status_code, 404)
        self.assertEqual(self.queries(), [])

    def test_user_whom_the_api_refuses_reaches_no_prometheus(self) -> None:
        self.cloud.answers["GET", "/xloud-history"] = "status-policy-resp"
        said = self.text(self.past())
        self.assertIn("xloud.forbidden", said)
        self.cloud.answers["GET", "/xloud-status"] = "status-policy-resp"
        self.tab()
        self.assertEqual(self.queries(), [])

    def test_user_without_the_policy_reaches_no_prometheus(self) -> None:
        self.log_in("other")
        self.assertNotEqual(self.client.post(URL).status_code, 200)
        self.assertEqual(self.queries(), [])

    def test_project_of_no_known_form_is_asked_for_nowhere(self) -> None:
        self.cloud.server["tenant_id"] = 'x"} or {instance_uuid!="'
        self.assertIn("a form that is not known", self.text(self.past()))
        self.assertEqual(self.queries(), [])

    def test_prometheus_that_fails_leaves_the_page_whole(self) -> None:
        for answer in (500, 404, ConnectTimeout(), ReadTimeout(), ConnectionError("http://in:1")):
            with self.subTest(answer):
                self.cloud.answers["GET", "/query_range"] = answer
                page = self.text(self.tab())
                self.assertIn("There is no chart of the last hour. Prometheus does not", page)
                self.assertIn("The server has 3 vCPUs", page)
                self.assertNotIn("http://in:1", page)

    def test_answer_of_another_form_leaves_the_page_whole(self) -> None:
        good = matrix(maximum=[(NOW, "4")])
        result = good["data"]["result"]
        for answer in (
            {"status": "error", "data": {"resultType": "matrix", "result": []}},
            {"status": "success", "data": {"resultType": "vector", "result": result}},
            {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}}]}},
            {"status": "success", "data": None},
            matrix(maximum=[(NOW, "four")]),
            matrix(maximum=[(NOW,)]),
            ["no object"],
        ):
            with self.subTest(answer):
                self.cloud.answers["GET", "/query_range"] = [answer, good]
                self.assertIn("The answer of Prometheus cannot be read.", self.text(self.past()))

    def test_answer_that_is_no_json_leaves_the_page_whole(self) -> None:
        with requests_mock.Mocker() as mocker:
            mocker.get(requests_mock.ANY, text="<html>")
            with self.assertRaises(prometheus.PrometheusError) as caught:
                prometheus.samples("http://p", SERVER, "p1", 0, 60)
        self.assertEqual(str(caught.exception), "The answer of Prometheus cannot be read.")

    def test_password_of_the_address_is_in_no_log(self) -> None:
        for host, answer in (("p", 500), ("p", ConnectTimeout()), ("p", matrix()), (".p", 500)):
            url = f"http://user:secret@{host}:9090/"
            self.cloud.answers["GET", "/query_range"] = answer
            with (
                self.subTest(url=url, answer=answer),
                self.settings(XLOUD_DASHBOARD={"prometheus_url": url}),
                self.assertLogs("xloud_dashboard", "DEBUG") as logs,
            ):
                prometheus.LOG.debug("asked")
                self.past()
                self.assertNotIn("secret", " ".join(logs.output))

    def test_prometheus_is_not_waited_for_long(self) -> None:
        self.past()
        self.assertIn((2, 4), self.cloud.timeouts)
