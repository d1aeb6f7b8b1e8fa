# SPDX-License-Identifier: Apache-2.0
"""The Domain port over a fake guest, for tests that need no libvirt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.convergence.balloon import is_asked_often
from nova_xloud.core.instance.guest import DomainReading, DomainStats
from nova_xloud.core.size import Size
from nova_xloud.libvirt.error_codes import Call, error_class
from nova_xloud.testing.behaviour import Power, Rejected
from nova_xloud.testing.fake_guest import FakeGuest


class FakeDomain:
    """The port :class:`nova_xloud.compute.ports.Domain` over a :class:`FakeGuest`.

    Its counterpart over a libvirt domain is :class:`nova_xloud.libvirt.domain.LibvirtDomain`.

    :ivar guest: the guest, whose state and behaviour a test may read and change
    """

    def __init__(self, guest: FakeGuest) -> None:
        self.guest = guest

    def read(self, *, agent: bool = True) -> DomainReading:
        guest = self.guest
        _answered(guest.check_exists)
        if guest.active:
            _answered(guest.check_free)
        size = guest.live()
        statistics = guest.statistics()
        return DomainReading(
            running=guest.active,
            paused=guest.power in (Power.PAUSED, Power.CRASHED),
            max_vcpus=size.max_vcpus,
            vcpus=size.vcpus,
            removable_vcpus=size.removable_vcpus,
            max_memory_mb=_mib(size.max_memory_kib),
            memory_mb=_mib(size.memory_kib),
            # A single reading cannot show that there is no driver (see LibvirtDomain): never False.
            balloon_driver=guest.driver_reports() or None,
            vcpus_online=self._online() if agent else None,
            boot_id=guest.boot_id if guest.active else None,
            usable_mb=statistics.usable_kib // 1024 if statistics else None,
            stats_at=statistics.wall if statistics else None,
            autodeflate=guest.memory.autodeflate,
            defined=_defined(guest),
            pinned=guest.pinned,
            stats_period=self._period(),
            usual_stats_period=self._usual_period(),
            memory_confirmed=None if guest.statistics_fail else guest.has_reported(),
            crashed=guest.power is Power.CRASHED,
        )

    def _online(self) -> int | None:
        try:
            said = self.guest.agent_online()
        except Rejected:
            return None
        return None if said is None else len(said.split(","))

    def _period(self) -> int:
        if not (self.guest.active and self.guest.memory.collects):
            return 0
        return self.guest.asked_every or self._usual_period()

    def _usual_period(self) -> int:
        return max(1, int(self.guest.timing.stats_seconds))

    def stats(self) -> DomainStats:
        """Return the statistics of this domain, also those from its live document and definition.

        They are what :func:`nova_xloud.libvirt.domain_stats.survey` returns for a libvirt domain.
        But a survey does not raise for a domain that is gone or busy.

        :raises DomainNotFound: there is no such domain
        :raises DomainBusy: the domain is not off, and ``guest.busy`` is set
        """
        return stats_of(self.read(agent=False))

    def ping(self) -> None:
        _answered(self.guest.check_running)

    def set_vcpus(self, count: int) -> None:
        _answered(
            lambda: self.guest.set_vcpus(count, live=True, config=False, hotpluggable=False),
            Call.VCPUS,
        )

    def set_memory(self, mib: int) -> None:
        _answered(
            lambda: self.guest.set_memory(mib * 1024, live=True, config=False),
        )

    def set_statistics_period(self, seconds: int) -> None:
        _answered(lambda: self.guest.set_statistics_period(seconds))

    def set_definition(self, size: Size) -> None:
        guest, vcpus, kib = self.guest, size.vcpus, size.memory_mb * 1024
        _answered(lambda: guest.set_vcpus(vcpus, live=False, config=True, hotpluggable=True))
        _answered(lambda: guest.set_memory(kib, live=False, config=True))

    def set_vcpus_online(self, count: int) -> None:
        _answered(lambda: self.guest.set_online(count), Call.AGENT)


def stats_of(reading: DomainReading) -> DomainStats:
    """Return the statistics that ``domain_stats.survey`` returns for a domain with this reading.

    One value differs if the balloon's statistics could not be read: ``memory_confirmed`` is None,
    and a survey returns True.
    """
    return DomainStats(
        running=reading.running,
        vcpus=reading.vcpus,
        memory_mb=reading.memory_mb,
        boot_id=reading.boot_id,
        defined=reading.defined,
        pinned_mb=reading.max_memory_mb if reading.pinned else 0,
        asked_often=is_asked_often(reading.stats_period, reading.usual_stats_period),
        max_memory_mb=reading.max_memory_mb,
        memory_confirmed=reading.memory_confirmed,
        stats_at=reading.stats_at,
        paused=reading.paused,
    )


def without_documents(stats: DomainStats) -> DomainStats:
    """Return what a survey returns for a domain whose live document and definition it left out."""
    return replace(stats, defined=None, pinned_mb=0, asked_often=False)


def sample_of(
    guest: FakeGuest, *, at: float, desired: Size, period: float = 0.0
) -> GuestSample | None:
    """Return the sample that ``guest_samples.read_samples`` returns for this guest.

    If another call holds the domain, or its statistics cannot be read, the sample has no memory
    figures.

    :param at: when the sample is read, in seconds since the epoch
    :param desired: the size that the instance is to have
    :param period: seconds between two reports of the balloon driver; 0 if none are asked for
    :returns: None if the guest is off, paused or has crashed
    """
    if guest.power is not Power.RUNNING:
        return None
    size, times = guest.live(), guest.vcpu_times()
    told = None if guest.busy or guest.statistics_fail else guest.statistics()
    return GuestSample(
        at=at,
        boot_id=guest.boot_id,
        size=Size(size.vcpus, _mib(size.memory_kib)),
        desired=desired,
        cpu_seconds=sum(used for used, _ in times.values()) / 1e9,
        delay_seconds=sum(waited for _, waited in times.values()) / 1e9,
        available_mb=None if told is None else told.available_kib / 1024,
        usable_mb=None if told is None else told.usable_kib / 1024,
        cache_mb=None if told is None else told.cache_kib / 1024,
        swapped_in_mb=None if told is None else told.swapped_in_kib / 1024,
        swapped_out_mb=None if told is None else told.swapped_out_kib / 1024,
        major_faults=None if told is None else told.swapped_in_kib // 4,
        reported_at=None if told is None else told.wall,
        report_period=period,
    )


def _defined(guest: FakeGuest) -> Size | None:
    if not guest.persistent:
        return None
    return Size(guest.config.vcpus, _mib(guest.config.memory_kib))


def _answered(call: Callable[[], None], kind: Call = Call.OTHER) -> None:
    try:
        call()
    except Rejected as rejected:
        cls = error_class(rejected.constant, str(rejected), kind)
        raise cls(f"fake domain: {rejected} ({rejected.constant})") from rejected


def _mib(size_kib: int) -> int:
    return -(-size_kib // 1024)
