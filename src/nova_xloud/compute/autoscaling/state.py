# SPDX-License-Identifier: Apache-2.0
"""What the rounds of automatic growth remember of one guest."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nova_xloud.compute.ports import ManagedInstance
from nova_xloud.conf import AutoscaleOptions
from nova_xloud.core.autoscaling.contest import Claimant, claimant
from nova_xloud.core.autoscaling.deferral import GROWTH_DEFERRED, Deferral
from nova_xloud.core.autoscaling.history import EMPTY, History, observed
from nova_xloud.core.autoscaling.ranges import ranges_of
from nova_xloud.core.autoscaling.recommend import recommend
from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Profile, Ranges
from nova_xloud.core.autoscaling.tuning import TUNINGS, Tuning
from nova_xloud.core.autoscaling.waits import Waits
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import PCPU, VCPU
from nova_xloud.core.sizing.bounds import Bounds, FlavorFacts, HostFacts, bounds_of

# Recommendations that something should be changed have a code that begins so.
CHANGES = ("grow", "shrink")
# The history remembers as many changes, so no larger cap has an effect.
MOST_CHANGES = 32


@dataclass(frozen=True, slots=True)
class KnownBounds:
    """The bounds of an instance, with what they were computed from.

    Computing them takes longer than the rest of a decision, and they rarely change.
    """

    facts: FlavorFacts
    host: HostFacts
    bounds: Bounds

    @classmethod
    def of(cls, known: KnownBounds | None, facts: FlavorFacts, host: HostFacts) -> KnownBounds:
        """Return ``known`` if it is of the same facts, else the bounds of these facts."""
        if known is not None and (known.facts, known.host) == (facts, host):
            return known
        return cls(facts, host, bounds_of(facts, host))


@dataclass(frozen=True, slots=True)
class GuestState:
    """What is remembered of one guest between two rounds.

    :ivar history: what was observed of the guest
    :ivar sample: the last sample; None before the first
    :ivar known: the bounds of the instance on its host; None before the first sample
    :ivar ranges: between which sizes it may be scaled
    :ivar recommendation: the last one; None before the first sample
    :ivar since: since when the recommended size is the same, in seconds since the epoch
    :ivar action: what became of the recommendation, a code for the journal
    :ivar refusal: why the last request for growth was refused; None if it was admitted, or nothing
        more is asked for
    :ivar refused_size: the size of the last request, if it was refused
    :ivar deferral: why the guest does not get what is recommended; None if it does
    :ivar deferred_since: since when that is so, ISO 8601, UTC
    :ivar waits: what arbitration remembers of the guest
    :ivar reserved: what Placement has allocated to the instance, as read in this round; None if it
        was not read: then the larger of what the record requires and what the guest holds is used
    :ivar asked_often: libvirt's id of the domain whose statistics have the short period; None if
        none has
    :ivar refused: by resource, the reason code with which a request to shrink was refused since
        the guest's last start
    :ivar wished_at: since when something else is recommended than is desired, in monotonic seconds;
        None if nothing is
    """

    history: History = EMPTY
    sample: GuestSample | None = None
    known: KnownBounds | None = None
    ranges: Ranges | None = None
    recommendation: Recommendation | None = None
    since: float = 0.0
    action: str = ""
    refusal: Deferral | None = None
    refused_size: Size | None = None
    deferral: Deferral | None = None
    deferred_since: str = ""
    waits: Waits = field(default_factory=Waits)
    reserved: Size | None = None
    asked_often: int | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    wished_at: float | None = None

    @property
    def why(self) -> str:
        """Why the last recommendation is as it is, for people; empty without one."""
        told = self.recommendation
        return (
            "" if told is None else f"vCPUs: {told.vcpus.reason}; memory: {told.memory_mb.reason}"
        )

    @property
    def wishes(self) -> bool:
        """Whether something else is recommended than is desired."""
        told = self.recommendation
        return told is not None and (
            told.vcpus.code.startswith(CHANGES) or told.memory_mb.code.startswith(CHANGES)
        )

    @property
    def grows(self) -> bool:
        """Whether more of a resource is recommended than is desired."""
        told = self.recommendation
        return told is not None and "grow" in (
            told.vcpus.code.partition(".")[0],
            told.memory_mb.code.partition(".")[0],
        )

    def decided(
        self,
        one: ManagedInstance,
        sample: GuestSample,
        facts: HostFacts,
        options: AutoscaleOptions,
        now: float,
    ) -> GuestState:
        """Return the state with ``sample`` in its history, and with a new recommendation.

        :param now: seconds since the epoch
        """
        is_other_boot = self.sample is None or self.sample.boot_id != sample.boot_id
        refused = {} if is_other_boot else self.refused
        known = KnownBounds.of(self.known, one.view.facts, facts)
        ranges = ranges_of(known.bounds, held_of(one, options, now), refused)
        tuning = tuning_of(one.view.scaling.profile, options)
        history = observed(self.history, sample, tuning)
        told = recommend(history, ranges, tuning, now)
        is_same = self.recommendation is not None and self.recommendation.size == told.size
        has_changed = self.sample is not None and self.sample.desired != sample.desired
        return replace(
            self,
            history=history,
            sample=sample,
            known=known,
            ranges=ranges,
            recommendation=told,
            since=self.since if is_same else now,
            refused=refused,
            reserved=None,
            wished_at=None if has_changed else self.wished_at,
        )

    def with_wish(self, clock: float) -> GuestState:
        """Return the state with ``wished_at``, which is cleared if no other size is recommended.

        :param clock: monotonic seconds
        """
        if not self.wishes:
            return replace(self, wished_at=None)
        return self if self.wished_at is not None else replace(self, wished_at=clock)

    def without_guest(self) -> GuestState:
        """Return the state of a guest without a sample in this round: its growth does not wait."""
        return replace(self, refusal=None, deferral=None, deferred_since="", wished_at=None)

    def claimant(self, one: ManagedInstance, held: Size) -> Claimant:
        """Return what the guest has and wants, without what ``waits`` remembers.

        Call it after :meth:`decided` only.

        :param held: what must be claimed for the guest
        """
        assert self.recommendation is not None
        assert self.ranges is not None
        desired, facts = one.view.desired.target, one.view.facts
        return claimant(
            one.uuid,
            self.recommendation,
            self.ranges,
            reserved=self.reserved or one.view.desired.claim.at_least(held),
            held=held,
            desired=desired,
            weight=one.view.scaling.weight,
            cpu_class=PCPU if facts.dedicated_vcpus >= facts.maximum.vcpus else VCPU,
        )

    def is_news(self, deferral: Deferral) -> bool:
        """Return whether ``deferral`` has another code than the last one, or there was none."""
        return self.deferral is None or self.deferral.code != deferral.code

    def with_deferral(self, deferral: Deferral | None, date: str) -> GuestState:
        """Return the state with ``deferral``; ``deferred_since`` stays if its code is the same.

        :param deferral: None if growth is not deferred
        :param date: the time now: ISO 8601, UTC
        """
        code = None if self.deferral is None else self.deferral.code
        is_same = deferral is not None and code == deferral.code
        since = self.deferred_since if is_same else date
        return replace(self, deferral=deferral, deferred_since=since if deferral else "")

    @property
    def condition(self) -> Condition | None:
        """The condition ``GrowthDeferred``; None if growth is not deferred."""
        if self.deferral is None:
            return None
        one = self.deferral
        return Condition(GROWTH_DEFERRED, True, one.code, one.message, self.deferred_since)


def held_of(one: ManagedInstance, options: AutoscaleOptions, now: float) -> Size:
    """Return the size below which nothing shrinks, because a person has asked for it lately.

    It is 0 for a resource that nobody has asked for in the last ``options.hold`` seconds.

    :param now: seconds since the epoch
    """
    asked = one.view.desired.asked
    return Size(0, 0) if asked is None else asked.held(now, options.hold)


@functools.lru_cache(maxsize=16)
def tuning_of(profile: Profile, options: AutoscaleOptions) -> Tuning:
    """Return the constants of a profile, changed by the options ``window`` and ``cap``."""
    tuning = TUNINGS[profile]
    if options.window:
        tuning = tuning.shortened(options.window)
    return replace(tuning, changes=min(options.cap, MOST_CHANGES))
