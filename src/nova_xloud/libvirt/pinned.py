# SPDX-License-Identifier: Apache-2.0
"""What in a ``<domain>`` document pins all of the guest's memory in the host's RAM.

VFIO and vhost-vdpa pin what a device may write to, and that is all of it: QEMU then ignores what a
balloon gives back (its ``ram_block_discard_disable``), though the balloon's size changes. A macvtap
interface (``type='direct'``), a USB or SCSI host device and a vhost-user interface pin nothing.
"""

from __future__ import annotations

from lxml import etree

# XPath of what pins, by the code of :mod:`nova_xloud.core.instance.pinned`.
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
    """The reasons, each once; empty for a guest whose balloon frees memory."""
    return tuple(dict.fromkeys(code for code, path in _PINS if root.find(path) is not None))
