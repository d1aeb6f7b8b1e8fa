# SPDX-License-Identifier: Apache-2.0
"""Hypervisors for the contract of the Domain port: the fakes, and the real ones they stand for.

Every guest has 2 of 16 vCPUs at boot and 512 of 1024 MiB, unless a test asks for another.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import libvirt
import libvirt_qemu
from lxml import etree

from nova_xloud.compute.ports import Domain
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.size import Size
from nova_xloud.errors import RemovalTimedOut
from nova_xloud.libvirt.domain import LibvirtDomain
from nova_xloud.libvirt.domain_stats import survey
from nova_xloud.libvirt.guest_samples import read_samples
from nova_xloud.libvirt.guest_xml import GuestSize, apply_size, read_size
from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, ManualClock
from nova_xloud.testing.fake_domain import sample_of, stats_of, without_documents

MAX_VCPUS, BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB = 16, 2, 1024, 512
INACTIVE = 2
# So often a guest is asked for a vCPU that it does not give back; libvirt waits 5 s each time.
PLUGS = 6

TEMPLATE = f"""\
<domain type='{{virt_type}}'>
  <name>{{name}}</name>
  <memory>{MAX_MEMORY_MB * 1024}</memory>
  <vcpu>{MAX_VCPUS}</vcpu>
  <os><type>hvm</type>{{boot}}</os>
  <features><acpi/><apic/></features>
  <devices>
    <memballoon model='virtio' autodeflate='{{autodeflate}}' freePageReporting='on'>
      <stats period='1'/>
    </memballoon>
    {{agent}}
    {{devices}}
  </devices>
</domain>
"""
NEVER_BUSY = "the fakes answer every call at once"
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


class Guest(Protocol):
    """One domain under test, and what a test does to it beside the port."""

    @property
    def domain(self) -> Domain: ...
    @property
    def uuid(self) -> str: ...

    def configured(self) -> GuestSize:
        """The size in its configuration."""

    def vcpu_ids(self) -> list[int]:
        """Those that are plugged now."""

    def total_mb(self) -> int:
        """What the guest calls its total memory, by its own statistics."""

    def lose_driver(self) -> None:
        """Take its balloon driver away; on real ones its agent does it."""

    def use(self, mib: int) -> None:
        """Have it use that much more memory; on real ones its agent does it."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def undefine(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Hypervisor:
    """Makes guests. What one cannot do is data, with the reason that a skipped test shows."""

    lacks: dict[str, str] = {}

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE, **has: bool) -> Guest:
        """A persistent domain, shut off.

        :param has: ``agent``, ``autodeflate``: neither by default
        """
        raise NotImplementedError

    def create_transient(self) -> Guest:
        """A transient domain, running; its guest may be booting."""
        raise NotImplementedError

    def survey(self, uuids: Collection[str] = (), usual_period: int = 0) -> dict[str, DomainStats]:
        """All of its domains; of ``uuids`` what only their two documents tell, too.

        :param usual_period: seconds between two statistics, as the host is configured
        """
        raise NotImplementedError

    def samples(self, desired: Mapping[str, Size]) -> dict[str, GuestSample]:
        """Of the guests in ``desired`` that run, with a report each second."""
        raise NotImplementedError

    def work(self, guest: Guest) -> None:
        """Have its programs use some CPU time; a real guest that boots or idles uses some."""

    def booted(self, behaviour: Behaviour = Behaviour.COOPERATIVE, **has: bool) -> Guest:
        """A persistent domain whose guest is up, at the size it booted with."""
        guest = self.define(behaviour, **has)
        guest.start()
        if behaviour is not Behaviour.NO_BALLOON_DRIVER:
            self.until(guest, lambda read: read.memory_mb == MEMORY_MB)
        if has.get("agent"):
            self.until(guest, lambda read: read.vcpus_online == BOOT_VCPUS)
        return guest

    def until(self, guest: Guest, reached: Any, seconds: float = 20) -> DomainReading:
        """Read until ``reached(reading)``; fails the test with the last reading."""
        waited = 0.0
        while not reached(reading := guest.domain.read()):
            assert waited < seconds, f"not in {seconds} s: {reading}"
            self.wait(0.1)
            waited += 0.1
        return reading

    def plug(self, guest: Guest, vcpus: int) -> DomainReading:
        """Have it be so many vCPUs, as the engine does: a removal may come late, or be asked anew.

        A guest that is still booting may let the first request pass.
        """
        for _ in range(PLUGS - 1):
            try:
                guest.domain.set_vcpus(vcpus)
            except RemovalTimedOut:
                continue
            return self.until(guest, lambda read: read.vcpus == vcpus)
        guest.domain.set_vcpus(vcpus)
        return self.until(guest, lambda read: read.vcpus == vcpus)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def wall(self) -> float:
        """Seconds since 1970 where its domains run."""
        return time.time()

    def close(self) -> None:
        """End what the tests left."""


def enabled(size: GuestSize) -> list[int]:
    """The ids of the vCPUs that are there."""
    return [number for number, vcpu in enumerate(size.each) if vcpu.enabled]


@dataclass
class PortGuest:
    """A fake guest behind the fake port."""

    guest: FakeGuest

    def __post_init__(self) -> None:
        self.uuid = str(uuid.uuid4())
        self.domain = FakeDomain(self.guest)
        self.start = self.guest.start
        self.stop = self.guest.stop
        self.undefine = self.guest.undefine
        self.pause = self.guest.pause
        self.resume = self.guest.resume

    def configured(self) -> GuestSize:
        return self.guest.config

    def vcpu_ids(self) -> list[int]:
        return enabled(self.guest.live())

    def total_mb(self) -> int:
        return self.guest.memory_stats()["available"] // 1024

    def lose_driver(self) -> None:
        self.guest.behaviour = Behaviour.NO_BALLOON_DRIVER

    def use(self, mib: int) -> None:
        self.guest.uses_kib += mib * 1024


class FakePort(Hypervisor):
    """:class:`nova_xloud.testing.FakeDomain`."""

    lacks = {"busy": NEVER_BUSY}

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.made: list[PortGuest] = []

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE, **has: bool) -> Guest:
        return self._made(behaviour=behaviour, **has)

    def create_transient(self) -> Guest:
        guest = self._made(persistent=False)
        guest.start()
        return guest

    def survey(self, uuids: Collection[str] = (), usual_period: int = 0) -> dict[str, DomainStats]:
        read = {
            guest.uuid: guest.domain.read(agent=False) for guest in self.made if guest.guest.exists
        }
        seen = {
            uuid: stats_of(replace(one, usual_stats_period=usual_period))
            for uuid, one in read.items()
        }
        return {
            uuid: one if uuid in uuids else without_documents(one) for uuid, one in seen.items()
        }

    def samples(self, desired: Mapping[str, Size]) -> dict[str, GuestSample]:
        found = {
            guest.uuid: sample_of(
                guest.guest, at=self.wall(), desired=desired[guest.uuid], period=1.0
            )
            for guest in self.made
            if guest.uuid in desired
        }
        return {uuid: one for uuid, one in found.items() if one is not None}

    def work(self, guest: Guest) -> None:
        assert isinstance(guest, PortGuest)
        guest.guest.work(0.5)

    def _made(self, **options: Any) -> PortGuest:
        size = FakeGuest.size(MAX_VCPUS, BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB)
        self.made.append(PortGuest(FakeGuest(size, clock=self.clock, **options)))
        return self.made[-1]

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def wall(self) -> float:
        return self.clock.wall()


class LibvirtGuest:
    """A domain of libvirt's, real or Nova's fake."""

    def __init__(self, dom: Any, wall: Callable[[], float]) -> None:
        self.dom = dom
        self.uuid = dom.UUIDString()
        self.domain = LibvirtDomain(dom, wall, usual_period=1)
        self.start = dom.create
        self.stop = dom.destroy
        self.undefine = dom.undefine
        self.pause = dom.suspend
        self.resume = dom.resume

    def configured(self) -> GuestSize:
        return read_size(etree.fromstring(self.dom.XMLDesc(INACTIVE)))

    def vcpu_ids(self) -> list[int]:
        return enabled(read_size(etree.fromstring(self.dom.XMLDesc(0))))

    def total_mb(self) -> int:
        return int(self.dom.memoryStats()["available"]) // 1024

    def lose_driver(self) -> None:
        self._run("rmmod virtio_balloon")

    def use(self, mib: int) -> None:
        # A file in memory; the guest has no other file system.
        self._run(f"dd if=/dev/zero of=/used bs=1M count={mib}")

    def _run(self, command: str) -> None:
        arguments = {"path": "/bin/sh", "arg": ["-c", command]}
        call = json.dumps({"execute": "guest-exec", "arguments": arguments})
        libvirt_qemu.qemuAgentCommand(self.dom, call, 5, 0)


class Libvirt(Hypervisor):
    """Anything with a libvirt connection."""

    virt_type = "test"

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.made: list[Any] = []

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE, **has: bool) -> Guest:
        self.made.append(self.connection.defineXML(self.xml(behaviour, **has)))
        return self.guest(self.made[-1])

    def create_transient(self) -> Guest:
        self.made.append(self.connection.createXML(self.xml(), 0))
        return self.guest(self.made[-1])

    def guest(self, dom: Any) -> LibvirtGuest:
        return LibvirtGuest(dom, self.wall)

    def survey(self, uuids: Collection[str] = (), usual_period: int = 0) -> dict[str, DomainStats]:
        return survey(self.connection, uuids, usual_period)

    def samples(self, desired: Mapping[str, Size]) -> dict[str, GuestSample]:
        return read_samples(self.connection, desired, dict.fromkeys(desired, 1.0), self.wall)

    def xml(
        self,
        behaviour: Behaviour = Behaviour.COOPERATIVE,
        *,
        agent: bool = False,
        autodeflate: bool = False,
    ) -> str:
        name = f"contract-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        text = TEMPLATE.format(
            name=name,
            virt_type=self.virt_type,
            boot=self.boot(behaviour),
            autodeflate="on" if autodeflate else "off",
            agent=AGENT if agent else "",
            devices=self.devices(name),
        )
        root = etree.fromstring(text)
        apply_size(root, vcpus=BOOT_VCPUS, removable_from=BOOT_VCPUS, memory_kib=MEMORY_MB * 1024)
        # Nova always names its domains' UUID, and its fake libvirt counts on that.
        etree.SubElement(root, "uuid").text = str(uuid.uuid4())
        return str(etree.tostring(root, encoding="unicode"))

    def boot(self, behaviour: Behaviour) -> str:
        return ""

    def devices(self, name: str) -> str:
        return ""

    def close(self) -> None:
        for dom in self.made:
            for end in (dom.destroy, dom.undefine):
                # Gone already, or never started.
                with contextlib.suppress(libvirt.libvirtError):
                    end()
        self.made.clear()


class FakeLibvirtGuest(LibvirtGuest):
    """A domain of Nova's fake, and the fake guest in it."""

    def lose_driver(self) -> None:
        self.dom.guest.behaviour = Behaviour.NO_BALLOON_DRIVER

    def use(self, mib: int) -> None:
        self.dom.guest.uses_kib += mib * 1024


class FakeLibvirt(Libvirt):
    """Nova's fake libvirt under :class:`nova_xloud.testing.FakeLibvirtFixture`."""

    virt_type = "kvm"
    lacks = {"busy": NEVER_BUSY}

    def __init__(self, connection: Any, fixture: Any) -> None:
        super().__init__(connection)
        self.fixture = fixture

    def guest(self, dom: Any) -> LibvirtGuest:
        return FakeLibvirtGuest(dom, self.wall)

    def work(self, guest: Guest) -> None:
        self.fixture.domain(guest.uuid).work(0.5)

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE, **has: bool) -> Guest:
        self.fixture.agent = has.get("agent", False)
        guest = super().define(**has)
        self.fixture.domain(guest.uuid).behaviour = behaviour
        return guest

    def wait(self, seconds: float) -> None:
        self.fixture.clock.advance(seconds)

    def wall(self) -> float:
        return float(self.fixture.clock.wall())

    def close(self) -> None:
        """All of it goes with the fixture."""


class TestDriver(Libvirt):
    """libvirt's own ``test:///default``."""

    __test__ = False
    lacks = {
        "time": "everything in test:///default happens within the call",
        "definition": "test:///default knows no HOTPLUGGABLE",
        "boot_vcpus": "test:///default removes vCPUs that were there at boot",
        "guest": "there is no guest in test:///default to refuse anything",
        "agent": "there is no guest in test:///default, and so no agent",
        "agent_call": "test:///default knows no VIR_DOMAIN_VCPU_GUEST",
        "survey": "test:///default tells of all domains their state and nothing else",
    }

    def wall(self) -> float:
        """A fixed time in 1989, which the driver's statistics have."""
        return 627319920
