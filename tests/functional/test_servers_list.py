# SPDX-License-Identifier: Apache-2.0
"""``GET /os-xloud-servers``: its pages, beside Nova's own list, and that it asks no host."""

from unittest import mock

from nova_xloud.rpc.client import XloudAPI
from tests.functional.base import AdjustTestCase

ASKED = ("status", "guests", "plan", "adjust")


class Listed(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)
        self.others = [self._elastic() for _ in range(3)]
        self.all = {server["id"] for server in (self.server, *self.others)}

    def _list(self, query="", api=None):
        return (api or self.admin_api).api_get(f"/os-xloud-servers{query}").body

    def _ids(self, query="", api=None):
        return [entry["id"] for entry in self._list(query, api)["xloud_servers"]]

    def _pages(self, query):
        """The ids of all pages, by the links from one to the next."""
        while True:
            body = self._list(query)
            yield [entry["id"] for entry in body["xloud_servers"]]
            if "xloud_servers_links" not in body:
                return
            (link,) = body["xloud_servers_links"]
            query = "?" + link["href"].partition("?")[2]

    def test_it_has_the_order_and_pages_of_novas_list(self):
        nova = [one["id"] for one in self.admin_api.api_get("/servers").body["servers"]]
        assert self._ids() == nova
        assert list(self._pages("?limit=3")) == [nova[:3], nova[3:]]
        assert list(self._pages("?limit=2")) == [nova[:2], nova[2:], []]
        assert self._ids(f"?marker={nova[1]}") == nova[2:]

    def test_no_page_is_larger_than_novas(self):
        self.flags(max_limit=2, group="api")
        assert [len(page) for page in self._pages("?limit=1000")] == [2, 2, 0]
        assert [len(page) for page in self._pages("")] == [2, 2, 0]

    def test_no_host_is_asked(self):
        with mock.patch.multiple(XloudAPI, **dict.fromkeys(ASKED, mock.DEFAULT)) as asked:
            assert set(self._ids()) == self.all
        assert not [name for name, call in asked.items() if call.called]

    def test_it_is_as_the_status_from_the_database(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self._wait(lambda: self.assertTrue(self._status()["conditions"][0]["status"]))
        (entry,) = [one for one in self._list()["xloud_servers"] if one["id"] == self.server["id"]]
        self.computes["host1"].stop()
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)
        status = self._status()
        assert status["source"] == "database"
        kept = [key for key in entry if key in status and key not in ("vcpus", "memory_mb")]
        assert {key: entry[key] for key in kept} == {key: status[key] for key in kept}
        for resource in ("vcpus", "memory_mb"):
            numbers = entry[resource]
            assert numbers == {name: status[resource][name] for name in ("desired", "reserved")}

    def test_a_deleted_server_is_not_listed(self):
        gone = self.others.pop()
        self._delete_server(gone)
        assert set(self._ids()) == self.all - {gone["id"]}
        assert set(self._ids("?all_projects=1")) == self.all - {gone["id"]}

    def test_server_without_a_record_is_listed_and_stays_without(self):
        stock = self._boot(self._flavor())
        (entry,) = [one for one in self._list()["xloud_servers"] if one["id"] == stock["id"]]
        assert entry["vcpus"] == {"desired": 4, "reserved": 4}
        metadata = self._record(stock).system_metadata
        assert not [name for name in metadata if name.startswith("xloud_")]

    def test_an_unreadable_record_hides_no_other_server(self):
        instance = self._record(self.server)
        instance.system_metadata["xloud_vcpus"] = "many"
        instance.save()
        assert set(self._ids()) == self.all

    def test_hosts_are_for_administrators(self):
        (first, *_) = self._list("?limit=1")["xloud_servers"]
        assert first["host"] == "host1"
        (first, *_) = self._list("?limit=1", self.user_api)["xloud_servers"]
        assert "host" not in first
