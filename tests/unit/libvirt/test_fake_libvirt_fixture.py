# SPDX-License-Identifier: Apache-2.0
"""FakeLibvirtFixture, on its own and over Nova's; the calls themselves are tests/contract/."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest
from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.virt.libvirt import driver

from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.size import Size
from nova_xloud.libvirt.domain import LibvirtDomain
from nova_xloud.libvirt.domain_stats import survey
from nova_xloud.testing import Behaviour, FakeLibvirtFixture, ManualClock
from nova_xloud.testing.fixture import CONSTANTS

UUID = "b38a3f43-4be2-4046-897f-b67c2f5e0147"
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def xml(vcpus: str = "<vcpu current='1'>4</vcpu>", devices: str = "") -> str:
    return (
        f"<domain type='kvm'><name>instance-00000001</name><uuid>{UUID}</uuid>"
        f"<memory>1048576</memory><currentMemory>524288</currentMemory>{vcpus}"
        f"<os><type>hvm</type></os><devices>{devices}<memballoon model='virtio'>"
        "<stats period='10'/></memballoon></devices></domain>"
    )


@pytest.fixture
def fixture() -> Iterator[FakeLibvirtFixture]:
    with FakeLibvirtFixture(clock=ManualClock()) as used:
        yield used


def connect(hostname: str = "compute1") -> Any:
    return fakelibvirt.Connection("qemu:///system", hostname=hostname)


def started(document: str) -> Any:
    dom = connect().defineXML(document)
    dom.create()
    return dom


def test_constants_are_libvirts() -> None:
    assert {name: getattr(libvirt, name) for name in CONSTANTS} == CONSTANTS


def test_all_is_as_before_when_it_is_over() -> None:
    ours, surveys = sys.modules[LibvirtDomain.__module__], sys.modules[survey.__module__]
    names = (*CONSTANTS, "Domain", "virDomain")
    before = [getattr(fakelibvirt, name, None) for name in names]
    with FakeLibvirtFixture():
        assert ours.libvirt is surveys.libvirt is driver.libvirt is fakelibvirt
    assert [getattr(fakelibvirt, name, None) for name in names] == before
    assert ours.libvirt is surveys.libvirt is libvirt
    assert not hasattr(fakelibvirt.Connection, "getAllDomainStats")
    assert driver.libvirt is libvirt


def test_the_survey_is_of_one_connection(fixture: FakeLibvirtFixture) -> None:
    connection = connect()
    assert survey(connection) == {}
    connection.defineXML(xml()).create()
    assert survey(connection) == {
        UUID: DomainStats(True, 1, 1024, 1, max_memory_mb=1024, stats_at=1_000_000_000)
    }
    assert survey(connect("compute2")) == {}
    connection.lookupByUUIDString(UUID).destroy()
    assert survey(connection) == {UUID: DomainStats(False, 1, 512, None, max_memory_mb=1024)}


def test_a_balloon_with_autodeflate(fixture: FakeLibvirtFixture) -> None:
    document = xml().replace("<memballoon", "<memballoon autodeflate='on'")
    assert LibvirtDomain(started(document)).read().autodeflate
    assert fixture.domain(UUID).memory.autodeflate


def test_after_novas_own_fixture() -> None:
    with fakelibvirt.LibvirtFixture():
        with FakeLibvirtFixture():
            assert LibvirtDomain(started(xml())).read().vcpus == 1
        # Nova's own is still in use.
        assert driver.libvirt is fakelibvirt


def test_the_definition_comes_back(fixture: FakeLibvirtFixture) -> None:
    vcpus = (
        "<vcpu cpuset='0-3' current='2'>4</vcpu><vcpus>"
        "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
        "<vcpu id='1' enabled='yes' hotpluggable='yes' order='2'/>"
        "<vcpu id='2' enabled='no' hotpluggable='yes'/>"
        "<vcpu id='3' enabled='no' hotpluggable='yes'/></vcpus>"
    )
    root = etree.fromstring(connect().defineXML(xml(vcpus)).XMLDesc(0))
    assert dict(root.find("vcpu").attrib) == {"cpuset": "0-3", "current": "2"}
    wanted = [dict(entry.attrib) for entry in etree.fromstring(xml(vcpus)).find("vcpus")]
    assert [dict(entry.attrib) for entry in root.find("vcpus")] == wanted
    assert root.findtext("currentMemory") == "524288"
    assert root.find("devices/memballoon/stats").get("period") == "10"


def test_a_plain_domain_is_dumped_plainly(fixture: FakeLibvirtFixture) -> None:
    root = etree.fromstring(started(xml("<vcpu>4</vcpu>")).XMLDesc(0))
    assert (root.find("vcpu").attrib, root.find("vcpus")) == ({}, None)


def test_live_and_configuration_are_dumped_apart(fixture: FakeLibvirtFixture) -> None:
    dom = started(xml())
    LibvirtDomain(dom).set_vcpus(3)
    live, config = (etree.fromstring(dom.XMLDesc(flags)) for flags in (0, 2))
    assert live.find("vcpu").get("current") == "3"
    assert config.find("vcpu").get("current") == "1"
    assert (live.get("id") is None, config.get("id") is None) == (False, True)


def test_the_smaller_calls(fixture: FakeLibvirtFixture) -> None:
    dom = started(xml())
    assert dom.setVcpusFlags(2, 0) == 0
    assert dom.vcpusFlags(fakelibvirt.VIR_DOMAIN_VCPU_LIVE) == 2
    assert dom.vcpusFlags(fakelibvirt.VIR_DOMAIN_VCPU_CONFIG) == 1
    assert dom.vcpusFlags(fakelibvirt.VIR_DOMAIN_VCPU_MAXIMUM) == dom.maxVcpus() == 4
    assert dom.vcpusFlags(fakelibvirt.VIR_DOMAIN_VCPU_GUEST) == 1
    assert len(dom.vcpus()[0]) == 2
    assert dom.state() == [fakelibvirt.VIR_DOMAIN_RUNNING, 0]
    assert dom.info()[:4] == [fakelibvirt.VIR_DOMAIN_RUNNING, 1048576, 1048576, 2]


def test_the_agent(fixture: FakeLibvirtFixture) -> None:
    assert LibvirtDomain(started(xml(devices=AGENT))).read().vcpus_online is None
    fixture.agent = True
    domain = LibvirtDomain(started(xml(devices=AGENT)))
    assert domain.read().vcpus_online == 1
    domain.set_vcpus(3)
    domain.set_vcpus_online(2)
    assert domain.read().vcpus_online == 2


def test_behaviour_of_one_guest_survives_its_next_definition(fixture: FakeLibvirtFixture) -> None:
    connection = connect()
    connection.defineXML(xml()).create()
    fixture.domain(UUID).behaviour = Behaviour.REFUSES
    connection.lookupByUUIDString(UUID).destroy()
    connection.lookupByUUIDString(UUID).undefine()
    connection.defineXML(xml()).create()
    assert fixture.domain(UUID).behaviour is Behaviour.REFUSES
    assert fixture.domain(UUID).active


def test_a_saved_domain_that_nova_defines_again_before_it_resumes(
    fixture: FakeLibvirtFixture,
) -> None:
    connection = connect()
    dom = connection.defineXML(xml())
    dom.create()
    LibvirtDomain(dom).set_vcpus(3)
    dom.managedSave(0)
    again = connection.defineXML(dom.XMLDesc(2))
    again.create()
    assert LibvirtDomain(again).read().vcpus == 3


def test_a_migrated_domain_is_as_large_and_persistent(fixture: FakeLibvirtFixture) -> None:
    dom = started(xml())
    LibvirtDomain(dom).set_vcpus(3)
    fixture.clock.advance(60)  # type: ignore[attr-defined]
    there = connect("compute2").createXML(dom.XMLDesc(8), "as Nova's tests call it")
    LibvirtDomain(there).set_definition(Size(3, 600))
    reading = LibvirtDomain(there).read()
    assert (reading.vcpus, reading.memory_mb) == (3, 512)
    assert fixture.domain(UUID) is there.guest


def test_a_crash_is_seen_by_novas_side(fixture: FakeLibvirtFixture) -> None:
    dom = started(xml())
    fixture.domain(UUID).behaviour = Behaviour.REMOVAL_TIMES_OUT
    dom.setVcpusFlags(2, 1)
    for count in (1, 3):
        with pytest.raises(fakelibvirt.libvirtError):
            dom.setVcpusFlags(count, 1)
    assert dom.state()[0] == fakelibvirt.VIR_DOMAIN_SHUTOFF
    assert not dom.isActive()


def test_undefined_instance_has_no_domain(fixture: FakeLibvirtFixture) -> None:
    with pytest.raises(LookupError, match="no domain nothing"):
        fixture.domain("nothing")
