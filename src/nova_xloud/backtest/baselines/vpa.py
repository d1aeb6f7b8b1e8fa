# SPDX-License-Identifier: Apache-2.0
"""The Vertical Pod Autoscaler of Kubernetes: percentiles of decaying histograms.

Constants of kubernetes/autoscaler 55c37cd5 (``vertical-pod-autoscaler/pkg``): once a minute a
machine is recommended percentile 90 of its use, times 1.15, between bounds of percentiles 50 and 95
that narrow with time. A sample of CPU counts half as much after 24 h, in buckets that grow by 5 %.
Of memory the peak of each 24 h counts, and 8 of these are kept. An OOM kill counts as a use of
100 MiB more, or of 1.2 times as much if that is more. The updater sets a machine to the target when
its size is outside of the bounds, and after 12 h also when the size differs by at least 10 %.

A machine is adjusted in place here, and not evicted as a pod is, so nothing waits for an eviction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from nova_xloud.backtest.policy import Seen, Wanted

HALF_LIFE = 24 * 3600.0
BUCKET_GROWTH = 1.05
CPU_FIRST_BUCKET, CPU_BUCKETS = 0.01, 176
TARGET, LOWER, UPPER = 0.9, 0.5, 0.95
MARGIN = 1.15
CPU_LEAST, MEMORY_LEAST_MB = 0.025, 250.0
MEMORY_INTERVAL, MEMORY_INTERVALS = 24 * 3600.0, 8
OOM_MORE_MB, OOM_MORE_SHARE = 100.0, 1.2
SETTLED_AFTER, SMALLEST_CHANGE = 12 * 3600.0, 0.1
DAY = 86400.0


class Bounds(NamedTuple):
    """The recommendation of one resource: lower bound, target, upper bound; cores or MiB."""

    lower: float
    target: float
    upper: float


class Peak(NamedTuple):
    """The most memory that was used in one interval of 24 h.

    :ivar begin: when the interval began, seconds
    :ivar mib: the memory, MiB
    """

    begin: float
    mib: float


class State(NamedTuple):
    """What the recommender remembers of a machine.

    :ivar since: when the machine was first seen, seconds; None if it was not yet
    :ivar weights: the CPU histogram: the sum of the weights of the samples in each bucket
    :ivar peaks: the highest use of memory in each of the last 8 intervals, the oldest first
    :ivar kills: processes killed for want of memory up to the last tick
    """

    since: float | None = None
    weights: tuple[float, ...] = (0.0,) * CPU_BUCKETS
    peaks: tuple[Peak, ...] = ()
    kills: int = 0


@dataclass(frozen=True, slots=True)
class Vpa:
    """Gives a machine what VPA recommends: percentile 90 of its use, and 15 % more."""

    name: str = "vpa"
    starts_large: bool = True
    period: float = 60.0

    def begin(self) -> State:
        return State()

    def decide(self, state: State, seen: Seen) -> tuple[State, Wanted]:
        state = _remembered(state, seen)
        assert state.since is not None
        age = seen.at - state.since
        cpu = cpu_bounds(state.weights, age)
        memory = memory_bounds(state.peaks, seen.at, age)
        vcpus, mib = seen.vcpus, seen.memory_mb
        if cpu is not None:
            vcpus = math.ceil(_updated(cpu, seen.vcpus, age) - 1e-9)
        if memory is not None:
            mib = math.ceil(_updated(memory, seen.memory_mb, age))
        return state, Wanted(vcpus, mib, self.period)


def _remembered(state: State, seen: Seen) -> State:
    since = seen.at if state.since is None else state.since
    weights, peaks = state.weights, state.peaks
    if seen.cpu is not None:
        weights = added(weights, seen.cpu, seen.at - since)
    used = seen.memory
    if seen.kills > state.kills:
        peak = max(seen.memory_mb, peaks[-1].mib if peaks else 0.0)
        used = max(peak + OOM_MORE_MB, peak * OOM_MORE_SHARE)
    if used is not None:
        peaks = with_peak(peaks, seen.at, used)
    return State(since, weights, peaks, seen.kills)


def bucket(cores: float) -> int:
    """Return the index of the bucket of a CPU sample.

    Bucket n begins at ``0.01 * (1.05^n - 1) / 0.05`` cores; the last one has all that is above it.
    """
    if cores < CPU_FIRST_BUCKET:
        return 0
    ratio = BUCKET_GROWTH - 1
    index = math.log(cores * ratio / CPU_FIRST_BUCKET + 1, BUCKET_GROWTH)
    return min(int(index + 1e-9), CPU_BUCKETS - 1)


def bucket_begin(index: int) -> float:
    """Return the cores from which on a sample is in the bucket ``index``."""
    ratio = BUCKET_GROWTH - 1
    begin: float = CPU_FIRST_BUCKET * (BUCKET_GROWTH**index - 1) / ratio
    return begin


def added(weights: tuple[float, ...], cores: float, age: float) -> tuple[float, ...]:
    """Return the histogram with one more sample.

    Old samples are not made to decay: a sample that comes a day later counts twice as much.

    :param weights: the histogram before, see :class:`State`
    :param cores: the sample
    :param age: seconds since the machine was first seen
    """
    index = bucket(cores)
    more = weights[index] + 2 ** (age / HALF_LIFE)
    return (*weights[:index], more, *weights[index + 1 :])


def cpu_percentile(weights: tuple[float, ...], share: float) -> float:
    """Return a percentile of the histogram, cores: the end of the bucket in which it is.

    :param share: which percentile, 0 to 1
    """
    wanted, total = share * sum(weights), 0.0
    for index, weight in enumerate(weights):
        total += weight
        if total >= wanted and total > 0:
            return bucket_begin(index + 1)
    return bucket_begin(CPU_BUCKETS)


def with_peak(peaks: tuple[Peak, ...], at: float, used: float) -> tuple[Peak, ...]:
    """Return ``peaks`` with one more use of memory; only the last 8 are kept.

    A use within 24 h after the begin of the last interval raises that interval's peak if it is
    higher. A later one begins a new interval.

    :param at: when the memory was used, seconds
    :param used: the memory, MiB
    """
    if not peaks or at >= peaks[-1].begin + MEMORY_INTERVAL:
        begin = at if not peaks else at - (at - peaks[-1].begin) % MEMORY_INTERVAL
        return (*peaks, Peak(begin, used))[-MEMORY_INTERVALS:]
    if used > peaks[-1].mib:
        return (*peaks[:-1], Peak(peaks[-1].begin, used))
    return peaks


def memory_percentile(peaks: tuple[Peak, ...], at: float, share: float) -> float:
    """Return a percentile of the peaks, MiB. The weight of a peak halves every 24 h.

    :param at: the time now, seconds
    :param share: which percentile, 0 to 1
    """
    weighted = sorted((peak.mib, 2 ** ((peak.begin - at) / HALF_LIFE)) for peak in peaks)
    wanted, total = share * sum(weight for _, weight in weighted), 0.0
    for mib, weight in weighted:
        total += weight
        if total >= wanted - 1e-12:
            return mib
    return weighted[-1][0]


def _bounds(percentiles: tuple[float, float, float], least: float, age: float) -> Bounds:
    """Return the recommendation, made from three percentiles of one resource.

    Each percentile gets a margin of 15 %, and is at least ``least``. The lower bound is further
    below and the upper bound further above at first. Both narrow with ``age``.

    :param percentiles: of the lower bound, the target and the upper bound, cores or MiB
    :param age: seconds since the machine was first seen; 0: the bounds are 0 and infinity
    """
    (lower, target, upper), days = percentiles, age / DAY
    if days <= 0:
        return Bounds(0.0, max(least, target * MARGIN), math.inf)
    return Bounds(
        max(least, lower * MARGIN * (1 + 0.001 / days) ** -2),
        max(least, target * MARGIN),
        max(least, upper * MARGIN * (1 + 1 / days)),
    )


def cpu_bounds(weights: tuple[float, ...], age: float) -> Bounds | None:
    """Return the recommendation of CPU, cores; None before the first sample.

    :param age: seconds since the machine was first seen
    """
    if not any(weights):
        return None
    lower, target, upper = (cpu_percentile(weights, share) for share in (LOWER, TARGET, UPPER))
    return _bounds((lower, target, upper), CPU_LEAST, age)


def memory_bounds(peaks: tuple[Peak, ...], at: float, age: float) -> Bounds | None:
    """Return the recommendation of memory, MiB; None before the first sample.

    :param at: the time now, seconds
    :param age: seconds since the machine was first seen
    """
    if not peaks:
        return None
    lower, target, upper = (memory_percentile(peaks, at, share) for share in (LOWER, TARGET, UPPER))
    return _bounds((lower, target, upper), MEMORY_LEAST_MB, age)


def _updated(bounds: Bounds, now: float, age: float) -> float:
    """Return the size of a resource after the updater: the target if it acts, else ``now``.

    It acts when ``now`` is outside of the bounds. After 12 h it also acts when the target differs
    from ``now`` by at least 10 %.

    :param now: the size before, vCPUs or MiB
    :param age: seconds since the machine was first seen
    """
    if now < bounds.lower or now > bounds.upper:
        return bounds.target
    if age >= SETTLED_AFTER and abs(bounds.target - now) >= SMALLEST_CHANGE * now:
        return bounds.target
    return now
