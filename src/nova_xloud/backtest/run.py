# SPDX-License-Identifier: Apache-2.0
"""Plays traces to policies, each machine alone or all on one host, and sums up the scores."""

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
    :ivar machines: how many machines of each trace are played, spread evenly over it; None: all
    :ivar days: how many days of each machine are played, from its first row on; None: all
    :ivar pace: how often policies are asked
    :ivar host: the size of a host, for the figure that says how many servers fit on one
    :ivar host_share: the size of the host on which machines are played together, as a share of the
        sum of their maxima
    :ivar together: all policies play all machines on one host, and this is the part of their time;
        None: only policies that decide for a whole host do, for all of the time, and the others
        play each machine alone
    :ivar weights: the weights that the machines of a host get in turn: the first machine the first
        weight, and after the last weight the first one again
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

    :ivar policy: the name of the policy to which they were played
    :ivar host: what the host has
    :ivar most_vcpus: the most vCPUs that all machines have had at once; during a change of a
        machine the larger of old and new counts
    :ivar most_mb: the most memory that all machines have had at once, MiB, counted in the same way
    """

    policy: str
    host: Host
    most_vcpus: int
    most_mb: int


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What the policies have done with one trace.

    :ivar source: the name of the trace
    :ivar machines: how many machines were read; with ``Options.together`` those without a row in
        the part that is played were read too, and were not played
    :ivar censored: the share of samples, 0 to 1, in which a machine used all the CPU that it was
        given; mean over the machines
    :ivar left_out: in how many samples the memory counts as unknown, because it was more than the
        machine was given
    :ivar has_cpu: whether the trace says how many cores a machine was given, so that CPU is scored
    :ivar has_memory: whether the trace says how much memory a machine was given, so that memory is
        scored
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
    :ivar together: the summaries over all machines of all traces: one for each policy; on a host
        with several weights also one for each policy and weight
    """

    sources: tuple[SourceResult, ...]
    together: tuple[Summary, ...]


@dataclass(slots=True)
class _Tally:
    """Collects the result of one trace while it is played.

    :ivar series: called with what each policy has done with each machine; None: not called
    :ivar scores: the scores of the machines by the name of the policy; with several weights also by
        the policy's name and the weight
    :ivar censored: the sum of ``Demand.censored`` of all machines
    """

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
        """Count one more machine of the trace, and what its demand says of the trace."""
        self.machines += 1
        self.censored += demand.censored
        self.left_out += demand.left_out
        self.has_cpu |= max(demand.max_vcpus) > 0
        self.has_memory |= max(demand.max_memory) > 0

    def add(self, name: str, machine: Machine, demand: Demand, done: Played) -> Score:
        """Score what the policy ``name`` has done with a machine, and call ``series`` with it."""
        result = score(demand, done)
        self.scores.setdefault(name, []).append(result)
        if self.series is not None:
            self.series(machine, demand, name, done)
        return result

    def play_on_host(self, policy: HostPolicy, machines: Sequence[tuple[Machine, Demand]]) -> None:
        """Play machines together on one host, and score each of them.

        The host has ``Options.host_share`` of the sum of their maxima. With several weights each
        score is kept under the policy's name and the machine's weight too.
        """
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
    """Return the weight of each machine by its name; the machines get ``weights`` in turn."""
    return {demand.name: weights[i % len(weights)] for i, demand in enumerate(demands)}


def run(
    paths: Sequence[Path],
    policies: Sequence[AnyPolicy],
    options: Options,
    progress: Progress | None = None,
    series: Series | None = None,
) -> Result:
    """Play the trace in each file of ``paths`` to each of ``policies``, and return the scores.

    :param progress: called now and then, see :data:`Progress`
    :param series: called with what each policy has done with each machine, see :data:`Series`; what
        it raises is raised here
    :raises TraceError: a trace cannot be read
    :raises UnknownPolicy: a policy cannot be played on a full host, as ``Options.together`` asks
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
    """Play each machine alone, and then all on one host to policies that decide for a host."""
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
    """Play all machines together on one host that has not room for the maxima of all.

    Of each machine only the part is played that ``Options.together`` says.

    :raises UnknownPolicy: a policy cannot be played on a full host
    """
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
    """Return the machine with the rows of its first ``days`` days only; None: with all rows."""
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
