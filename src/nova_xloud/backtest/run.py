# SPDX-License-Identifier: Apache-2.0
"""Plays traces to policies, machine by machine, and sums up what each policy has done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nova_xloud.backtest import traces
from nova_xloud.backtest.alignment import Alignment, Span, aligned
from nova_xloud.backtest.demand import Demand, Resolution, demand_of
from nova_xloud.backtest.model import USUAL_PACE, Pace, Played
from nova_xloud.backtest.policies import (
    HOST_POLICIES,
    SINGLE_POLICIES,
    AnyPolicy,
    UnknownPolicy,
    on_a_host,
    played,
)
from nova_xloud.backtest.policy import Host, HostPolicy
from nova_xloud.backtest.scoring import DAY, USUAL_HOST, Score, score
from nova_xloud.backtest.summary import Summary, summed_up
from nova_xloud.backtest.together import host_of, play_together, steady
from nova_xloud.backtest.traces import Machine
from nova_xloud.core.autoscaling.settings import DEFAULT_WEIGHT

# Called with the name of the trace, the share of it that was played (0 to 1), and what that was.
Progress = Callable[[str, float, str], None]
# Called with each machine, its demand, the name of the policy, and what the policy has done.
Series = Callable[[Machine, Demand, str, Played], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How traces are played.

    :ivar seed: decides all that is drawn by chance
    :ivar resolution: how samples become demand
    :ivar machines: so many machines of each trace, spread evenly; None: all
    :ivar days: so many days of each machine, its first ones; None: all
    :ivar pace: how often policies are asked
    :ivar host: the size of a host, for how many servers fit on one
    :ivar host_share: the size of the host on which machines are played together, as a share of the
        sum of their maxima
    :ivar together: which part of the machines is played together by all policies; None: each
        machine is played for itself, and all on one host by policies that need a host
    :ivar weights: given to the machines of a host in turn
    """

    seed: int = 1
    resolution: Resolution = Resolution.EXPANDED
    machines: int | None = None
    days: float | None = None
    pace: Pace = USUAL_PACE
    host: Host = USUAL_HOST
    host_share: float = 0.6
    together: Alignment | None = None
    weights: tuple[int, ...] = (DEFAULT_WEIGHT,)


@dataclass(frozen=True, slots=True)
class HostUse:
    """How full the host was on which the machines of a trace were played together.

    :ivar policy: the policy's name
    :ivar host: what the host has
    :ivar most_vcpus: the most vCPUs that all machines have had at once
    :ivar most_mb: the most memory that all machines have had at once, MiB
    """

    policy: str
    host: Host
    most_vcpus: int
    most_mb: int


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What the policies have done with one trace.

    :ivar source: the name of the trace
    :ivar machines: how many machines were read and counted; on a full host some may be left out
    :ivar censored: the share of samples in which a machine used all the CPU that it was given, mean
        over the machines
    :ivar left_out: in how many samples the memory counts as unknown, because it was more than was
        given
    :ivar has_cpu: whether the trace says how many cores a machine was given, so that CPU is scored
    :ivar has_memory: the same of memory
    :ivar summaries: one for each policy; on a host with several weights also one for each policy
        and weight
    :ivar hosts: one for each policy that was played on a host: how full the host was
    """

    source: str
    machines: int
    censored: float
    left_out: int
    has_cpu: bool
    has_memory: bool
    summaries: tuple[Summary, ...]
    hosts: tuple[HostUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What the policies have done with all traces.

    :ivar sources: the traces, one by one
    :ivar together: one summary of each policy over all machines of all traces
    """

    sources: tuple[SourceResult, ...]
    together: tuple[Summary, ...]


@dataclass(slots=True)
class _Tally:
    """Collects the scores of one trace while it is played, by the name of the policy."""

    options: Options
    series: Series | None
    scores: dict[str, list[Score]] = field(default_factory=dict)
    hosts: list[HostUse] = field(default_factory=list)
    machines: int = 0
    censored: float = 0.0
    left_out: int = 0
    has_cpu: bool = False
    has_memory: bool = False

    def count(self, demand: Demand) -> None:
        """Count one more machine."""
        self.machines += 1
        self.censored += demand.censored
        self.left_out += demand.left_out
        self.has_cpu |= max(demand.max_vcpus) > 0
        self.has_memory |= max(demand.max_memory) > 0

    def add(self, name: str, machine: Machine, demand: Demand, done: Played) -> Score:
        """Score what the policy ``name`` has done with a machine, and pass on its series."""
        result = score(demand, done)
        self.scores.setdefault(name, []).append(result)
        if self.series is not None:
            self.series(machine, demand, name, done)
        return result

    def play_on_host(self, policy: HostPolicy, machines: Sequence[tuple[Machine, Demand]]) -> None:
        """Play machines together, and score each of them."""
        demands = [demand for _, demand in machines]
        host = host_of(demands, self.options.host_share)
        done = play_together(demands, policy, host, self.options.seed, self.options.pace)
        self.hosts.append(HostUse(policy.name, host, done.most_vcpus, done.most_mb))
        weights = weights_of(demands, self.options.weights)
        for (machine, demand), played_one in zip(machines, done.played, strict=True):
            result = self.add(policy.name, machine, demand, played_one)
            if len(self.options.weights) > 1:
                name = f"{policy.name}, weight {weights[demand.name]}"
                self.scores.setdefault(name, []).append(result)

    def result(self, source: str) -> SourceResult:
        """Return the result of the trace ``source``, from all machines that were added."""
        return SourceResult(
            source,
            self.machines,
            self.censored / self.machines if self.machines else 0.0,
            self.left_out,
            self.has_cpu,
            self.has_memory,
            tuple(summed_up(name, found, self.options.host) for name, found in self.scores.items()),
            tuple(self.hosts),
        )


def weights_of(demands: Sequence[Demand], weights: Sequence[int]) -> dict[str, int]:
    """Return the weight of each machine by its name: ``weights`` in turn."""
    return {demand.name: weights[i % len(weights)] for i, demand in enumerate(demands)}


def run(
    paths: Sequence[Path],
    policies: Sequence[AnyPolicy],
    options: Options,
    progress: Progress | None = None,
    series: Series | None = None,
) -> Result:
    """Play each trace of ``paths`` to each of ``policies``, and return the scores.

    :param progress: called now and then, see :data:`Progress`
    :param series: called with what each policy has done with each machine, see :data:`Series`; what
        it raises is raised here
    :raises TraceError: a trace cannot be read
    :raises UnknownPolicy: a policy cannot be played on a full host
    """
    results = []
    everything: dict[str, list[Score]] = {}
    for path in paths:
        tally = _Tally(options, series)
        if options.together is None:
            _play_each(path, policies, tally, progress)
        else:
            _play_full_host(path, policies, tally, progress)
        results.append(tally.result(traces.source_name(path)))
        for name, scores in tally.scores.items():
            everything.setdefault(name, []).extend(scores)
    together = tuple(summed_up(name, found, options.host) for name, found in everything.items())
    return Result(tuple(results), together)


def _read(
    path: Path, options: Options, note: Callable[[float], None]
) -> Iterator[tuple[Machine, Demand]]:
    for machine in traces.machines(path, options.machines, note):
        machine = shortened(machine, options.days)
        yield machine, demand_of(machine, options.seed, options.resolution)


def _play_each(
    path: Path, policies: Sequence[AnyPolicy], tally: _Tally, progress: Progress | None
) -> None:
    """Play each machine for itself, and then all together for policies that need a host."""
    source, share, options = traces.source_name(path), 0.0, tally.options
    on_hosts = [policy for policy in policies if policy.name in HOST_POLICIES]
    kept: list[tuple[Machine, Demand]] = []

    def note(read: float) -> None:
        nonlocal share
        share = read

    for machine, demand in _read(path, options, note):
        tally.count(demand)
        for policy in policies:
            single = SINGLE_POLICIES.get(policy.name)
            if single is not None:
                done = played(single, demand, options.seed, options.pace)
                tally.add(policy.name, machine, demand, done)
        if on_hosts:
            kept.append((machine, demand))
        if progress is not None:
            progress(source, share, f"{tally.machines} machines")
    for policy in on_hosts:
        if progress is not None:
            progress(source, share, f"{policy.name} on one host")
        tally.play_on_host(HOST_POLICIES[policy.name], kept)
    if progress is not None:
        progress(source, 1.0, f"{tally.machines} machines")


def _play_full_host(
    path: Path, policies: Sequence[AnyPolicy], tally: _Tally, progress: Progress | None
) -> None:
    """Play a part of all machines together on one host that has not room for all of them."""
    source, options = traces.source_name(path), tally.options
    assert options.together is not None
    by_name: dict[str, Machine] = {}
    whole = []
    for machine, demand in _read(path, options, lambda share: None):
        tally.count(demand)
        by_name[demand.name] = machine
        whole.append(demand)
    parts = [steady(one) for one in aligned(whole, options.together, Span())]
    machines = [(by_name[one.name], one) for one in parts]
    weights = weights_of(parts, options.weights)
    for index, policy in enumerate(policies):
        if progress is not None:
            progress(source, index / len(policies), f"{policy.name} on one host")
        on_host = on_a_host(policy, weights)
        if on_host is None:
            raise UnknownPolicy(
                f"policy {policy.name} cannot be played on a full host (--together); leave it out "
                f"of --policy, or leave --together out"
            )
        tally.play_on_host(on_host, machines)
    if progress is not None:
        progress(source, 1.0, f"{len(parts)} machines on one host")


def shortened(machine: Machine, days: float | None) -> Machine:
    """Return the first ``days`` days of a machine; all of it if ``days`` is None."""
    if days is None:
        return machine
    end = machine.time[0] + days * DAY
    rows = next((i for i, at in enumerate(machine.time) if at >= end), len(machine.time))
    return Machine(
        machine.source,
        machine.name,
        machine.time[:rows],
        machine.cpu[:rows],
        machine.memory[:rows],
        machine.cores[:rows],
        machine.memory_given[:rows],
        {name: column[:rows] for name, column in machine.further.items()},
        machine.lines[:rows],
    )
