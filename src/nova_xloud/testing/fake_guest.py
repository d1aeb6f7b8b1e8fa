# SPDX-License-Identifier: Apache-2.0
"""A libvirt domain and its guest, as a state machine in memory.

The fake answers as libvirt 11.3 with QEMU 11.1 (measured). A removal that times out, and the crash
that follows it, are as with libvirt 9.0 and QEMU 7.2 (measured). Only ``REFUSES`` is not measured:
its answer is from libvirt's own message table.
"""

from __future__ import annotations

from nova_xloud.libvirt.guest_xml import GuestSize
from nova_xloud.testing import vcpu_list
from nova_xloud.testing.behaviour import Behaviour, Power, Rejected, Timing
from nova_xloud.testing.clock import Clock, RealClock
from nova_xloud.testing.cpus import GuestCpus
from nova_xloud.testing.memory import GuestMemory, Statistics


class FakeGuest:
    """One domain and its guest, which is shut off at first.

    :param config: the size in the domain's configuration
    :param definition: further arguments of :meth:`define`
    :ivar power: the state of QEMU
    :ivar persistent: whether the domain has a configuration
    :ivar exists: False once the domain is undefined and off; every call is then refused (42)
    :ivar config: the size in the domain's configuration
    :ivar agent: whether a guest agent answers
    :ivar agent_says: what the agent answers instead of the CPUs online: an error, or any text;
        None: the CPUs online
    :ivar agent_answers_after: seconds that the agent takes to answer
    :ivar busy: whether another call holds the domain; libvirt refuses all other calls after 30 s
    :ivar statistics_fail: whether libvirt cannot read the balloon's statistics
    :ivar boot_id: a number that changes with every start
    :ivar asked_every: the statistics period in seconds, once it was set live; None: as defined
    :ivar memory: the guest's memory; tests may set ``memory.uses_kib`` and others
    :ivar pinned: what pins the guest's memory, as :func:`nova_xloud.libvirt.pinned.pinned_by`
        returns it
    """

    def __init__(
        self,
        config: GuestSize,
        *,
        behaviour: Behaviour = Behaviour.COOPERATIVE,
        timing: Timing | None = None,
        clock: Clock | None = None,
        **definition: bool,
    ) -> None:
        self.timing = timing or Timing()
        self.clock = clock or RealClock()
        self.memory = GuestMemory(self.timing, self.clock)
        self.define(config, **definition)
        self.power = Power.OFF
        self.boot_id = 0
        self.pinned: tuple[str, ...] = ()
        self.agent_says: Rejected | str | None = None
        self.agent_answers_after = 0.0
        self.busy = False
        self.statistics_fail = False
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
        autodeflate: bool = False,
    ) -> None:
        """Define the domain, also again with another configuration while the domain is off.

        :param config: the size in the configuration
        :param persistent: whether the domain keeps its configuration when it stops
        :param agent: whether there is a guest agent
        :param balloon_device: whether there is a balloon
        :param statistics: whether the balloon driver is asked for statistics
        :param autodeflate: whether the guest takes memory back from the balloon before it dies of
            OOM
        """
        self.config = config
        self.persistent = persistent
        self.exists = True
        self.agent = agent
        self.memory.device = balloon_device
        self.memory.collects = balloon_device and statistics
        self.memory.autodeflate = balloon_device and autodeflate

    @staticmethod
    def size(max_vcpus: int, vcpus: int, max_memory_mb: int, memory_mb: int) -> GuestSize:
        """Return a size for :meth:`define`: ``vcpus`` boot-time vCPUs of ``max_vcpus``, and memory.

        Boot-time vCPUs cannot be removed from the running guest; vCPUs added later can.
        """
        each = vcpu_list.at_boot(max_vcpus, vcpus, vcpus)
        return GuestSize(each, max_memory_mb * 1024, memory_mb * 1024)

    def _boot(self, size: GuestSize) -> None:
        self._cpus = GuestCpus(size.each)
        self.memory.boot(maximum_kib=size.max_memory_kib, target_kib=size.memory_kib)
        self.asked_every: int | None = None

    @property
    def active(self) -> bool:
        """Whether there is a QEMU process, running, paused or crashed."""
        return self.power is not Power.OFF

    @property
    def unsettled(self) -> bool:
        """Whether a removal of vCPUs has timed out and has not ended yet.

        Then libvirt's number of vCPUs is too high already, or the guest will still give vCPUs back.
        """
        return bool(self._cpus.dropped or self._cpus.asked_for or self._cpus.late)

    @property
    def behaviour(self) -> Behaviour:
        """How the guest behaves; setting it takes effect from now on."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, value: Behaviour) -> None:
        self._advance()
        self._behaviour = value

    @property
    def uses_kib(self) -> int:
        """The KiB that the guest's programs need; see :class:`GuestMemory`."""
        return self.memory.uses_kib

    @uses_kib.setter
    def uses_kib(self, value: int) -> None:
        self._advance()
        self.memory.uses_kib = value

    @property
    def keeps_kib(self) -> int:
        """The KiB below which the guest gives back no memory."""
        return self.memory.keeps_kib

    @keeps_kib.setter
    def keeps_kib(self, value: int) -> None:
        self._advance()
        self.memory.keeps_kib = value

    @property
    def oom_kills(self) -> int:
        """How often the guest died because it had too little memory, over all boots."""
        self._advance()
        return self.memory.oom_kills

    def start(self, *, arrived: bool = False) -> None:
        """Start the guest from its configuration, or from its saved state if there is one.

        :param arrived: the guest comes by live migration, and its balloon has its size already
        """
        if not self._saved:
            self._boot(self.config)
        if arrived:
            self.memory.actual_kib = self.config.memory_kib
        self._advance()
        self._saved = False
        self.boot_id += 1
        self.power = Power.RUNNING

    def stop(self, *, save: bool = False) -> None:
        """End QEMU; with ``save`` the guest's state is kept, and the next start resumes it.

        A domain without a configuration does not exist afterwards.
        """
        self._advance()
        self._saved = save
        self.power = Power.OFF
        self.exists = self.persistent

    def undefine(self) -> None:
        """Drop the configuration and a saved state.

        A running domain becomes transient and goes on running; one that is off does not exist
        afterwards.
        """
        self.persistent = False
        self.exists = self.active
        self._saved = False

    def pause(self) -> None:
        """Pause the guest."""
        self._advance()
        self.power = Power.PAUSED

    def resume(self) -> None:
        """Resume the guest, which then does what was requested while it was paused.

        It brings added CPUs online and gives vCPUs back, if its behaviour does that.
        """
        self._advance()
        self.power = Power.RUNNING
        self._begin_online()
        gives_back = self._awake and self._behaviour is not Behaviour.REMOVAL_TIMES_OUT
        if self._cpus.asked_for and gives_back:
            self.settle()

    def reset(self) -> None:
        """Let the guest restart itself: in the same QEMU, with its vCPUs and all of its memory."""
        self._advance()
        self.memory.reset()

    def crash(self) -> None:
        """Let the guest crash, with its QEMU process kept (``on_crash`` is ``preserve``)."""
        self._advance()
        self.power = Power.CRASHED

    def settle(self) -> None:
        """Let libvirt get the events of all removals that it has stopped waiting for."""
        self._cpus.settle()

    def memory_kib(self) -> int:
        """Return the balloon's size as QEMU reports it; the maximum if there is no balloon."""
        self._advance()
        return self.memory.told_kib

    def online_ids(self) -> list[int]:
        """Return the ids of the CPUs that are online in the guest."""
        return self._cpus.online(self.clock.now())

    def online(self) -> int:
        """Return how many CPUs are online in the guest."""
        return len(self.online_ids())

    def agent_answers(self) -> bool:
        """Return whether there is an agent, and the guest runs and has not died of OOM."""
        return self.agent and self._awake

    def agent_online(self) -> str | None:
        """Return the ids of the CPUs online, as libvirt has them from the agent: ``0,1,3``.

        :returns: ``agent_says`` if that is a text; None if no agent answers
        :raises Rejected: the domain is busy, or ``agent_says`` is an error
        """
        self.check_free()
        if not self.agent_answers():
            return None
        if self.agent_answers_after:
            self.clock.sleep(self.agent_answers_after)
        if isinstance(self.agent_says, Rejected):
            raise self.agent_says
        return self.agent_says or ",".join(map(str, self.online_ids()))

    def statistics(self) -> Statistics | None:
        """Return what the balloon driver reported last.

        :returns: None if the driver has reported nothing since the last start or reset, or is not
            asked for statistics, or if the guest is off
        """
        self._advance()
        return self.memory.statistics if self.active and self.memory.collects else None

    def has_reported(self) -> bool:
        """Return whether the balloon driver has reported since the last start or reset.

        True also for a driver that is not asked for statistics, and for a guest that is off.
        """
        return not (self.active and self.memory.collects) or self.statistics() is not None

    def driver_reports(self) -> bool | None:
        """Return whether the balloon driver reports in time.

        :returns: None if the driver is not asked for statistics, or the guest is off
        """
        if not (self.active and self.memory.collects):
            return None
        self._advance()
        return self.memory.reports(paused=self.power is not Power.RUNNING)

    def live(self) -> GuestSize:
        """Return the size in libvirt's XML, of the guest or, if it is off, of the configuration."""
        if not self.active:
            return self.config
        self._advance()
        return GuestSize(self._cpus.each, self.config.max_memory_kib, self.memory_kib())

    def memory_stats(self) -> dict[str, int]:
        """Return the same as virDomainMemoryStats, in KiB.

        :raises Rejected: the domain is gone, off or busy, or ``statistics_fail`` is set
        """
        self.check_running()
        self.check_free()
        if self.statistics_fail:
            raise Rejected("VIR_ERR_INTERNAL_ERROR", "unable to execute QEMU command 'qom-get'")
        self._advance()
        return self.memory.stats()

    def check_exists(self) -> None:
        """Raise ``Rejected`` if there is no such domain; else do nothing."""
        if not self.exists:
            raise Rejected("VIR_ERR_NO_DOMAIN", "Domain not found")

    def check_free(self) -> None:
        """Raise ``Rejected`` if another call holds the domain."""
        if self.busy:
            message = (
                "cannot acquire state change lock (held by monitor=remoteDispatchDomainBlockCopy)"
            )
            raise Rejected("VIR_ERR_OPERATION_TIMEOUT", message)

    def check_running(self) -> None:
        """Raise ``Rejected`` if there is no such domain, or if the domain is off."""
        self.check_exists()
        if not self.active:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "domain is not running")

    def set_vcpus(self, count: int, *, live: bool, config: bool, hotpluggable: bool) -> None:
        """Set the number of vCPUs, as virDomainSetVcpusFlags does.

        If a vCPU was dropped without an event (``REMOVAL_TIMES_OUT``), adding one ends QEMU.

        :param live: change the running guest, which takes the time of ``timing``
        :param config: change the configuration
        :param hotpluggable: whether vCPUs that are added to the configuration can be removed again
            from the running guest
        :raises Rejected: with the error that libvirt has (see the module)
        """
        self.check_exists()
        if count == 0:
            raise Rejected("VIR_ERR_INVALID_ARG", "nvcpus must not be zero")
        self._check_affects(live, config)
        if not 0 < count <= self.config.max_vcpus:
            raise Rejected("VIR_ERR_INVALID_ARG", "requested vcpus is greater than max allowable")
        self.check_free()
        if live:
            self._advance()
            grows = count > vcpu_list.count(self._cpus.each)
            self._add(count) if grows else self._remove(count)
        if config:
            each = vcpu_list.configured(self.config.each, count, hotpluggable=hotpluggable)
            self.config = GuestSize(each, self.config.max_memory_kib, self.config.memory_kib)

    def set_memory(self, kib: int, *, live: bool, config: bool) -> None:
        """Set the balloon target or the configured memory, as virDomainSetMemoryFlags does.

        :param live: set the balloon target of the running guest
        :param config: set the memory of the configuration
        :raises Rejected: with the error that libvirt has (see the module)
        """
        self.check_exists()
        if kib == 0:
            raise Rejected("VIR_ERR_INVALID_ARG", "memory must not be zero")
        if kib < 0:
            raise Rejected("VIR_ERR_OVERFLOW", "numerical overflow: input too large")
        self._check_affects(live, config)
        if kib > self.config.max_memory_kib:
            raise Rejected("VIR_ERR_INVALID_ARG", "cannot set memory higher than max memory")
        self.check_free()
        if live and not self.memory.device:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "Unable to change memory without balloon")
        if live:
            self._advance()
            self.memory.tell(kib)
        if config:
            self.config = GuestSize(self.config.each, self.config.max_memory_kib, kib)

    def set_statistics_period(self, seconds: int) -> None:
        """Set the statistics period of the running guest, as virDomainSetMemoryStatsPeriod does.

        :raises Rejected: the domain is gone, off or busy, or has no balloon
        """
        self.check_running()
        self.check_free()
        if not self.memory.device:
            message = "Memory balloon model must be virtio to set the collection period"
            raise Rejected("VIR_ERR_OPERATION_INVALID", message)
        self._advance()
        self.memory.collect_every(seconds)
        self.asked_every = seconds

    def set_online(self, count: int) -> None:
        """Set how many CPUs are online, as virDomainSetVcpusFlags with VIR_DOMAIN_VCPU_GUEST does.

        :raises Rejected: with the error that libvirt has (see the module), or ``agent_says`` if
            that is an error
        """
        self.check_exists()
        if count == 0:
            raise Rejected("VIR_ERR_INVALID_ARG", "nvcpus must not be zero")
        self.check_running()
        if self.power is not Power.RUNNING:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "domain is not running")
        self.check_free()
        if not self.agent:
            raise Rejected("VIR_ERR_ARGUMENT_UNSUPPORTED", "QEMU guest agent is not configured")
        if not self.agent_answers():
            raise Rejected("VIR_ERR_AGENT_UNRESPONSIVE", "Guest agent is not responding")
        if isinstance(self.agent_says, Rejected):
            raise self.agent_says
        self._cpus.set_online(count, self.clock.now())

    def _check_affects(self, live: bool, config: bool) -> None:
        if config and not self.persistent:
            raise Rejected("VIR_ERR_OPERATION_INVALID", "transient domains have no config")
        if live:
            self.check_running()

    def _add(self, count: int) -> None:
        if self._cpus.dropped:
            self.stop()
            raise Rejected("VIR_ERR_SYSTEM_ERROR", "Unable to read from monitor: Connection reset")
        self._cpus.add(count)
        self._begin_online()

    def _begin_online(self) -> None:
        if self._awake and self._behaviour is not Behaviour.NO_ONLINE:
            self._cpus.come_online(self.clock.now() + self.timing.online_seconds)

    def _remove(self, count: int) -> None:
        ids = vcpu_list.to_remove(self._cpus.each, count)
        if ids is None:
            raise Rejected("VIR_ERR_CONFIG_UNSUPPORTED", "no appropriate hotpluggable vcpus")
        for number in ids:
            self._remove_one(number)

    def _remove_one(self, number: int) -> None:
        if self._behaviour is Behaviour.REFUSES:
            raise Rejected("VIR_ERR_OPERATION_FAILED", "unplug of device was rejected by the guest")
        if number in self._cpus.late:
            message = (
                f"unable to execute QEMU command 'device_del': Device vcpu{number} is already "
            )
            raise Rejected("VIR_ERR_INTERNAL_ERROR", f"{message}in the process of unplug")
        if self._awake and self._behaviour is not Behaviour.REMOVAL_TIMES_OUT:
            self._give_back(number)
            return
        self.clock.sleep(self.timing.removal_timeout)
        if self._awake:
            self._cpus.dropped.append(number)
        elif self.active:
            self._cpus.asked_for.append(number)
        raise Rejected("VIR_ERR_OPERATION_TIMEOUT", "vcpu unplug request timed out")

    def _give_back(self, number: int) -> None:
        takes, waits = self.timing.removal_seconds, self.timing.removal_timeout
        if takes <= waits:
            if takes:
                self.clock.sleep(takes)
            self._cpus.remove(number)
            return
        self._cpus.late[number] = self.clock.now() + takes
        self.clock.sleep(waits)
        raise Rejected("VIR_ERR_OPERATION_TIMEOUT", "vcpu unplug request timed out")

    @property
    def _awake(self) -> bool:
        """Whether the guest's own kernel can react to requests."""
        return self.power is Power.RUNNING and not self.memory.dead

    def _advance(self) -> None:
        self.memory.advance(self._behaviour, runs=self.power is Power.RUNNING)
        if self._awake:
            self._cpus.come_back(self.clock.now())
