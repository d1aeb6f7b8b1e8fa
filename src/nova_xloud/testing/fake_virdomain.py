# SPDX-License-Identifier: Apache-2.0
"""A fake guest with the methods of libvirt-python's virDomain, for Nova's fake libvirt.

:class:`nova_xloud.testing.fixture.FakeLibvirtFixture` mixes :class:`VirDomainFace` into the
``Domain`` of ``nova.tests.fixtures.libvirt``. This module imports neither of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

from lxml import etree

from nova_xloud.libvirt.guest_xml import GuestSize, apply_size
from nova_xloud.testing.behaviour import Power, Rejected
from nova_xloud.testing.fake_guest import FakeGuest

LIVE, CONFIG, MAXIMUM, GUEST, HOTPLUGGABLE = 1, 2, 4, 8, 16
STATS_STATE, STATS_BALLOON, STATS_VCPU, STATS_NOWAIT = 1, 4, 8, 0x20000000
STATS_RUNNING, RUNNING_STATES = 16, (1, 2)
VCPU_RUNNING = 1
# Names of virDomainMemoryStats that getAllDomainStats spells in another way.
_STATS_NAMES = {"last_update": "last-update"}
CRASHED = 6
XML_INACTIVE = 2
AGENT_CHANNEL = "devices/channel/target[@name='org.qemu.guest_agent.0']"

Answer = TypeVar("Answer")


class Hypervisor(Protocol):
    """What a :class:`VirDomainFace` needs of the fixture: new guests, and errors of libvirt."""

    def make_guest(self, domain: Any, root: etree._Element, *, transient: bool) -> FakeGuest:
        """Return the guest of a new domain object.

        If the domain is defined again while it is off, that is the guest that the domain had
        before; else it is a new guest.

        :param domain: the domain object
        :param root: the element ``<domain>`` of the domain's XML
        :param transient: whether the domain is without a persistent configuration
        """

    def libvirt_error(self, rejected: Rejected) -> Exception:
        """Return the ``libvirtError`` with the code and the message of ``rejected``."""


class VirDomainFace:
    """The methods of virDomain that read or change a domain's size, or start or stop the domain.

    Except :meth:`stats`, each has the name and the arguments of libvirt-python's method, and does
    the same to a :class:`FakeGuest`. Nova's fake ``Domain``, the base class, has the other methods:
    names, devices, snapshots, jobs.
    """

    hypervisor: ClassVar[Hypervisor]

    agent_timeout: int | None = None
    """The seconds set by :meth:`agentSetResponseTimeout`, for tests; None if it was not called."""

    def __init__(self, connection: Any, xml: str, running: bool = False, transient: bool = False):
        super().__init__(connection, xml, running, transient)  # type: ignore[call-arg]
        # The methods and the state of Nova's fake, under their own names.
        self._base: Any = super()
        self.connection = connection
        self._state: int
        root = etree.fromstring(xml)
        # libvirt's XML lists vCPUs one by one only if the definition did, or one was hot-plugged.
        self._listed = root.find("vcpus") is not None
        self._balloon = root.find("devices/memballoon")
        # Nova's fake drops these elements, which nova_xloud.libvirt.pinned reads.
        self._pins = [root.find(tag) for tag in ("memoryBacking", "launchSecurity")]
        self._agent_channel = root.find(AGENT_CHANNEL) is not None
        self.guest = self.hypervisor.make_guest(self, root, transient=transient)
        if running:
            self.guest.start(arrived=True)

    def createWithFlags(self, flags: int) -> None:
        """Start the guest."""
        self._base.createWithFlags(flags)
        self.guest.start()

    def destroy(self) -> None:
        """End QEMU."""
        self.guest.stop()
        self._base.destroy()

    def shutdown(self) -> None:
        """Shut the guest down; the fake is off when this returns."""
        self.guest.stop()
        self._base.shutdown()

    def managedSave(self, flags: int = 0) -> None:
        """Save the guest's state and end QEMU."""
        self.guest.stop(save=True)
        self._base.managedSave(flags)

    def managedSaveRemove(self, flags: int = 0) -> None:
        """Drop the guest's saved state; Nova's fake has no default for ``flags``."""
        self.guest.forget_saved()
        self._base.managedSaveRemove(flags)

    def undefine(self) -> None:
        """Drop the domain's configuration."""
        self.guest.undefine()
        self._base.undefine()

    def suspend(self) -> None:
        """Pause the guest."""
        self.guest.pause()
        self._base.suspend()

    def resume(self) -> None:
        """Resume the paused guest."""
        self.guest.resume()
        self._base.resume()

    def ID(self) -> int:
        """Return the domain's id, a new one after each start; -1 while the domain is off."""
        return self.guest.boot_id if self.guest.active else -1

    def isPersistent(self) -> int:
        """Return 1 if the domain has a configuration, else 0."""
        return int(self.guest.persistent)

    def state(self, flags: int = 0) -> list[int]:
        """Return the state of the domain (``VIR_DOMAIN_...``), and 0 for the reason."""
        self._answered(self.guest.check_exists)
        return [self._state_now(), 0]

    def _state_now(self) -> int:
        return CRASHED if self.guest.power is Power.CRASHED else self._state

    def info(self) -> list[int]:
        """Return the state, the maximum memory and the memory in KiB, the vCPUs, and the CPU time.

        The CPU time is a constant.
        """
        self._answered(self.guest.check_exists)
        size = self.guest.live()
        return [self._state_now(), size.max_memory_kib, size.memory_kib, size.vcpus, 123456789]

    def memoryStats(self) -> dict[str, int]:
        """Return the balloon's statistics in KiB, and ``last_update`` in seconds since 1970."""
        return self._answered(self.guest.memory_stats)

    def maxVcpus(self) -> int:
        """Return the maximum of vCPUs of the running guest; raise ``libvirtError`` if it is off."""
        self._answered(self.guest.check_running)
        return self.guest.live().max_vcpus

    def vcpusFlags(self, flags: int = 0) -> int:
        """Return the number of vCPUs; with MAXIMUM the maximum, with GUEST the CPUs online.

        With CONFIG the figures are those of the configuration.
        """
        if flags & LIVE:
            self._answered(self.guest.check_running)
        self._answered(self.guest.check_exists)
        if flags & GUEST:
            return self.guest.online()
        size = self.guest.config if flags & CONFIG else self.guest.live()
        return size.max_vcpus if flags & MAXIMUM else size.vcpus

    def vcpus(self) -> tuple[list[Any], list[Any]]:
        """Return the enabled vCPUs, and for each the host CPUs that it may use.

        Only the number and the ids of the vCPUs are those of the guest; the rest is constant.
        """
        enabled = [i for i, vcpu in enumerate(self.guest.live().each) if vcpu.enabled]
        return [(i, 1, 120405, i) for i in enabled], [(True,) * 4 for _ in enabled]

    def agentSetResponseTimeout(self, timeout: int, flags: int = 0) -> int:
        """Keep ``timeout`` in ``agent_timeout``; the fake does not use it. Return 0."""
        self.agent_timeout = timeout
        return 0

    def guestVcpus(self, flags: int = 0) -> dict[str, str] | None:
        """Return ids of the guest's CPUs: ``vcpus``, ``online`` and ``offlinable``.

        It is None if no agent answers, as libvirt-python returns it.
        """
        online = self._answered(self.guest.agent_online)
        if online is None:
            return None
        last = self.guest.live().vcpus - 1
        return {"vcpus": f"0-{last}", "online": online, "offlinable": f"1-{last}"}

    def setVcpusFlags(self, nvcpus: int, flags: int = 0) -> int:
        """Set the number of vCPUs, or with GUEST how many CPUs are online. Return 0."""

        def call() -> None:
            if flags & GUEST:
                self.guest.set_online(nvcpus)
                return
            live, config = self._affects(flags)
            hotpluggable = bool(flags & HOTPLUGGABLE)
            self.guest.set_vcpus(nvcpus, live=live, config=config, hotpluggable=hotpluggable)

        self._answered(call)
        return 0

    def setMemoryFlags(self, memory: int, flags: int = 0) -> int:
        """Set the balloon target (LIVE) or the configured memory (CONFIG), in KiB. Return 0."""

        def call() -> None:
            live, config = self._affects(flags)
            self.guest.set_memory(memory, live=live, config=config)

        self._answered(call)
        return 0

    def setMemoryStatsPeriod(self, period: int, flags: int = 0) -> int:
        """Set the seconds between two statistics of the running guest's balloon. Return 0."""
        self._answered(lambda: self.guest.set_statistics_period(period))
        return 0

    def stats(self, groups: int) -> dict[str, int]:
        """Return the figures of this domain that getAllDomainStats returns, by name.

        Memory is in KiB, times of vCPUs are in nanoseconds.

        :param groups: the groups of figures, as bits ``STATS_...``
        """
        size = self.guest.live()
        record: dict[str, int] = {}
        if groups & STATS_STATE:
            record["state.state"] = self._state_now()
        if groups & STATS_VCPU:
            record |= {"vcpu.current": size.vcpus, "vcpu.maximum": size.max_vcpus}
            if self.guest.active:
                record |= self._vcpu_stats()
        if groups & STATS_BALLOON:
            record |= {"balloon.current": size.memory_kib, "balloon.maximum": size.max_memory_kib}
            # For a busy domain libvirt returns only what it knows without asking QEMU.
            asked = self.guest.active and not self.guest.busy and not self.guest.statistics_fail
            if asked and self._balloon is not None:
                record |= {
                    f"balloon.{_STATS_NAMES.get(name, name)}": value
                    for name, value in self.guest.memory_stats().items()
                    if name != "actual"
                }
        return record

    def _vcpu_stats(self) -> dict[str, int]:
        """Return the state and the times (ns) of each plugged vCPU: ``{"vcpu.0.time": 5, ...}``."""
        record: dict[str, int] = {}
        for number, (used, waited) in self.guest.vcpu_times().items():
            record[f"vcpu.{number}.state"] = VCPU_RUNNING
            record[f"vcpu.{number}.time"] = used
            record[f"vcpu.{number}.wait"] = 0
            record[f"vcpu.{number}.delay"] = waited
        return record

    def XMLDesc(self, flags: int) -> str:
        """Return the XML of Nova's fake domain, and add what that XML lacks.

        Added are the size, the balloon, the statistics period, the agent channel, and the elements
        that pin memory. With ``XML_INACTIVE``, or if the domain is off, the size is that of the
        configuration.
        """
        self._answered(self.guest.check_exists)
        inactive = bool(flags & XML_INACTIVE) or not self.guest.active
        root = etree.fromstring(self._base.XMLDesc(flags))
        if not inactive:
            root.set("id", str(self.ID()))
        self._put_size(root, self.guest.config if inactive else self.guest.live())
        self._put_devices(root)
        period = root.find("devices/memballoon/stats")
        if period is not None and self.guest.asked_every and not inactive:
            period.set("period", str(self.guest.asked_every))
        return str(etree.tostring(root, encoding="unicode"))

    def _put_size(self, root: etree._Element, size: GuestSize) -> None:
        listed = self._listed or size.removable_vcpus
        first = next((i for i, v in enumerate(size.each) if v.hotpluggable), size.max_vcpus)
        removable_from = min(first, size.vcpus)
        apply_size(
            root, vcpus=size.vcpus, removable_from=removable_from, memory_kib=size.memory_kib
        )
        if not listed:
            root.remove(root.find("vcpus"))
        if size.vcpus == size.max_vcpus:
            del root.find("vcpu").attrib["current"]

    def _put_devices(self, root: etree._Element) -> None:
        devices = root.find("devices")
        for pin in self._pins:
            if pin is not None and root.find(pin.tag) is None:
                root.append(etree.fromstring(etree.tostring(pin)))
        if self._balloon is not None:
            devices.remove(devices.find("memballoon"))
            devices.append(etree.fromstring(etree.tostring(self._balloon)))
        if self._agent_channel:
            state = "connected" if self.guest.agent_answers() else "disconnected"
            channel = etree.SubElement(devices, "channel", type="unix")
            name = "org.qemu.guest_agent.0"
            etree.SubElement(channel, "target", type="virtio", name=name, state=state)

    def _affects(self, flags: int) -> tuple[bool, bool]:
        """Return whether a call changes the running guest, and whether it changes the definition.

        With neither LIVE nor CONFIG it changes the running guest or, if the domain is off, the
        definition.
        """
        if flags & (LIVE | CONFIG):
            return bool(flags & LIVE), bool(flags & CONFIG)
        return self.guest.active, not self.guest.active

    def _answered(self, call: Callable[[], Answer]) -> Answer:
        was_active = self.guest.active
        try:
            return call()
        except Rejected as rejected:
            raise self.hypervisor.libvirt_error(rejected) from rejected
        finally:
            if was_active and self.guest.power is Power.OFF:
                self._base.destroy()


def all_domain_stats(
    connection: Any, stats: int, flags: int = 0
) -> list[tuple[Any, dict[str, int]]]:
    """Return each domain of a connection with its figures, as virConnect.getAllDomainStats does.

    :param stats: the groups of figures, as bits ``STATS_...``
    :param flags: with ``STATS_RUNNING`` only domains that run and are not paused; other flags have
        no effect
    """
    return [
        (dom, dom.stats(stats))
        for dom in list(connection._vms.values())
        if not flags & STATS_RUNNING or dom.state()[0] in RUNNING_STATES
    ]
