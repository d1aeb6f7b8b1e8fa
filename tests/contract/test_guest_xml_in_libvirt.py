# SPDX-License-Identifier: Apache-2.0
"""What we write is what libvirt takes: the golden files, defined in the lab's libvirt."""

from __future__ import annotations

import os
import pathlib

import pytest
from lxml import etree

from nova_xloud.libvirt.guest_xml import read_size
from tests.contract.rigs import INACTIVE, Libvirt

GOLDEN = pathlib.Path(__file__).parent.parent / "unit" / "libvirt" / "golden"


@pytest.mark.skipif(os.environ.get("NOVA_XLOUD_LAB") == "0", reason="NOVA_XLOUD_LAB=0: no QEMU")
@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.out.xml")))
def test_libvirt_takes_the_golden_files(lab_qemu: Libvirt, name: str) -> None:
    root = etree.parse(GOLDEN / name).getroot()
    # The lab has no KVM; nothing of the size depends on it.
    root.set("type", "qemu")
    cpu = root.find("cpu")
    if cpu is not None:
        cpu.set("mode", "custom")
        cpu.insert(0, etree.fromstring("<model>qemu64</model>"))
    defined = lab_qemu.connection.defineXML(etree.tostring(root, encoding="unicode"))
    try:
        read_back = etree.fromstring(defined.XMLDesc(INACTIVE))
    finally:
        defined.undefine()
    assert read_size(read_back) == read_size(root)
