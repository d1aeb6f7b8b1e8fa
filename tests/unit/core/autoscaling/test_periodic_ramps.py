# SPDX-License-Identifier: Apache-2.0
"""A job that comes again and again makes memory grow once, and not each time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_xloud.core.autoscaling.settings import Profile, Range, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import KERNEL_MB, PERIOD, START, Guest

DAY = 86400.0
IDLE = 60.0
"""Seconds between two samples while nothing changes: a day is then some thousand samples."""


@dataclass(frozen=True)
class Job:
    """What a guest runs over and over: it takes memory, keeps it for a while, and frees it.

    :ivar period: seconds from one start of the job to the next
    :ivar base: MiB that are needed without the job
    :ivar more: MiB that the job takes
    :ivar rate: how fast the job takes them, MiB per second
    :ivar hold: seconds for which it keeps them
    """

    period: float
    base: float = 1000.0
    more: float = 2000.0
    rate: float = 100.0
    hold: float = 60.0

    def need(self, seconds: float) -> float:
        since = seconds % self.period
        if since >= self.more / self.rate + self.hold:
            return self.base
        return self.base + min(self.more, self.rate * since)

    def is_near(self, seconds: float) -> bool:
        """Whether the job runs, or starts before the next sample of an idle guest."""
        since = seconds % self.period
        return since < self.more / self.rate + self.hold + 60 or since > self.period - IDLE


@dataclass
class Run:
    """What has become of a guest.

    :ivar guest: the guest, with its changes
    :ivar first: when the first job has ended, seconds
    :ivar short: MiB-seconds that the guest has lacked since then
    """

    guest: Guest
    first: float
    short: float = 0.0

    def grown_after(self, seconds: float) -> list[tuple[float, Size]]:
        sizes = [Size(1, 2048), *(size for _, size in self.guest.changes)]
        return [
            change
            for change, before in zip(self.guest.changes, sizes, strict=False)
            if change[0] - START > seconds and change[1].memory_mb > before.memory_mb
        ]

    def changed_after(self, seconds: float) -> list[tuple[float, Size]]:
        return [change for change in self.guest.changes if change[0] - START > seconds]


def _run(job: Job, profile: Profile, seconds: float, largest: int = 8192) -> Run:
    tuning = replace(TUNINGS[profile], interval=IDLE)
    ranges = Ranges(Range(1, 4), Range(512, largest))
    guest = Guest(Size(1, 2048), ranges=ranges, tuning=tuning, need=job.base, cpu=0.2)
    run = Run(guest, job.period)
    while guest.now - START < seconds:
        since = guest.now - START
        step = PERIOD if job.is_near(since) else IDLE
        guest.need = job.need(since + step)
        if since > run.first:
            run.short += step * max(0.0, guest.need + KERNEL_MB - guest.size.memory_mb)
        guest.step(step)
    return run


def _settled_after(profile: Profile) -> float:
    """After so many seconds the first ramp is forgotten, and what it has left is shrunk."""
    return 1.2 * TUNINGS[profile].window + 7200


@pytest.mark.parametrize("profile", [Profile.DENSE, Profile.BALANCED])
@pytest.mark.parametrize("rate", [100.0, 200.0])
def test_job_of_every_quarter_of_an_hour_does_not_make_memory_grow_each_time(
    profile: Profile, rate: float
) -> None:
    """With 8192 MiB at most this guest changed 192 times a day, each shrink for nothing."""
    start = _settled_after(profile)
    run = _run(Job(900.0, rate=rate), profile, start + DAY / 2)
    assert run.changed_after(start) == []
    assert run.short == 0


JOBS = st.builds(
    Job,
    period=st.just(0.0),
    base=st.floats(200, 1500),
    more=st.floats(300, 3000),
    rate=st.floats(20, 400),
    hold=st.floats(10, 200),
)


@settings(max_examples=10)
@given(st.sampled_from(list(Profile)), JOBS, st.floats(0.15, 0.9), st.integers(4096, 16384))
def test_rise_that_the_window_has_seen_is_no_reason_to_grow(
    profile: Profile, job: Job, share: float, largest: int
) -> None:
    """Whole samples: each ramp looks as the one before, so after some of them all is known."""
    shortest = job.more / job.rate + job.hold + 240
    period = max(shortest, share * min(TUNINGS[profile].window, DAY / 4))
    job = replace(job, period=PERIOD * round(period / PERIOD))
    start = _settled_after(profile)
    run = _run(job, profile, start + DAY / 4, largest)
    assert run.grown_after(start) == []
    assert run.changed_after(start + DAY / 8) == []


@settings(max_examples=6)
@given(
    st.sampled_from([Profile.BALANCED, Profile.CAREFUL]),
    JOBS,
    st.floats(0.15, 0.3),
    st.integers(4096, 16384),
)
def test_changes_are_few_where_ramps_differ_by_the_moment_of_the_sample(
    profile: Profile, job: Job, share: float, largest: int
) -> None:
    """Of rises that last for some samples: a jump within one looks like any jump, or like none."""
    job = replace(job, rate=min(job.rate, job.more / (3 * PERIOD)))
    shortest = job.more / job.rate + job.hold + 240
    job = replace(job, period=max(shortest, share * TUNINGS[profile].window) + 0.7)
    start = _settled_after(profile)
    run = _run(job, profile, start + DAY / 2, largest)
    assert len(run.changed_after(start)) <= 6, "that is 12 a day"
