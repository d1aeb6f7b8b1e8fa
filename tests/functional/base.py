# SPDX-License-Identifier: Apache-2.0
"""What the functional tests share: an in-process cloud whose guests have a size that changes."""

from nova import context as nova_context
from nova import objects
from nova.tests.functional.libvirt import base

from nova_xloud.testing import FakeLibvirtFixture


class XloudTestCase(base.ServersTestBase):
    """One or more compute hosts with a fake libvirt, real Nova services, real Placement."""

    ADMIN_API = True
    microversion = "latest"

    def setUp(self):
        super().setUp()
        self.guests = self.useFixture(FakeLibvirtFixture())
        self.flags(poll_interval=0.02, step_timeout=5, group="xloud")
        self.flags(mem_stats_period_seconds=1, group="libvirt")
        self.flags(cpu_allocation_ratio=4.0, ram_allocation_ratio=1.0)
        self.flags(cores=-1, ram=-1, group="quota")

    def _flavor(self, vcpus=4, memory_mb=1024, **extra_specs):
        specs = {name.replace("__", ":"): str(value) for name, value in extra_specs.items()}
        return self._create_flavor(vcpu=vcpus, memory_mb=memory_mb, extra_spec=specs)

    def _boot(self, flavor_id, **options):
        return self._create_server(flavor_id=flavor_id, networks="none", **options)

    def _elastic(self, **options):
        return self._boot(self._flavor(minimum_cpu=1, minimum_memory=512), **options)

    def _reserved(self, server):
        allocations = self._get_allocations_by_server_uuid(server["id"])
        assert len(allocations) == 1, allocations
        (allocation,) = allocations.values()
        return {k: v for k, v in allocation["resources"].items() if k != "DISK_GB"}

    def _memory_capacity(self, server):
        """What Placement lets the host of ``server`` give away, MiB."""
        (provider,) = self._get_allocations_by_server_uuid(server["id"])
        memory = self._get_provider_inventory(provider)["MEMORY_MB"]
        return int((memory["total"] - memory["reserved"]) * memory["allocation_ratio"])

    def _record(self, server):
        return objects.Instance.get_by_uuid(
            nova_context.get_admin_context(), server["id"], expected_attrs=["system_metadata"]
        )
