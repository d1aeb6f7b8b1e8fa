# SPDX-License-Identifier: Apache-2.0
"""A small cloud that operations are tried on: three hosts, some flavors, some images."""

import contextlib
import math
import os
import re
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

import fixtures
from nova import context as nova_context
from nova import objects
from nova.conf import CONF
from nova.tests.functional.api.client import OpenStackApiException
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.testing.behaviour import Timing
from tests.functional.clouds import HostsTestCase
from tests.sequences.sums import Sums

HOSTS = ("host1", "host2", "host3")
# By name: vCPUs, MiB, and extra specs.
FLAVORS = {
    "small": (4, 1024, {"minimum_cpu": 1, "minimum_memory": 512}),
    "large": (6, 2048, {"xloud:minimum_cpu": 2, "xloud:minimum_memory": 640}),
    "pairs": (4, 1024, {"minimum_cpu": 2, "minimum_memory": 512, "hw:cpu_threads": 2}),
    "paged": (4, 1024, {"minimum_cpu": 1, "minimum_memory": 512, "hw:mem_page_size": "small"}),
    "stock": (2, 512, {}),
}
# By name: the properties of the image.
IMAGES = {
    "plain": {},
    "agent": {"hw_qemu_guest_agent": "yes"},
    "locked": {"hw_locked_memory": "true"},
    "threads": {"hw_cpu_threads": "4"},
}
# MiB that Placement lets each host give away, and what the project may have.
HOST_MB = 4096
QUOTA = {"cores": 16, "ram": 6144}

# Errors that Nova's API answers with 500 here, because a cast is a call in these tests. In a cloud
# the operation fails after the answer, and its server or migration says so: that is no fault.
FAILS_LATER = (
    "NoValidHost",
    "MigrationPreCheckError",
    "MigrationError",
    "ComputeServiceUnavailable",
    "ResizeError",
    "ImageUnacceptable",
    "InstanceNotRescuable",
    "MessagingTimeout",
    "BuildAbortException",
)
FAST = Timing(
    balloon_rate=math.inf,
    takes_back_seconds=0.2,
    intermittent_seconds=0.2,
    online_seconds=0.02,
    removal_timeout=0.2,
)


@dataclass(frozen=True)
class Server:
    """A server as Nova's database has it.

    :ivar recorded: vCPUs and MiB in its columns
    :ivar is_nowhere: it is in cell0, because no host was found for it
    """

    uuid: str
    vm_state: str
    host: str | None
    recorded: tuple[int, int]
    locked: bool
    is_nowhere: bool


class Cloud(HostsTestCase):
    """The test case whose ``setUp`` starts the cloud; no test of its own."""

    hosts = HOSTS
    boot_grace = 0

    def setUp(self):
        self.flags(reserved_host_memory_mb=16384 - HOST_MB)
        # A delete can be taken back, and a shelved server stays on its host until it is offloaded.
        self.flags(reclaim_instance_interval=3600, shelved_offload_time=-1)
        self.sums = Sums(self)
        super().setUp()
        # Nova's tests forbid a notification that Nova does not list, and Nova itself sends one when
        # a server of a host that is down is deleted by force.
        self.useFixture(fixtures.MonkeyPatch("nova.rpc.LegacyValidatingNotifier.fatal", False))
        # A cast is a call here, so a stopped server is rebuilt before Nova answers, and its answer
        # lacks what Nova's own schema demands of it.
        self.flags(response_validation="ignore", group="api")
        self.flags(step_timeout=1, group="xloud")
        # A guest may be off already, as after an evacuation and reset-state, and Nova waits for it.
        self.flags(wait_soft_reboot_seconds=1, group="libvirt")
        self.flags(**QUOTA, group="quota")
        self.guests.timing, self.guests.agent = FAST, True
        self.image_ids = {name: self._make_image(**IMAGES[name]) for name in IMAGES}
        self.flavor_ids = {
            name: self._create_flavor(
                vcpu=vcpus, memory_mb=memory_mb, disk=1, ephemeral=0, extra_spec=specs
            )
            for name, (vcpus, memory_mb, specs) in FLAVORS.items()
        }
        self.down = set()
        # Servers that were evacuated from a host that has not come up again since.
        self.evacuated = set()
        self._let_hosts_know_who_they_are()
        self._let_hosts_know_their_cell()

    def _make_image(self, **properties):
        image = self.glance.show(None, self.glance.auto_disk_config_enabled_image["id"])
        del image["id"]
        image["properties"] = {**image["properties"], **properties}
        return self.glance.create(None, image)["id"]

    def _let_hosts_know_who_they_are(self):
        """All hosts have one CONF.host here, by which Nova decides whether to clean up a guest."""
        clean_up = LibvirtDriver._cleanup_resize

        def on_its_host(driver, *args, **kwargs):
            with mock.patch.object(CONF, "host", driver.virtapi._compute.host, create=True):
                return clean_up(driver, *args, **kwargs)

        patched = mock.patch.object(LibvirtDriver, "_cleanup_resize", on_its_host)
        patched.start()
        self.addCleanup(patched.stop)

    def _let_hosts_know_their_cell(self):
        """All cells are in one process here, and the database of a context is that of its cell.

        In one without a cell, Nova's fixture takes the cell that any thread has been in last. While
        a thread lists the servers of cell0, a pass in another would find that its server was
        deleted.
        """
        their = SimpleNamespace(get_admin_context=self._in_the_cell)
        for module in ("host_instances", "scaled_guests"):
            self.useFixture(
                fixtures.MonkeyPatch(f"nova_xloud.adapters.{module}.nova_context", their)
            )

    def start_compute(self, *args, **kwargs):
        """Start a host whose automatic growth decides each second, and that soon tries again.

        A run that finds QEMU or Placement silent for 10 s records nothing, and the pass after it
        waits for ``reconcile_interval``, a minute, before it queues another one: all that time the
        server is not driven, and the event of its adjustment is open.
        """
        self.flags(autoscale_interval=1.0, reconcile_interval=5, group="xloud")
        return super().start_compute(*args, **kwargs)

    def act(self, name, action, body=None):
        """Post an action of the server, and return what :meth:`asked` returns."""
        uuid = self.servers()[name].uuid
        return self.asked(self.admin_api.post_server_action, uuid, {action: body})

    def asked(self, call, *args, **kwargs):
        """Call the API, and return ``ok`` or the refusal: its status code and message.

        :raises AssertionError: the API answers 500, and not with one of ``FAILS_LATER``
        """
        try:
            call(*args, **kwargs)
        except OpenStackApiException as error:
            text = error.response.text
            if error.response.status_code == 500:
                log = self.stdlog.logger.output
                assert any(one in text for one in FAILS_LATER), text + log[-3000:]
            words = re.sub(r'^.*"message": "|", "created".*$|\s+', " ", text).strip()
            return f"{error.response.status_code} {words[:150]}"
        return "ok"

    def servers(self):
        """Return all servers that are not deleted, by name; also those in cell0."""
        found = {}
        for cell_name, cell in self.cell_mappings.items():
            is_nowhere = cell_name == "cell0"
            context = nova_context.get_admin_context()
            nova_context.set_target_cell(context, cell)
            for one in objects.InstanceList.get_by_filters(context, {"deleted": False}):
                size = one.vcpus, one.memory_mb
                found[one.display_name] = Server(
                    one.uuid, one.vm_state, one.host, size, one.locked, is_nowhere
                )
        return found

    def guest(self, name):
        """Return the fake guest of a server; None if there is none."""
        with contextlib.suppress(LookupError):
            return self.guests.domain(self.servers()[name].uuid)
        return None

    def make_folder(self, name):
        """Make the server's folder, in which Nova's rescue keeps the definition to come back to."""
        path = os.path.join(CONF.instances_path, self.servers()[name].uuid)
        os.makedirs(path, exist_ok=True)

    def goes_down(self, host):
        self._goes_down(host)
        self.down.add(host)

    def comes_up(self, host):
        self.restart_compute_service(host)
        (service,) = self.admin_api.get_services(host=host, binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], False)
        self.down.discard(host)
        # No more than one host is down at a time.
        self.evacuated.clear()
