# SPDX-License-Identifier: Apache-2.0
"""Scheduler filters that read extra specs."""

from tests.functional.base import XloudTestCase


class AggregateInstanceExtraSpecs(XloudTestCase):
    """It takes every unscoped extra spec for something that a host's aggregate must say of it."""

    ADDITIONAL_FILTERS = ["AggregateInstanceExtraSpecsFilter"]

    def setUp(self):
        super().setUp()
        self.start_compute("host1")

    def test_finds_no_host_for_the_short_names(self):
        flavor = self._flavor(minimum_cpu=1, minimum_memory=512)
        self._boot(flavor, expected_state="ERROR")

    def test_does_not_mind_the_names_with_a_namespace(self):
        server = self._boot(self._flavor(xloud__minimum_cpu=1, xloud__minimum_memory=512))
        assert self._reserved(server) == {"VCPU": 1, "MEMORY_MB": 512}

    def test_chooses_by_what_is_scoped_for_it(self):
        self.start_compute("host2")
        aggregate = self._create_aggregate("fast")
        self.admin_api.add_host_to_aggregate(aggregate, "host2")
        self.admin_api.post_aggregate_action(
            aggregate, {"set_metadata": {"metadata": {"disk": "fast"}}}
        )
        flavor = self._flavor(xloud__minimum_cpu=1, aggregate_instance_extra_specs__disk="fast")
        for _ in range(2):
            server = self._boot(flavor)
            assert server["OS-EXT-SRV-ATTR:host"] == "host2"


class ComputeCapabilities(XloudTestCase):
    """In the default filters: an unscoped name counts only if hosts have something of that name."""

    def test_does_not_mind_either(self):
        self.start_compute("host1")
        for specs in ({"minimum_cpu": 1}, {"xloud__minimum_cpu": 1}):
            assert self._reserved(self._boot(self._flavor(**specs)))["VCPU"] == 1
