# SPDX-License-Identifier: Apache-2.0
"""Sums the scores of many machines up: for each figure its mean, percentiles and worst value."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nova_xloud.backtest.policy import Host
from nova_xloud.backtest.scoring import Score


@dataclass(frozen=True, slots=True)
class Spread:
    """How one figure is spread over all machines that have it. All is NaN if none has it.

    :ivar mean: the mean over the machines, but for three figures. For ``FIT_P50`` and ``FIT_P99``,
        times from need to fit, it is the percentile over all needs of all machines. For
        ``PER_HOST`` it is how many servers of the mean size of all machines fit on a host
    :ivar p50: half of the machines have at most this
    :ivar p90: nine of ten machines have at most this; at least this, if a high figure is good
    :ivar worst: the figure of the machine that does worst
    """

    mean: float
    p50: float
    p90: float
    worst: float


NOTHING = Spread(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that policies are compared by. The values are in :class:`Spread`.

    :ivar name: the name in JSON, with its unit
    :ivar title: the head of the column in a table
    :ivar what: what the figure means, for the axis of a plot
    :ivar is_high_good: whether a policy with a higher value is the better one
    """

    name: str
    title: str
    what: str
    is_high_good: bool = False


VCPU_SHARE = Figure("vcpu_share", "vCPU share", "allocated vCPUs, share of the maximum")
MEMORY_SHARE = Figure("memory_share", "memory share", "allocated memory, share of the maximum")
PER_HOST = Figure(
    "servers_per_host", "servers/host", "servers that fit on one host at their mean size", True
)
UNMET_CPU = Figure(
    "unmet_cpu_core_seconds_per_day", "unmet core-s", "core-seconds a VM-day wanted and not had"
)
UNMET_MEMORY = Figure(
    "unmet_memory_mib_seconds_per_day", "unmet MiB-s", "MiB-seconds a VM-day wanted and not had"
)
KILLS = Figure("oom_kills_per_day", "OOM kills", "processes killed for want of memory a VM-day")
CHANGES = Figure("changes_per_day", "changes", "changes of size a VM-day")
FLAPS = Figure("flaps_per_day", "flaps", "growths shrunk within 10 minutes a VM-day")
UNDONE = Figure("undone_per_day", "undone", "shrinks taken back within 10 minutes a VM-day")
FIT_P50 = Figure("fit_p50_seconds", "fit p50 s", "time from need to fit, percentile 50, seconds")
FIT_P99 = Figure("fit_p99_seconds", "fit p99 s", "time from need to fit, percentile 99, seconds")
FIGURES = (
    VCPU_SHARE, MEMORY_SHARE, PER_HOST, UNMET_CPU, UNMET_MEMORY, KILLS, CHANGES, FLAPS, UNDONE,
    FIT_P50, FIT_P99,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """How a policy did on a set of machines.

    :ivar policy: the policy's name
    :ivar machines: how many machines
    :ivar days: days of all machines together that were scored
    :ivar figures: by ``Figure.name``, the values of each of ``FIGURES``
    """

    policy: str
    machines: int
    days: float
    figures: dict[str, Spread] = field(default_factory=dict)


def summed_up(policy: str, scores: Sequence[Score], host: Host) -> Summary:
    """Return the summary of ``scores``, one of each machine.

    :param policy: the policy's name
    :param host: the size of a host, for the figure that says how many servers fit on one
    """
    figures = {
        VCPU_SHARE.name: _spread(scores, lambda s: s.vcpu_share),
        MEMORY_SHARE.name: _spread(scores, lambda s: s.memory_share),
        PER_HOST.name: _per_host(scores, host),
        UNMET_CPU.name: _spread(scores, lambda s: s.unmet_cpu),
        UNMET_MEMORY.name: _spread(scores, lambda s: s.unmet_memory),
        KILLS.name: _spread(scores, lambda s: s.kills),
        CHANGES.name: _spread(scores, lambda s: s.changes),
        FLAPS.name: _spread(scores, lambda s: s.flaps),
        UNDONE.name: _spread(scores, lambda s: s.undone),
        FIT_P50.name: _waits(scores, 0.5),
        FIT_P99.name: _waits(scores, 0.99),
    }
    return Summary(policy, len(scores), sum(s.days for s in scores), figures)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile ``share`` (0 to 1) of ``values``; NaN if there are no values.

    It is the smallest value for which at least that share of the values is no larger.
    """
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _spread(scores: Sequence[Score], value: Callable[[Score], float]) -> Spread:
    values = _known([value(s) for s in scores])
    if not values:
        return NOTHING
    mean = sum(values) / len(values)
    return Spread(mean, percentile(values, 0.5), percentile(values, 0.9), max(values))


def _per_host(scores: Sequence[Score], host: Host) -> Spread:
    """Return how many servers fit on a host, with fractions.

    ``mean`` is for servers of the mean size of all machines. The other values are for hosts full of
    copies of one machine.
    """
    vcpus, memory = (_known([s.vcpus for s in scores]), _known([s.memory_mb for s in scores]))
    mean = _fitting(host, _mean(vcpus), _mean(memory))
    each = _known([_fitting(host, s.vcpus, s.memory_mb) for s in scores])
    if not each:
        return NOTHING
    return Spread(mean, percentile(each, 0.5), percentile(each, 0.1), min(each))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _fitting(host: Host, vcpus: float, memory_mb: float) -> float:
    """Return how many servers of a size fit on ``host``, with fractions.

    A resource whose size is NaN or 0 does not count. If neither counts, the result is NaN.
    """
    rooms = [
        room / size
        for room, size in ((host.vcpus, vcpus), (host.memory_mb, memory_mb))
        if size > 0  # False of NaN too.
    ]
    return min(rooms, default=math.nan)


def _waits(scores: Sequence[Score], share: float) -> Spread:
    together = array("d")
    for one in scores:
        together.extend(one.waits)
    each = [percentile(s.waits, share) for s in scores if s.waits]
    if not each:
        return NOTHING
    return Spread(
        percentile(together, share), percentile(each, 0.5), percentile(each, 0.9), max(each)
    )
