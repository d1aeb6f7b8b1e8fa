# SPDX-License-Identifier: Apache-2.0
"""What libvirt reports of one guest, from a reading of its domain or from domain statistics."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.instance.reports import reports_within
from nova_xloud.core.size import Observed, Size


@dataclass(frozen=True, slots=True)
class DomainReading:
    """What was read of one libvirt domain and its guest agent at one time.

    :ivar running: whether QEMU runs (a paused guest runs too)
    :ivar paused: whether the vCPUs of a running guest are stopped, so that it acts on added vCPUs
        and on the balloon's target only when it resumes
    :ivar max_vcpus: ``<vcpu>`` of the domain; the flavor's vCPUs
    :ivar vcpus: vCPUs present in QEMU now; in the definition if the guest is off
    :ivar removable_vcpus: how many of ``vcpus`` are hotpluggable
    :ivar max_memory_mb: ``<memory>`` of the domain, MiB
    :ivar memory_mb: the balloon's size as QEMU reports it: the maximum less the memory that the
        balloon has taken, MiB, rounded up; ``<currentMemory>`` if the guest is off
    :ivar balloon_driver: whether the guest's driver reports statistics; None if not known (yet).
        One reading never shows that it does not: :class:`nova_xloud.compute.watch.Watch` sets
        False after watching the guest
    :ivar vcpus_online: CPUs online in the guest, as its agent reports; None if no agent was asked
        or answered, if the answer makes no sense, or if the guest is paused or off
    :ivar attached_dimms_mb: sum of the DIMM devices of the domain, MiB
    :ivar has_virtiomem: whether the domain has a virtio-mem device
    :ivar boot_id: libvirt's id of the running domain, another one after each start of QEMU by the
        same libvirtd; None if the guest is off
    :ivar usable_mb: memory that the guest could still give to a program without swapping, by its
        own statistics, MiB, rounded down; with an old kernel its free memory alone; None without
        statistics of it
    :ivar stats_at: when the guest's last statistics were collected, seconds since 1970 by the
        host's clock; None without any
    :ivar autodeflate: whether the guest may take memory back from its balloon on its own when it
        runs short
    :ivar defined: the size with which libvirt's persistent definition would start the guest; None
        for a transient domain, or if the definition was not read
    :ivar pinned: why all of the guest's memory stays in the host's RAM whatever its balloon does,
        as codes of :mod:`nova_xloud.core.instance.pinned`; empty if nothing pins it
    :ivar stats_period: seconds between two statistics that QEMU requests from the driver; 0 if it
        requests none, or the guest is off
    :ivar usual_stats_period: the period that the guest should have while it does not shrink,
        seconds: ``[libvirt] mem_stats_period_seconds``, but at most one second if the instance is
        scaled automatically; 0: the host asks no guest for statistics
    :ivar memory_confirmed: whether the driver has reported since power-on or the last reset, so
        that the guest has ``memory_mb``. If it is False, the guest may have all of its memory: a
        guest that resets itself takes it, and QEMU goes on reporting the size from before
        (measured). True also if QEMU requests no statistics, or the guest is off; None if the
        statistics cannot be read
    :ivar crashed: whether the guest has crashed and its QEMU is kept; then ``paused`` is true too
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
        """Seconds of silence after which the balloon driver counts as one that does not report.

        They are computed from the longer of the guest's present period and its usual period.
        """
        return reports_within(max(self.stats_period, self.usual_stats_period))

    @property
    def held_memory_mb(self) -> int:
        """The memory that the guest takes on the host by what QEMU reports, MiB.

        That is ``memory_mb``, or the maximum if the memory is pinned.
        """
        return self.max_memory_mb if self.pinned else self.memory_mb

    @property
    def actuated(self) -> Size:
        """The size that QEMU has: vCPUs present, and :attr:`held_memory_mb`.

        The balloon's target cannot be read back from libvirt. So the balloon's size stands for
        actuated memory and, once the driver has reported, for observed memory too.
        """
        return Size(self.vcpus, self.held_memory_mb)

    @property
    def observed(self) -> Observed:
        """The size that the guest was seen to have; None for a resource that is not known.

        The agent belongs to the tenant and may report any number, so the CPUs online are cut at
        the vCPUs that QEMU has.
        """
        online = None if self.vcpus_online is None else min(self.vcpus, self.vcpus_online)
        return Observed(online, self.held_memory_mb if self._is_known else None)

    @property
    def held(self) -> Size:
        """The size that the guest holds; its maximum of memory counts if its memory is not known.

        If the guest is off, this is what it would hold if it were started.
        """
        return Size(self.vcpus, self.held_memory_mb if self._is_known else self.max_memory_mb)

    @property
    def _is_known(self) -> bool:
        return bool(self.pinned or self.memory_confirmed)

    @property
    def has_balloon(self) -> bool:
        """Whether the guest runs and has a balloon whose driver is asked for statistics."""
        return self.stats_period > 0 or self.balloon_driver is not None


@dataclass(frozen=True, slots=True)
class DomainStats:
    """What libvirt's ``getAllDomainStats`` returns for one domain.

    For the domains that the caller names, two XML documents are read too: of the live domain, and
    of its definition.

    :ivar running: as in :class:`DomainReading`
    :ivar vcpus: vCPUs present in QEMU; in the definition if the guest is off
    :ivar memory_mb: as in :class:`DomainReading`; may be a second old
    :ivar boot_id: as in :class:`DomainReading`
    :ivar defined: as in :class:`DomainReading`; None also if the documents were not read
    :ivar pinned_mb: memory that the guest holds whatever its balloon's size is, MiB: its maximum if
        the memory is pinned; 0 if it is not, or if the documents were not read
    :ivar asked_often: whether the statistics of a running guest have the short period of a shrink
        (:func:`nova_xloud.core.convergence.balloon.is_asked_often`); False also if the documents
        were not read
    :ivar max_memory_mb: as in :class:`DomainReading`
    :ivar memory_confirmed: as in :class:`DomainReading`, but True if libvirt returned no time of
        the last report, as for a domain that is busy
    :ivar stats_at: as in :class:`DomainReading`; None also if libvirt returned no such time
    :ivar paused: as in :class:`DomainReading`
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
        """The size that QEMU has: vCPUs present, and the balloon's size or the pinned memory."""
        return Size(self.vcpus, max(self.memory_mb, self.pinned_mb))

    @property
    def held(self) -> Size:
        """The size that the guest holds, or would hold if it were started.

        If the memory of a guest that runs is not confirmed, its maximum of memory counts.
        """
        counted = self.memory_mb if self.memory_confirmed else self.max_memory_mb
        return Size(self.vcpus, max(counted, self.pinned_mb))
