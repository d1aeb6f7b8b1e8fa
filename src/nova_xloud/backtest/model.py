# SPDX-License-Identifier: Apache-2.0
"""Plays the demand of a machine to a policy, tick by tick, and returns the machine's sizes.

What the model has of a real machine:

- memory figures are those of the guest's last report, which is 5 to 10 s old;
- the policy is asked at ticks, and the machine gets the size that the policy wants a little later:
  vCPUs after 1 s (``PLUG_SECONDS``), memory at 2150 MiB a second upwards and 920 downwards
  (``GROW_SPEED``, ``SHRINK_SPEED``);
- the pressure on memory is the share of the memory wanted that is missing;
- no more CPU is used than the machine has vCPUs, and no more memory than it has; memory that does
  not fit is swapped out.

Ticks at which a policy would see nothing new are left out. A policy is asked at every tick in the
first 15 s (``ACTIVE_SECONDS``), in the 15 s after demand has grown, and in the 15 s after a change
of size is done. It is asked once more 15 s after demand has fallen. Otherwise ``Wanted.again`` of
its last answer decides: after so many seconds, after ``Pace.idle`` seconds (0), or not until demand
changes (``NEVER``).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from nova_xloud.backtest.demand import Demand, minimum_memory, minimum_vcpus
from nova_xloud.backtest.policy import Manner, Policy, Seen, Wanted, cut
from nova_xloud.backtest.steps import Change, Compact, Step
from nova_xloud.backtest.swap import Starvation

# Seconds between two ticks of the loop, the default of [xloud] autoscale_interval.
TICK = 5.0
# Seconds between two ticks where a policy sees nothing new.
IDLE = 60.0
# The age of a guest's report, seconds: from, to.
REPORT_AGE = (5.0, 10.0)
# A claim, and a vCPU that is plugged or unplugged, seconds.
PLUG_SECONDS = 1.0
# A balloon of 4 KiB pages, MiB a second (hyperalloc-bench: 2.1 and 0.9 GiB/s).
GROW_SPEED, SHRINK_SPEED = 2150.0, 920.0
# From the demand's change to the first tick that has it in its report: the age and a tick.
ACTIVE_SECONDS = REPORT_AGE[1] + TICK


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a policy is asked. A ``period`` of the policy that is longer counts instead.

    :ivar tick: seconds between two ticks
    :ivar idle: seconds between two ticks while a policy would see nothing new
    """

    tick: float = TICK
    idle: float = IDLE


USUAL_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Played:
    """What a policy has done with a machine.

    :ivar steps: the sizes that the machine had, in order of time; the first is that of the start
    :ivar changes: the changes of size that the policy has decided, in order of time. A size that
        follows a change of the machine's maximum is a step, and no change of the policy
    :ivar ticks: how often the policy was asked; 0 for one that knows the future
    """

    steps: Sequence[Step]
    changes: Sequence[Change]
    ticks: int


def play(demand: Demand, policy: Policy, seed: int, pace: Pace = USUAL_PACE) -> Played:
    """Play ``demand`` to ``policy`` from its begin to its end; return what the policy has done.

    :param seed: decides how old the machine's reports are
    """
    run, state = Run(demand, policy, seed, pace), policy.begin()
    while run.at < demand.end:
        seen = run.see()
        state, wanted = policy.decide(state, seen)
        run.take(cut(wanted, seen))
    return run.played()


class Run:
    """One machine in the model. At each tick :meth:`see` comes first, and then :meth:`take`.

    :ivar at: when the next tick is, seconds; at or after the end of the demand when there is none
    :ivar vcpus: vCPUs that the machine has, or will have when its last change is done
    :ivar memory_mb: memory that the machine has, or will have when its last change is done, MiB
    """

    def __init__(self, demand: Demand, policy: Manner, seed: int, pace: Pace) -> None:
        self._demand = demand
        self._policy = policy
        self._tick = max(pace.tick, policy.period)
        self._idle = max(pace.idle, self._tick)
        chance = random.Random(f"{seed}:age:{demand.source}:{demand.name}")
        self._age = chance.uniform(*REPORT_AGE)
        self.at = self._now = demand.begin
        self._piece = 0
        self._reported_piece = 0
        self._wake = 0
        # Ticks are not left out until the first of these; there is one more at the second.
        self._active_until = self._seen_at = demand.begin + ACTIVE_SECONDS
        large, vcpus, memory = policy.starts_large, demand.max_vcpus[0], demand.max_memory[0]
        self.vcpus = vcpus if large else minimum_vcpus(vcpus)
        self.memory_mb = memory if large else minimum_memory(memory)
        # Memory before the last change, for reports that are older than the change.
        self._memory_before, self._memory_since = self.memory_mb, -math.inf
        # The size before the last change, and when that was done.
        self._before, self._done = (self.vcpus, self.memory_mb), -math.inf
        self._last_tick = -math.inf
        self._cpu_seconds = self._cpu_seconds_before = self._cpu = 0.0
        self._load_seconds = self._load_seconds_before = 0.0
        self._missing = self._swapped_out = self._swapped_in = 0.0
        self._starvation = Starvation()
        self._steps = Compact(Step)
        self._steps.append(demand.begin, self.vcpus, self.memory_mb)
        self._changes = Compact(Change)
        self._ticks = 0

    def played(self) -> Played:
        """Return what the policy has done up to now."""
        return Played(self._steps, self._changes, self._ticks)

    def see(self) -> Seen:
        """Let time pass until the tick ``self.at``, and return what the policy sees then."""
        at = self.at
        self._pass(at)
        memory, cache, pressure = self._reported(at - self._age)
        elapsed = at - self._last_tick if self._ticks else 0.0
        is_known = not math.isnan(self._demand.cpu[self._piece])
        cpu = load = None
        if elapsed > 0 and is_known:
            cpu = (self._cpu_seconds - self._cpu_seconds_before) / elapsed
            load = (self._load_seconds - self._load_seconds_before) / elapsed
        vcpus, most = self._demand.max_vcpus[self._piece], self._demand.max_memory[self._piece]
        return Seen(
            at, elapsed, self.vcpus, self.memory_mb, minimum_vcpus(vcpus), vcpus,
            minimum_memory(most), most, cpu, load, memory, cache, at - self._age, self._swapped_out,
            self._swapped_in, pressure, self._starvation.kills, self._cpu_seconds,
        )  # fmt: skip

    def take(self, wanted: Wanted) -> None:
        """Change the machine to the size of ``wanted``, and set ``self.at`` to the next tick.

        :param wanted: the policy's answer at this tick, cut to the machine's range
        """
        at = self.at
        self._last_tick = at
        self._cpu_seconds_before, self._load_seconds_before = self._cpu_seconds, self._load_seconds
        self._ticks += 1
        if wanted.vcpus != self.vcpus or wanted.memory_mb != self.memory_mb:
            self._before = (self.vcpus, self.memory_mb)
            done = self._change(at, wanted)
            # Its effect has to be in a report before ticks are left out again.
            self._active_until = done + ACTIVE_SECONDS
            self._done = done
            self.at = self._on_grid(max(done, at + self._tick))
        else:
            self.at = self._next(at, wanted.again)

    def is_changing(self, at: float) -> bool:
        """Whether a change of size is still on its way at ``at``."""
        return at < self._done

    def held(self, at: float) -> tuple[int, int]:
        """Return the vCPUs and the MiB that the machine may have at ``at``.

        While a change is on its way, each is the larger of before and after.

        :param at: the machine's last tick or later, seconds
        """
        if at >= self._done:
            return self.vcpus, self.memory_mb
        return max(self._before[0], self.vcpus), max(self._before[1], self.memory_mb)

    def _change(self, at: float, wanted: Wanted) -> float:
        """Let the change to ``wanted`` happen, and return when it is done, seconds.

        Time passes until then, and each new size is a step.
        """
        vcpus, memory = wanted.vcpus - self.vcpus, wanted.memory_mb - self.memory_mb
        self._changes.append(at, vcpus, memory)
        plugged = at + PLUG_SECONDS if vcpus else at
        moved = at + (memory / GROW_SPEED if memory > 0 else -memory / SHRINK_SPEED)
        # The first of the two is done while the other one is still on its way.
        for when in sorted({plugged, moved} - {at}):
            self._pass(when)
            if when == plugged:
                self.vcpus = min(wanted.vcpus, self._demand.max_vcpus[self._piece])
            if when == moved:
                self._memory_before, self._memory_since = self.memory_mb, when
                self.memory_mb = min(wanted.memory_mb, self._demand.max_memory[self._piece])
            self._steps.append(when, self.vcpus, self.memory_mb)
        return max(plugged, moved)

    def _next(self, at: float, again: float) -> float:
        """Return when the next tick is, seconds; the demand's end or later if there is none.

        Ticks are at multiples of the time between two ticks after the demand's begin.

        :param again: ``Wanted.again`` of the last answer
        """
        demand, wakes = self._demand, self._demand.wakes
        while self._wake < len(wakes) and demand.edges[wakes[self._wake]] <= at:
            self._wake_up(wakes[self._wake])
            self._wake += 1
        if at < self._active_until:
            return self._on_grid(at + self._tick)
        after = at + (again or self._idle)
        if at < self._seen_at:
            after = min(after, self._seen_at)
        if self._wake < len(wakes):
            # The tick before a change, so that the mean of CPU after it has nothing from before.
            after = min(after, demand.edges[wakes[self._wake]] - self._tick)
        if after == math.inf:
            return demand.end
        return self._on_grid(max(after, at + self._tick))

    def _wake_up(self, piece: int) -> None:
        """Plan ticks for the change of demand that comes with the piece of that index.

        If the demand of neither resource grows, there is one tick after ``ACTIVE_SECONDS``.
        Otherwise every tick until then is taken. CPU that is not known counts as grown.
        """
        demand = self._demand
        self._seen_at = demand.edges[piece] + ACTIVE_SECONDS
        if piece and (
            demand.cpu[piece] <= demand.cpu[piece - 1]
            and not demand.memory[piece] > demand.memory[piece - 1]
        ):
            return
        self._active_until = max(self._active_until, self._seen_at)

    def _on_grid(self, at: float) -> float:
        begin = self._demand.begin
        return begin + math.ceil((at - begin) / self._tick - 1e-9) * self._tick

    def _pass(self, until: float) -> None:
        """Let time pass until ``until``: count the CPU used and the memory missing.

        Where the machine's range changes, its size follows.
        """
        demand, piece, now = self._demand, self._piece, self._now
        last = len(demand.cpu) - 1
        while now < until:
            end = min(demand.edges[piece + 1], until) if piece < last else until
            cpu, memory = demand.cpu[piece], demand.memory[piece]
            if cpu >= 0:
                self._cpu = cpu
            # Where CPU is not known, the counter goes on as before, so that no one sees an idle
            # machine after a gap.
            self._cpu_seconds += min(self._cpu, self.vcpus) * (end - now)
            self._load_seconds += self._cpu * (end - now)
            missing = memory - self.memory_mb
            self._starvation.lasts(missing if missing > 0 else 0.0, self.memory_mb, end - now)
            now = end
            if piece < last and now >= demand.edges[piece + 1]:
                piece += 1
                self._piece = piece
                self._cut(now)
        self._now = now

    def _cut(self, at: float) -> None:
        """Bring the size into the machine's range, which may have changed at ``at``.

        What was at the old maximum goes to the new one if the policy starts machines with their
        maximum. Otherwise memory that was at the old minimum goes to the new one.
        """
        demand, piece = self._demand, self._piece
        vcpus, memory = demand.max_vcpus[piece], demand.max_memory[piece]
        if vcpus == demand.max_vcpus[piece - 1] and memory == demand.max_memory[piece - 1]:
            return
        before = (self.vcpus, self.memory_mb)
        if self._policy.starts_large:
            # A machine with all it may have has that after it was resized too.
            if self.vcpus == demand.max_vcpus[piece - 1]:
                self.vcpus = vcpus
            if self.memory_mb == demand.max_memory[piece - 1]:
                self.memory_mb = memory
        elif self.memory_mb == minimum_memory(demand.max_memory[piece - 1]):
            self.memory_mb = minimum_memory(memory)
        self.vcpus = min(max(self.vcpus, minimum_vcpus(vcpus)), vcpus)
        self.memory_mb = min(max(self.memory_mb, minimum_memory(memory)), memory)
        if (self.vcpus, self.memory_mb) != before:
            self._memory_before, self._memory_since = self.memory_mb, at
            self._steps.append(at, self.vcpus, self.memory_mb)

    def _reported(self, at: float) -> tuple[float | None, float | None, float]:
        """Return what a report made at ``at`` says, and count what was swapped until then.

        That is memory used and page cache in MiB, None if not known, and pressure, 0 to 1.
        """
        demand = self._demand
        if at < demand.begin:
            return None, None, 0.0
        edges, piece, last = demand.edges, self._reported_piece, len(demand.cpu) - 1
        while piece < last and edges[piece + 1] <= at:
            piece += 1
        self._reported_piece = piece
        wanted = demand.memory[piece]
        if math.isnan(wanted):
            return None, None, 0.0
        has = self.memory_mb if at >= self._memory_since else self._memory_before
        missing = max(0.0, wanted - has)
        if missing > self._missing:
            self._swapped_out += missing - self._missing
        else:
            self._swapped_in += self._missing - missing
        self._missing = missing
        cache = demand.cache[piece]
        pressure = missing / wanted if missing else 0.0
        return min(wanted, has), None if math.isnan(cache) else cache, pressure
