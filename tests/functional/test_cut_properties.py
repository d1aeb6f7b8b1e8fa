# SPDX-License-Identifier: Apache-2.0
"""Images with properties of which Nova stores a part only: 255 bytes of each."""

from unittest import mock

import ddt
from nova import context as nova_context
from nova.tests.functional.api.client import OpenStackApiException

from nova_xloud.adapters import nova_objects
from tests.functional.base import AdjustTestCase
from tests.functional.raw_requests import RawRequests
from tests.functional.test_unreadable_records import write_into_record

# A number for Nova's API; of each of them Nova stores 255 bytes.
ONLY_SPACES_ARE_LEFT = {"hw_cpu_sockets": f"{' ' * 300}1"}
ANOTHER_NUMBER_IS_LEFT = {"hw_cpu_max_sockets": f"{'0' * 254}12"}
CUT = (ONLY_SPACES_ARE_LEFT, ANOTHER_NUMBER_IS_LEFT)


@ddt.ddt
class CutProperties(RawRequests, AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)
        self.manager = self.computes["host1"].manager

    def _count_this_host(self):
        self.manager.rt.update_available_resource(nova_context.get_admin_context(), "host1")

    def _listed(self):
        return {
            one["id"] for one in self.admin_api.api_get("/os-xloud-servers").body["xloud_servers"]
        }

    def _is_built(self, server):
        assert self.api.get_server(server["id"])["status"] in ("ACTIVE", "ERROR")

    def _refused_by_nova(self, call, *args):
        error = self.assertRaises(OpenStackApiException, call, *args)
        assert error.response.status_code == 400, error.response.text
        return error.response.text

    @ddt.data(*CUT)
    def test_server_of_a_stock_flavor_is_in_every_answer(self, properties):
        body = self._build_server(
            flavor_id=self._flavor(), networks="none", image_uuid=self._image(**properties)
        )
        server = self.api.post_server({"server": body})
        # Nova can build no guest of the first image.
        self._wait(
            lambda: self.assertNotEqual("BUILD", self.api.get_server(server["id"])["status"])
        )
        for path in (*self.reads(), self.status_path(server), self.history_path(server)):
            assert self.send("GET", path).status_int == 200, path
        for query in ("", "all_projects=1"):
            listed = self.send("GET", "/v2.1/os-xloud-servers", query=query).json["xloud_servers"]
            assert {one["id"] for one in listed} == {self.server["id"], server["id"]}
        assert self._status(server)["max_vcpus"] == 4

    @ddt.data(*CUT)
    def test_elastic_server_is_not_created(self, properties):
        body = self._build_server(
            flavor_id=self._flavor(minimum_cpu=1, minimum_memory=512),
            networks="none",
            image_uuid=self._image(**properties),
        )
        text = self._refused_by_nova(self.api.post_server, {"server": body})
        assert "255 bytes" in text, text
        assert f"left of them: {next(iter(properties))}." in text, text
        assert self._listed() == {self.server["id"]}

    @ddt.data(*CUT)
    def test_elastic_server_is_not_rebuilt(self, properties):
        action = {"rebuild": {"imageRef": self._image(**properties)}}
        text = self._refused_by_nova(self.api.post_server_action, self.server["id"], action)
        assert f"left of them: {next(iter(properties))}." in text, text
        server = self.admin_api.get_server(self.server["id"])
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        self._has(1, 512)

    def test_property_that_is_long_and_not_read_is_none_of_ours(self):
        image = self._image(somebodys_notes="n" * 300)
        self._boot(self._flavor(minimum_cpu=1, minimum_memory=512), image_uuid=image)
        self._rebuild_server(self.server, image)
        self._has(1, 512)

    def test_what_is_stored_already_keeps_no_host_from_counting(self):
        write_into_record(self.server, image_hw_cpu_sockets=" " * 255)
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        self._count_this_host()
        assert self.manager.rt.compute_nodes["host1"].vcpus_used == 3
        self.manager.xloud.reconcile().join(30)
        assert self._listed() == {self.server["id"]}

    def test_whatever_cannot_be_read_of_one_the_others_are_listed_and_counted(self):
        other = self._elastic()
        self._has(1, 512, other)
        facts_of = nova_objects.facts_of_instance

        def not_of_other(instance):
            if instance.uuid == other["id"]:
                raise ValueError("a\nline")
            return facts_of(instance)

        with mock.patch.object(nova_objects, "facts_of_instance", not_of_other):
            assert self._listed() == {self.server["id"]}
            self._count_this_host()
        assert self.manager.rt.compute_nodes["host1"].vcpus_used == 2
