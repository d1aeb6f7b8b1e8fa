"""One compute host with any number of simulated guests: our manager, real records and claims.

It is ``XloudComputeManager`` with Nova's libvirt driver on Nova's fake libvirt, whose guests have a
size that changes. Its records are in an SQLite file, as Nova's own models have them; its claims
are in a Placement that runs (:mod:`tests.bench.servers`) and is asked over HTTP through Nova's
client. What is left out is the service around it: no conductor between it and the database, no
resource tracker that reports, no networks.
"""

import contextlib
import dataclasses
import pathlib
import sqlite3
import time
import types
from dataclasses import astuple
from unittest import mock

from lxml import etree
from nova import config as nova_config
from nova import context as nova_context
from nova import objects
from nova.db import migration
from nova.tests.fixtures import libvirt as fakelibvirt
from oslo_utils import uuidutils
from sqlalchemy.dialects import plugins

from lab.services import config as services_config
from lab.services import database, lab_sqlite
from nova_xloud.adapters import nova_objects
from nova_xloud.compute.meter import NoMeter
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.libvirt.guest_xml import apply_size
from nova_xloud.seams import compute_manager
from nova_xloud.testing import FakeLibvirtFixture, Timing
from nova_xloud.testing.fake_ports import FakeActions, FakeClaims, FakeRecord

NAME = NODE = "bench-host"
# Of each guest, vCPUs and MiB: what its flavor allows at the most, and what it starts with.
MAXIMUM, SMALL = (4, 1024), (1, 512)
# What a guest like this has in its system_metadata beside our record: a flavor and an image.
_SPECS = {"minimum_cpu": "1", "minimum_memory": "512"}
_IMAGE = {
    "image_base_image_ref": uuidutils.generate_uuid(),
    "image_container_format": "bare",
    "image_disk_format": "raw",
    "image_min_disk": "1",
    "image_min_ram": "0",
    "image_hw_rng_model": "virtio",
}
_XML = """\
<domain type="kvm">
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit="KiB">{maximum}</memory><currentMemory unit="KiB">{memory}</currentMemory>
  <vcpu current="{vcpus}">{max_vcpus}</vcpu>
  <os><type machine="pc">hvm</type></os>
  <devices>
    <memballoon model="virtio" autodeflate="off"><stats period="10"/></memballoon>
  </devices>
</domain>
"""


class Host:
    """The host, in this process and for as long as the process lives.

    :param folder: an empty one, for its database
    :param placement: the URL of a Placement that takes any token
    :param transport: an oslo.messaging URL; ``fake:/`` where nobody asks it over RPC
    :param meter: a :class:`nova_xloud.compute.meter.Meter` that gets what happens
    :param options: of the group ``[xloud]``
    """

    def __init__(self, folder, placement, transport="fake:/", meter=None, **options):
        _configure(pathlib.Path(folder), placement, transport, options)
        self._fixture = FakeLibvirtFixture(timing=Timing(stats_seconds=1.0))
        self._fixture.setUp()
        self.context = nova_context.get_admin_context()
        self.connection = fakelibvirt.Connection("qemu:///system")
        metrics = types.SimpleNamespace(meter=meter or NoMeter())
        with mock.patch.object(compute_manager, "Metrics", return_value=metrics):
            self.manager = compute_manager.XloudComputeManager("libvirt.LibvirtDriver")
        self.manager.driver._host.get_connection = lambda: self.connection
        self.placement = self.manager.reportclient
        self.manager._boot_grace.assume_booted({})
        self.provider = self._has_a_provider()
        node = objects.ComputeNode(uuid=self.provider, host=NAME, hypervisor_hostname=NODE)
        self.manager.rt.compute_nodes[NODE] = node
        self._flavor, self._stock = self._flavor_of(1, _SPECS), self._flavor_of(2, {})
        self.instances = {}
        self.kept = {}

    @property
    def engine(self):
        """The :class:`nova_xloud.compute.host.Host`."""
        return self.manager.xloud

    def add(self, count, size=SMALL, *, stock=False):
        """So many servers more that run and have ``size``; their UUIDs.

        :param stock: of a flavor without our extra specs, which has all of its size
        """
        return [self._add(MAXIMUM if stock else size, stock) for _ in range(count)]

    def _add(self, size, stock):
        instance = self._record(size, self._stock if stock else self._flavor)
        name, uuid = f"instance-{instance.id:08x}", instance.uuid
        root = etree.fromstring(
            _XML.format(
                name=name,
                uuid=uuid,
                maximum=MAXIMUM[1] * 1024,
                memory=size[1] * 1024,
                vcpus=size[0],
                max_vcpus=MAXIMUM[0],
            )
        )
        apply_size(root, vcpus=size[0], removable_from=1, memory_kib=size[1] * 1024)
        domain = self.connection.defineXML(etree.tostring(root, encoding="unicode"))
        domain.create()
        guest = self.guest(uuid)
        guest.memory.actual_kib = size[1] * 1024
        self.manager._boot_grace.arrived_by_migration(uuid, guest.boot_id)
        self._claim(uuid, size)
        self.instances[uuid] = instance
        return uuid

    def keep_in_memory(self):
        """From now on records, claims and actions of all are fakes, and only guests are asked."""
        opened = self.manager.xloud_ports.open

        def open_instance(context, instance):
            uuid = instance.uuid
            if uuid not in self.kept:
                held = Size(instance.vcpus, instance.memory_mb)
                record = FakeRecord(nova_objects.facts_of_instance(instance), Desired(held))
                self.kept[uuid] = FakeClaims(held, capacity=Size(*MAXIMUM)), record
            claims, record = self.kept[uuid]
            # What tests read is not what the engine keeps.
            for written in (claims.asked, claims.written, record.written):
                written.clear()
            ports = {"claims": claims, "record": record, "actions": FakeActions()}
            return dataclasses.replace(opened(context, instance), **ports)

        self.engine._open = open_instance

    def guest(self, uuid):
        """The :class:`nova_xloud.testing.FakeGuest`."""
        return self._fixture.domain(uuid)

    def delete(self, uuids):
        """As Nova does: the guest ends, its claim goes, its record is deleted."""
        for uuid in uuids:
            domain = self.connection.lookupByUUIDString(uuid)
            domain.destroy()
            domain.undefine()
            del self._fixture._domains[uuid]
            self.placement.delete(f"/allocations/{uuid}")
            self.kept.pop(uuid, None)
            self.instances.pop(uuid).destroy()

    def claims(self):
        """What Placement holds for each, ``{uuid: (vcpus, MiB)}``."""
        if self.kept:
            return {uuid: astuple(claims.size) for uuid, (claims, _) in self.kept.items()}
        url = f"/resource_providers/{self.provider}/allocations"
        found = self.placement.get(url, version="1.28").json()["allocations"]
        return {
            uuid: (one["resources"]["VCPU"], one["resources"]["MEMORY_MB"])
            for uuid, one in found.items()
        }

    def held(self):
        """What each guest has."""
        sizes = {uuid: self.guest(uuid).live() for uuid in self.instances}
        return {uuid: (size.vcpus, size.memory_kib // 1024) for uuid, size in sizes.items()}

    def recorded(self):
        """What the columns of each say."""
        if self.kept:
            return {uuid: astuple(record.recorded) for uuid, (_, record) in self.kept.items()}
        here = objects.InstanceList.get_by_host(self.context, NAME, expected_attrs=[])
        return {one.uuid: (one.vcpus, one.memory_mb) for one in here}

    def lost(self):
        """Of how many claims or columns are not what the guest has."""
        held, claims, recorded = self.held(), self.claims(), self.recorded()
        return sum(not (held[u] == claims.get(u) == recorded.get(u)) for u in held)

    def wait_until_idle(self, seconds=600):
        """Wait until no run is on its way.

        :raises TimeoutError:
        """
        until = time.monotonic() + seconds
        while any(self.engine._worker.is_busy(uuid) for uuid in self.instances):
            if time.monotonic() > until:
                raise TimeoutError(f"there are runs on their way after {seconds} s")
            time.sleep(0.02)

    def _flavor_of(self, number, specs):
        return objects.Flavor(
            self.context,
            id=number,
            flavorid=f"bench-{number}",
            name=f"bench-{number}",
            vcpus=MAXIMUM[0],
            memory_mb=MAXIMUM[1],
            root_gb=1,
            ephemeral_gb=0,
            swap=0,
            rxtx_factor=1.0,
            vcpu_weight=0,
            disabled=False,
            is_public=True,
            extra_specs=dict(specs),
            description=None,
        )

    def _record(self, size, flavor):
        ours = nova_objects.record_at_create(flavor, Size(*size)) if flavor.extra_specs else {}
        uuid = uuidutils.generate_uuid()
        instance = objects.Instance(
            self.context,
            uuid=uuid,
            user_id="bench",
            project_id="bench",
            host=NAME,
            node=NODE,
            compute_id=1,
            vm_state="active",
            power_state=1,
            task_state=None,
            instance_type_id=flavor.id,
            vcpus=size[0],
            memory_mb=size[1],
            root_gb=1,
            ephemeral_gb=0,
            flavor=flavor,
            old_flavor=None,
            new_flavor=None,
            image_ref=_IMAGE["image_base_image_ref"],
            display_name="bench",
            hostname="bench",
            metadata={"purpose": "measured"},
            system_metadata={**_IMAGE, **ours},
        )
        instance.create()
        return instance

    def _claim(self, uuid, size):
        body = {
            "allocations": {self.provider: {"resources": {"VCPU": size[0], "MEMORY_MB": size[1]}}},
            "project_id": "bench",
            "user_id": "bench",
            "consumer_generation": None,
        }
        _taken(self.placement.put(f"/allocations/{uuid}", body, version="1.28"))

    def _has_a_provider(self):
        """A compute node with room for all."""
        uuid = uuidutils.generate_uuid()
        body = {"uuid": uuid, "name": uuid}
        _taken(self.placement.post("/resource_providers", body, version="1.28"))
        inventories = {
            "VCPU": {"total": 100_000, "max_unit": 64},
            "MEMORY_MB": {"total": 100_000_000, "max_unit": 100_000},
        }
        body = {"inventories": inventories, "resource_provider_generation": 0}
        _taken(self.placement.put(f"/resource_providers/{uuid}/inventories", body, version="1.28"))
        return uuid


def _taken(answer):
    if answer.status_code >= 300:
        raise RuntimeError(f"Placement: {answer.status_code}: {answer.text}")


def _configure(folder, placement, transport, options):
    path = folder / "nova.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode=WAL")
    url = f"sqlite:///{path}?timeout={database.BUSY_SECONDS}&plugin={database.PLUGIN}"
    sections = {
        "DEFAULT": {
            "host": NAME,
            "state_path": folder,
            "instances_path": folder,
            "transport_url": transport,
            "compute_driver": "libvirt.LibvirtDriver",
        },
        "database": {"connection": url},
        "placement": {"auth_type": "admin_token", "endpoint": placement, "token": "admin"},
        "oslo_concurrency": {"lock_path": folder},
        "xloud": options,
    }
    # This process has not got it installed, as the lab's services have.
    plugins.register(database.PLUGIN, lab_sqlite.__name__, lab_sqlite.LabSqlite.__name__)
    settings = services_config.write(folder / "nova.conf", sections)
    objects.register_all()
    nova_config.parse_args(["nova-compute", "--config-file", str(settings)])
    migration.db_sync()
