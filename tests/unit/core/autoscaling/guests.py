# SPDX-License-Identifier: Apache-2.0
"""A guest of 1 to 4 vCPUs and 512 to 4096 MiB, sample by sample, for the tests of the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.size import Size

START = 1_700_000_000.0
PERIOD = 5.0
KERNEL_MB = 20.0
"""What the guest's kernel keeps for itself, so that `available` is less than the balloon's size."""

SIZE = Size(1, 1024)
LARGE = Size(4, 4096)
RANGES = Ranges(Range(1, 4), Range(512, 4096))
TUNING = Tuning().shortened(600.0)


@dataclass
class Guest:
    """A guest that takes each recommended size at once, unless a test says otherwise.

    :ivar cpu: cores that its programs want
    :ivar need: MiB that its programs need, without what its kernel keeps
    """

    size: Size = SIZE
    ranges: Ranges = RANGES
    tuning: Tuning = TUNING
    cpu: float = 0.1
    need: float = 300.0
    cache: float = 100.0
    obeys: bool = True
    history: History = EMPTY
    now: float = START
    desired: Size | None = None
    cpu_seconds: float = 1000.0
    delay_seconds: float = 1.0
    swapped_out_mb: float = 0.0
    major_faults: int = 1000
    oom_kills: int = 0
    stalls: int = 0
    boot_id: int = 1
    changes: list[tuple[float, Size]] = field(default_factory=list)

    def sample(self, **other: Any) -> GuestSample:
        """Return what is read of the guest now, with `other` figures instead."""
        available = self.size.memory_mb - KERNEL_MB
        usable = max(0.0, available - self.need)
        plain = GuestSample(
            at=self.now,
            boot_id=self.boot_id,
            size=self.size,
            desired=self.desired or self.size,
            cpu_seconds=self.cpu_seconds,
            delay_seconds=self.delay_seconds,
            available_mb=available,
            usable_mb=usable,
            cache_mb=min(self.cache, usable),
            swapped_in_mb=0.0,
            swapped_out_mb=self.swapped_out_mb,
            major_faults=self.major_faults,
            oom_kills=self.oom_kills,
            stalls=self.stalls,
            reported_at=self.now,
            report_period=PERIOD,
        )
        return replace(plain, **other)

    def step(self, seconds: float = PERIOD, **other: Any) -> Recommendation:
        """Let time pass, read the guest, decide, and do what is recommended."""
        self.now += seconds
        self.cpu_seconds += min(self.cpu, self.size.vcpus) * seconds
        self.history = observed(self.history, self.sample(**other), self.tuning)
        decision = recommend(self.history, self.ranges, self.tuning, self.now)
        if self.obeys and decision.size != self.size:
            self.size = decision.size
            self.changes.append((self.now, self.size))
        return decision

    def run(self, seconds: float, **other: Any) -> Recommendation:
        """Step until `seconds` have passed, and return the last decision."""
        decision = self.step(**other)
        for _ in range(int(seconds / PERIOD) - 1):
            decision = self.step(**other)
        return decision

    def until(self, is_done: Callable[[Recommendation], bool], steps: int = 1000) -> Recommendation:
        """Step until a decision is as wanted, and return it."""
        for _ in range(steps):
            decision = self.step()
            if is_done(decision):
                return decision
        raise AssertionError(f"not within {steps} steps; the last decision: {decision}")


def shrinks(decision: Recommendation) -> bool:
    return "shrink" in (decision.memory_mb.code[:6], decision.vcpus.code[:6])


def settled(**guest: Any) -> Guest:
    """A guest whose window is covered, and that has come to rest."""
    new = Guest(**guest)
    new.run(2 * new.tuning.window)
    return new


def about_to_shrink(**guest: Any) -> Guest:
    """A large and idle guest, just before its first shrink."""
    new = Guest(**{"size": LARGE, **guest})
    # CPU figures come with the second sample only: now those of memory do as well.
    new.step(usable_mb=None)
    new.run(new.tuning.window)
    assert not new.changes
    return new
