# SPDX-License-Identifier: Apache-2.0
"""What the functional tests share: an in-process cloud whose guests have a size that changes."""

import time

from nova import context as nova_context
from nova import objects
from nova.tests.functional.api.client import OpenStackApiException
from nova.tests.functional.libvirt import base
from oslo_utils import uuidutils

from lab.patience import Patience
from nova_xloud.testing import FakeLibvirtFixture
from tests.functional.waits import PatientWaits


def told_of(status, resource, names=("desired", "reserved", "actuated", "observed")):
    """The numbers of a status; without those of vCPUs that no agent has told."""
    numbers = {name: status[resource][name] for name in names}
    if resource == "vcpus" and numbers["observed"] is None:
        del numbers["observed"]
    return set(numbers.values())


class XloudTestCase(PatientWaits, base.ServersTestBase):
    """One or more compute hosts with a fake libvirt, real Nova services, real Placement."""

    ADMIN_API = True
    microversion = "latest"
    # Each test starts a cloud, and not one of them for the whole class; see ``copies.py``.
    own_cloud = False
    # Seconds; 0: what a guest holds counts from its first moment. A cloud may be old when it is
    # copied.
    boot_grace = 3600
    # Seconds. A host reads it when it starts: a test that changes it later changes nothing.
    step_timeout = 5
    # Seconds between two statistics of a balloon's driver.
    stats_period = 1

    def setUp(self):
        # As old as that may be what its services have told last.
        self.flags(service_down_time=3600)
        super().setUp()
        self.guests = self.useFixture(FakeLibvirtFixture())
        self.flags(poll_interval=0.02, step_timeout=self.step_timeout, group="xloud")
        self.flags(boot_grace=self.boot_grace, group="xloud")
        # Nova's own folder for it is beside Nova's code here.
        self.flags(autoscale_journal="", group="xloud")
        self.flags(mem_stats_period_seconds=self.stats_period, group="libvirt")
        self.flags(cpu_allocation_ratio=4.0, ram_allocation_ratio=1.0)
        self.flags(cores=-1, ram=-1, group="quota")

    def _flavor(self, vcpus=4, memory_mb=1024, **extra_specs):
        specs = {name.replace("__", ":"): str(value) for name, value in extra_specs.items()}
        return self._create_flavor(vcpu=vcpus, memory_mb=memory_mb, extra_spec=specs)

    def _boot(self, flavor_id, **options):
        return self._create_server(flavor_id=flavor_id, networks="none", **options)

    def _elastic(self, **options):
        return self._boot(self._flavor(minimum_cpu=1, minimum_memory=512), **options)

    def _image(self, **properties):
        """Create an image like the default one, with these properties; return its id."""
        of_default = self.glance.show(None, self.glance.auto_disk_config_enabled_image["id"])
        of_default["properties"] = {**of_default["properties"], **properties}
        return self.glance.create(None, {**of_default, "id": uuidutils.generate_uuid()})["id"]

    def _live_migrate(
        self,
        server,
        migration_expected_state="completed",
        server_expected_state="ACTIVE",
        host=None,
    ):
        # Nova's own takes no host before 30.
        action = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
        self.api.post_server_action(server["id"], action)
        self._wait_for_migration_status(server, [migration_expected_state])
        return self._wait_for_state_change(server, server_expected_state)

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

    def _update_inventory_of(self, provider, memory):
        """Write the provider's inventory of MEMORY_MB."""
        url = f"/resource_providers/{provider}/inventories"
        current = self.placement.get(url).body
        current["inventories"]["MEMORY_MB"] = memory
        answer = self.placement.put(url, current)
        assert answer.status == 200, answer.body

    def _allocate(self, consumer, allocations):
        """Write an allocation past everybody."""
        before = self.placement.get(f"/allocations/{consumer}", version="1.28").body
        body = {
            "allocations": {p: {"resources": r} for p, r in allocations.items()},
            "project_id": "p",
            "user_id": "u",
            "consumer_generation": before.get("consumer_generation"),
        }
        answer = self.placement.put(f"/allocations/{consumer}", body, version="1.28")
        assert answer.status == 204, answer.body

    def _wait(self, what, seconds=30):
        """Return what ``what`` returns once it no longer fails, nor lacks what it unpacks."""
        patience = Patience(seconds)
        while True:
            try:
                return what()
            except (AssertionError, IndexError, ValueError):
                if patience.is_over():
                    raise
                time.sleep(0.05)

    def _record(self, server):
        return objects.Instance.get_by_uuid(
            self._in_the_cell(), server["id"], expected_attrs=["system_metadata"]
        )

    def _in_the_cell(self):
        """An administrator's context in the cell of all servers.

        In one without a cell Nova's fixture takes the one that any thread has been in last, which
        is cell0 while somebody lists servers or migrations.
        """
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(context, self.cell_mappings["cell1"])
        return context


class AdjustTestCase(XloudTestCase):
    """One host with one server between 1 / 512 and 4 / 1024."""

    def setUp(self):
        super().setUp()
        self.start_compute("host1")
        self.server = self._elastic()
        self.user_api = self.api_fixture.api
        self.user_api.microversion = "latest"

    def _adjust(self, server=None, api=None, **body):
        url = f"/os-xloud-adjust/{(server or self.server)['id']}"
        return (api or self.admin_api).api_post(url, body, check_response_status=[202])

    def _refused(self, status, code, api=None, **body):
        error = self.assertRaises(OpenStackApiException, self._adjust, api=api, **body)
        assert error.response.status_code == status, error.response.text
        assert code in error.response.text, error.response.text
        return error.response.text

    def _status(self, server=None, api=None):
        url = f"/servers/{(server or self.server)['id']}/xloud-status"
        return (api or self.admin_api).api_get(url).body["xloud_status"]

    def _has(self, vcpus, memory_mb, server=None):
        """Guest, claim and record agree on this size; its vCPUs are seen only by an agent."""
        server = server or self.server

        def agree():
            status = self._status(server)
            for resource, size in (("vcpus", vcpus), ("memory_mb", memory_mb)):
                assert told_of(status, resource) == {size}, status
            assert self._reserved(server) == {"VCPU": vcpus, "MEMORY_MB": memory_mb}
            record = self._record(server)
            assert (record.vcpus, record.memory_mb) == (vcpus, memory_mb)

        self._wait(agree)

    def _events(self, action):
        actions = self.admin_api.get_instance_actions(self.server["id"])
        found = [a for a in actions if a["action"] == action]
        details = []
        for one in found:
            url = f"/servers/{self.server['id']}/os-instance-actions/{one['request_id']}"
            details.append(self.admin_api.api_get(url).body["instanceAction"])
        return details

    def _failed(self, *words):
        def finished():
            newest = self._events("xloud_adjust")[0]
            (event,) = newest["events"]
            assert event["result"] == "Error", event
            for word in words:
                assert word in event["details"], event

        self._wait(finished)
