# SPDX-License-Identifier: Apache-2.0
"""A libvirt domain and its guest, as a state machine in memory.

The fake answers as libvirt 11.3 with QEMU 11.1 (measured). A removal that times out, and the crash
that follows it, are as with libvirt 9.0 and QEMU 7.2 (measured). The error of ``REFUSES`` is not
measured: it is from libvirt's own message table.
"""

from __future__ import annotations

from nova_xloud.libvirt.guest_xml import GuestSize
from nova_xloud.testing import vcpu_list
from nova_xloud.testing.behaviour import Behaviour, Power, Rejected, Timing
from nova_xloud.testing.clock import Clock, RealClock
from nova_xloud.testing.cpus import GuestCpus
from nova_xloud.testing.load import GuestLoad
from nova_xloud.testing.memory import GuestMemory, Statistics


class FakeGuest:
    """One libvirt domain and its guest, which is shut off at first.

    :param config: the size in the domain's configuration
    :param clock: default: real time
    :param definition: further arguments of :meth:`define`
    :ivar power: the state of QEMU
    :ivar persistent: whether the domain has a configuration
    :ivar exists: False once the domain is off and has no configuration; the methods ``set_...`` and
        :meth:`memory_stats` are then refused with VIR_ERR_NO_DOMAIN (42)
    :ivar config: the size in the domain's configuration
    :ivar agent: whether the guest has an agent
    :ivar agent_says: what the agent answers when it is asked for the CPUs online: an error, or a
        text; None: the ids of these CPUs
    :ivar agent_answers_after: seconds that the agent takes to say which CPUs are online
    :ivar busy: whether another call holds the domain. A call that needs the domain is then refused
        at once; libvirt refuses it after 30 s
    :ivar statistics_fail: whether libvirt cannot read the balloon's statistics
    :ivar boot_id: the number of starts so far
    :ivar asked_every: the statistics period in seconds that was set in the running guest; None
        while its period is as defined
    :ivar memory: the guest's memory and its balloon
    :ivar load: the CPU time that the guest uses; set it with :meth:`work`
    :ivar pinned: the codes of what pins the guest's memory, as
        :func:`nova_xloud.libvirt.pinned.pinned_by` returns them
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
        self.load = GuestLoad(self.clock)
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
        """Define the domain, or replace its configuration while it is off.

        :param config: the size in the configuration
        :param persistent: whether the domain still exists after it was stopped
        :param agent: whether the guest has an agent
        :param balloon_device: whether the domain has a balloon device
        :param statistics: whether QEMU asks the balloon driver for statistics
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
        """Return a size to define a domain with: what it starts with, and its maximum.

        The ``vcpus`` that it starts with cannot be removed from the running guest; vCPUs that are
        added while it runs can.
        """
        each = vcpu_list.at_boot(max_vcpus, vcpus, vcpus)
        return GuestSize(each, max_memory_mb * 1024, memory_mb * 1024)

    def _boot(self, size: GuestSize) -> None:
        self._cpus = GuestCpus(size.each)
        self.load.boot()
        self.memory.boot(maximum_kib=size.max_memory_kib, target_kib=size.memory_kib)
        self.asked_every: int | None = None

    @property
    def active(self) -> bool:
        """Whether there is a QEMU process; its guest runs, is paused, or has crashed."""
        return self.power is not Power.OFF

    @property
    def unsettled(self) -> bool:
        """Whether a removal of vCPUs has timed out and has not ended yet.

        Then libvirt counts too many vCPUs already, or the guest may still give vCPUs back.
        """
        return bool(self._cpus.dropped or self._cpus.asked_for or self._cpus.late)

    @property
    def behaviour(self) -> Behaviour:
        """How the guest behaves; a new value takes effect from now on."""
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

    def work(self, busy: float, share: float = 1.0) -> None:
        """Let the guest's programs want ``busy`` CPUs from now on.

        :param share: the part of the wanted time that the host gives, from 0 to 1; see
            :class:`GuestLoad`
        """
        self._advance()
        self.load.busy, self.load.share = busy, share

    def has_run(self, cpu_seconds: float) -> None:
        """Let the guest have used so much CPU time before, as one that has booted long ago."""
        self.load.earlier = cpu_seconds

    def vcpu_times(self) -> dict[int, tuple[int, int]]:
        """Return the nanoseconds that each plugged vCPU has used and has waited, by its id."""
        self._advance()
        return self.load.times()

    @property
    def oom_kills(self) -> int:
        """How often the guest has died of OOM, over all starts."""
        self._advance()
        return self.memory.oom_kills

    def start(self, *, arrived: bool = False) -> None:
        """Start the guest from its configuration, or from its saved state if there is one.

        :param arrived: whether the guest comes by live migration; its balloon then has the size of
            the configuration already
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
        """End QEMU; with ``save`` the guest's state is saved, and the next start goes on from it.

        A domain without a configuration does not exist afterwards.
        """
        self._advance()
        self._saved = save
        self.power = Power.OFF
        self.exists = self.persistent

    @property
    def saved_size(self) -> GuestSize | None:
        """The size with which the guest goes on from its saved state; None if there is none."""
        if not self._saved:
            return None
        return GuestSize(self._cpus.each, self.config.max_memory_kib, self.memory.actual_kib)

    def forget_saved(self) -> None:
        """Drop the saved state, so that the next start boots the guest."""
        self._saved = False

    def undefine(self) -> None:
        """Drop the configuration and a saved state.

        A domain that is off does not exist afterwards. Any other domain becomes transient, and
        exists until it is stopped.
        """
        self.persistent = False
        self.exists = self.active
        self._saved = False

    def pause(self) -> None:
        """Pause the guest."""
        self._advance()
        self.power = Power.PAUSED

    def resume(self) -> None:
        """Resume the guest, which then does what was requested while it did not run.

        It brings added CPUs online, and gives back the vCPUs whose removal was requested, if its
        behaviour is to do so.
        """
        self._advance()
        self.power = Power.RUNNING
        self._begin_online()
        gives_back = self._awake and self._behaviour is not Behaviour.REMOVAL_TIMES_OUT
        if self._cpus.asked_for and gives_back:
            self.settle()

    def reset(self) -> None:
        """Let the guest restart itself in the same QEMU.

        It keeps its vCPUs, and has all of its memory until its balloon driver works again.
        """
        self._advance()
        self.memory.reset()

    def crash(self) -> None:
        """Let the guest crash; its QEMU process stays (``on_crash`` is ``preserve``)."""
        self._advance()
        self.power = Power.CRASHED

    def settle(self) -> None:
        """Complete all removals of vCPUs that have timed out, and let libvirt get their events."""
        self._cpus.settle()

    def memory_kib(self) -> int:
        """Return the guest's memory as QEMU reports it, which is libvirt's ``balloon.current``."""
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
        """Return what the agent says of the CPUs online: their ids, as in ``0,1,3``.

        It takes ``agent_answers_after`` seconds of the clock.

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
        """Return the last report of the balloon driver.

        :returns: None if the driver has not reported since the last start or reset, if QEMU does
            not ask it for statistics, or if the domain is off
        """
        self._advance()
        return self.memory.statistics if self.active and self.memory.collects else None

    def has_reported(self) -> bool:
        """Return whether the balloon driver has reported since the last start or reset.

        It is True also if QEMU does not ask the driver for statistics, or if the domain is off.
        """
        return not (self.active and self.memory.collects) or self.statistics() is not None

    def driver_reports(self) -> bool | None:
        """Return whether the balloon driver has reported, and its next report is not overdue.

        :returns: None if QEMU does not ask the driver for statistics, or the domain is off
        """
        if not (self.active and self.memory.collects):
            return None
        self._advance()
        return self.memory.reports(paused=self.power is not Power.RUNNING)

    def live(self) -> GuestSize:
        """Return the size in libvirt's live XML.

        If the domain is off, it is the size in the configuration.
        """
        if not self.active:
            return self.config
        self._advance()
        return GuestSize(self._cpus.each, self.config.max_memory_kib, self.memory_kib())

    def memory_stats(self) -> dict[str, int]:
        """Return the figures of virDomainMemoryStats by name, as :meth:`GuestMemory.stats` does.

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
        """Raise ``Rejected`` if another call holds the domain (``busy``)."""
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

        If QEMU has removed a vCPU of which libvirt got no event (``REMOVAL_TIMES_OUT``), adding a
        vCPU to the running guest ends QEMU.

        :param live: change the running guest; a removal sleeps for as long as libvirt would wait
        :param config: change the configuration
        :param hotpluggable: whether vCPUs that are added to the configuration can be removed again
            from the running guest
        :raises Rejected: libvirt would refuse the call, the removal fails, or the call ends QEMU;
            it has the code of libvirt's error
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

        :param kib: the new target or memory in KiB
        :param live: set the balloon target of the running guest, which then moves by and by
        :param config: set the memory in the configuration
        :raises Rejected: libvirt would refuse the call; it has the code of libvirt's error
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

        :raises Rejected: libvirt would refuse the call, or no agent answers; it has the code of
            libvirt's error. If ``agent_says`` is an error, that is raised
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
        """Whether the guest's own kernel can react to requests: it runs and has not died of OOM."""
        return self.power is Power.RUNNING and not self.memory.dead

    def _advance(self) -> None:
        plugged = [i for i, vcpu in enumerate(self._cpus.each) if vcpu.enabled]
        self.load.advance(plugged, self.online_ids(), runs=self._awake)
        self.memory.advance(self._behaviour, runs=self.power is Power.RUNNING)
        if self._awake:
            self._cpus.come_back(self.clock.now())
