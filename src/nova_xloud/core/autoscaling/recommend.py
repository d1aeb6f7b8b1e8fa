# SPDX-License-Identifier: Apache-2.0
"""Decide what size an instance should have, and say why.

Each resource is decided by its own figures: if one cannot be measured or adjusted, the other still
can. The code of a decision begins with ``grow``, ``shrink`` or ``hold`` (the size is kept).
"""

from __future__ import annotations

from nova_xloud.core.autoscaling import shrink
from nova_xloud.core.autoscaling.decide import Case, decided
from nova_xloud.core.autoscaling.growth import Wish, cpu_wish, memory_wish
from nova_xloud.core.autoscaling.history import History
from nova_xloud.core.autoscaling.need import LARGEST_FIGURE, CpuFigures, MemoryFigures, is_stale
from nova_xloud.core.autoscaling.recommendation import Advice, Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.autoscaling.shrink import Hold
from nova_xloud.core.autoscaling.track import Track
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.autoscaling.votes import CPU_DELAY, words
from nova_xloud.core.size import of_vcpus

LONGEST_INTERVAL = 600.0
"""Seconds: a longer time between two samples counts as this when CPU figures become too old.

They become too old after twice the time between the two samples that they come from, and 1 s.
"""


def recommend(history: History, ranges: Ranges, tuning: Tuning, now: float) -> Recommendation:
    """Return what size the guest of ``history`` should have at ``now``, seconds since the epoch.

    Only a code that begins with ``grow`` or ``shrink`` is a reason to change something. If there
    was no sample yet, not even the desired size is known. The codes are then ``hold.no_sample``,
    and the values are the smallest ones, or what a person has asked for if that is more. If ``now``
    is no usable time, the codes are ``hold.no_time``, and the values are the desired ones, but not
    below the smallest.

    :param ranges: the values to which vCPUs and memory may be set
    """
    sample = history.last
    if sample is None:
        return Recommendation(now, _no_sample(ranges.vcpus), _no_sample(ranges.memory_mb))
    if not 0 <= now <= LARGEST_FIGURE:
        return Recommendation(
            now,
            _no_time(sample.desired.vcpus, ranges.vcpus),
            _no_time(sample.desired.memory_mb, ranges.memory_mb),
        )
    vcpus = _vcpus(history, sample, ranges.vcpus, tuning, now)
    memory_mb = _memory(history, sample, ranges.memory_mb, tuning, now)
    return Recommendation(now, decided(vcpus), decided(memory_mb), memory_mb.wish.is_urgent)


def _no_sample(allowed: Range) -> Advice:
    wanted = max(allowed.smallest, min(allowed.held, allowed.largest))
    return Advice(wanted, None, None, "hold.no_sample", "nothing was read of the guest yet")


def _no_time(desired: int, allowed: Range) -> Advice:
    wanted = desired if allowed.blocked else max(desired, allowed.smallest)
    return Advice(wanted, None, None, "hold.no_time", "the host's clock says no usable time")


def _vcpus(
    history: History, sample: GuestSample, allowed: Range, tuning: Tuning, now: float
) -> Case:
    cpu, desired, actual = history.cpu, sample.desired.vcpus, sample.size.vcpus
    figures = cpu.figures if _is_fresh_cpu(cpu.figures, now) else None
    wish = cpu_wish(cpu, figures, actual, tuning)
    held = shrink.hold(
        history, cpu.track, history.memory.track, allowed, actual == desired, tuning, now
    )
    vetoes = _vetoes(wish, cpu.track, tuning, now)
    if figures is None:
        clause = f"how much of {of_vcpus(actual)} is used is not known"
        held = held or shrink.STALE
    else:
        clause = f"{figures.used:.2f} of {of_vcpus(actual)} {'is' if actual == 1 else 'are'} used"
        if figures.delay >= tuning.delay_high:
            # More vCPUs would wait as well: it is the host that has too few CPUs.
            clause += f" and {100 * figures.delay:.0f} % of the time wanted was not given"
            vetoes += (CPU_DELAY,)
            held = held or Hold(CPU_DELAY, words((CPU_DELAY,)))
    step = max(1, allowed.step)
    return Case(
        desired=desired,
        allowed=allowed,
        need=None if figures is None else figures.wanted,
        floor=shrink.vcpus_floor(cpu.track, allowed, tuning, now),
        wish=wish,
        least=1,
        capped=_capped(wish, history, tuning, now),
        held=held,
        vetoes=vetoes,
        figures=clause,
        step=step,
        band=0,
    )


def _memory(
    history: History, sample: GuestSample, allowed: Range, tuning: Tuning, now: float
) -> Case:
    memory, desired, actual = history.memory, sample.desired.memory_mb, sample.size.memory_mb
    figures = memory.figures if _is_fresh_memory(memory.figures, sample, now) else None
    wish = memory_wish(memory, figures, actual, allowed, tuning, now)
    held = shrink.hold(
        history, memory.track, history.cpu.track, allowed, actual == desired, tuning, now
    )
    step = 0.0
    if figures is None:
        clause = f"how much of {actual} MiB is needed is not known"
        held = held or shrink.STALE
    else:
        clause = f"{figures.need:.0f} of {actual} MiB are needed"
        step = shrink.memory_step(figures, allowed, tuning)
    return Case(
        desired=desired,
        allowed=allowed,
        need=None if figures is None else figures.need,
        floor=shrink.memory_floor(memory, allowed, tuning, now),
        wish=wish,
        least=_least_growth(wish, desired, actual, tuning),
        capped=_capped(wish, history, tuning, now),
        held=held,
        vetoes=_vetoes(wish, memory.track, tuning, now),
        figures=clause,
        step=step,
        band=tuning.dead_band * desired,
        is_projected=shrink.is_projected(memory, allowed, tuning, now),
    )


def _least_growth(wish: Wish, desired: int, actual: int, tuning: Tuning) -> float:
    """Return by how much memory has to grow at least, MiB, for the growth to be worth a call.

    0 if a shrink that did harm is taken back, and if the guest is in distress with all of the
    memory that is desired. While some of that is on its way, a little more does not help.
    """
    if wish.is_undo or (wish.is_urgent and actual >= desired):
        return 0.0
    return tuning.ignored_share * desired


def _capped(wish: Wish, history: History, tuning: Tuning, now: float) -> Hold | None:
    """Return why growth has to wait after many changes; None if it need not.

    It need not while the guest is in distress for want of memory, because a guest without memory
    loses programs, and neither if a shrink that did harm is taken back.
    """
    if not wish.votes or wish.is_urgent or wish.is_undo:
        return None
    return shrink.over_cap(history, tuning, now)


def _vetoes(wish: Wish, track: Track, tuning: Tuning, now: float) -> tuple[str, ...]:
    """Return the codes of what speaks against shrinking.

    These are the codes of what speaks for growth, and of the signs of distress that were seen in
    the last ``tuning.veto`` seconds.

    :param track: what samples have shown of the resource
    """
    if track.distress_at is None or now - track.distress_at >= tuning.veto:
        return wish.votes
    return wish.votes + tuple(code for code in track.distress if code not in wish.votes)


def _is_fresh_cpu(figures: CpuFigures | None, now: float) -> bool:
    if figures is None:
        return False
    return -1 <= now - figures.at <= 2 * min(figures.interval, LONGEST_INTERVAL) + 1


def _is_fresh_memory(figures: MemoryFigures | None, sample: GuestSample, now: float) -> bool:
    return figures is not None and not is_stale(figures.at, sample.report_period, now)
