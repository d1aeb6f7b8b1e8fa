# SPDX-License-Identifier: Apache-2.0
"""What speaks for more: signs of distress, and figures that are near their limit.

A sign is a rate and not a level: pages that were swapped out last week harm nobody, so they neither
keep a guest large nor make it larger. Each also speaks against shrinking: ``usable_low``,
``rising`` and ``cpu_delay`` for as long as the figures show them, the others for ``Tuning.veto``
seconds more.

===============  =============================================================================
``usable_low``   less is usable than a part of the reserve
``rising``       at its present rate the need will be above the size within ``Tuning.horizon``
``swap_out``     the guest swaps out
``major_faults`` programs wait for pages from the disk, while little memory is usable
``stalls``       allocations had to wait
``oom_kill``     the guest's kernel has killed a process for want of memory
``cpu_busy``     the vCPUs are at their ceiling
``cpu_delay``    the host does not give the vCPUs their time; only against shrinking, because more
                 vCPUs would wait as well
===============  =============================================================================
"""

from __future__ import annotations

from nova_xloud.core.autoscaling.need import CpuFigures, MemoryFigures
from nova_xloud.core.autoscaling.tuning import Tuning

USABLE_LOW = "usable_low"
RISING = "rising"
SWAP_OUT = "swap_out"
MAJOR_FAULTS = "major_faults"
STALLS = "stalls"
OOM_KILL = "oom_kill"
CPU_BUSY = "cpu_busy"
CPU_DELAY = "cpu_delay"

WORDS = {
    USABLE_LOW: "little memory is usable",
    RISING: "the need rises fast",
    SWAP_OUT: "the guest swaps out",
    MAJOR_FAULTS: "programs wait for pages from the disk",
    STALLS: "allocations had to wait for memory",
    OOM_KILL: "the guest's kernel has killed a process for want of memory",
    CPU_BUSY: "the vCPUs are at their ceiling",
    CPU_DELAY: "the vCPUs wait for CPUs of the host",
}
"""Each code as a clause, for a reason."""


def memory_signs(
    figures: MemoryFigures | None, is_oom_kill: bool, tuning: Tuning
) -> tuple[str, ...]:
    """Return the codes of the signs of distress that one report shows.

    :param figures: what the report says; None if there is no new report
    :param is_oom_kill: whether the guest's kernel has killed a process since the last sample
    """
    signs = []
    if figures is not None:
        if figures.swap_out is not None and figures.swap_out >= tuning.swap_rate:
            signs.append(SWAP_OUT)
        is_scarce = figures.usable < tuning.scarce_share * figures.available
        if is_scarce and figures.faults is not None and figures.faults >= tuning.fault_rate:
            signs.append(MAJOR_FAULTS)
        if figures.stalls:
            signs.append(STALLS)
    if is_oom_kill:
        signs.append(OOM_KILL)
    return tuple(signs)


def cpu_signs(figures: CpuFigures | None, tuning: Tuning) -> tuple[str, ...]:
    """Return the code of the ceiling if the vCPUs are at it, and nothing otherwise."""
    return (CPU_BUSY,) if figures is not None and is_at_ceiling(figures, tuning) else ()


def is_at_ceiling(figures: CpuFigures, tuning: Tuning) -> bool:
    """Return whether the vCPUs have used nearly all of the time that the host gave them.

    If the host was so short of CPUs that the delay is high, more vCPUs would wait as well. Then the
    vCPUs are at their ceiling only if nearly all of their time was used all the same.
    """
    if figures.delay >= tuning.delay_high:
        return figures.share >= tuning.cpu_busy
    return figures.share_of_given >= tuning.cpu_busy


def words(codes: tuple[str, ...]) -> str:
    """Return codes as clauses, joined by "and"."""
    return " and ".join(WORDS.get(code, code) for code in codes)
