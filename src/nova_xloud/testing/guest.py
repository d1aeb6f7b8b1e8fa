# SPDX-License-Identifier: Apache-2.0
"""A libvirt domain and the guest in it, as a state machine in memory.

It answers as libvirt 11.3 with QEMU 11.1 was measured to, and for the removal that times out and
the crash that follows it, as libvirt 9.0 with QEMU 7.2. ``REFUSES`` is the one behaviour that is
not measured: its answer is from libvirt's own message table.
"""

from __future__ import annotations

from nova_xloud.libvirt.guest_xml import GuestSize
from nova_xloud.testing import vcpu_list
from nova_xloud.testing.balloon import Balloon
from nova_xloud.testing.behaviour import Behaviour, Power, Rejected, Timing
from nova_xloud.testing.clock import Clock, RealClock


class FakeGuest:
    """One domain and its guest, shut off at first.

    :ivar power: what QEMU does
    :ivar persistent: it has a configuration
    :ivar exists: False once it is undefined and off: every call is then refused (42)
    :ivar config: size in the configuration
    :ivar agent: a guest agent answers
    :ivar keeps_kib: the guest gives back nothing below this
    """

    def __init__(
        self,
        config: GuestSize,
        *,
        behaviour: Behaviour = Behaviour.COOPERATIVE,
        timing: Timing | None = None,
        clock: Clock | None = None,
        persistent: bool = True,
        agent: bool = False,
        balloon_device: bool = True,
        statistics: bool = True,
    ) -> None:
        self.define(config, persistent, agent, balloon_device, statistics)
        self.power = Power.OFF
        self.keeps_kib = 0
        self.timing = timing or Timing()
        self.clock = clock or RealClock()
        self._behaviour = behaviour
        self._saved = False
        self._boot(config)

    def define(
        self,
        config: GuestSize,
        persistent: bool = True,
        agent: bool = False,
        balloon_device: bool = True,
        statistics: bool = True,
    ) -> None:
        """Define it anew while it is off, undefined before or not."""
        self.config = config
        self.persistent = persistent
        self.exists = True
        self.agent = agent
        self.balloon_device = balloon_device
        self.statistics = statistics

    @staticmethod
    def size(max_vcpus: int, vcpus: int, max_memory_mb: int, memory_mb: int) -> GuestSize:
        """A configuration; vCPUs above ``vcpus`` can be removed again."""
        each = vcpu_list.at_boot(max_vcpus, vcpus, vcpus)
        return GuestSize(each, max_memory_mb * 1024, memory_mb * 1024)

    def _boot(self, size: GuestSize) -> None:
        self._each = size.each
        self._balloon = Balloon(size.max_memory_kib, self.timing.balloon_rate)
        self._balloon.target_kib = size.memory_kib
        self._driver_from = self.clock.now() + self.timing.driver_seconds
        self._balloon.advance(self.clock.now(), works_from=None, at_least_kib=0)
        # Hot-added CPUs that the guest does not use yet, and from when it will; None: not in sight.
        self._online_from: dict[int, float | None] = {}
        # Gone from QEMU, but libvirt has not heard of it; asked for while the guest was paused.
        self._dropped: list[int] = []
        self._asked_for: list[int] = []

    @property
    def active(self) -> bool:
        return self.power is not Power.OFF

    @property
    def unsettled(self) -> bool:
        """A removal timed out, and the number of vCPUs is not what libvirt says."""
        return bool(self._dropped or self._asked_for)

    @property
    def behaviour(self) -> Behaviour:
        return self._behaviour

    @behaviour.setter
    def behaviour(self, value: Behaviour) -> None:
        self._advance()
        self._behaviour = value

    def start(self, *, arrived: bool = False) -> None:
        """Start it from its configuration, or from where it was saved.

        :param arrived: it comes from another host, running, with the balloon as it was
        """
        if not self._saved:
            self._boot(self.config)
        if arrived:
            self._balloon.actual_kib = self.config.memory_kib
        self._saved = False
        self.power = Power.RUNNING

    def stop(self, *, save: bool = False) -> None:
        """End QEMU; with ``save``, the next start goes on from here."""
        self._advance()
        self._saved = save
        self.power = Power.OFF
        self.exists = self.persistent

    def undefine(self) -> None:
        """Drop the configuration; a running domain goes on as a transient one."""
        self.persistent = False
        self.exists = self.active
        self._saved = False

    def pause(self) -> None:
        self._advance()
        self.power = Power.PAUSED

    def resume(self) -> None:
        """Go on; what was asked for meanwhile is done now."""
        self._advance()
        self.power = Power.RUNNING
        self._begin_online([i for i, at in self._online_from.items() if at is None])
        if self._asked_for and self._behaviour is not Behaviour.REMOVAL_TIMES_OUT:
            self.settle()

    def settle(self) -> None:
        """A vCPU that libvirt gave up waiting for is reported gone after all."""
        self._each = vcpu_list.changed(self._each, self._dropped + self._asked_for, vcpu_list.OFF)
        self._dropped, self._asked_for = [], []

    def memory_kib(self) -> int:
        """The balloon's actual size; the maximum where there is no balloon."""
        self._advance()
        return self._balloon.actual_kib

    def online(self) -> int:
        """CPUs the guest uses."""
        now = self.clock.now()
        waiting = [i for i, at in self._online_from.items() if at is None or at > now]
        absent = {*waiting, *self._dropped}
        return sum(vcpu.enabled and i not in absent for i, vcpu in enumerate(self._each))

    def agent_answers(self) -> bool:
        return self.agent and self.power is Power.RUNNING

    def driver_reports(self) -> bool | None:
        """Whether memory_stats() has the guest's own figures; None: nobody asks for them."""
        if not (self.active and self.balloon_device and self.statistics):
            return None
        return self._has_driver()

    def live(self) -> GuestSize:
        """The size as libvirt dumps it now: of the running guest, else of the configuration."""
        if not self.active:
            return self.config
        return GuestSize(self._each, self.config.max_memory_kib, self.memory_kib())

    def memory_stats(self) -> dict[str, int]:
        """As virDomainMemoryStats; KiB. What the guest itself reports only with its driver."""
        self.check_running()
        if not self.balloon_device:
            return {"rss": self.memory_kib()}
        actual = self.memory_kib()
        stats = {"actual": actual, "last_update": 0, "rss": actual}
        if self.driver_reports():
            stats |= {"available": actual, "unused": actual // 2, "usable": actual // 2}
            stats["last_update"] = 1
        return stats

    def check_exists(self) -> None:
        if not self.exists:
            raise Rejected("VIR_ERR_NO_DOMAIN", "Domain not found")

    def check_running(self) -> None:
        self.check_exists()
        if not self.active:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "domain is not running")

    def set_vcpus(self, count: int, *, live: bool, config: bool, hotpluggable: bool) -> None:
        """As virDomainSetVcpusFlags.

        :raises Rejected:
        """
        self.check_exists()
        if count == 0:
            raise Rejected("VIR_ERR_INVALID_ARG", "nvcpus must not be zero")
        self._check_affects(live, config)
        if not 0 < count <= self.config.max_vcpus:
            raise Rejected("VIR_ERR_INVALID_ARG", "requested vcpus is greater than max allowable")
        if live:
            self._add(count) if count > vcpu_list.count(self._each) else self._remove(count)
        if config:
            each = vcpu_list.configured(self.config.each, count, hotpluggable=hotpluggable)
            self.config = GuestSize(each, self.config.max_memory_kib, self.config.memory_kib)

    def set_memory(self, kib: int, *, live: bool, config: bool) -> None:
        """As virDomainSetMemoryFlags.

        :raises Rejected:
        """
        self.check_exists()
        if kib == 0:
            raise Rejected("VIR_ERR_INVALID_ARG", "memory must not be zero")
        if kib < 0:
            raise Rejected("VIR_ERR_OVERFLOW", "numerical overflow: input too large")
        self._check_affects(live, config)
        if kib > self.config.max_memory_kib:
            raise Rejected("VIR_ERR_INVALID_ARG", "cannot set memory higher than max memory")
        if live and not self.balloon_device:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "Unable to change memory without balloon")
        if live:
            self._advance()
            self._balloon.target_kib = kib
        if config:
            self.config = GuestSize(self.config.each, self.config.max_memory_kib, kib)

    def _check_affects(self, live: bool, config: bool) -> None:
        if config and not self.persistent:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "transient domains have no config")
        if live:
            self.check_running()

    def _add(self, count: int) -> None:
        if self._dropped:
            self.stop()
            raise Rejected("VIR_ERR_SYSTEM_ERROR", "Unable to read from monitor: Connection reset")
        added = vcpu_list.to_add(self._each, count)
        self._each = vcpu_list.changed(self._each, added, vcpu_list.HOTPLUGGED)
        self._online_from |= dict.fromkeys(added)
        if self.power is Power.RUNNING:
            self._begin_online(added)

    def _begin_online(self, ids: list[int]) -> None:
        if self._behaviour is not Behaviour.NO_ONLINE:
            at = self.clock.now() + self.timing.online_seconds
            self._online_from |= dict.fromkeys(ids, at)

    def _remove(self, count: int) -> None:
        ids = vcpu_list.to_remove(self._each, count)
        if ids is None:
            raise Rejected("VIR_ERR_CONFIG_UNSUPPORTED", "no appropriate hotpluggable vcpus")
        for number in ids:
            self._remove_one(number)

    def _remove_one(self, number: int) -> None:
        if self._behaviour is Behaviour.REFUSES:
            raise Rejected("VIR_ERR_OPERATION_FAILED", "unplug of device was rejected by the guest")
        times_out = self._behaviour is Behaviour.REMOVAL_TIMES_OUT
        if not times_out and self.power is Power.RUNNING:
            self._each = vcpu_list.changed(self._each, [number], vcpu_list.OFF)
            self._online_from.pop(number, None)
            return
        self.clock.sleep(self.timing.removal_timeout)
        if self.power is Power.RUNNING:
            self._dropped.append(number)
        elif self.power is Power.PAUSED:
            self._asked_for.append(number)
        raise Rejected("VIR_ERR_OPERATION_TIMEOUT", "vcpu unplug request timed out")

    def _has_driver(self) -> bool:
        is_up = self._driver_from <= self.clock.now()
        return self.balloon_device and is_up and self._behaviour is not Behaviour.NO_BALLOON_DRIVER

    def _advance(self) -> None:
        refuses = self._behaviour is Behaviour.REFUSES
        works = self.power is Power.RUNNING and self._has_driver()
        self._balloon.advance(
            self.clock.now(),
            works_from=self._driver_from if works else None,
            at_least_kib=self.config.max_memory_kib if refuses else self.keeps_kib,
        )
