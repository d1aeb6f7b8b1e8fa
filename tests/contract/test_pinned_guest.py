# SPDX-License-Identifier: Apache-2.0
"""A guest with pins, NUMA nodes and realtime vCPUs for its maximum, on real libvirt and QEMU."""

from __future__ import annotations

import os
import pathlib

import libvirt
import pytest
from lxml import etree

from nova_xloud.libvirt.guest_xml import apply_size
from tests.contract.rigs import Libvirt, LibvirtGuest

pytestmark = pytest.mark.skipif(
    os.environ.get("NOVA_XLOUD_LAB") == "0", reason="NOVA_XLOUD_LAB=0: no QEMU"
)
# Any two host CPUs do.
FIRST, SECOND = (sorted(os.sched_getaffinity(0)) * 2)[:2]
PINS = [FIRST, SECOND, FIRST, SECOND]
CPUTUNE = (
    "<cputune>"
    + "".join(f"<vcpupin vcpu='{i}' cpuset='{cpu}'/>" for i, cpu in enumerate(PINS))
    + f"<emulatorpin cpuset='{FIRST}'/><vcpusched vcpus='1-3' scheduler='fifo' priority='1'/>"
    "</cputune>"
)
NUMA = (
    "<cpu><numa><cell id='0' cpus='0-1' memory='524288'/>"
    "<cell id='1' cpus='2-3' memory='524288'/></numa></cpu>"
)


def threads(name: str) -> dict[int, tuple[set[int], int]]:
    """Of each vCPU of a domain: the host CPUs that it may run on, and its scheduler."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if f"guest={name}," not in command:
            continue
        for task in (process / "task").iterdir():
            kind, _, rest = (task / "comm").read_text().partition(" ")
            if kind == "CPU":
                thread = int(task.name)
                number = int(rest.partition("/")[0])
                found[number] = (os.sched_getaffinity(thread), os.sched_getscheduler(thread))
    return found


def of_maximum(hypervisor: Libvirt, vcpus: int) -> libvirt.virDomain:
    """A running guest with ``vcpus`` of 4, all else for 4."""
    root = etree.fromstring(hypervisor.xml())
    root.find("vcpu").text = "4"
    apply_size(root, vcpus=vcpus, removable_from=1, memory_kib=512 * 1024)
    root.extend(etree.fromstring(part) for part in (CPUTUNE, NUMA))
    defined = hypervisor.connection.defineXML(etree.tostring(root, encoding="unicode"))
    hypervisor.made.append(defined)
    defined.create()
    return defined


def test_a_vcpu_is_plugged_with_its_pin_and_its_scheduler(lab_qemu: Libvirt) -> None:
    dom = of_maximum(lab_qemu, 1)
    guest = LibvirtGuest(dom, lab_qemu.wall)
    try:
        assert threads(dom.name()) == {0: ({FIRST}, os.SCHED_OTHER)}
        guest.domain.set_vcpus(4)
        lab_qemu.until(guest, lambda read: read.vcpus == 4)
        assert threads(dom.name()) == {
            number: ({PINS[number]}, os.SCHED_FIFO if number else os.SCHED_OTHER)
            for number in range(4)
        }
    finally:
        lab_qemu.close()


def test_unplugged_dedicated_vcpus_in_the_middle_would_not_stay_so(lab_qemu: Libvirt) -> None:
    """Why a mixed guest has all vCPUs up to its highest dedicated one, see docs/decisions.

    With vCPU 1 off and 2 and 3 on, a vCPU more and one less leave 0, 1 and 2.
    """
    root = etree.fromstring(lab_qemu.xml())
    root.find("vcpu").text = "4"
    apply_size(root, vcpus=3, removable_from=1, memory_kib=512 * 1024)
    for entry, on in zip(root.iterfind("vcpus/vcpu"), (True, False, True, True), strict=True):
        entry.attrib.pop("order", None)
        entry.set("enabled", "yes" if on else "no")
    defined = lab_qemu.connection.defineXML(etree.tostring(root, encoding="unicode"))
    lab_qemu.made.append(defined)
    defined.create()
    guest = LibvirtGuest(defined, lab_qemu.wall)
    try:
        assert guest.vcpu_ids() == [0, 2, 3]
        lab_qemu.until(guest, lambda read: read.balloon_driver is True)
        for count in (4, 3):
            lab_qemu.plug(guest, count)
        assert guest.vcpu_ids() == [0, 1, 2]
    finally:
        lab_qemu.close()
