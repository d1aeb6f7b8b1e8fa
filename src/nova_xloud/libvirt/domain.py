# SPDX-License-Identifier: Apache-2.0
"""The adapter of the ``Domain`` port: reads and resizes one libvirt domain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import libvirt
from lxml import etree

from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainBusy, DomainError, DomainNotFound, DomainNotRunning
from nova_xloud.libvirt import memory_stats
from nova_xloud.libvirt.domain_stats import STOPPED_STATES
from nova_xloud.libvirt.error_codes import CONSTANTS, NUMBERS_OF_NEW, Call, error_class
from nova_xloud.libvirt.guest_xml import KIB, defined_size, kib, read_size, stats_period
from nova_xloud.libvirt.pinned import pinned_by

LOG = logging.getLogger(__name__)

AGENT_CHANNEL = "org.qemu.guest_agent.0"


class VirDomain(Protocol):
    """The calls of libvirt-python's virDomain that are used here; memory sizes are in KiB."""

    def name(self) -> str:
        """Return the name of the domain."""

    def info(self) -> list[int]:
        """Return [state, maximum memory in KiB, memory in KiB, vCPUs, CPU time in ns].

        The state is a number ``VIR_DOMAIN_...``. The memory of a running domain may be a second
        old.
        """

    def XMLDesc(self, flags: int) -> str:
        """Return the ``<domain>`` document of the domain as it is now.

        With the flag VIR_DOMAIN_XML_INACTIVE it is that of the persistent definition.
        """

    def isPersistent(self) -> int:
        """Return 1 if the domain has a persistent definition, else 0."""

    def memoryStats(self) -> dict[str, int]:
        """Return the balloon's statistics, as ``{"actual": KiB, "last_update": seconds, ...}``.

        ``last_update`` counts from 1970.
        """

    def guestVcpus(self) -> dict[str, str] | None:
        """Return ``{"online": "0-1,3", ...}`` as the guest's agent answers; None for no answer."""

    def setVcpusFlags(self, nvcpus: int, flags: int) -> int:
        """Set the number of vCPUs. ``flags`` are bits ``VIR_DOMAIN_VCPU_...``.

        LIVE changes the running guest, CONFIG the definition. GUEST has the guest's agent set how
        many CPUs are online.
        """

    def setMemoryFlags(self, memory: int, flags: int) -> int:
        """Set memory in KiB. ``flags`` are bits ``VIR_DOMAIN_MEM_...``.

        LIVE sets the balloon's target in the running guest, CONFIG the memory in the definition.
        """

    def setMemoryStatsPeriod(self, period: int, flags: int) -> int:
        """Set the seconds between two statistics of the balloon's driver; 0 for no statistics."""


AskAgent = Callable[[Callable[[], Any]], Any]


def _at_once(do: Callable[[], Any]) -> Any:
    return do()


class LibvirtDomain:
    """Reads and resizes one libvirt domain.

    A change is not verified: libvirt returns 0 also for changes that the guest will not make, so
    callers have to read the domain again.

    libvirt waits without a limit for a guest agent that has answered libvirt's greeting, unless a
    timeout is set on the domain. Nova's quiesced snapshots rely on the value of that timeout, so it
    is not changed here; ``ask_agent`` may limit the time instead.

    :param dom: libvirt-python's virDomain, Nova's proxy of it, or a fake with the same calls
    :param wall: returns seconds since 1970, by the clock of the host that runs QEMU
    :param direct: the domain without Nova's proxy, for the calls that ``ask_agent`` makes; default:
        ``dom``
    :param ask_agent: takes a call that the guest's agent has to answer, makes it, and returns what
        the call returns or raises what it raises. It may limit how long that takes, as
        :class:`nova_xloud.compute.agents.Agents` does; the default sets no limit
    :param usual_period: the host's ``[libvirt] mem_stats_period_seconds``: the seconds between two
        statistics of the balloon's driver; 0: this host asks no guest for statistics
    """

    def __init__(
        self,
        dom: VirDomain,
        wall: Callable[[], float] = time.time,
        *,
        direct: VirDomain | None = None,
        ask_agent: AskAgent = _at_once,
        usual_period: int = 0,
    ) -> None:
        self._dom = dom
        self._wall = wall
        self._direct = dom if direct is None else direct
        self._ask_agent = ask_agent
        self._usual_period = usual_period

    def read(self, *, agent: bool = True) -> DomainReading:
        """Read the domain once; see :meth:`nova_xloud.compute.ports.Domain.read`.

        A domain that is shut off takes two calls to libvirt, and a running one five (four if it is
        transient). Asking the agent is one more; that is left out if ``agent`` is false, no agent
        is connected, or the domain is paused. While another call holds the domain (an unplug waits
        5 s), the call for the statistics waits too, for at most libvirt's 30 s.

        If the agent does not answer, ``vcpus_online`` is None. If libvirt fails to read the
        balloon's statistics, ``memory_confirmed`` and all that the driver reports are None, and
        ``memory_mb`` may be a second old.

        :raises DomainNotFound: there is no such domain any more
        :raises DomainNotRunning: the domain was shut off between two of the calls; read again
        :raises DomainBusy: another call, or a migration, holds the domain
        :raises DomainCallFailed: libvirt failed a call for another reason
        """
        state, _, memory_kib, _, _ = self._call("info")
        root = etree.fromstring(self._call("XMLDesc", 0))
        size = read_size(root)
        inactive = self._inactive(root)
        # Only a domain that QEMU runs has an id, and a paused domain has one too.
        running = root.get("id") is not None
        paused = running and state in STOPPED_STATES
        # The statistics' "actual" is more current than info() and the XML, which follow an event
        # that QEMU sends once a second.
        stats = self._statistics() if running else {}
        period = stats_period(root)
        usual = max(period, self._usual_period) if period else 0
        return DomainReading(
            running=running,
            paused=paused,
            max_vcpus=size.max_vcpus,
            vcpus=size.vcpus,
            removable_vcpus=size.removable_vcpus,
            max_memory_mb=_mib(size.max_memory_kib),
            memory_mb=_mib((stats or {}).get("actual", memory_kib) if running else size.memory_kib),
            balloon_driver=self._driver(stats, usual, paused=paused) if running else None,
            vcpus_online=(
                self._online(size.vcpus)
                if agent and not paused and _agent_connected(root)
                else None
            ),
            attached_dimms_mb=_mib(_dimms_kib(root)),
            has_virtiomem=root.find("devices/memory[@model='virtio-mem']") is not None,
            boot_id=int(root.get("id", "")) if running else None,
            usable_mb=memory_stats.usable_mb(stats or {}),
            stats_at=memory_stats.last_report(stats or {}),
            autodeflate=root.find("devices/memballoon[@autodeflate='on']") is not None,
            defined=None if inactive is None else defined_size(inactive),
            pinned=pinned_by(root),
            stats_period=period if running else 0,
            usual_stats_period=self._usual_period,
            memory_confirmed=_confirmed(root, stats) if running else True,
            crashed=running and state == libvirt.VIR_DOMAIN_CRASHED,
        )

    def _inactive(self, root: etree._Element) -> etree._Element | None:
        """Return the document of the persistent definition; None if the domain is transient.

        :param root: the document of the domain as it is now. If the domain is shut off, this
            already is the document of the definition, and is returned
        """
        if root.get("id") is None:
            return root
        if not self._call("isPersistent"):
            return None
        return etree.fromstring(self._call("XMLDesc", libvirt.VIR_DOMAIN_XML_INACTIVE))

    def _statistics(self) -> dict[str, int] | None:
        """Return the balloon's statistics of a running domain, as virDomainMemoryStats has them.

        :returns: None if libvirt cannot read them, which is logged as a warning
        :raises DomainBusy: another call, or a migration, holds the domain
        :raises DomainNotFound: there is no such domain any more
        :raises DomainNotRunning: the domain was shut off meanwhile
        """
        try:
            stats: dict[str, int] = self._call("memoryStats")
        except (DomainBusy, DomainNotFound, DomainNotRunning):
            raise
        except DomainError as error:
            LOG.warning(
                "The balloon statistics of a domain cannot be read. Until they can, the domain "
                "counts as having its maximum of memory, which has to be reserved: %s",
                error,
            )
            return None
        return stats

    def ping(self) -> None:
        """Ask QEMU for the balloon's statistics, and drop the answer.

        See :meth:`nova_xloud.compute.ports.Domain.ping`.
        """
        self._call("memoryStats")

    def set_vcpus(self, count: int) -> None:
        """Hot-plug or unplug vCPUs so that the running guest has ``count``.

        See :meth:`nova_xloud.compute.ports.Domain.set_vcpus`.
        """
        self._call("setVcpusFlags", count, libvirt.VIR_DOMAIN_VCPU_LIVE)

    def set_memory(self, mib: int) -> None:
        """Set the balloon's target in the running guest, in MiB.

        See :meth:`nova_xloud.compute.ports.Domain.set_memory`.

        :raises InvalidSize: ``mib`` is 0, negative, or above the maximum
        :raises DomainNotRunning: the domain is shut off
        :raises DomainCallFailed: the domain has no balloon device
        """
        self._call("setMemoryFlags", mib * KIB, libvirt.VIR_DOMAIN_MEM_LIVE)

    def set_statistics_period(self, seconds: int) -> None:
        """Have QEMU ask the balloon driver of the running guest for statistics every ``seconds``.

        See :meth:`nova_xloud.compute.ports.Domain.set_statistics_period`. QEMU restarts its
        timer: the next statistics come ``seconds`` seconds after this call (measured).
        """
        self._call("setMemoryStatsPeriod", seconds, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def set_definition(self, size: Size) -> None:
        """Set vCPUs and memory in the definition, from which the guest starts next.

        See :meth:`nova_xloud.compute.ports.Domain.set_definition`. libvirt changes the
        definition without asking QEMU or the guest. It removes the vCPUs with the highest ids,
        whether they can be unplugged from a running guest or not (measured).
        """
        # Without HOTPLUGGABLE a vCPU that is added cannot be removed again.
        of_vcpus = libvirt.VIR_DOMAIN_VCPU_CONFIG | libvirt.VIR_DOMAIN_VCPU_HOTPLUGGABLE
        self._call("setVcpusFlags", size.vcpus, of_vcpus)
        self._call("setMemoryFlags", size.memory_mb * KIB, libvirt.VIR_DOMAIN_MEM_CONFIG)

    def set_vcpus_online(self, count: int) -> None:
        """Have the guest's agent take CPUs online or offline, so that ``count`` are online.

        See :meth:`nova_xloud.compute.ports.Domain.set_vcpus_online`. libvirt takes offline the
        CPUs with the lowest ids first, never CPU 0, and only CPUs that the agent reports as able to
        go offline.

        :raises InvalidSize: ``count`` is 0, negative, or more than the vCPUs that are present
        :raises DomainNotRunning: the domain is shut off or paused
        :raises AgentUnavailable: the guest has no agent, the agent does not answer, or it refuses,
            for example because too few CPUs can go offline
        """
        self._ask("setVcpusFlags", count, libvirt.VIR_DOMAIN_VCPU_GUEST)

    def _online(self, present: int) -> int | None:
        """Return how many CPUs the guest's agent reports online.

        :param present: how many vCPUs QEMU has
        :returns: None if no agent answers, or if the answer makes no sense (:func:`online_of`)
        """
        try:
            answer = self._ask("guestVcpus")
        except DomainError as error:
            LOG.debug("The guest agent did not report how many CPUs are online: %s", error)
            return None
        return online_of(answer, present)

    def _driver(self, stats: dict[str, int] | None, period: int, *, paused: bool) -> bool | None:
        if not period or not stats:
            return None
        # A paused guest has reported nothing since it was paused: do not count its age.
        now = stats.get("last_update", 0) if paused else self._wall()
        return memory_stats.reports(stats, period=period, now=now) or None

    def _ask(self, method: str, *arguments: int) -> Any:
        """Make a libvirt call that the guest's agent has to answer, and return its result."""
        try:
            return self._ask_agent(lambda: getattr(self._direct, method)(*arguments))
        except libvirt.libvirtError as error:
            raise translate(error, method, arguments, self._dom.name()) from error

    def _call(self, method: str, *arguments: int) -> Any:
        try:
            return getattr(self._dom, method)(*arguments)
        except libvirt.libvirtError as error:
            raise translate(error, method, arguments, self._dom.name()) from error


def translate(error: Exception, method: str, arguments: tuple[int, ...], name: str) -> DomainError:
    """Return, but do not raise, the :class:`~nova_xloud.errors.DomainError` for a libvirtError.

    The message of the returned error has the call, the domain, and libvirt's message and code.

    :param error: a libvirtError
    :param method: the name of libvirt's method
    :param arguments: the arguments of the call, whose flags decide what the error means
    :param name: the name of the domain
    """
    code = error.get_error_code()  # type: ignore[attr-defined]
    known = [
        name for name in CONSTANTS if getattr(libvirt, name, NUMBERS_OF_NEW.get(name, -1)) == code
    ]
    cls = error_class(known[0] if known else None, str(error), _kind(method, arguments))
    call = f"{method}({', '.join(map(str, arguments))})"
    return cls(f"{call} on {name}: {error} (libvirt error {code})")


def _kind(method: str, arguments: tuple[int, ...]) -> Call:
    if method == "guestVcpus":
        return Call.AGENT
    if method != "setVcpusFlags":
        return Call.OTHER
    if arguments[-1] == libvirt.VIR_DOMAIN_VCPU_GUEST:
        return Call.AGENT
    return Call.VCPUS if arguments[-1] & libvirt.VIR_DOMAIN_VCPU_LIVE else Call.OTHER


def count_ids(bitmap: str) -> int:
    """Return the number of ids in a bitmap in libvirt's notation: 3 for ``0-1,3``.

    :raises ValueError: a part of the text is neither a number nor a range of numbers
    """
    total = 0
    for part in filter(None, bitmap.split(",")):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total


def online_of(answer: dict[str, str] | None, present: int) -> int | None:
    """Return how many CPUs are online by an answer of ``guestVcpus``.

    :param answer: comes from the tenant's guest, so it may have any content; None: no answer
    :param present: how many vCPUs QEMU has
    :returns: None if the answer makes no sense: it cannot be read, names no CPU, or names one with
        an id of ``present`` or above
    """
    try:
        bitmap = (answer or {})["online"]
        highest = max(int(part.rpartition("-")[2]) for part in bitmap.split(","))
        online = count_ids(bitmap)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return online if online > 0 and highest < present else None


def _confirmed(root: etree._Element, stats: dict[str, int] | None) -> bool | None:
    """Return :attr:`DomainReading.memory_confirmed` of a running domain.

    False if QEMU asks the balloon's driver for statistics and has got none since power-on or the
    last reset; None if the statistics cannot be read; else True, also if libvirt returns no time of
    the last report.

    :param root: the ``<domain>`` document of the domain as it is now
    :param stats: the balloon's statistics; None if they cannot be read
    """
    if stats is None:
        return None
    asked_to_report = root.find("devices/memballoon/stats") is not None
    has_no_report = "last_update" in stats and memory_stats.last_report(stats) is None
    return not (asked_to_report and has_no_report)


def _agent_connected(root: etree._Element) -> bool:
    """Return whether a guest agent is connected, by the ``<domain>`` document.

    Without this check every read of a guest without an agent would cost a failing call.
    """
    path = f"devices/channel/target[@name='{AGENT_CHANNEL}'][@state='connected']"
    return root.find(path) is not None


def _dimms_kib(root: etree._Element) -> int:
    return sum(kib(size) for size in root.findall("devices/memory[@model='dimm']/target/size"))


def _mib(size_kib: int) -> int:
    """Return KiB as MiB, rounded up: a claim may be too large, but never too small."""
    return -(-size_kib // KIB)
