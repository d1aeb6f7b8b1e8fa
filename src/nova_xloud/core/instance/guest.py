# SPDX-License-Identifier: Apache-2.0
"""What the hypervisor says of one guest, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.instance.reports import reports_within
from nova_xloud.core.size import Observed, Size


@dataclass(frozen=True, slots=True)
class DomainReading:
    """What was read of one domain at one time.

    :ivar running: QEMU runs (a paused guest runs too)
    :ivar paused: its vCPUs are stopped: adds and balloon act on resume
    :ivar max_vcpus: ``<vcpu>``; the flavor's maximum
    :ivar vcpus: vCPUs present in QEMU now (in the configuration when shut off)
    :ivar removable_vcpus: how many of ``vcpus`` are hotpluggable
    :ivar max_memory_mb: ``<memory>``, MiB
    :ivar memory_mb: actual size of the balloon (maximum less what it holds) as QEMU says it, MiB,
        rounded up; the configured ``<currentMemory>`` when shut off
    :ivar balloon_driver: the guest's driver reports statistics; None: not known (yet). One reading
        never says False: :class:`nova_xloud.compute.watch.Watch` does, who has watched it
    :ivar vcpus_online: CPUs online in the guest by its agent; None where no agent says so
    :ivar attached_dimms_mb: sum of hot-plugged DIMMs, MiB
    :ivar has_virtiomem: a virtio-mem device is there
    :ivar boot_id: libvirt's id of the running domain: another one after every start; None when off
    :ivar usable_mb: memory the guest could still give to a program without swapping, by its own
        statistics, MiB, rounded down; None without them
    :ivar stats_at: when those statistics were collected, seconds since 1970 by the host's clock;
        None without them
    :ivar autodeflate: the guest takes memory back from its balloon on its own when it runs short
    :ivar defined: what libvirt's persistent definition would start it with; None for a domain
        without one, or where it was not read
    :ivar pinned: why all of its memory stays in the host's RAM whatever its balloon does, as the
        codes of :mod:`nova_xloud.core.instance.pinned`; empty where its balloon frees memory
    :ivar stats_period: seconds between two statistics that QEMU asks the driver for; 0: it does not
    :ivar usual_stats_period: the same as the host is configured; 0: it asks no guest
    :ivar memory_confirmed: the driver has reported since power-on or the last reset, so the guest
        has ``memory_mb``. False: it has not; a guest that resets itself takes all of its memory,
        and QEMU goes on telling the size from before (measured). None: its statistics cannot be
        read
    :ivar crashed: the guest has crashed, and its QEMU is kept; ``paused`` is true with it
    """

    running: bool
    paused: bool
    max_vcpus: int
    vcpus: int
    removable_vcpus: int
    max_memory_mb: int
    memory_mb: int
    balloon_driver: bool | None = None
    vcpus_online: int | None = None
    attached_dimms_mb: int = 0
    has_virtiomem: bool = False
    boot_id: int | None = None
    usable_mb: int | None = None
    stats_at: int | None = None
    autodeflate: bool = False
    defined: Size | None = None
    pinned: tuple[str, ...] = ()
    stats_period: int = 0
    usual_stats_period: int = 0
    memory_confirmed: bool | None = True
    crashed: bool = False

    @property
    def reports_within(self) -> float:
        """Seconds of silence after which its driver is taken for one that does not report.

        A guest that is asked more often for a while has the time that it always has.
        """
        return reports_within(max(self.stats_period, self.usual_stats_period))

    @property
    def held_memory_mb(self) -> int:
        """The host's memory that the guest has by what QEMU says, MiB: the balloon's actual size,
        and the maximum where memory is pinned.
        """
        return self.max_memory_mb if self.pinned else self.memory_mb

    @property
    def actuated(self) -> Size:
        """What QEMU has: vCPUs present, and :attr:`held_memory_mb`.

        The balloon's target cannot be read back from libvirt, so its actual size
        stands for both actuated and, once the driver has reported, observed memory.
        """
        return Size(self.vcpus, self.held_memory_mb)

    @property
    def observed(self) -> Observed:
        """What the guest was seen to have; None of a resource where nobody can tell.

        Its agent is the tenant's: however many CPUs it says are online, more than QEMU has are not.
        """
        online = None if self.vcpus_online is None else min(self.vcpus, self.vcpus_online)
        return Observed(online, self.held_memory_mb if self._is_known else None)

    @property
    def held(self) -> Size:
        """What has to be taken for what it has: all of its memory where that is not known."""
        return Size(self.vcpus, self.held_memory_mb if self._is_known else self.max_memory_mb)

    @property
    def _is_known(self) -> bool:
        return bool(self.pinned or self.memory_confirmed)

    @property
    def has_balloon(self) -> bool:
        """There is a balloon whose driver is asked for statistics."""
        return self.stats_period > 0 or self.balloon_driver is not None


@dataclass(frozen=True, slots=True)
class DomainStats:
    """What libvirt's ``getAllDomainStats`` says of one domain; for those that are asked for, with
    what their definition and devices say.

    :ivar vcpus: vCPUs present in QEMU
    :ivar memory_mb: size of the balloon, MiB, rounded up; may be a second old
    :ivar boot_id: as in :class:`DomainReading`
    :ivar defined: as in :class:`DomainReading`; None too for a domain that was not asked for it
    :ivar pinned_mb: memory that it holds whatever its balloon says, MiB: its maximum where that is
        pinned, else 0
    :ivar asked_often: whether its statistics are asked for often, as
        :func:`nova_xloud.core.convergence.balloon.is_asked_often` says
    :ivar max_memory_mb: as in :class:`DomainReading`; so are those that follow
    """

    running: bool
    vcpus: int
    memory_mb: int
    boot_id: int | None = None
    defined: Size | None = None
    pinned_mb: int = 0
    asked_often: bool = False
    max_memory_mb: int = 0
    memory_confirmed: bool | None = True
    stats_at: int | None = None
    paused: bool = False

    @property
    def actuated(self) -> Size:
        """As that of :class:`DomainReading`."""
        return Size(self.vcpus, max(self.memory_mb, self.pinned_mb))

    @property
    def held(self) -> Size:
        """What it holds while it runs, and what it would start with while it does not."""
        counted = self.memory_mb if self.memory_confirmed else self.max_memory_mb
        return Size(self.vcpus, max(counted, self.pinned_mb))
