# SPDX-License-Identifier: Apache-2.0
"""Read what the guests of a host use, for automatic growth, in one call to libvirt.

libvirt 11.3 does not pass on what Linux 6.12 has added to the balloon driver's statistics (kills
for want of memory, stalls, reclaim), though QEMU 11.1 has them. Only a QEMU monitor command would
return them, after which libvirt calls the domain tainted (all measured). So they stay unknown here:
see ``docs/admin/autoscale.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import libvirt

from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainCallFailed
from nova_xloud.libvirt.guest_xml import KIB

_NANOSECONDS = 1e9
# QEMU has -1, the largest unsigned number, for a statistic that the driver never sent.
_LARGEST = 2**63
# The time of the balloon driver's last report, in seconds since the epoch.
_REPORTED_AT = "balloon.last-update"
# MiB by which a guest may count more memory than QEMU has given to it: both round.
_SLACK_MB = 1.0


class VirConnect(Protocol):
    """The method of libvirt-python's virConnect that is used here."""

    def getAllDomainStats(self, stats: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
        """Return a pair of virDomain and statistics for each domain that ``flags`` selects.

        :param stats: the groups of statistics, ``VIR_DOMAIN_STATS_*`` joined by "or"
        :param flags: ``VIR_CONNECT_GET_ALL_DOMAINS_STATS_*`` joined by "or"
        """


def read_samples(
    connection: VirConnect,
    desired: Mapping[str, Size],
    periods: Mapping[str, float],
    wall: Callable[[], float] = time.time,
) -> dict[str, GuestSample]:
    """Return a sample of each guest of ``desired`` that runs, by UUID, from one call to libvirt.

    A guest that is off, paused or crashed has no sample, and neither has a guest for which libvirt
    returns no number of vCPUs or no size of the balloon. Of a domain that another call holds,
    libvirt returns what it knows without asking QEMU: the sample then lacks the memory figures. A
    QEMU that hangs delays the call until QEMU answers again (measured).

    :param desired: the size that each instance is to have, by UUID
    :param periods: seconds between two reports of each guest's balloon driver, by UUID. A guest
        that is missing here gets 0, which means that no reports are asked for
    :param wall: returns seconds since the epoch
    :raises DomainCallFailed: ``getAllDomainStats`` failed, whatever libvirt's error is
    """
    groups = (
        libvirt.VIR_DOMAIN_STATS_STATE
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_BALLOON
    )
    flags = (
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
        | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    )
    began = wall()
    try:
        records = connection.getAllDomainStats(groups, flags)
    except libvirt.libvirtError as error:
        code = error.get_error_code()
        raise DomainCallFailed(f"getAllDomainStats: {error} (libvirt error {code})") from error
    ended = wall()
    found: dict[str, GuestSample] = {}
    for dom, record in records:
        uuid = dom.UUIDString()
        if uuid not in desired:
            continue
        at = min(max(began, _number(record, _REPORTED_AT) or began), ended)
        sample = sample_of(
            record, boot_id=dom.ID(), at=at, desired=desired[uuid], period=periods.get(uuid, 0.0)
        )
        if sample is not None:
            found[uuid] = sample
    return found


def sample_of(
    record: Mapping[str, Any], *, boot_id: int, at: float, desired: Size, period: float
) -> GuestSample | None:
    """Return the sample of one domain's statistics; None if they lack vCPUs or the balloon's size.

    A figure that is missing, negative, never sent by the driver, or larger than it can be is None.
    The counters are as libvirt has them: a caller that compares two samples has to check whether
    one has fallen.

    :param record: one dict of ``getAllDomainStats``; memory in KiB, times in ns
    :param boot_id: libvirt's id of the domain
    :param at: when the record was read at the earliest, in seconds since the epoch
    :param desired: the size that the instance is to have
    :param period: seconds between two reports of the balloon's driver; 0 if none are asked for
    """
    vcpus, memory_kib = _number(record, "vcpu.current"), _number(record, "balloon.current")
    if not vcpus or not memory_kib:
        return None
    maximum_mb = _mib(record, "balloon.maximum")
    available, usable, cache = _memory(record, maximum_mb)
    return GuestSample(
        at=at,
        boot_id=boot_id,
        size=Size(vcpus, -(-memory_kib // KIB)),
        desired=desired,
        cpu_seconds=_of_all_vcpus(record, vcpus, "time"),
        delay_seconds=_of_all_vcpus(record, vcpus, "delay"),
        available_mb=available,
        usable_mb=usable,
        cache_mb=cache,
        swapped_in_mb=_mib(record, "balloon.swap_in"),
        swapped_out_mb=_mib(record, "balloon.swap_out"),
        major_faults=_number(record, "balloon.major_fault"),
        # 0: no report since the guest started or reset itself.
        reported_at=_number(record, _REPORTED_AT) or None,
        report_period=period,
    )


def _memory(
    record: Mapping[str, Any], maximum_mb: float | None
) -> tuple[float | None, float | None, float | None]:
    """Return (available, usable, cache) as the guest reports them, in MiB.

    A figure that is not reported is None. All three are None if available memory is not reported or
    is more than 1 MiB above the maximum, or if usable memory is more than available memory. Cache
    that is more than available memory is None. ``unused``, which is all that a kernel before 4.6
    reports, does not stand in for ``usable``, because it counts the page cache as used.
    """
    available, usable = _mib(record, "balloon.available"), _mib(record, "balloon.usable")
    cache = _mib(record, "balloon.disk_caches")
    if available is None or (maximum_mb is not None and available > maximum_mb + _SLACK_MB):
        return None, None, None
    if usable is not None and usable > available:
        return None, None, None
    return available, usable, cache if cache is not None and cache <= available else None


def _of_all_vcpus(record: Mapping[str, Any], vcpus: int, name: str) -> float | None:
    """Return the sum of a time over all vCPUs, in seconds; None if one vCPU lacks that time.

    The kernel counts each vCPU's time from when the vCPU was plugged, so the sum falls when one is
    unplugged.

    :param vcpus: how many vCPUs the guest has
    :param name: ``time`` (CPU time used), or ``delay`` (for which a vCPU has waited for a CPU)
    """
    # By number and not by a look at all keys: KVM has some thirty figures more of each vCPU.
    most = max(_number(record, "vcpu.maximum") or 0, vcpus)
    keys = (f"vcpu.{number}.{name}" for number in range(most))
    times = [_number(record, key) for key in keys if key in record]
    known = [one for one in times if one is not None]
    if len(known) != vcpus:
        return None
    return sum(known) / _NANOSECONDS


def _mib(record: Mapping[str, Any], name: str) -> float | None:
    kib = _number(record, name)
    return None if kib is None else kib / KIB


def _number(record: Mapping[str, Any], name: str) -> int | None:
    value = record.get(name)
    if type(value) is not int or not 0 <= value < _LARGEST:
        return None
    return value
