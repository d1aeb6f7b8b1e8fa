# SPDX-License-Identifier: Apache-2.0
"""The balloon's target: set at once when a guest grows, in bounded steps when it shrinks.

A guest whose balloon is made larger than what is left of it dies of it. So before each step down
its own statistics are asked, and it is never pushed below

    floor = actual - usable + reserve

where *actual* is the balloon's size and *usable* what the guest could still give to a program
without swapping (``MemAvailable`` of Linux), both of the same moment, and *reserve* is ``[xloud]
balloon_reserve_mb``. Without statistics the floor is not known, and a guest is not pushed at all.
``force`` leaves the floor away; the steps stay bounded.

Statistics come once in a period of ``[libvirt] mem_stats_period_seconds``, and each step waits for
them. So while a guest shrinks they are asked for every second, and after it once in that period
again. The period in the domain's definition is not gone by: a live migration writes the one that
was set live into the definition on the other host (measured).
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
    """How far one step may go.

    :ivar step_mb: the largest step down of a balloon
    :ivar reserve_mb: what a guest keeps beyond what it uses
    :ivar offline_vcpus: where vCPUs cannot be removed, have the guest take them offline
    """

    step_mb: int = 1024
    reserve_mb: int = 64
    offline_vcpus: bool = False


DEFAULTS = Limits()


def step(
    state: InstanceState, guest: DomainReading, run: RunState, limits: Limits
) -> SetMemory | SetStatisticsPeriod | Await | Stuck | None:
    """The balloon's next step, or what it waits for; None: it is where it should be.

    Once a run the target is set, even when the balloon's size is right: libvirt does not report the
    target, so whether the balloon is on its way to another size cannot be seen.
    """
    goal = state.desired.target.memory_mb
    if guest.pinned and goal < guest.max_memory_mb:
        return Stuck(
            "xloud.guest_refused.memory_pinned",
            f"all of its {guest.max_memory_mb} MiB stay in the host's RAM, and a balloon frees "
            f"nothing ({', '.join(guest.pinned)}), so its memory does not become {goal} MiB: "
            f"adjust it to {guest.max_memory_mb} MiB, or take away what pins it",
        )
    if guest.memory_mb > goal:
        return _shrink(goal, state, guest, run, limits)
    if guest.memory_mb == goal and not guest.has_balloon:
        # There is no balloon whose target could be set.
        return None
    if run.balloon_target_mb != goal:
        # Else there was no room to claim it.
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
            f"its balloon driver does not tell how much it uses, so its memory stays at {now} MiB "
            f"and does not become {goal}; load the driver, or ask with force",
        )
    growing = run.balloon_target_mb is None or run.balloon_target_mb > now
    is_known = guest.stats_at is not None and state.reserved.memory_mb >= now
    if growing and is_known and not state.booting:
        # It may be on its way to a larger size that was its target before. The size it has as its
        # target stops that, and pushes nobody.
        return SetMemory(now)
    if guest.usable_mb is None or not run.has_fresh_statistics(guest):
        if _may_be_asked_often(guest, run):
            return SetStatisticsPeriod(OFTEN)
        return Await(
            NO_STATISTICS,
            f"its balloon driver tells how much it uses now, so that its memory may become {goal} "
            f"MiB (is {now})",
            now - goal,
            booting=state.booting,
            within=None if state.booting else guest.reports_within,
        )
    floor = now - guest.usable_mb + limits.reserve_mb
    if floor >= now:
        return Await(
            "xloud.guest_refused.memory_floor",
            f"it uses less, so that its memory may become {goal} MiB: of its {now} MiB "
            f"{guest.usable_mb} are free, and {limits.reserve_mb} are left to it",
            now - goal,
            booting=state.booting,
        )
    return SetMemory(max(lowest, floor))


def usual_period(guest: DomainReading, run: RunState) -> SetStatisticsPeriod | None:
    """Have its statistics be asked for as usual, after :data:`OFTEN`; None: they are, or libvirt
    has refused that in this run, or somebody has set another period by hand.
    """
    usual = guest.usual_stats_period
    if not is_asked_often(guest.stats_period, usual) or run.stats_period_set == usual:
        return None
    return SetStatisticsPeriod(usual)


def is_asked_often(period: int, usual: int) -> bool:
    """Whether a guest's statistics come as often as in a shrink, and have a period to go back to.

    :param period: seconds between two of them now; 0: nobody asks for them
    :param usual: the same as the host is configured
    """
    return period == OFTEN < usual


def _may_be_asked_often(guest: DomainReading, run: RunState) -> bool:
    """Only where there is a period to go back to, and a guest that runs, to report."""
    is_rare = min(guest.stats_period, guest.usual_stats_period) > OFTEN
    return is_rare and not guest.paused and run.stats_period_set != OFTEN


def _is_silent(state: InstanceState, guest: DomainReading, run: RunState) -> bool:
    """Whether its statistics are waited for no more.

    Each run waits for the first report after it began. Only where the last one has waited already,
    and the driver has not been heard since, the next attempt does not.
    """
    if state.booting or guest.paused or run.has_fresh_statistics(guest):
        return False
    progress = state.desired.progress
    before = (progress.phase, progress.code) == (Phase.GUEST_REFUSED, NO_STATISTICS)
    return run.statistics_given_up or (before and guest.balloon_driver is False)


def _on_the_way(to: int, guest: DomainReading, *, booting: bool = False) -> Await:
    return Await(
        "xloud.guest_refused.memory_not_reached",
        f"its memory becomes {to} MiB (is {guest.memory_mb})",
        abs(to - guest.memory_mb),
        booting=booting,
    )
