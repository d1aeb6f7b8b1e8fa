# SPDX-License-Identifier: Apache-2.0
"""A host with dedicated and shared CPUs, and what tests of CPU and memory policies ask of it."""

from unittest import mock

from lxml import etree
from nova import context as nova_context
from nova import objects
from nova.tests.fixtures import libvirt as fakelibvirt

from tests.functional.base import AdjustTestCase, XloudTestCase, told_of

DEDICATED = {"hw__cpu_policy": "dedicated"}
MIXED = {"hw__cpu_policy": "mixed", "hw__cpu_dedicated_mask": "0-1"}
ISOLATE = {"hw__emulator_threads_policy": "isolate"}
SHARE = {"hw__emulator_threads_policy": "share"}
MINIMUMS = {"minimum_cpu": 1, "minimum_memory": 512}
# By the number of NUMA nodes: CPUs of a node, those that are shared, those that are dedicated.
HOSTS = {1: (10, "0-3", "4-9"), 2: (6, "0-2,6-8", "3-5,9-11")}
HUGE_KIB = 2048


class PinnedTestCase(AdjustTestCase):
    """One host with 6 dedicated CPUs, and shared ones; tests boot their own servers, of 4 vCPUs."""

    ADDITIONAL_FILTERS = ["NUMATopologyFilter"]
    nodes = 1

    def setUp(self):
        XloudTestCase.setUp(self)
        self.defined = {}
        define = fakelibvirt.Connection.defineXML

        def recorded(connection, xml):
            root = etree.fromstring(xml)
            self.defined[root.findtext("uuid")] = root
            return define(connection, xml)

        patch = mock.patch.object(fakelibvirt.Connection, "defineXML", recorded)
        patch.start()
        self.addCleanup(patch.stop)
        _, shared, dedicated = HOSTS[self.nodes]
        self.flags(cpu_shared_set=shared, cpu_dedicated_set=dedicated, group="compute")
        self._prepare_host()
        self.start_compute("host1", host_info=self._host_info())

    def _prepare_host(self):
        """What has to be there before nova-compute starts."""

    def _metadata(self):
        return self.admin_api.get_server(self.server["id"])["metadata"]

    def _host_info(self):
        """16 GiB; 1 GiB of each node in huge pages."""
        info = fakelibvirt.HostInfo(
            cpu_nodes=self.nodes, cpu_sockets=1, cpu_cores=HOSTS[self.nodes][0], cpu_threads=1
        )
        for cell in info.numa_topology.cells:
            pages = 512
            small = (cell.memory - pages * HUGE_KIB) // 4
            cell.mempages = fakelibvirt.create_mempages([(4, small), (HUGE_KIB, pages)])
        return info

    def _elastic_with(self, *policies, **options):
        specs = dict(MINIMUMS)
        for policy in policies:
            specs |= policy
        self.server = self._boot(self._flavor(**specs), **options)
        return self.server

    def _fault(self, server):
        return self.admin_api.get_server(server["id"])["fault"]["message"]

    def _holds(self, vcpus, memory_mb, server=None, **claim):
        """All four numbers are this size, Placement has ``claim``, and the record says the same."""
        server = server or self.server

        def agree():
            status = self._status(server)
            for resource, size in (("vcpus", vcpus), ("memory_mb", memory_mb)):
                assert told_of(status, resource) == {size}, status
            assert self._reserved(server) == {**claim, "MEMORY_MB": memory_mb}
            record = self._record(server)
            assert (record.vcpus, record.memory_mb) == (vcpus, memory_mb)

        self._wait(agree)

    def _xml(self, server=None):
        """What Nova last defined for libvirt."""
        return self.defined[(server or self.server)["id"]]

    def _starts_with(self, vcpus, memory_mb, least=1, maximum=(4, 1024)):
        """The XML starts this many of ``maximum``; above ``least`` they can be removed."""
        xml = self._xml()
        assert (xml.findtext("vcpu"), xml.findtext("memory")) == (
            str(maximum[0]),
            str(maximum[1] * 1024),
        )
        assert xml.find("vcpu").get("current") == str(vcpus)
        assert xml.findtext("currentMemory") == str(memory_mb * 1024)
        ids = range(maximum[0])
        each = xml.findall("vcpus/vcpu")
        assert [v.get("enabled") for v in each] == ["yes" if i < vcpus else "no" for i in ids]
        assert [v.get("hotpluggable") for v in each] == ["no" if i < least else "yes" for i in ids]

    def _pins(self, server=None):
        """Host CPUs that its vCPUs are pinned to in the XML, by vCPU id."""
        found = self._xml(server).findall("cputune/vcpupin")
        return {int(pin.get("vcpu")): pin.get("cpuset") for pin in found}

    def _emulator(self):
        return self._xml().find("cputune/emulatorpin").get("cpuset")

    def _host_usage(self):
        """(pinned host CPUs, memory in MiB) that the host's NUMA nodes have given away."""
        context = nova_context.get_admin_context()
        self.computes["host1"].manager.update_available_resource(context)
        node = objects.ComputeNode.get_by_host_and_nodename(context, "host1", "host1")
        cells = objects.NUMATopology.obj_from_db_obj(node.numa_topology).cells
        pinned = set().union(*(cell.pinned_cpus for cell in cells))
        return pinned, sum(cell.memory_usage for cell in cells)

    def _grows_and_shrinks(self, least, most):
        """Boot size, both up, hard reboot there, both down.

        Sizes are ``(vCPUs, MiB, claim of CPUs)``. Pins and NUMA nodes are the same all the time.
        """
        self._holds(*least[:2], **least[2])
        fixed = self._fixed()
        self._adjust(current_vcpus=most[0], current_memory_mb=most[1])
        self._holds(*most[:2], **most[2])
        self._reboot_server(self.server, hard=True)
        self._holds(*most[:2], **most[2])
        self._starts_with(*most[:2], least=least[0])
        assert self._fixed() == fixed
        self._adjust(current_vcpus=least[0], current_memory_mb=least[1])
        self._holds(*least[:2], **least[2])

    def _fixed(self):
        """What of the XML is for the maximum, as text."""
        xml = self._xml()
        paths = ("cputune", "numatune", "cpu/topology", "cpu/numa", "memoryBacking")
        found = {path: xml.find(path) for path in paths}
        return {
            path: etree.tostring(part).strip() for path, part in found.items() if part is not None
        }

    def _leaves_nothing(self):
        self._delete_server(self.server)
        assert self._get_allocations_by_server_uuid(self.server["id"]) == {}
        assert self._host_usage() == (set(), 0)
