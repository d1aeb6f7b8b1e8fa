# SPDX-License-Identifier: Apache-2.0
"""The policy ``ours``: automatic growth as nova-compute decides it, by the same functions.

There is one policy for each profile that a server can have, such as ``ours-balanced``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.backtest.policy import Seen, Wanted
from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Profile, Range, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS, Tuning
from nova_xloud.core.size import Size

# A resource that the trace does not have is not decided.
UNMEASURED = Range(smallest=0, largest=0, blocked="not in the trace")
# Guests report each so many seconds.
REPORT_PERIOD = 5.0
BOOT_ID = 1
# The next of several shrinks waits for about a minute. Ticks without news are closer then.
WAITS_A_LITTLE = frozenset({"hold.probation", "hold.interval"})
SOON = 15.0


@dataclass(frozen=True, slots=True)
class Ours:
    """Automatic growth of nova-xloud with one profile.

    :ivar name: the policy's name
    :ivar tuning: the constants of the profile
    :ivar starts_large: False: a server boots with its minimum
    :ivar period: 0: the policy is asked at the ticks of the model
    """

    name: str
    tuning: Tuning
    starts_large: bool = False
    period: float = 0.0

    def begin(self) -> History:
        return EMPTY

    def decide(self, state: History, seen: Seen) -> tuple[History, Wanted]:
        history = observed(state, sample_of(seen), self.tuning)
        recommendation = recommend(history, ranges_of(seen), self.tuning, seen.at)
        return history, wanted_of(recommendation)


# The model leaves out ticks at which nothing has changed. So a sample that comes late is no sign
# that the need was unknown: this is the largest [xloud] autoscale_interval, and more than a tick.
INTERVAL = 300.0
PROFILES = tuple(
    Ours(f"ours-{profile.value}", replace(TUNINGS[profile], interval=INTERVAL))
    for profile in Profile
)


def wanted_of(recommendation: Recommendation) -> Wanted:
    """Return the recommended size as a policy's answer, with the time to ask again.

    The policy is asked again in 15 s (``SOON``) while a shrink has to wait for about a minute after
    the change before it. Otherwise it is asked again after ``Pace.idle`` seconds (0).
    """
    codes = {recommendation.vcpus.code, recommendation.memory_mb.code}
    size = recommendation.size
    return Wanted(size.vcpus, size.memory_mb, SOON if codes & WAITS_A_LITTLE else 0.0)


def sample_of(seen: Seen) -> GuestSample:
    """Return what nova-compute would have read of the guest.

    CPU figures are None if the trace has no CPU, and memory figures are None if none were reported.
    No vCPU has waited for a CPU of the host.
    """
    size = Size(seen.vcpus, seen.memory_mb)
    has_cpu, is_reported = seen.max_vcpus > 0, seen.memory is not None
    return GuestSample(
        at=seen.at,
        boot_id=BOOT_ID,
        size=size,
        desired=size,
        cpu_seconds=seen.cpu_seconds if has_cpu else None,
        delay_seconds=0.0 if has_cpu else None,
        available_mb=float(seen.memory_mb) if is_reported else None,
        usable_mb=None if seen.memory is None else seen.memory_mb - seen.memory,
        cache_mb=seen.cache if is_reported else None,
        swapped_in_mb=seen.swapped_in if is_reported else None,
        swapped_out_mb=seen.swapped_out if is_reported else None,
        oom_kills=seen.kills if is_reported else None,
        reported_at=seen.reported_at if is_reported else None,
        report_period=REPORT_PERIOD,
    )


def ranges_of(seen: Seen) -> Ranges:
    """Return the least and the most of each resource that the machine may have.

    A resource that the trace does not have is blocked, so that nothing is decided for it.
    """
    return Ranges(
        vcpus=Range(seen.min_vcpus, seen.max_vcpus) if seen.max_vcpus else UNMEASURED,
        memory_mb=Range(seen.min_memory_mb, seen.max_memory_mb)
        if seen.max_memory_mb
        else UNMEASURED,
    )
