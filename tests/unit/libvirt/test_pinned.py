# SPDX-License-Identifier: Apache-2.0
"""What in a domain's XML pins all of its memory, and what does not."""

from __future__ import annotations

import pytest
from lxml import etree

from nova_xloud.core.instance.pinned import REASONS
from nova_xloud.libvirt.pinned import pinned_by

PINS = {
    "<memoryBacking><locked/></memoryBacking>": "locked_memory",
    "<memoryBacking><hugepages><page size='2048'/></hugepages></memoryBacking>": "huge_pages",
    "<memoryBacking><source type='file'/></memoryBacking>": "file_backed_memory",
    "<launchSecurity type='sev'/>": "memory_encryption",
    "<launchSecurity type='sev-snp'/>": "memory_encryption",
    "<devices><hostdev mode='subsystem' type='pci'/></devices>": "vfio",
    "<devices><hostdev mode='subsystem' type='mdev'/></devices>": "vfio",
    "<devices><interface type='hostdev'/></devices>": "vfio",
    "<devices><interface type='vdpa'/></devices>": "vfio",
    "<devices><disk type='vhostvdpa'/></devices>": "vfio",
    "<devices><disk type='nvme'/></devices>": "vfio",
    "<devices><memory model='nvdimm'/></devices>": "vpmem",
    "<devices><memory model='virtio-pmem'/></devices>": "vpmem",
}
PINS_NOTHING = [
    "<memoryBacking><nosharepages/></memoryBacking>",
    "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
    "<memoryBacking><allocation mode='immediate'/></memoryBacking>",
    "<devices><interface type='direct'/></devices>",
    "<devices><interface type='vhostuser'/></devices>",
    "<devices><interface type='bridge'/></devices>",
    "<devices><hostdev mode='subsystem' type='usb'/></devices>",
    "<devices><hostdev mode='subsystem' type='scsi'/></devices>",
    "<devices><memory model='dimm'/></devices>",
    "<devices><disk type='file'/></devices>",
    "",
]


@pytest.mark.parametrize(("inner", "why"), PINS.items())
def test_what_pins(inner: str, why: str) -> None:
    assert pinned_by(etree.fromstring(f"<domain>{inner}</domain>")) == (why,)
    assert why in REASONS


@pytest.mark.parametrize("inner", PINS_NOTHING)
def test_what_pins_nothing(inner: str) -> None:
    assert pinned_by(etree.fromstring(f"<domain>{inner}</domain>")) == ()


def test_each_reason_once() -> None:
    devices = "<interface type='hostdev'/><interface type='vdpa'/><hostdev type='pci'/>"
    document = (
        f"<domain><memoryBacking><locked/></memoryBacking><devices>{devices}</devices></domain>"
    )
    assert pinned_by(etree.fromstring(document)) == ("locked_memory", "vfio")
