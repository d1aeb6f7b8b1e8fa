# SPDX-License-Identifier: Apache-2.0
"""A fake guest with the methods of libvirt-python's virDomain, for Nova's fake libvirt.

:class:`VirDomainFace` is mixed over the ``Domain`` of ``nova.tests.fixtures.libvirt`` by
:class:`nova_xloud.testing.fixture.FakeLibvirtFixture`; this module needs neither.
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
CRASHED = 6
XML_INACTIVE = 2
AGENT_CHANNEL = "devices/channel/target[@name='org.qemu.guest_agent.0']"

Answer = TypeVar("Answer")


class Hypervisor(Protocol):
    """Who makes the guests: the fixture."""

    def make_guest(self, domain: Any, root: etree._Element, *, transient: bool) -> FakeGuest:
        """The guest of a domain that was just defined from ``root``."""

    def libvirt_error(self, rejected: Rejected) -> Exception:
        """The libvirtError for it."""


class VirDomainFace:
    """The calls on a domain that tell or change its size, or begin or end it.

    Everything else is the base's: names, devices, snapshots, jobs.
    """

    hypervisor: ClassVar[Hypervisor]

    agent_timeout: int | None = None
    """What the domain's agent was given by :meth:`agentSetResponseTimeout`; others rely on it."""

    def __init__(self, connection: Any, xml: str, running: bool = False, transient: bool = False):
        super().__init__(connection, xml, running, transient)  # type: ignore[call-arg]
        # What Nova's base keeps of itself, under the names it has there.
        self._base: Any = super()
        self.connection = connection
        self._state: int
        root = etree.fromstring(xml)
        # libvirt tells vCPUs one by one only if it was told so, or has hot-plugged one.
        self._listed = root.find("vcpus") is not None
        self._balloon = root.find("devices/memballoon")
        # Nova's fake forgets them; see nova_xloud.libvirt.pinned.
        self._pins = [root.find(tag) for tag in ("memoryBacking", "launchSecurity")]
        self._agent_channel = root.find(AGENT_CHANNEL) is not None
        self.guest = self.hypervisor.make_guest(self, root, transient=transient)
        if running:
            self.guest.start(arrived=True)

    def createWithFlags(self, flags: int) -> None:
        self._base.createWithFlags(flags)
        self.guest.start()

    def destroy(self) -> None:
        self.guest.stop()
        self._base.destroy()

    def shutdown(self) -> None:
        self.guest.stop()
        self._base.shutdown()

    def managedSave(self, flags: int = 0) -> None:
        self.guest.stop(save=True)
        self._base.managedSave(flags)

    def undefine(self) -> None:
        self.guest.undefine()
        self._base.undefine()

    def suspend(self) -> None:
        self.guest.pause()
        self._base.suspend()

    def resume(self) -> None:
        self.guest.resume()
        self._base.resume()

    def ID(self) -> int:
        return self.guest.boot_id if self.guest.active else -1

    def isPersistent(self) -> int:
        return int(self.guest.persistent)

    def state(self, flags: int = 0) -> list[int]:
        self._answered(self.guest.check_exists)
        return [self._state_now(), 0]

    def _state_now(self) -> int:
        return CRASHED if self.guest.power is Power.CRASHED else self._state

    def info(self) -> list[int]:
        self._answered(self.guest.check_exists)
        size = self.guest.live()
        return [self._state_now(), size.max_memory_kib, size.memory_kib, size.vcpus, 123456789]

    def memoryStats(self) -> dict[str, int]:
        return self._answered(self.guest.memory_stats)

    def maxVcpus(self) -> int:
        self._answered(self.guest.check_running)
        return self.guest.live().max_vcpus

    def vcpusFlags(self, flags: int = 0) -> int:
        """vCPUs, or with MAXIMUM the maximum, or with GUEST those the guest uses."""
        if flags & LIVE:
            self._answered(self.guest.check_running)
        self._answered(self.guest.check_exists)
        if flags & GUEST:
            return self.guest.online()
        size = self.guest.config if flags & CONFIG else self.guest.live()
        return size.max_vcpus if flags & MAXIMUM else size.vcpus

    def vcpus(self) -> tuple[list[Any], list[Any]]:
        enabled = [i for i, vcpu in enumerate(self.guest.live().each) if vcpu.enabled]
        return [(i, 1, 120405, i) for i in enabled], [(True,) * 4 for _ in enabled]

    def agentSetResponseTimeout(self, timeout: int, flags: int = 0) -> int:
        self.agent_timeout = timeout
        return 0

    def guestVcpus(self, flags: int = 0) -> dict[str, str] | None:
        """As libvirt-python: None, and no error, where there is no agent."""
        online = self._answered(self.guest.agent_online)
        if online is None:
            return None
        last = self.guest.live().vcpus - 1
        return {"vcpus": f"0-{last}", "online": online, "offlinable": f"1-{last}"}

    def setVcpusFlags(self, nvcpus: int, flags: int = 0) -> int:
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
        def call() -> None:
            live, config = self._affects(flags)
            self.guest.set_memory(memory, live=live, config=config)

        self._answered(call)
        return 0

    def setMemoryStatsPeriod(self, period: int, flags: int = 0) -> int:
        self._answered(lambda: self.guest.set_statistics_period(period))
        return 0

    def stats(self, groups: int) -> dict[str, int]:
        """Its record in what getAllDomainStats returns."""
        size = self.guest.live()
        record: dict[str, int] = {}
        if groups & STATS_STATE:
            record["state.state"] = self._state_now()
        if groups & STATS_VCPU:
            record |= {"vcpu.current": size.vcpus, "vcpu.maximum": size.max_vcpus}
        if groups & STATS_BALLOON:
            record |= {"balloon.current": size.memory_kib, "balloon.maximum": size.max_memory_kib}
            # Of one that is busy libvirt tells what it knows without asking QEMU.
            asked = self.guest.active and not self.guest.busy and not self.guest.statistics_fail
            if asked and self._balloon is not None:
                record["balloon.last-update"] = self.guest.memory_stats().get("last_update", 0)
        return record

    def XMLDesc(self, flags: int) -> str:
        """The base's, with the size, the balloon and the agent's channel as they are."""
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
        """Which of the running guest and the configuration; with neither flag, what is there."""
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
    """virConnect.getAllDomainStats: of each domain the groups of figures that ``stats`` names."""
    return [(dom, dom.stats(stats)) for dom in list(connection._vms.values())]
