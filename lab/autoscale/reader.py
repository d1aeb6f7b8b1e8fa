# SPDX-License-Identifier: Apache-2.0
"""Reads one sample of a host and of the servers on it, from Placement, libvirt, Nova and guests."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import libvirt
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from lab import guest, hypervisor
from lab.autoscale.driver import tail
from lab.autoscale.journal import Journal
from lab.autoscale.sample import Sample, Server
from lab.cloud import Cloud
from lab.guest import load
from lab.hypervisor import balloon
from lab.layout import Compute, Layout
from lab.witnesses import Size

# How old a status and an inventory may be: each costs the lab's two CPUs what guests could have.
STATUS_SECONDS = 3.0
CAPACITY_SECONDS = 30.0
# The errors of a service that does not answer for a moment, such as a nova-compute that was killed.
NOT_ANSWERED = (ClientException, SDKException, libvirt.libvirtError, OSError)


class Reader:
    """Reads samples of one host; not for use by two threads."""

    def __init__(self, layout: Layout, compute: Compute) -> None:
        self.layout = layout
        self.compute = compute
        self.cloud = Cloud(layout)
        self.journal = Journal(compute)
        (self._provider,) = self.cloud.connection.placement.resource_providers(
            name=compute.hostname
        )
        self._capacity: tuple[float, Size | None] = 0.0, None
        self._statuses: dict[str, tuple[float, dict[str, Any]]] = {}

    def capacity(self) -> Size:
        """Return what Placement may allocate of the host: vCPUs and MiB.

        It is ``CAPACITY_SECONDS`` old at most.
        """
        now = time.monotonic()
        read, size = self._capacity
        if size is None or now - read >= CAPACITY_SECONDS:
            size = self._read_capacity()
            self._capacity = now, size
        return size

    def _read_capacity(self) -> Size:
        each = {
            name: int((one["total"] - one["reserved"]) * one["allocation_ratio"])
            for name, one in self._placement("inventories")["inventories"].items()
        }
        return Size(each["VCPU"], each["MEMORY_MB"])

    def sample(self, at: float, servers: Mapping[str, str]) -> Sample:
        """Read everything now.

        :param at: seconds since the recording began
        :param servers: the ids of the servers by their names
        """
        before = self._allocations()
        domains = self._domains()
        advice = self.journal.latest()
        consoles = {server: self._console(server) for server in servers.values()}
        after = self._allocations()
        used = Size(
            sum(size.vcpus for size in after.values()),
            sum(size.memory_mb for size in after.values()),
        )
        found = {
            name: replace(
                consoles[server],
                advice=advice.get(server),
                before=before.get(server),
                libvirt=domains.get(server),
                after=after.get(server),
                **self._status(server),
            )
            for name, server in servers.items()
        }
        return Sample(at, self.capacity(), used, found)

    def _console(self, server: str) -> Server:
        """Return what the guest itself has reported last."""
        console = tail(self.layout.instances / server / "console.log")
        size, report = guest.last_report(console), load.last_report(console)
        return Server(
            guest=Size(size.cpus, size.held_mb) if size else None,
            taken_mb=report.taken_mb if report else None,
            cpu_seconds=report.cpu_seconds if report else None,
            distress=report.distress if report else None,
        )

    def _allocations(self) -> dict[str, Size]:
        """Return what Placement has allocated of the host, by consumer."""
        found = self._placement("allocations")["allocations"]
        return {
            consumer: Size(one["resources"].get("VCPU", 0), one["resources"].get("MEMORY_MB", 0))
            for consumer, one in found.items()
        }

    def _placement(self, what: str) -> Any:
        placement = self.cloud.connection.placement
        return placement.get(f"/resource_providers/{self._provider.id}/{what}").json()

    def _domains(self) -> dict[str, Size]:
        """Return what libvirt reports of each running domain of the host, by the server's id.

        The memory is from QEMU itself where that answers, because libvirt's may be seconds old.
        """
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        with hypervisor.opened(self.compute) as connection:
            running = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            return {
                domain.UUIDString(): Size(
                    domain.vcpusFlags(live),
                    balloon.actual_mb(self.compute, domain.name()) or domain.info()[2] // 1024,
                )
                for domain in running
            }

    def _status(self, server: str) -> dict[str, Any]:
        """Return the fields of a server that its status has; they are ``STATUS_SECONDS`` old."""
        now = time.monotonic()
        read, fields = self._statuses.get(server, (-STATUS_SECONDS, {}))
        if now - read >= STATUS_SECONDS:
            fields = self._asked(server)
            self._statuses[server] = now, fields
        return fields

    def _asked(self, server: str) -> dict[str, Any]:
        answer = self.cloud.xloud_status(server)
        if answer.status != 200:
            return {"booting": True}
        status = answer.body["xloud_status"]
        true = {one["type"] for one in status["conditions"] if one["status"] is True}
        size = Size(status["vcpus"]["desired"], status["memory_mb"]["desired"])
        return {"desired": size, "booting": "Booting" in true}
