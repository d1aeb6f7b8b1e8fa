# SPDX-License-Identifier: Apache-2.0
"""Nova's LibvirtConfigGuest with a size below the maximum: written, read, written again.

And the balloon of such a guest, which is Nova's but for one attribute.
"""

from unittest import mock

import pytest
from lxml import etree
from nova.virt.libvirt.config import LibvirtConfigGuest, LibvirtConfigMemoryBalloon
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud import releases
from nova_xloud.seams.libvirt_config import ConfiguredSize
from tests.functional.base import XloudTestCase

NOVA_LETS_DEFLATE = releases.major() >= 32


def _config(size=None):
    config = LibvirtConfigGuest()
    config.virt_type, config.name = "qemu", "instance-00000001"
    config.uuid = "4b5f3e07-9b1d-4c2a-8f37-3d2d1c5b6a70"
    config.os_type = "hvm"
    config.memory, config.vcpus, config.cpuset = 1048576, 4, {0, 1}
    if size is not None:
        config.xloud_size = size
    return config


def _read(xml):
    config = LibvirtConfigGuest()
    config.parse_str(xml)
    config.os_type = "hvm"
    return config


@pytest.mark.parametrize(
    "size",
    [ConfiguredSize(1, 1, 524288), ConfiguredSize(3, 2, 786432), ConfiguredSize(4, 1, 524288)],
    ids=["smallest", "grown", "largest"],
)
def test_what_is_written_is_read(size):
    config = _config(size)
    again = _read(config.to_xml())
    assert getattr(again, "xloud_size", None) == size
    assert (again.vcpus, again.memory, again.cpuset) == (4, 1048576, {0, 1})
    again.virt_type = "qemu"
    assert again.to_xml() == config.to_xml()


def test_written_as_libvirt_wants_it():
    root = etree.fromstring(_config(ConfiguredSize(2, 1, 524288)).to_xml())
    vcpu = root.find("vcpu")
    assert (vcpu.text, vcpu.get("current"), vcpu.get("cpuset")) == ("4", "2", "0-1")
    assert root.findtext("currentMemory") == "524288"
    assert [v.get("enabled") for v in root.findall("vcpus/vcpu")] == ["yes", "yes", "no", "no"]
    assert [v.get("hotpluggable") for v in root.findall("vcpus/vcpu")] == ["no"] + ["yes"] * 3


def test_a_running_stock_guest_is_read_and_written_as_before():
    # libvirt's live XML always has currentMemory; Nova has never written it.
    live = (
        _config().to_xml().replace("</memory>", "</memory><currentMemory>1048576</currentMemory>")
    )
    again = _read(live)
    again.virt_type = "qemu"
    assert not hasattr(again, "xloud_size")
    assert again.to_xml() == _config().to_xml()


class Balloon(XloudTestCase):
    """What is formatted at boot, beside what stock Nova formats for the same guest."""

    def setUp(self):
        super().setUp()
        self.start_compute("host1")

    def _balloons(self, flavor_id):
        """(ours, Nova's), as text."""
        written = []
        formatted = LibvirtConfigMemoryBalloon.format_dom

        def stock(driver, *args, **kwargs):
            guest = original(driver, *args, **kwargs)
            written.extend(
                etree.tostring(formatted(device), encoding="unicode")
                for device in guest.devices
                if isinstance(device, LibvirtConfigMemoryBalloon)
            )
            return guest

        original = LibvirtDriver._get_guest_config
        with mock.patch.object(LibvirtDriver, "_get_guest_config", stock):
            server = self._boot(flavor_id)
        connection = self.computes["host1"].driver._host.get_connection()
        xml = etree.fromstring(
            connection.lookupByUUIDString(server["id"]).XMLDesc(0),
            etree.XMLParser(remove_blank_text=True),
        )
        ours = etree.tostring(xml.find("devices/memballoon"), encoding="unicode")
        return ours, written[-1]

    def test_elastic_guest_has_no_autodeflate(self):
        ours, stock = self._balloons(self._flavor(minimum_cpu=1, minimum_memory=512))
        if NOVA_LETS_DEFLATE:
            assert ours == stock.replace('autodeflate="on"', 'autodeflate="off"')
            assert 'autodeflate="off" freePageReporting="on"><stats period="1"/>' in ours
        else:
            assert ours == stock.replace('model="virtio"', 'model="virtio" autodeflate="off"')
            assert 'autodeflate="off"><stats period="1"/>' in ours

    def test_stock_guest_has_novas_balloon(self):
        ours, stock = self._balloons(self._flavor())
        assert ours == stock
        assert ('autodeflate="on"' in ours) is NOVA_LETS_DEFLATE
