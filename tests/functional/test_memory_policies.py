# SPDX-License-Identifier: Apache-2.0
"""Huge pages, NUMA nodes, threads per core, fixed resource classes: each grown and shrunk."""

import ddt
from nova.tests.functional.api.client import OpenStackApiException

from nova_xloud import releases
from tests.functional.pinned import DEDICATED, ISOLATE, MIXED, PinnedTestCase

HUGE = {"hw__mem_page_size": "large"}


class HugePages(PinnedTestCase):
    def test_memory_is_claimed_whole_and_stays_and_vcpus_are_elastic(self):
        self._elastic_with(HUGE)
        self._starts_with(1, 1024)
        pages = self._xml().findall("memoryBacking/hugepages/page")
        assert [page.get("size") for page in pages] == ["2048"]
        # In the API too; without a minimum there would be the operator's floor.
        assert self._status()["min_memory_mb"] == 1024
        assert self._metadata() == {"minimum_cpu": "1", "minimum_memory": "1024"}
        self._refused(409, "xloud.blocked.huge_pages", current_memory_mb=512)
        self._refused(409, "xloud.blocked.huge_pages", current_vcpus=2, current_memory_mb=768)
        self._grows_and_shrinks((1, 1024, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))
        self._leaves_nothing()

    def test_dedicated_with_a_size_by_number(self):
        self._elastic_with(DEDICATED, {"hw__mem_page_size": "2MB"})
        self._refused(409, "xloud.blocked.huge_pages", current_memory_mb=512)
        self._grows_and_shrinks((1, 1024, {"PCPU": 1}), (4, 1024, {"PCPU": 4}))

    def test_an_image_that_chooses_small_ones_is_ballooned(self):
        image = self._image(hw_mem_page_size="small")
        self._elastic_with({"hw__mem_page_size": "any"}, image_uuid=image)
        self._grows_and_shrinks((1, 512, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))

    def test_locked_small_pages(self):
        self._elastic_with({"hw__mem_page_size": "small", "hw__locked_memory": "true"})
        assert self._xml().find("memoryBacking/locked") is not None
        self._refused(409, "xloud.blocked.locked_memory", current_memory_mb=512)
        self._grows_and_shrinks((1, 1024, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))


class Numa(PinnedTestCase):
    nodes = 2

    def _cells(self):
        cells = self._xml().findall("cpu/numa/cell")
        return [(cell.get("cpus"), int(cell.get("memory")) // 1024) for cell in cells]

    def _nodes(self):
        return [node.get("nodeset") for node in self._xml().findall("numatune/memnode")]

    def test_two_nodes(self):
        self._elastic_with({"hw__numa_nodes": "2"})
        self._starts_with(1, 512)
        assert self._cells() == [("0-1", 512), ("2-3", 512)]
        assert sorted(self._nodes()) == ["0", "1"]
        assert self._host_usage() == (set(), 1024)
        self._grows_and_shrinks((1, 512, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))
        self._leaves_nothing()

    def test_two_nodes_that_are_not_alike(self):
        cells = {
            "hw__numa_nodes": "2",
            "hw__numa_cpus.0": "0",
            "hw__numa_mem.0": "256",
            "hw__numa_cpus.1": "1-3",
            "hw__numa_mem.1": "768",
        }
        self._elastic_with(DEDICATED, cells)
        self._starts_with(1, 512)
        assert self._cells() == [("0", 256), ("1-3", 768)]
        node_of = {pin: "0" if int(cpu) < 6 else "1" for pin, cpu in self._pins().items()}
        first, second = self._nodes()
        assert node_of == {0: first, 1: second, 2: second, 3: second}
        self._grows_and_shrinks((1, 512, {"PCPU": 1}), (4, 1024, {"PCPU": 4}))
        self._leaves_nothing()

    def test_dedicated_with_an_emulator_thread_of_its_own(self):
        self._elastic_with(DEDICATED, ISOLATE, {"hw__numa_nodes": "2"})
        assert len(self._host_usage()[0]) == 5
        self._grows_and_shrinks((1, 512, {"PCPU": 2}), (4, 1024, {"PCPU": 5}))

    def test_mixed_with_dedicated_ones_in_both_nodes(self):
        self._elastic_with(MIXED, {"hw__numa_nodes": "2", "hw__cpu_dedicated_mask": "0,2"})
        pins = self._pins()
        assert (pins[1], pins[3]) in (("0-2", "6-8"), ("6-8", "0-2"))
        self._grows_and_shrinks((3, 512, {"PCPU": 2, "VCPU": 1}), (4, 1024, {"PCPU": 2, "VCPU": 2}))

    def test_huge_pages_in_both_nodes(self):
        self._elastic_with(HUGE, {"hw__numa_nodes": "2"})
        self._refused(409, "xloud.blocked.huge_pages", current_memory_mb=512)
        self._grows_and_shrinks((1, 1024, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))


def _skip_if_refused(test, specs):
    if releases.major() < 30 and any(name.startswith("hw__cpu_max_") for name in specs):
        test.skipTest("Nova 29 has these extra specs under a wrong name and refuses the right one")


@ddt.ddt
class Threads(PinnedTestCase):
    """A core is plugged whole, whatever it was that gave it its threads."""

    @ddt.data(
        {"hw__cpu_threads": "2"},
        {"hw__cpu_sockets": "1", "hw__cpu_cores": "2", "hw__cpu_threads": "2"},
        # Nobody says threads, and there are two all the same.
        {"hw__cpu_max_sockets": "1", "hw__cpu_max_cores": "2"},
    )
    def test_two_a_core(self, topology):
        _skip_if_refused(self, topology)
        self._elastic_with(topology)
        self._starts_with(2, 512, least=2)
        assert self._xml().find("cpu/topology").get("threads") == "2"
        assert self._status()["vcpu_step"] == 2
        text = self._refused(400, "xloud.out_of_bounds", current_vcpus=3)
        assert "multiple of 2" in text
        self._grows_and_shrinks((2, 512, {"VCPU": 2}), (4, 1024, {"VCPU": 4}))

    def test_two_a_core_by_the_image(self):
        image = self._image(hw_cpu_max_sockets=1, hw_cpu_max_cores=2)
        self._elastic_with({}, image_uuid=image)
        assert self._xml().find("cpu/topology").get("threads") == "2"
        self._grows_and_shrinks((2, 512, {"VCPU": 2}), (4, 1024, {"VCPU": 4}))

    def test_dedicated(self):
        self._elastic_with(DEDICATED, ISOLATE, {"hw__cpu_threads": "2"})
        self._refused(400, "xloud.out_of_bounds", current_vcpus=3)
        self._grows_and_shrinks((2, 512, {"PCPU": 3}), (4, 1024, {"PCPU": 5}))

    def test_mixed(self):
        odd = {"hw__cpu_threads": "2", "hw__cpu_dedicated_mask": "0"}
        self._elastic_with(MIXED, odd)
        self._grows_and_shrinks((2, 512, {"PCPU": 1, "VCPU": 1}), (4, 1024, {"PCPU": 1, "VCPU": 3}))

    @ddt.data(
        {"hw__cpu_sockets": "2", "hw__cpu_cores": "2"},
        {"hw__cpu_threads": "2", "hw__cpu_max_threads": "1"},
    )
    def test_one_a_core(self, topology):
        _skip_if_refused(self, topology)
        self._elastic_with(topology)
        assert self._xml().find("cpu/topology").get("threads") == "1"
        self._grows_and_shrinks((1, 512, {"VCPU": 1}), (3, 1024, {"VCPU": 3}))


@ddt.ddt
class FixedByClass(PinnedTestCase):
    """Flavors that say by resource class what Placement shall hold."""

    @ddt.data(
        ({"resources__VCPU": "4"}, {"VCPU": 4}),
        ({"resources__PCPU": "4"}, {"PCPU": 4}),
        ({"resources__PCPU": "5", **ISOLATE}, {"PCPU": 5}),
    )
    @ddt.unpack
    def test_vcpus(self, fixed, claim):
        self._elastic_with(fixed)
        self._starts_with(4, 512, least=4)
        self._holds(4, 512, **claim)
        self._refused(409, "xloud.blocked.resource_override", current_vcpus=2)
        self._adjust(current_memory_mb=768)
        self._holds(4, 768, **claim)

    def test_memory(self):
        self._elastic_with({"resources__MEMORY_MB": "1024"})
        self._starts_with(1, 1024)
        self._refused(409, "xloud.blocked.resource_override", current_memory_mb=512)
        self._grows_and_shrinks((1, 1024, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))

    def test_together_with_a_policy_nova_refuses_it(self):
        flavor = self._flavor(minimum_cpu=1, resources__PCPU="4", **DEDICATED)
        error = self.assertRaises(OpenStackApiException, self._boot, flavor)
        assert error.response.status_code == 400
