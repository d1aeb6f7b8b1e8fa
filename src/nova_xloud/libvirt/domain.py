# SPDX-License-Identifier: Apache-2.0
"""The Domain port over a libvirt domain: the only place that calls libvirt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import libvirt
from lxml import etree

from nova_xloud.core.guest import GuestFigures
from nova_xloud.core.size import Size
from nova_xloud.errors import AgentUnavailable, DomainError
from nova_xloud.libvirt import statistics
from nova_xloud.libvirt.error_codes import BY_NAME, NUMBERS_OF_NEW, error_class
from nova_xloud.libvirt.guest_xml import KIB, defined_size, kib, read_size
from nova_xloud.libvirt.pinned import pinned_by

# How long a guest agent has for one answer; setVcpusFlags needs three.
AGENT_SECONDS = 5
AGENT_CHANNEL = "org.qemu.guest_agent.0"


class VirDomain(Protocol):
    """The calls we use of libvirt-python's virDomain; all sizes of memory in KiB."""

    def name(self) -> str: ...
    def info(self) -> list[int]:
        """[state, maximum memory, memory, vCPUs, CPU time]; memory may be a second old."""

    def XMLDesc(self, flags: int) -> str: ...
    def isPersistent(self) -> int: ...
    def memoryStats(self) -> dict[str, int]: ...
    def guestVcpus(self) -> dict[str, str] | None:
        """{"online": "0-1,3", ...}; None where the driver or the agent has no answer."""

    def agentSetResponseTimeout(self, timeout: int, flags: int) -> int:
        """Seconds that the agent has from now on; VIR_ERR_AGENT_UNRESPONSIVE after them."""

    def setVcpusFlags(self, nvcpus: int, flags: int) -> int: ...
    def setMemoryFlags(self, memory: int, flags: int) -> int: ...


class LibvirtDomain:
    """A libvirt domain: libvirt-python's, Nova's proxy of it, or a fake with the same calls.

    It never verifies: libvirt answers 0 for what the guest will not do, so callers read back.

    :param wall: seconds since 1970, by the clock of the host that runs QEMU
    """

    def __init__(self, dom: VirDomain, wall: Callable[[], float] = time.time) -> None:
        self._dom = dom
        self._wall = wall

    def read(self) -> GuestFigures:
        """See :meth:`nova_xloud.compute.ports.Domain.read`.

        Two calls when it is shut off, five when it runs, more only with a connected agent.
        While another call holds the domain (an unplug waits 5 s) this waits with it, for libvirt's
        30 s at the most.

        :raises DomainNotRunning: it was shut off in between; read again
        """
        state, _, memory_kib, _, _ = self._call("info")
        root = etree.fromstring(self._call("XMLDesc", 0))
        size = read_size(root)
        defined = self._defined(root)
        # Only a domain that QEMU runs has an id; a paused one has too.
        running = root.get("id") is not None
        paused = running and state == libvirt.VIR_DOMAIN_PAUSED
        # Ahead of info() and the XML, which follow an event that QEMU sends once a second.
        stats = self._call("memoryStats") if running else {}
        return GuestFigures(
            running=running,
            paused=paused,
            max_vcpus=size.max_vcpus,
            vcpus=size.vcpus,
            removable_vcpus=size.removable_vcpus,
            max_memory_mb=_mib(size.max_memory_kib),
            memory_mb=_mib(
                _held_kib(root, stats, memory_kib, size.max_memory_kib)
                if running
                else size.memory_kib
            ),
            balloon_driver=self._driver(root, stats, paused=paused) if running else None,
            vcpus_online=None if paused or not _agent_connected(root) else self._online(),
            attached_dimms_mb=_mib(_dimms_kib(root)),
            has_virtiomem=root.find("devices/memory[@model='virtio-mem']") is not None,
            boot_id=int(root.get("id", "")) if running else None,
            usable_mb=statistics.usable_mb(stats),
            # 0 before the first.
            stats_at=stats.get("last_update") or None,
            autodeflate=root.find("devices/memballoon[@autodeflate='on']") is not None,
            defined=defined,
            pinned=pinned_by(root),
        )

    def _defined(self, root: etree._Element) -> Size | None:
        if root.get("id") is not None:
            if not self._call("isPersistent"):
                return None
            root = etree.fromstring(self._call("XMLDesc", libvirt.VIR_DOMAIN_XML_INACTIVE))
        return defined_size(root)

    def ping(self) -> None:
        """See :meth:`nova_xloud.compute.ports.Domain.ping`."""
        self._call("memoryStats")

    def set_vcpus(self, count: int) -> None:
        """See :meth:`nova_xloud.compute.ports.Domain.set_vcpus`."""
        self._call("setVcpusFlags", count, libvirt.VIR_DOMAIN_VCPU_LIVE)

    def set_memory(self, mib: int) -> None:
        """See :meth:`nova_xloud.compute.ports.Domain.set_memory`.

        :raises InvalidSize: 0, negative, or above the maximum
        """
        self._call("setMemoryFlags", mib * KIB, libvirt.VIR_DOMAIN_MEM_LIVE)

    def set_definition(self, size: Size) -> None:
        """See :meth:`nova_xloud.compute.ports.Domain.set_definition`.

        No guest and no QEMU is asked. libvirt takes away the vCPUs with the highest ids, whether
        they can be unplugged from a running guest or not (measured).
        """
        # Without HOTPLUGGABLE a vCPU that is added cannot be removed again.
        of_vcpus = libvirt.VIR_DOMAIN_VCPU_CONFIG | libvirt.VIR_DOMAIN_VCPU_HOTPLUGGABLE
        self._call("setVcpusFlags", size.vcpus, of_vcpus)
        self._call("setMemoryFlags", size.memory_mb * KIB, libvirt.VIR_DOMAIN_MEM_CONFIG)

    def set_vcpus_online(self, count: int) -> None:
        """See :meth:`nova_xloud.compute.ports.Domain.set_vcpus_online`.

        libvirt takes away the CPUs with the lowest ids first, never CPU 0, and by the agent's word
        only those that can go.

        :raises InvalidSize: 0, or more than are present
        :raises DomainNotRunning: shut off or paused
        :raises DomainCallFailed: the agent said no, or knows of too few
        """
        self._give_agent_a_bound()
        self._call("setVcpusFlags", count, libvirt.VIR_DOMAIN_VCPU_GUEST)

    def _give_agent_a_bound(self) -> None:
        """By default libvirt waits for an agent for ever, and the agent is the tenant's."""
        self._call("agentSetResponseTimeout", AGENT_SECONDS, 0)

    def _online(self) -> int | None:
        try:
            self._give_agent_a_bound()
            answer = self._call("guestVcpus")
        except AgentUnavailable:
            return None
        return count_ids(answer["online"]) if answer else None

    def _driver(self, root: etree._Element, stats: dict[str, int], *, paused: bool) -> bool | None:
        balloon = root.find("devices/memballoon")
        if balloon is None or balloon.get("model") == "none":
            return None
        collection = balloon.find("stats")
        period = 0 if collection is None else int(collection.get("period", "0"))
        # A paused guest has not reported since it was paused.
        now = stats.get("last_update", 0) if paused else self._wall()
        if statistics.reports(stats, period=period, now=now):
            return True
        return False if period else None

    def _call(self, method: str, *arguments: int) -> Any:
        try:
            return getattr(self._dom, method)(*arguments)
        except libvirt.libvirtError as error:
            raise translate(error, method, arguments, self._dom.name()) from error


def translate(error: Exception, method: str, arguments: tuple[int, ...], name: str) -> DomainError:
    """Our error for a libvirtError; the message names call, domain and libvirt's own words."""
    code = error.get_error_code()  # type: ignore[attr-defined]
    known = [
        name for name in BY_NAME if getattr(libvirt, name, NUMBERS_OF_NEW.get(name, -1)) == code
    ]
    removes = method == "setVcpusFlags" and arguments[-1] != libvirt.VIR_DOMAIN_VCPU_GUEST
    cls = error_class(known[0] if known else None, of_vcpus=removes)
    call = f"{method}({', '.join(map(str, arguments))})"
    return cls(f"{call} on {name}: {error} (libvirt {code})")


def count_ids(bitmap: str) -> int:
    """How many ids a bitmap as libvirt writes it has: ``0-1,3`` has 3."""
    total = 0
    for part in filter(None, bitmap.split(",")):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total


def _held_kib(root: etree._Element, stats: dict[str, int], current_kib: int, max_kib: int) -> int:
    """The balloon's size; all of the memory where no driver has reported since power-on or reset.

    A guest that resets itself takes all of its memory, and QEMU tells the size from before until a
    driver sets another one (measured); without a driver that is for ever.
    """
    asked_to_report = root.find("devices/memballoon/stats") is not None
    if asked_to_report and stats.get("last_update") == 0:
        return max_kib
    return stats.get("actual", current_kib)


def _agent_connected(root: etree._Element) -> bool:
    """Without this check every read of a guest without an agent would cost a failing call."""
    path = f"devices/channel/target[@name='{AGENT_CHANNEL}'][@state='connected']"
    return root.find(path) is not None


def _dimms_kib(root: etree._Element) -> int:
    return sum(kib(size) for size in root.findall("devices/memory[@model='dimm']/target/size"))


def _mib(size_kib: int) -> int:
    """Rounded up: what is held may be claimed too large, never too small."""
    return -(-size_kib // KIB)
