# SPDX-License-Identifier: Apache-2.0
"""The figures that one round of automatic growth has read of one guest."""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.size import Size


@dataclass(frozen=True, slots=True)
class GuestSample:
    """The figures that one round has read of one guest; None if unknown, never 0 instead.

    The counters grow from the guest's start. A difference of two samples counts only if both have
    the same ``boot_id`` and no counter has fallen.

    :ivar at: when the guest was read, at the earliest, in seconds since the epoch
    :ivar boot_id: libvirt's id of the domain: another id is another start
    :ivar size: how many vCPUs are plugged, and the balloon's size
    :ivar desired: the size that the instance is to have at that time
    :ivar cpu_seconds: CPU time used, by all vCPUs together, each since it was plugged
    :ivar delay_seconds: time for which the vCPUs, ready to run, have waited for a CPU of the host
    :ivar available_mb: all memory that the guest's kernel manages now, MiB
    :ivar usable_mb: how much the guest could use without swapping (MemAvailable), MiB
    :ivar cache_mb: buffers and page cache, MiB
    :ivar swapped_in_mb: what was swapped in since the guest's start, MiB
    :ivar swapped_out_mb: what was swapped out since the guest's start, MiB
    :ivar major_faults: page faults that waited for a disk, since the guest's start
    :ivar oom_kills: how many processes the guest's kernel has killed for want of memory
    :ivar stalls: how many allocations had to wait for memory (stalls and direct reclaims)
    :ivar reported_at: when the balloon driver has reported the memory figures, in seconds since the
        epoch; None if it never has
    :ivar report_period: seconds between two reports; 0 if no reports are asked for
    :ivar asked: the resources (``vcpus``, ``memory_mb``) whose desired value has changed since the
        sample before by something else than automatic growth: a person's request, for example
    """

    at: float
    boot_id: int | None
    size: Size
    desired: Size
    cpu_seconds: float | None = None
    delay_seconds: float | None = None
    available_mb: float | None = None
    usable_mb: float | None = None
    cache_mb: float | None = None
    swapped_in_mb: float | None = None
    swapped_out_mb: float | None = None
    major_faults: int | None = None
    oom_kills: int | None = None
    stalls: int | None = None
    reported_at: float | None = None
    report_period: float = 0.0
    asked: tuple[str, ...] = ()
