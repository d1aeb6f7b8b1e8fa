# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a Prometheus target: scraped over HTTP while a server is adjusted."""

import socket
import urllib.request
from unittest import mock

from nova.compute import manager as nova_manager
from nova.tests.functional.api.client import OpenStackApiException
from prometheus_client.parser import text_string_to_metric_families

from nova_xloud.compute.meter import NoMeter
from tests.functional.base import AdjustTestCase

MIB = 2**20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Served(AdjustTestCase):
    # What serves them has a thread that ends with the process.
    own_cloud = True

    def setUp(self):
        self.port = free_port()
        super().setUp()

    def start_compute(self, *args, **kwargs):
        self.flags(metrics_port=self.port, group="xloud")
        return super().start_compute(*args, **kwargs)

    def _scrape(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return [s for family in text_string_to_metric_families(text) for s in family.samples]

    def _value(self, name, **labels):
        found = [s.value for s in self._scrape() if (s.name, s.labels) == (name, labels)]
        return found[0] if found else None

    def _numbers(self, name):
        labels = self._labels()
        kinds = ("desired", "reserved", "actuated", "observed")
        values = {kind: self._value(name, **labels, kind=kind) for kind in kinds}
        if name.endswith("vcpus"):
            # Nobody sees what a guest without an agent uses.
            assert values.pop("observed") is None
        return set(values.values())

    def _labels(self):
        return {"instance_uuid": self.server["id"], "project_id": self.server["tenant_id"]}

    def _pass(self):
        self.computes["host1"].manager.xloud.reconcile().join(30)

    def test_the_four_numbers_follow_an_adjustment(self):
        self._has(1, 512)
        self._pass()
        assert self._numbers("nova_xloud_instance_vcpus") == {1}
        assert self._value("nova_xloud_instance_info", **self._labels()) == 1
        maximum = {**self._labels(), "kind": "maximum"}
        assert self._value("nova_xloud_instance_memory_bytes", **maximum) == 1024 * MIB

        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        converged = {"result": "converged", "code": ""}

        # No pass is needed: the run itself tells.
        def counted():
            assert self._value("nova_xloud_adjustments_total", **converged) == 1

        self._wait(counted)
        assert self._numbers("nova_xloud_instance_vcpus") == {3}
        assert self._numbers("nova_xloud_instance_memory_bytes") == {768 * MIB}
        condition = {**self._labels(), "type": "Converged"}
        assert self._value("nova_xloud_instance_condition", **condition) == 1
        times = [
            self._value(f"nova_xloud_adjustment_{what}_seconds_sum")
            for what in ("claimed", "actuated")
        ]
        assert 0 < times[0] < times[1] < 30, times
        assert self._value("nova_xloud_adjustment_observed_seconds_count") == 0

    def test_a_refusal_of_the_host_is_counted(self):
        self.assertRaises(OpenStackApiException, self._adjust, current_vcpus=9)
        refused = {"result": "refused", "code": "xloud.out_of_bounds"}
        assert self._value("nova_xloud_adjustments_total", **refused) == 1

    def test_what_has_left_the_host_has_no_series(self):
        self._pass()
        assert self._numbers("nova_xloud_instance_vcpus") == {1}
        self._delete_server(self.server)
        self._pass()
        assert not [s for s in self._scrape() if self.server["id"] in s.labels.values()]

    def test_the_port_is_free_when_the_service_has_ended(self):
        assert listens(self.port)
        # Nova's own part would end what all tests of this process share.
        with mock.patch.object(nova_manager.ComputeManager, "cleanup_host"):
            self.computes["host1"].manager.cleanup_host()
        assert not listens(self.port)


class Off(AdjustTestCase):
    def test_it_is_off_by_default(self):
        metrics = self.computes["host1"].manager._metrics
        assert isinstance(metrics.meter, NoMeter)
        assert metrics._server is None
