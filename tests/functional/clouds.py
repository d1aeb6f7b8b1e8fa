# SPDX-License-Identifier: Apache-2.0
"""Clouds of several hosts for the functional tests: moves, and who looks at them from outside."""

import contextlib
import io
import json

import fixtures
from lxml import etree
from nova import objects
from oslo_utils.fixture import uuidsentinel as uuids

from nova_xloud.cmd import status
from nova_xloud.testing.behaviour import Power
from tests.functional.base import AdjustTestCase, XloudTestCase

GROWN = (3, 768)


def let_guests_move(case, migrate_domain):
    """Nova's fake libvirt moves no guest.

    :param migrate_domain: libvirt's part of a live migration, as ``virDomain.migrateToURI3``
    """
    replaced = "nova.tests.fixtures.libvirt.Domain.migrateToURI3"
    case.useFixture(fixtures.MonkeyPatch(replaced, migrate_domain))
    # There are no disks to move.
    case.useFixture(
        fixtures.MonkeyPatch(
            "nova.virt.libvirt.driver.LibvirtDriver.migrate_disk_and_power_off",
            lambda driver, context, instance, *args, **kwargs: driver.power_off(instance) or "{}",
        )
    )


class HostsTestCase(AdjustTestCase):
    """Two hosts without servers."""

    hosts = ("host1", "host2")
    migration_fails = False

    def setUp(self):
        XloudTestCase.setUp(self)
        self.flags(instances=-1, group="quota")
        let_guests_move(self, self._migrate_domain)
        self.api.microversion = self.admin_api.microversion = "latest"
        for host in self.hosts:
            self.start_compute(host)

    def _migrate_domain(self, source, destination, params, flags):
        """libvirt's part of a live migration, with the XML that Nova made."""
        xml = params["destination_xml"]
        uuid = etree.fromstring(xml).findtext("uuid")
        context = self._in_the_cell()
        instance = objects.Instance.get_by_uuid(context, uuid)
        (migration,) = [
            m
            for m in objects.MigrationList.get_by_filters(
                context, {"instance_uuid": uuid, "status": "running"}
            )
        ]
        domain = self.computes[instance.host].driver._host.get_connection().lookupByUUIDString(uuid)
        self._while_it_migrates()
        if self.migration_fails:
            domain.fail_job()
            return
        there = self.computes[migration.dest_compute].driver._host.get_connection()
        # libvirt makes it persistent, as Nova asks it to.
        arrived = there.createXML(xml, "flags that the fake does not look at")
        arrived._transient = False
        if domain.guest.power is Power.PAUSED:
            arrived.suspend()
        domain.complete_job()
        # And removes it from where it was, as Nova asks it to as well.
        domain._transient = True
        domain.destroy()

    def _while_it_migrates(self):
        """What a test does in the middle of a live migration."""

    def _host_of(self, server=None):
        return self.admin_api.get_server((server or self.server)["id"])["OS-EXT-SRV-ATTR:host"]

    def _claims_on(self, host, server=None):
        """What the server itself, and not a migration of it, has allocated on a host."""
        allocations = self._get_allocations_by_server_uuid((server or self.server)["id"])
        resources = allocations.get(self.compute_rp_uuids[host], {}).get("resources", {})
        return resources.get("VCPU", 0), resources.get("MEMORY_MB", 0)

    def _usage_of(self, host):
        """All that is allocated on a host, by whomever."""
        usages = self._get_provider_usages(self.compute_rp_uuids[host])
        return usages["VCPU"], usages["MEMORY_MB"]

    def _leave_memory(self, host, mib):
        """Have somebody hold all of a host's memory but so much; returns what he has.

        The host is no smaller by it: one that could never hold a flavor is no candidate at all.
        """
        provider = self.compute_rp_uuids[host]
        memory = self._get_provider_inventory(provider)["MEMORY_MB"]
        capacity = int((memory["total"] - memory["reserved"]) * memory["allocation_ratio"])
        self._allocate(uuids.somebody, {provider: {"MEMORY_MB": capacity - mib}})
        return 0, capacity - mib

    def _goes_down(self, host):
        """As after a power failure: nobody says goodbye."""
        self.computes[host].stop()
        (service,) = self.admin_api.get_services(host=host, binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)

    def _invariants(self, *arguments):
        """The report of ``nova-xloud-status invariants`` on the whole cloud."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status.main(
                ["invariants", "--settle", "5", "-f", "json", *arguments],
                configured=lambda options: contextlib.nullcontext(),
            )
        return json.loads(out.getvalue())

    def _invariants_hold(self):
        report = self._invariants()
        assert (report["exit_code"], report["breaks"]) == (0, []), report


class MovesTestCase(HostsTestCase):
    """Two hosts, and on the first one a server that was grown to 3 / 768."""

    def setUp(self):
        super().setUp()
        self.server = self._elastic(host="host1")
        self._grow()

    def _grow(self, server=None):
        server = server or self.server
        self._adjust(server, current_vcpus=3, current_memory_mb=768)
        self._has(*GROWN, server)
