# SPDX-License-Identifier: Apache-2.0
"""The constants of the policy: one set for each profile, and shorter ones for tests.

Why each constant has its value: docs/decisions/0050-how-need-becomes-a-size.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nova_xloud.core.autoscaling.settings import WINDOWS, Profile

MOST_CHANGES = 32
"""A history has the times of so many changes of an instance's desired size, the last ones."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants that decide when and how far an instance grows and shrinks.

    All times are seconds, all rates are per second.

    :ivar window: for how long a guest is not shrunk below what it has needed, and for how long it
        is watched before it shrinks at all
    :ivar memory_fill: the largest share of its memory that a guest should need
    :ivar reserve_base_mb: memory that stays usable in every guest, MiB
    :ivar reserve_share: the share of the largest memory that stays usable besides, because a guest
        can need it before it has grown
    :ivar reserve_most_mb: ``reserve_base_mb`` and ``reserve_share`` keep this usable at most, MiB
    :ivar low_share: memory grows if less than this share of its reserve is left above the need
    :ivar horizon: a need that rises is projected so far ahead at most; it counts as rising only
        above the highest need of so many seconds before
    :ivar lead: a need that rises is projected for as long as it has been rising, and for so many
        seconds more, in which a growth can be decided and done
    :ivar headroom: until the highest need of the window is passed, a need that rises is projected
        for no more than so many seconds beyond that one
    :ivar cpu_fill: the largest share of its vCPUs that a guest should need
    :ivar cpu_busy: the vCPUs are at their ceiling if they have used this share of the time that the
        host gave them or, if ``delay_high`` is reached, this share of all their time
    :ivar cpu_ratio: the number of vCPUs that are at their ceiling is multiplied by this
    :ivar delay_high: if vCPUs have waited for the host for this share of the CPU time wanted, they
        do not shrink, and the reason says so
    :ivar shrink_step: memory shrinks by at most this share of the largest memory in a step
    :ivar dead_band: memory shrinks only if more than this share of it is above the floor, what fits
        the need of the window
    :ivar cache_share: a step takes at most this share of the guest's page cache
    :ivar ignored_share: memory does not grow by less than this share of its size, unless it grows
        to its largest value, the guest is in distress, or a shrink that did harm is taken back
    :ivar between: the least time from a change of a resource to the next shrink of it
    :ivar settle: the least time from a growth of a resource to the next shrink of it
    :ivar probation: time without distress for which a shrink is watched, see ``track.Shrink``
    :ivar fresh_samples: samples with a known need after which a shrink may be confirmed
    :ivar veto: time for which a sign of distress prevents shrinking, and an OOM kill asks for
        growth
    :ivar half_life: time in which half of a learned floor (``track.Track``) is forgotten
    :ivar boot_grace: time after a boot in which CPU time is not counted
    :ivar boot_settle: time after a boot in which nothing shrinks
    :ivar changes: after so many changes of an instance within ``changes_period``, shrinks wait, and
        growth too, unless the guest is in distress for want of memory or takes back a shrink that
        did harm; at most 32
    :ivar changes_period: the time in which changes are counted
    :ivar swap_rate: swap-out in MiB per second from which a guest is in distress
    :ivar swap_half_life: time in which half of what was swapped out is no longer counted as need
    :ivar fault_rate: major faults per second from which a guest with little usable memory is in
        distress
    :ivar scarce_share: ``fault_rate`` counts only if less than this share of the memory that the
        guest's kernel manages is usable
    :ivar plenty_share: signs of distress do not make memory grow if this share of the memory that
        the guest's kernel manages, or more, is usable
    :ivar notch: memory grows by at least this share of its size on signs of distress
    :ivar oom_ratio: after an OOM kill the need is at least the size times this or, if no allocation
        had to wait, the need before the kill times this
    :ivar oom_least_mb: after an OOM kill the need is also at least that size, or that need before
        the kill, plus this, MiB
    :ivar interval: the usual time between two samples
    """

    window: float = WINDOWS[Profile.BALANCED]
    memory_fill: float = 0.8
    reserve_base_mb: float = 64.0
    reserve_share: float = 1 / 16
    reserve_most_mb: float = 2048.0
    low_share: float = 0.5
    horizon: float = 15.0
    lead: float = 5.0
    headroom: float = 10.0
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
    interval: float = 5.0

    def with_options(self, window: float, cap: int) -> Tuning:
        """Return these constants with two options of ``nova.conf``.

        :param window: ``[xloud] autoscale_window``: replaces the window and shortens the pauses; 0
            does not
        :param cap: ``[xloud] autoscale_cap``: the number of changes in an hour; a history has the
            last :data:`MOST_CHANGES`, so no larger number has an effect
        """
        tuning = self.shortened(window) if window else self
        return replace(tuning, changes=min(cap, MOST_CHANGES))

    def shortened(self, window: float) -> Tuning:
        """Return these constants for a window of ``window`` seconds, for labs and tests.

        The pauses after a change, a growth, a boot or distress become shorter with the window, so
        that a guest can come back to its need within some windows. The rules stay the same.
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
