# SPDX-License-Identifier: Apache-2.0
"""The constants of the policy: one set for each profile, and shorter ones for tests.

Why each constant has its value: docs/decisions/0050-how-need-becomes-a-size.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.settings import WINDOWS, Profile


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants that decide when and how far an instance grows and shrinks.

    All times are seconds, all rates are per second.

    :ivar window: how long the shrink rule remembers the highest need
    :ivar memory_fill: the largest share of its memory that a guest should need
    :ivar reserve_base_mb: memory that stays usable in every guest, MiB
    :ivar reserve_share: the share of the largest size that stays usable besides, because a guest
        can need it before it has grown
    :ivar reserve_most_mb: the most that these two keep usable together, MiB
    :ivar low_share: memory grows if less than this share of its reserve is usable
    :ivar horizon: how far ahead a need that rises is projected, and for how long a need that has
        fallen must be exceeded before it counts as one that rises
    :ivar cpu_fill: the largest share of its vCPUs that a guest should need
    :ivar cpu_busy: the vCPUs are at their ceiling if they have used this share of the time that the
        host gave them or, if the delay is high, this share of all their time
    :ivar cpu_ratio: vCPUs at their ceiling are multiplied by this
    :ivar delay_high: a run-queue delay is high, and reported, from this share of the CPU time
        wanted
    :ivar shrink_step: memory shrinks by at most this share of the largest size in a step
    :ivar dead_band: memory shrinks only if the gap to its floor is more than this share of its size
    :ivar cache_share: a step takes at most this share of the guest's page cache
    :ivar ignored_share: memory does not grow by less than this share of its size
    :ivar between: time from one change of a resource to the next shrink of it
    :ivar settle: time from a growth of a resource to the next shrink of it
    :ivar probation: time for which a shrink is watched
    :ivar fresh_samples: good samples that a shrink must have seen before it is confirmed
    :ivar veto: time for which a sign of distress prevents shrinking, and an OOM kill asks for
        growth
    :ivar half_life: time in which half of a learned floor is forgotten
    :ivar boot_grace: time after a boot in which CPU time is not counted
    :ivar boot_settle: time after a boot in which nothing shrinks
    :ivar changes: changes of an instance within ``changes_period`` after which shrinks and growth
        of vCPUs wait; at most 32
    :ivar changes_period: see ``changes``
    :ivar swap_rate: swap-out in MiB per second from which a guest is in distress
    :ivar swap_half_life: time in which half of what was swapped out is no longer counted as need
    :ivar fault_rate: major faults per second from which a guest with little usable memory is in
        distress
    :ivar scarce_share: memory is little if less than this share of what is available is usable
    :ivar plenty_share: signs of distress do not make memory grow if more than this share of what
        is available is usable
    :ivar notch: memory grows by at least this share of its size on signs of distress
    :ivar oom_ratio: after an OOM kill the need is at least the size times this or, if no allocation
        had to wait, the need before the kill times this
    :ivar oom_least_mb: after an OOM kill the need is also at least that size, or that need before
        the kill, plus this, MiB
    """

    window: float = WINDOWS[Profile.BALANCED]
    memory_fill: float = 0.8
    reserve_base_mb: float = 64.0
    reserve_share: float = 1 / 16
    reserve_most_mb: float = 2048.0
    low_share: float = 0.5
    horizon: float = 15.0
    cpu_fill: float = 0.75
    cpu_busy: float = 0.9
    cpu_ratio: float = 2.0
    delay_high: float = 0.25
    shrink_step: float = 0.1
    dead_band: float = 0.1
    cache_share: float = 0.8
    ignored_share: float = 0.02
    between: float = 60.0
    settle: float = 600.0
    probation: float = 60.0
    fresh_samples: int = 2
    veto: float = 60.0
    half_life: float = 86400.0
    boot_grace: float = 30.0
    boot_settle: float = 600.0
    changes: int = 12
    changes_period: float = 3600.0
    swap_rate: float = 1.0
    swap_half_life: float = 300.0
    fault_rate: float = 100.0
    scarce_share: float = 0.2
    plenty_share: float = 0.5
    notch: float = 0.125
    oom_ratio: float = 1.2
    oom_least_mb: float = 100.0

    def shortened(self, window: float) -> Tuning:
        """Return these constants for a window of ``window`` seconds, for labs and tests.

        The times that follow a change become shorter with the window, so that a guest can come back
        to its need within some windows. The rules stay the same.
        """
        pause = min(self.between, max(10.0, window / 20))
        return replace(
            self,
            window=window,
            between=pause,
            settle=min(self.settle, window),
            probation=min(self.probation, pause),
            veto=min(self.veto, max(15.0, window / 4)),
            half_life=min(self.half_life, 4 * window),
            boot_settle=min(self.boot_settle, window / 2),
            changes_period=self.changes_period * pause / self.between,
        )


TUNINGS = {profile: Tuning(window=window) for profile, window in WINDOWS.items()}
