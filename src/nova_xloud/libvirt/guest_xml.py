# SPDX-License-Identifier: Apache-2.0
"""Write and read sizes in a libvirt ``<domain>`` document that is parsed with lxml.

What libvirt accepts was measured on libvirt 11.3 and QEMU 11.1:

* vCPU 0 has to be enabled and not hotpluggable, else VIR_ERR_CONFIG_UNSUPPORTED;
* vCPUs that are not hotpluggable have to be enabled, and come before all others;
* ``order`` is on all enabled vCPUs or on none; libvirt itself leaves a stale ``order`` on a vCPU
  that it removed, and fills it in for a running domain;
* with ``<vcpus>`` its enabled vCPUs are counted, whatever ``current`` is;
* a ``<currentMemory>`` above ``<memory>`` is not an error: it is silently made equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from nova_xloud.core.size import Size

KIB = 1024
# https://libvirt.org/formatdomain.html#memory-allocation; a size without unit is KiB.
UNIT_BYTES = {
    **{"b": 1, "bytes": 1},
    **{"KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4},
    **{"k": KIB, "KiB": KIB, "M": KIB**2, "MiB": KIB**2},
    **{"G": KIB**3, "GiB": KIB**3, "T": KIB**4, "TiB": KIB**4},
}


@dataclass(frozen=True, slots=True)
class Vcpu:
    """One vCPU, as its ``<vcpu>`` in ``<vcpus>`` describes it."""

    enabled: bool
    hotpluggable: bool


@dataclass(frozen=True, slots=True)
class GuestSize:
    """The size of a guest by its ``<domain>`` document.

    :ivar each: every vCPU up to the maximum, in the order of the ids. If the document has no
        ``<vcpus>``, the first ``current`` vCPUs are enabled and not hotpluggable, which is how
        libvirt completes such a document
    :ivar max_memory_kib: ``<memory>`` in KiB, which includes hot-plugged DIMMs
    :ivar memory_kib: ``<currentMemory>`` in KiB; ``<memory>`` if that element is absent
    """

    each: tuple[Vcpu, ...]
    max_memory_kib: int
    memory_kib: int

    @property
    def max_vcpus(self) -> int:
        """The maximum number of vCPUs."""
        return len(self.each)

    @property
    def vcpus(self) -> int:
        """The number of enabled vCPUs."""
        return sum(vcpu.enabled for vcpu in self.each)

    @property
    def removable_vcpus(self) -> int:
        """The number of enabled vCPUs that can be removed while the guest runs."""
        return sum(vcpu.enabled and vcpu.hotpluggable for vcpu in self.each)


def apply_size(root: etree._Element, *, vcpus: int, removable_from: int, memory_kib: int) -> None:
    """Set the size that a guest starts with in its ``<domain>``, in place; the maximum stays.

    Sets ``<vcpu current>``, and puts ``<currentMemory>`` after ``<memory>`` and ``<vcpus>`` after
    ``<vcpu>``. A second call replaces what the first one has set.

    :param vcpus: how many vCPUs are enabled, from id 0 up
    :param removable_from: vCPUs from this id up can be removed while the guest runs. vCPU 0 never
        can, so 0 is the same as 1
    :param memory_kib: the balloon's target at start, KiB
    :raises ValueError: unless 1 <= vcpus <= maximum, 0 <= removable_from <= vcpus and
        1 <= memory_kib <= maximum: libvirt would refuse other values, or change them silently.
        Also if the document has no ``<vcpu>`` or no ``<memory>``, or one of them has no number
    """
    vcpu = _child(root, "vcpu")
    maximum = int(vcpu.text or "")
    memory = _child(root, "memory")
    if not (1 <= vcpus <= maximum and 0 <= removable_from <= vcpus):
        raise ValueError(
            f"a guest of at most {maximum} vCPUs cannot start with {vcpus} vCPUs that are "
            f"removable from id {removable_from}"
        )
    if not 1 <= memory_kib <= kib(memory):
        raise ValueError(
            f"a guest of at most {kib(memory)} KiB cannot start with {memory_kib} KiB of memory"
        )

    vcpu.set("current", str(vcpus))
    _replace_after(vcpu, _vcpus(vcpus, max(removable_from, 1), maximum))
    current_memory = etree.Element("currentMemory")
    current_memory.text = str(memory_kib)
    _replace_after(memory, current_memory)


def read_size(root: etree._Element) -> GuestSize:
    """Return the size in a ``<domain>`` document that Nova or libvirt has written.

    :raises ValueError: the document has no ``<vcpu>`` or no ``<memory>``, or one of them has no
        number
    :raises KeyError: a size of memory has a unit that libvirt does not document
    """
    vcpu = _child(root, "vcpu")
    maximum = int(vcpu.text or "")
    current = int(vcpu.get("current", maximum))
    each = [Vcpu(enabled=i < current, hotpluggable=i >= current) for i in range(maximum)]
    listed = root.findall("vcpus/vcpu")
    if listed:
        # vCPUs that are not listed are off.
        each = [Vcpu(enabled=False, hotpluggable=True)] * maximum
    for entry in listed:
        each[int(entry.get("id", ""))] = Vcpu(
            enabled=entry.get("enabled") == "yes",
            hotpluggable=entry.get("hotpluggable") == "yes",
        )
    memory = kib(_child(root, "memory"))
    current_memory = root.find("currentMemory")
    return GuestSize(
        each=tuple(each),
        max_memory_kib=memory,
        memory_kib=memory if current_memory is None else kib(current_memory),
    )


def defined_size(root: etree._Element) -> Size:
    """Return the size that a guest starts with by its ``<domain>``, memory rounded up to MiB.

    :raises ValueError: as in :func:`read_size`
    :raises KeyError: as in :func:`read_size`
    """
    size = read_size(root)
    return Size(size.vcpus, -(-size.memory_kib // KIB))


def stats_period(root: etree._Element) -> int:
    """Return the seconds between two statistics that QEMU asks the balloon's driver for.

    0 if QEMU does not ask for statistics, or the guest has no balloon.
    """
    balloon = root.find("devices/memballoon")
    if balloon is None or balloon.get("model") == "none":
        return 0
    collection = balloon.find("stats")
    return 0 if collection is None else int(collection.get("period", "0"))


def kib(element: etree._Element) -> int:
    """Return the memory size in an element such as ``<memory>``, in KiB, rounded up.

    :raises ValueError: the element has no number
    :raises KeyError: the element has a unit that libvirt does not document
    """
    size = int(element.text or "") * UNIT_BYTES[element.get("unit", "KiB")]
    return -(-size // KIB)


def _vcpus(enabled: int, removable_from: int, maximum: int) -> etree._Element:
    vcpus = etree.Element("vcpus")
    for number in range(maximum):
        entry = etree.SubElement(
            vcpus,
            "vcpu",
            id=str(number),
            enabled="yes" if number < enabled else "no",
            hotpluggable="yes" if number >= removable_from else "no",
        )
        if number < enabled:
            entry.set("order", str(number + 1))
    return vcpus


def _child(root: etree._Element, name: str) -> etree._Element:
    found = root.find(name)
    if found is None:
        raise ValueError(f"<{root.tag}> has no <{name}>")
    return found


def _replace_after(element: etree._Element, new: etree._Element) -> None:
    parent = element.getparent()
    if parent is None:
        raise ValueError(f"<{element.tag}> has no parent element")
    for old in parent.findall(new.tag):
        parent.remove(old)
    # In lxml the whitespace that follows an element is its tail: keep it where it was.
    new.tail, element.tail = element.tail, None
    element.addnext(new)
