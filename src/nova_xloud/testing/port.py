# SPDX-License-Identifier: Apache-2.0
"""The Domain port over a fake guest, without libvirt."""

from __future__ import annotations

from collections.abc import Callable

from nova_xloud.core.guest import Glimpse, GuestFigures
from nova_xloud.core.size import Size
from nova_xloud.libvirt.error_codes import error_class
from nova_xloud.testing.behaviour import Power, Rejected
from nova_xloud.testing.guest import FakeGuest


class FakeDomain:
    """What :class:`nova_xloud.libvirt.domain.LibvirtDomain` is to a libvirt domain.

    :ivar guest: to advance time, change behaviour, and look inside
    """

    def __init__(self, guest: FakeGuest) -> None:
        self.guest = guest

    def read(self) -> GuestFigures:
        guest = self.guest
        _answered(guest.check_exists, of_vcpus=False)
        size = guest.live()
        statistics = guest.statistics()
        return GuestFigures(
            running=guest.active,
            paused=guest.power is Power.PAUSED,
            max_vcpus=size.max_vcpus,
            vcpus=size.vcpus,
            removable_vcpus=size.removable_vcpus,
            max_memory_mb=_mib(size.max_memory_kib),
            memory_mb=_mib(size.memory_kib if guest.has_reported() else size.max_memory_kib),
            balloon_driver=guest.driver_reports(),
            vcpus_online=guest.online() if guest.agent_answers() else None,
            boot_id=guest.boot_id if guest.active else None,
            usable_mb=statistics.usable_kib // 1024 if statistics else None,
            stats_at=statistics.wall if statistics else None,
            autodeflate=guest.memory.autodeflate,
            defined=_defined(guest),
            pinned=guest.pinned,
        )

    def glimpse(self) -> Glimpse:
        """What :func:`nova_xloud.libvirt.survey.survey` tells of it."""
        figures = self.read()
        return glimpse_of(figures)

    def ping(self) -> None:
        _answered(self.guest.check_running, of_vcpus=False)

    def set_vcpus(self, count: int) -> None:
        _answered(
            lambda: self.guest.set_vcpus(count, live=True, config=False, hotpluggable=False),
            of_vcpus=True,
        )

    def set_memory(self, mib: int) -> None:
        _answered(
            lambda: self.guest.set_memory(mib * 1024, live=True, config=False), of_vcpus=False
        )

    def set_definition(self, size: Size) -> None:
        guest, vcpus, kib = self.guest, size.vcpus, size.memory_mb * 1024
        _answered(
            lambda: guest.set_vcpus(vcpus, live=False, config=True, hotpluggable=True),
            of_vcpus=True,
        )
        _answered(lambda: guest.set_memory(kib, live=False, config=True), of_vcpus=False)

    def set_vcpus_online(self, count: int) -> None:
        _answered(lambda: self.guest.set_online(count), of_vcpus=False)


def glimpse_of(figures: GuestFigures) -> Glimpse:
    """What a survey tells of a domain that reads so."""
    return Glimpse(
        figures.running,
        figures.vcpus,
        figures.memory_mb,
        figures.boot_id,
        figures.defined,
        figures.max_memory_mb if figures.pinned else 0,
    )


def _defined(guest: FakeGuest) -> Size | None:
    if not guest.persistent:
        return None
    return Size(guest.config.vcpus, _mib(guest.config.memory_kib))


def _answered(call: Callable[[], None], *, of_vcpus: bool) -> None:
    try:
        call()
    except Rejected as rejected:
        cls = error_class(rejected.constant, of_vcpus=of_vcpus)
        raise cls(f"fake domain: {rejected} ({rejected.constant})") from rejected


def _mib(size_kib: int) -> int:
    return -(-size_kib // 1024)
