# SPDX-License-Identifier: Apache-2.0
"""Hypervisors for the contract of the Domain port: the fakes, and the real ones they stand for.

Every guest has 2 of 16 vCPUs at boot and 512 of 1024 MiB, unless a test asks for another.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from dataclasses import dataclass
from typing import Any, Protocol

import libvirt
from lxml import etree

from nova_xloud.compute.ports import Domain
from nova_xloud.core.guest import GuestFigures
from nova_xloud.libvirt.domain import LibvirtDomain
from nova_xloud.libvirt.guest_xml import GuestSize, apply_size, read_size
from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, ManualClock

MAX_VCPUS, BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB = 16, 2, 1024, 512
INACTIVE = 2

TEMPLATE = f"""\
<domain type='{{virt_type}}'>
  <name>{{name}}</name>
  <memory>{MAX_MEMORY_MB * 1024}</memory>
  <vcpu>{MAX_VCPUS}</vcpu>
  <os><type>hvm</type>{{boot}}</os>
  <features><acpi/><apic/></features>
  <devices>
    <memballoon model='virtio' autodeflate='on' freePageReporting='on'>
      <stats period='1'/>
    </memballoon>
    {{devices}}
  </devices>
</domain>
"""


class Guest(Protocol):
    """One domain under test, and what a test does to it beside the port."""

    @property
    def domain(self) -> Domain: ...

    def configured(self) -> GuestSize:
        """The size in its configuration."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def undefine(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Hypervisor:
    """Makes guests. What one cannot do is data, with the reason that a skipped test shows."""

    lacks: dict[str, str] = {}

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE) -> Guest:
        """A persistent domain, shut off."""
        raise NotImplementedError

    def create_transient(self) -> Guest:
        """A transient domain, running; its guest may be booting."""
        raise NotImplementedError

    def booted(self, behaviour: Behaviour = Behaviour.COOPERATIVE) -> Guest:
        """A persistent domain whose guest is up, at the size it booted with."""
        guest = self.define(behaviour)
        guest.start()
        if behaviour is not Behaviour.NO_BALLOON_DRIVER:
            self.until(guest, lambda read: read.memory_mb == MEMORY_MB)
        return guest

    def until(self, guest: Guest, reached: Any, seconds: float = 20) -> GuestFigures:
        """Read until ``reached(figures)``; fails the test with the last figures."""
        waited = 0.0
        while not reached(figures := guest.domain.read()):
            assert waited < seconds, f"not in {seconds} s: {figures}"
            self.wait(0.1)
            waited += 0.1
        return figures

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """End what the tests left."""


@dataclass
class PortGuest:
    """A fake guest behind the fake port."""

    guest: FakeGuest

    def __post_init__(self) -> None:
        self.domain = FakeDomain(self.guest)
        self.start = self.guest.start
        self.stop = self.guest.stop
        self.undefine = self.guest.undefine
        self.pause = self.guest.pause
        self.resume = self.guest.resume

    def configured(self) -> GuestSize:
        return self.guest.config


class FakePort(Hypervisor):
    """:class:`nova_xloud.testing.FakeDomain`."""

    def __init__(self) -> None:
        self.clock = ManualClock()

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE) -> Guest:
        size = FakeGuest.size(MAX_VCPUS, BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB)
        return PortGuest(FakeGuest(size, behaviour=behaviour, clock=self.clock))

    def create_transient(self) -> Guest:
        size = FakeGuest.size(MAX_VCPUS, BOOT_VCPUS, MAX_MEMORY_MB, MEMORY_MB)
        guest = PortGuest(FakeGuest(size, clock=self.clock, persistent=False))
        guest.start()
        return guest

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


class LibvirtGuest:
    """A domain of libvirt's, real or Nova's fake."""

    def __init__(self, dom: Any) -> None:
        self.dom = dom
        self.domain = LibvirtDomain(dom)
        self.start = dom.create
        self.stop = dom.destroy
        self.undefine = dom.undefine
        self.pause = dom.suspend
        self.resume = dom.resume

    def configured(self) -> GuestSize:
        return read_size(etree.fromstring(self.dom.XMLDesc(INACTIVE)))


class Libvirt(Hypervisor):
    """Anything with a libvirt connection."""

    virt_type = "test"

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.made: list[Any] = []

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE) -> Guest:
        self.made.append(self.connection.defineXML(self.xml(behaviour)))
        return LibvirtGuest(self.made[-1])

    def create_transient(self) -> Guest:
        self.made.append(self.connection.createXML(self.xml(Behaviour.COOPERATIVE), 0))
        return LibvirtGuest(self.made[-1])

    def xml(self, behaviour: Behaviour) -> str:
        name = f"contract-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        text = TEMPLATE.format(
            name=name,
            virt_type=self.virt_type,
            boot=self.boot(behaviour),
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


class FakeLibvirt(Libvirt):
    """Nova's fake libvirt under :class:`nova_xloud.testing.FakeLibvirtFixture`."""

    virt_type = "kvm"

    def __init__(self, connection: Any, fixture: Any) -> None:
        super().__init__(connection)
        self.fixture = fixture

    def define(self, behaviour: Behaviour = Behaviour.COOPERATIVE) -> Guest:
        guest = super().define()
        self.fixture.domain(self.made[-1].UUIDString()).behaviour = behaviour
        return guest

    def wait(self, seconds: float) -> None:
        self.fixture.clock.advance(seconds)

    def close(self) -> None:
        """All of it goes with the fixture."""


class TestDriver(Libvirt):
    """libvirt's own ``test:///default``."""

    __test__ = False
    lacks = {
        "time": "everything in test:///default happens within the call",
        "persistent": "test:///default takes LIVE or CONFIG for memory, not both at once, and "
        "knows no HOTPLUGGABLE",
        "boot_vcpus": "test:///default removes vCPUs that were there at boot",
        "guest": "there is no guest in test:///default to refuse anything",
    }
