# SPDX-License-Identifier: Apache-2.0
"""``GET /servers/{id}/xloud-history`` through Nova: who asked, what was written, what survives."""

from unittest import mock

from nova import objects

from nova_xloud.compute.autoscaling.act import request_id_of
from nova_xloud.core.convergence.plan import AdjustRequest
from tests.functional.base import AdjustTestCase
from tests.functional.clouds import GROWN, MovesTestCase


class History(AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)

    def _history(self, server=None):
        url = f"/servers/{(server or self.server)['id']}/xloud-history"
        return self.admin_api.api_get(url).body["xloud_history"]

    def _ended(self, *outcomes):
        def has_ended():
            found = [entry["outcome"] for entry in self._history()]
            assert found == list(outcomes), found
            return self._history()

        return self._wait(has_ended)

    def test_an_adjustment_is_told_with_its_sizes(self):
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        (entry,) = self._ended("converged")
        action = self._events("xloud_adjust")[0]
        assert (entry["by"], entry["request_id"]) == (action["user_id"], action["request_id"])
        assert entry["from"] == {"vcpus": 1, "memory_mb": 512}
        assert entry["to"] == {"vcpus": 3, "memory_mb": 512}

    def test_it_is_written_with_what_is_written_anyway(self):
        saves = []
        save = objects.Instance.save

        def counted(instance, *args, **kwargs):
            saves.append(instance.obj_what_changed())
            return save(instance, *args, **kwargs)

        with mock.patch.object(objects.Instance, "save", counted):
            self._adjust(current_vcpus=3)
            self._has(3, 512)
            self._ended("converged")
        # The admission, and the end of the run.
        assert len([changed for changed in saves if "system_metadata" in changed]) == 2

    def test_the_last_ten_are_kept_with_the_host_down(self):
        for vcpus in (2, 3, 4) * 4:
            self._adjust(current_vcpus=vcpus)
            self._has(vcpus, 512)
        self._ended(*["converged"] * 10)
        self.computes["host1"].stop()
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)
        told = [entry["to"]["vcpus"] for entry in self._history()]
        assert told == [4, 3, 2, 4, 3, 2, 4, 3, 2, 4]

    def test_automatic_growth_is_told_each_time(self):
        """All of a day have one instance action."""
        host = self.computes["host1"].manager.xloud
        request_id = request_id_of(self.server["id"], 0)
        for vcpus in (2, 3):
            instance = host._host_instances.open(self.server["id"], request_id)
            request = AdjustRequest(vcpus, None, automatic=True)
            admission = host._admit(instance, request, lambda: False)
            assert not admission.nothing_to_do
            host._worker.submit(instance)
            self._has(vcpus, 512)
        newest, older = self._ended("converged", "converged")
        assert newest["by"] == older["by"] == "autoscale"
        assert newest["request_id"] == older["request_id"]
        assert (older["to"]["vcpus"], newest["to"]["vcpus"]) == (2, 3)

    def test_a_size_that_is_overtaken_is_superseded(self):
        with mock.patch("nova_xloud.compute.worker.Worker.submit"):
            self._adjust(current_vcpus=3)
        self._adjust(current_vcpus=2)
        self._has(2, 512)
        newest, older = self._ended("converged", "superseded")
        assert (newest["from"]["vcpus"], older["code"]) == (3, "xloud.admitted")

    def test_a_deleted_server_has_none(self):
        server = self.server
        self._delete_server(server)
        url = f"/servers/{server['id']}/xloud-history"
        assert self.admin_api.api_get(url, check_response_status=[404]).status == 404


class OverMoves(MovesTestCase):
    """The server was adjusted before."""

    def _told(self):
        url = f"/servers/{self.server['id']}/xloud-history"
        return [
            (entry["outcome"], entry["to"]["vcpus"], entry["to"]["memory_mb"])
            for entry in self.admin_api.api_get(url).body["xloud_history"]
        ]

    def test_a_resize_and_its_revert_keep_it(self):
        first = ("converged", *GROWN)
        self._wait(lambda: self.assertEqual([first], self._told()))
        larger = self._flavor(vcpus=6, memory_mb=2048, minimum_cpu=2, minimum_memory=640)
        self._resize_server(self.server, larger)
        assert self._told() == [first]
        self._revert_resize(self.server)
        self._has(*GROWN)
        assert self._told() == [first]

    def test_another_host_goes_on_with_it(self):
        self._live_migrate(self.server, host="host2")
        self._adjust(current_vcpus=4)
        self._has(4, GROWN[1])
        expected = [("converged", 4, GROWN[1]), ("converged", *GROWN)]
        self._wait(lambda: self.assertEqual(expected, self._told()))
