# SPDX-License-Identifier: Apache-2.0
"""Find in a ``<domain>`` document what pins all of the guest's memory in the host's RAM.

Huge pages, locked or file-backed memory, persistent memory (vpmem), memory encryption, VFIO and
vhost-vdpa pin it. The last two pin the memory that a device may write to, which is all of it. QEMU
then ignores what a balloon gives back (``ram_block_discard_disable``), though the balloon's size
changes. A macvtap interface (``type='direct'``), a USB or SCSI host device and a vhost-user
interface pin nothing.
"""

from __future__ import annotations

from lxml import etree

# (code of nova_xloud.core.instance.pinned, XPath of an element that pins memory)
_PINS = (
    ("huge_pages", "memoryBacking/hugepages"),
    ("locked_memory", "memoryBacking/locked"),
    ("file_backed_memory", "memoryBacking/source[@type='file']"),
    ("vpmem", "devices/memory[@model='nvdimm']"),
    ("vpmem", "devices/memory[@model='virtio-pmem']"),
    ("memory_encryption", "launchSecurity"),
    ("vfio", "devices/hostdev[@type='pci']"),
    ("vfio", "devices/hostdev[@type='mdev']"),
    ("vfio", "devices/interface[@type='hostdev']"),
    ("vfio", "devices/interface[@type='vdpa']"),
    ("vfio", "devices/disk[@type='nvme']"),
    ("vfio", "devices/disk[@type='vhostvdpa']"),
)


def pinned_by(root: etree._Element) -> tuple[str, ...]:
    """Return a code for each reason why the guest's memory is pinned, each code once.

    Empty if nothing pins the memory, so that a balloon can free memory of the host. The codes are
    those of :mod:`nova_xloud.core.instance.pinned`.

    :param root: the ``<domain>`` document
    """
    return tuple(dict.fromkeys(code for code, path in _PINS if root.find(path) is not None))
