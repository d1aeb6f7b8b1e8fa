# SPDX-License-Identifier: Apache-2.0
"""What one round of automatic growth keeps of a guest for the next: history, decision, deferral."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
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
from nova_xloud.core.sizing.bounds import (
    MEMORY,
    VCPUS,
    Bounds,
    FlavorFacts,
    HostFacts,
    bounds_of,
)


@dataclass(frozen=True, slots=True)
class KnownBounds:
    """The bounds of an instance, kept with the facts that they were computed from.

    To compute bounds takes longer than the rest of a decision, and they rarely change.

    :ivar facts: the facts of the instance's flavor and image
    :ivar host: the facts of the host
    """

    facts: FlavorFacts
    host: HostFacts
    bounds: Bounds

    @classmethod
    def of(cls, known: KnownBounds | None, facts: FlavorFacts, host: HostFacts) -> KnownBounds:
        """Return ``known`` if it has these facts; else compute the bounds from them.

        :param known: the result of an earlier call; None if there is none
        """
        if known is not None and (known.facts, known.host) == (facts, host):
            return known
        return cls(facts, host, bounds_of(facts, host))


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """The value of one resource that was requested last, and was refused.

    :ivar value: the value that was requested: vCPUs, or MiB
    :ivar deferral: why growth to the value was refused; None if the value was a smaller one than
        before, or if no growth is recommended any more
    """

    value: int
    deferral: Deferral | None = None


@dataclass(frozen=True, slots=True)
class GuestState:
    """What one round keeps of a guest for the next round.

    :ivar history: what was observed of the guest
    :ivar sample: the last sample; None before the first
    :ivar known: the bounds of the instance on its host; None before the first sample
    :ivar ranges: the values to which vCPUs and memory may be set; None before the first sample
    :ivar recommendation: what was recommended in the last round; None if that has not read the
        guest, which is off, for example
    :ivar since: since when the recommended size is the same, in seconds since the epoch
    :ivar action: what became of the recommendation, a code for the journal
    :ivar refusals: by resource (``vcpus``, ``memory_mb``), the value that was requested last, if
        that was refused
    :ivar deferral: why the guest does not get the growth that is recommended; None if it does
    :ivar deferred_since: since when growth is deferred with the same code, ISO 8601, UTC; empty if
        it is not
    :ivar waits: whether the guest follows its desired size, waits for growth, or was made smaller
        for others
    :ivar reserved: what Placement has allocated to the instance, as read in this round; None if it
        was not read: then the larger of what the record requires and what the guest holds is used
    :ivar refused: by resource, the reason code with which a request to shrink was refused since the
        guest's last start
    :ivar wished_at: since when each round has decided to request another size than is desired, the
        desired size has not changed, and no growth is deferred, in monotonic seconds; None if the
        last round has not decided so, or if growth is deferred
    """

    history: History = EMPTY
    sample: GuestSample | None = None
    known: KnownBounds | None = None
    ranges: Ranges | None = None
    recommendation: Recommendation | None = None
    since: float = 0.0
    action: str = ""
    refusals: Mapping[str, RefusedValue] = field(default_factory=dict)
    deferral: Deferral | None = None
    deferred_since: str = ""
    waits: Waits = field(default_factory=Waits)
    reserved: Size | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    wished_at: float | None = None

    @property
    def why(self) -> str:
        """For people, why the recommendation is as it is: ``vCPUs: ...; memory: ...``.

        Empty without a recommendation.
        """
        told = self.recommendation
        return (
            "" if told is None else f"vCPUs: {told.vcpus.reason}; memory: {told.memory_mb.reason}"
        )

    @property
    def known_at(self) -> float | None:
        """When the needs of the guest were last known, in seconds since the epoch.

        Of two resources whose needs were ever known, that of the one known less lately counts. None
        if none was known yet.
        """
        tracks = (self.history.cpu.track, self.history.memory.track)
        return min((one.known_at for one in tracks if one.known_at is not None), default=None)

    @property
    def growing(self) -> frozenset[str]:
        """The resources of which more is recommended than is desired."""
        told = self.recommendation
        advice = {} if told is None else {VCPUS: told.vcpus, MEMORY: told.memory_mb}
        return frozenset(
            name for name, one in advice.items() if one.code.partition(".")[0] == "grow"
        )

    @property
    def grows(self) -> bool:
        """Whether more vCPUs or more memory are recommended than are desired."""
        return bool(self.growing)

    @property
    def refusal(self) -> Deferral | None:
        """Why growth was refused that is still recommended, of memory first; None if none was."""
        known = (self.refusals.get(name) for name in (MEMORY, VCPUS))
        return next((one.deferral for one in known if one and one.deferral), None)

    def only_deferring(self, resources: Collection[str]) -> GuestState:
        """Return the state without the deferrals in ``refusals`` of all other resources."""
        if not any(one.deferral for one in self.refusals.values()):
            return self
        refusals = {
            name: one if name in resources else replace(one, deferral=None)
            for name, one in self.refusals.items()
        }
        return replace(self, refusals=refusals)

    def decided(
        self,
        one: ManagedInstance,
        sample: GuestSample,
        facts: HostFacts,
        options: AutoscaleOptions,
    ) -> GuestState:
        """Return the state with ``sample`` in its history, and with a new recommendation.

        The recommendation is one for the time at which the guest was read, so the figures are as
        old as they were then, however long it took to read all guests.

        :param one: the instance as Nova's database has it
        :param facts: the host's facts that the instance's bounds depend on
        """
        now = sample.at
        is_other_boot = self.sample is None or self.sample.boot_id != sample.boot_id
        refused = {} if is_other_boot else self.refused
        known = KnownBounds.of(self.known, one.view.facts, facts)
        ranges = ranges_of(known.bounds, held_of(one, options, now), refused)
        tuning = tuning_of(one.view.scaling.profile, options)
        sample = replace(sample, asked=asked_of(one, self.history.last, sample.desired))
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

    def with_wish(self, clock: float, *, asks: bool) -> GuestState:
        """Return the state with ``wished_at`` set if the guest lacks a size and nobody knows why.

        A reason is known if growth is deferred. It is known too if the round does not request what
        is recommended: the instance is locked or busy, or arbitration lets it keep its size.

        :param clock: monotonic seconds; used if ``wished_at`` is not set yet
        :param asks: whether the round has decided to request another size than is desired
        """
        if not asks or self.deferral is not None:
            return replace(self, wished_at=None)
        return self if self.wished_at is not None else replace(self, wished_at=clock)

    def without_guest(self) -> GuestState:
        """Return the state for a round in which the guest was not read: nothing is recommended.

        ``recommendation``, ``deferral`` and ``wished_at`` are cleared, and the deferrals in
        ``refusals``.
        """
        quiet = self.only_deferring(())
        return replace(quiet, recommendation=None, deferral=None, deferred_since="", wished_at=None)

    def claimant(self, one: ManagedInstance, held: Size) -> Claimant:
        """Return what the guest has and wants for arbitration, without what ``waits`` has of it.

        The guest must have had a sample: see :meth:`decided`.

        :param held: the size that must be claimed for the guest
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
        """Return whether growth was not deferred before, or with another code than ``deferral``."""
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
    """Return the size below which an instance does not shrink, because a person has asked for it.

    It is 0 for a resource that nobody has asked for in the last ``options.hold`` seconds.

    :param now: seconds since the epoch
    """
    asked = one.view.desired.asked
    return Size(0, 0) if asked is None else asked.held(now, options.hold)


def asked_of(one: ManagedInstance, last: GuestSample | None, desired: Size) -> tuple[str, ...]:
    """Return the resources whose desired value was not changed by automatic growth.

    These are the resources with another value in ``desired`` than in ``last``, unless the record's
    history says that automatic growth has asked for that value.

    :param last: the sample before; None if there was none: the result is empty then
    """
    if last is None or last.desired == desired:
        return ()
    past = one.view.desired.history
    numbers: tuple[tuple[str, Callable[[Size], int]], ...] = (
        (VCPUS, lambda size: size.vcpus),
        (MEMORY, lambda size: size.memory_mb),
    )
    return tuple(
        name
        for name, of in numbers
        if of(desired) != of(last.desired) and not past.by_autoscale(of, of(desired))
    )


@functools.lru_cache(maxsize=16)
def tuning_of(profile: Profile, options: AutoscaleOptions) -> Tuning:
    """Return the constants of a profile, changed by three options: window, cap and interval."""
    tuning = replace(TUNINGS[profile], interval=options.interval)
    return tuning.with_options(options.window, options.cap)
