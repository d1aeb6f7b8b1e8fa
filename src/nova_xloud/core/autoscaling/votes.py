# SPDX-License-Identifier: Apache-2.0
"""What speaks for growth: signs of distress, and figures that are near their limit.

Signs of distress are ``swap_out``, ``major_faults``, ``stalls``, ``oom_kill`` and ``cpu_busy``.
They come from what has happened since the last sample: pages that were swapped out last week harm
nobody, so they neither keep a guest large nor make it larger. All codes below also speak against
shrinking: ``usable_low``, ``rising`` and ``cpu_delay`` for as long as the figures show them, the
signs of distress for ``Tuning.veto`` seconds more.

===============  =============================================================================
``usable_low``   most of the memory that is kept beyond the need is used up
``rising``       at its present rate the need will soon be above the size (``Tuning.lead``)
``swap_out``     the guest swaps out
``major_faults`` programs wait for pages from the disk, while little memory is usable
``stalls``       allocations had to wait
``oom_kill``     the guest's kernel has killed a process for want of memory
``cpu_busy``     the vCPUs are busy nearly all the time (at their ceiling)
``cpu_delay``    the host does not give the vCPUs their time. It speaks only against shrinking, not
                 for growth, because more vCPUs would wait as well
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
"""For people: by code, a clause for the reason of a decision."""


def memory_signs(
    figures: MemoryFigures | None, is_oom_kill: bool, tuning: Tuning
) -> tuple[str, ...]:
    """Return the codes of the signs of distress for want of memory; empty if there are none.

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
    """Return ``(CPU_BUSY,)`` if the vCPUs are busy nearly all the time, and ``()`` otherwise."""
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
    """Return the clauses for people that ``codes`` stand for, joined by "and"."""
    return " and ".join(WORDS.get(code, code) for code in codes)
