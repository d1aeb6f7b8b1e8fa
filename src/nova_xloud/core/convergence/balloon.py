# SPDX-License-Identifier: Apache-2.0
"""The balloon's target: one step when a guest grows, bounded steps when it shrinks.

A guest may die if its balloon takes memory that the guest needs. So before each step down the
guest's own statistics are read, and no step down goes below

    floor = actual - usable + reserve

where *actual* is the balloon's size and *usable* what the guest could still give to a program
without swapping (``MemAvailable`` of Linux), both of the same moment, and *reserve* is ``[xloud]
balloon_reserve_mb``. Without statistics the floor is not known, and the memory is not lowered at
all. With ``force`` neither the floor nor the statistics matter; the steps stay bounded.

Statistics come every ``[libvirt] mem_stats_period_seconds``, and without ``force`` each step down
waits for new ones. So while a guest shrinks the period is one second, and afterwards it is set back
to that option. It is not set back to the period in the domain's definition: a live migration writes
the period that was set live into the definition on the other host (measured). The guest of an
instance that is scaled automatically keeps the period of one second.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.convergence.steps import (
    NO_STATISTICS,
    Await,
    RunState,
    SetMemory,
    SetStatisticsPeriod,
    Stuck,
)
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.state import InstanceState

# Seconds between two statistics of a guest that shrinks: the shortest that libvirt knows.
OFTEN = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The options in nova.conf that limit which steps a run may take.

    :ivar step_mb: the largest step by which memory shrinks, MiB: ``[xloud] balloon_step_mb``
    :ivar reserve_mb: the memory that a step down without ``force`` must leave usable in the guest,
        MiB: ``[xloud] balloon_reserve_mb``
    :ivar offline_vcpus: whether the guest agent is asked to take vCPUs offline that could not be
        removed: ``[xloud] offline_vcpus``
    """

    step_mb: int = 1024
    reserve_mb: int = 64
    offline_vcpus: bool = False


DEFAULTS = Limits()


def step(
    state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> SetMemory | SetStatisticsPeriod | Await | Stuck | None:
    """Return the balloon's next step, or what the run waits for; None if nothing is left to do.

    The result is None too if the guest need not shrink and should have more memory than is
    reserved. It is :class:`Stuck` if the guest's memory is pinned and should be less than its
    maximum. It is ``Stuck`` too if the guest should shrink without ``force`` and the run no longer
    waits for its statistics.

    The target is set once even if the balloon's size is right: libvirt does not report the target,
    so a balloon that is moving to another size cannot be recognised. A guest that has the right
    size and no balloon is left alone.
    """
    goal = state.desired.target.memory_mb
    if guest.pinned and goal < guest.max_memory_mb:
        return Stuck(
            "xloud.guest_refused.memory_pinned",
            f"all {guest.max_memory_mb} MiB of the guest stay in the host's RAM, and a balloon "
            f"frees nothing ({', '.join(guest.pinned)}), so its memory does not become {goal} MiB: "
            f"adjust the instance to {guest.max_memory_mb} MiB, or remove what pins the memory",
        )
    if guest.memory_mb > goal:
        return _shrink(goal, state, guest, run, limits)
    if guest.memory_mb == goal and not guest.has_balloon:
        # There is no balloon whose target could be set.
        return None
    if run.balloon_target_mb != goal:
        # If less is reserved, the host had no room to claim more.
        return SetMemory(goal) if state.reserved.memory_mb >= goal else None
    return _on_the_way(goal, guest) if guest.memory_mb < goal else None


def _shrink(
    goal: int, state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> SetMemory | SetStatisticsPeriod | Await | Stuck:
    now = guest.memory_mb
    if run.balloon_target_mb is not None and goal <= run.balloon_target_mb < now:
        return _on_the_way(run.balloon_target_mb, guest, booting=state.booting)
    lowest = max(goal, now - limits.step_mb)
    if state.desired.force:
        return SetMemory(lowest)
    if _is_silent(state, guest, run):
        return Stuck(
            NO_STATISTICS,
            f"the guest's balloon driver does not report how much memory the guest uses, so its "
            f"memory stays at {now} MiB and does not become {goal}; load the driver, or ask with "
            f"force",
        )
    growing = run.balloon_target_mb is None or run.balloon_target_mb > now
    is_known = guest.stats_at is not None and state.reserved.memory_mb >= now
    if growing and is_known and not state.booting:
        # The balloon may still be moving to a larger size, an earlier target. Its present size as
        # the target stops that, and takes no memory from the guest.
        return SetMemory(now)
    if guest.usable_mb is None or not run.has_fresh_statistics(guest):
        if _may_be_asked_often(guest, run):
            return SetStatisticsPeriod(OFTEN)
        return Await(
            NO_STATISTICS,
            f"the guest's balloon driver reports how much memory the guest uses now, so that its "
            f"memory may become {goal} MiB (is {now})",
            now - goal,
            booting=state.booting,
            within=None if state.booting else guest.reports_within,
        )
    floor = now - guest.usable_mb + limits.reserve_mb
    if floor >= now:
        return Await(
            "xloud.guest_refused.memory_floor",
            f"the guest uses less, so that its memory may become {goal} MiB: of its {now} MiB "
            f"{guest.usable_mb} are free, and {limits.reserve_mb} must stay free",
            now - goal,
            booting=state.booting,
        )
    return SetMemory(max(lowest, floor))


def usual_period(guest: DomainReading, run: RunState) -> SetStatisticsPeriod | None:
    """Return the step that sets the statistics' period back from :data:`OFTEN` to the usual one.

    The result is None if the period is not :data:`OFTEN` (somebody may have set another by hand),
    or if the usual period is not longer than :data:`OFTEN`. It is None too if this run has set the
    period back already, even if libvirt refused that.
    """
    usual = guest.usual_stats_period
    if not is_asked_often(guest.stats_period, usual) or run.stats_period_set == usual:
        return None
    return SetStatisticsPeriod(usual)


def is_asked_often(period: int, usual: int) -> bool:
    """Return whether a guest's statistics have the short period, :data:`OFTEN`, and not the usual.

    :param period: seconds between two statistics now; 0 if QEMU requests none
    :param usual: the usual period of the guest, seconds: the host's option, but at most one second
        if the instance is scaled automatically
    """
    return period == OFTEN < usual


def _may_be_asked_often(guest: DomainReading, run: RunState) -> bool:
    """Return whether the run may shorten the period of the guest's statistics now.

    It may if the period and the usual period are longer than :data:`OFTEN`, the guest is not
    paused, and :data:`OFTEN` is not the period that the run has set last.
    """
    is_rare = min(guest.stats_period, guest.usual_stats_period) > OFTEN
    return is_rare and not guest.paused and run.stats_period_set != OFTEN


def _is_silent(state: InstanceState, guest: DomainReading, run: RunState) -> bool:
    """Return whether the run no longer waits for the guest's statistics.

    That is so once this run has waited for them too long. A run does not wait at all if the last
    run ended because no statistics came, and the driver still does not report. The result is always
    False while the guest boots or is paused, and once new statistics have come.
    """
    if state.booting or guest.paused or run.has_fresh_statistics(guest):
        return False
    progress = state.desired.progress
    before = (progress.phase, progress.code) == (Phase.GUEST_REFUSED, NO_STATISTICS)
    return run.statistics_given_up or (before and guest.balloon_driver is False)


def _on_the_way(to: int, guest: DomainReading, *, booting: bool = False) -> Await:
    return Await(
        "xloud.guest_refused.memory_not_reached",
        f"the guest's memory becomes {to} MiB (is {guest.memory_mb})",
        abs(to - guest.memory_mb),
        booting=booting,
    )
