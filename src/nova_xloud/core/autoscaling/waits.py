# SPDX-License-Identifier: Apache-2.0
"""What arbitration of a host needs to know of a guest's past, kept from one round to the next.

That is for how long the guest has not come closer to its desired size, for how long its growth is
deferred, and whether it has grown again after it was made smaller for others.

A round of automatic growth calls for each guest: :func:`seen` with what the guest holds and is to
have now, then :func:`with_waits` to complete its claimant, and after arbitration :func:`decided`
with its grant.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from nova_xloud.core.autoscaling.contest import (
    FOR_OTHERS,
    STUCK_AFTER,
    Claimant,
    Grant,
    Share,
    Stake,
)
from nova_xloud.core.size import Size

FIRST_RETRY = 60.0
"""Seconds for which a guest that did not follow a shrink is not made smaller.

The time doubles with each further shrink that it does not follow, up to :data:`LONGEST_RETRY`.
"""
LONGEST_RETRY = 3600.0
REGRET = 3600.0
"""If a guest grows again within so many seconds, to make it smaller for others was wrong.

The guest is then not made smaller for others for as long. That time doubles with each further time
in a row, up to :data:`LONGEST_REGRET`.
"""
LONGEST_REGRET = 86400.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Whether a guest follows its desired value of a resource, waits for growth, gave to others.

    Values are vCPUs or MiB. Times are seconds of one clock that only grows.

    :ivar held: what the guest held when it last came closer to ``desired``
    :ivar desired: what the guest is to have
    :ivar closer_at: when the guest last came closer to ``desired``, or was first to change to it;
        None if the guest has that value
    :ivar deferred_at: since when growth is deferred and none is granted; None if it is not deferred
    :ivar refusals: how often in a row the guest was to shrink and came no closer for
        :data:`STUCK_AFTER` seconds
    :ivar not_before: until when the guest is not made smaller, because of ``refusals``
    :ivar gave_at: when the guest was last made smaller for others; None if it has grown since, or
        never was
    :ivar regrets: how often in a row the guest has grown again within :data:`REGRET` seconds after
        it was made smaller for others
    :ivar keeps_until: until when the guest is not made smaller for others, because of ``regrets``
    """

    held: int = 0
    desired: int = 0
    closer_at: float | None = None
    deferred_at: float | None = None
    refusals: int = 0
    not_before: float = 0.0
    gave_at: float | None = None
    regrets: int = 0
    keeps_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """A :class:`Wait` for the vCPUs of one guest, and one for its memory."""

    vcpus: Wait = field(default_factory=Wait)
    memory_mb: Wait = field(default_factory=Wait)


def seen(waits: Waits, held: Size, desired: Size, now: float) -> Waits:
    """Return ``waits`` brought up to date with what the guest holds now.

    :param held: what must be claimed for the guest. For the memory of a guest that boots, give what
        is desired, so that the guest does not count as one that makes no progress
    :param desired: what the guest is to have
    :param now: seconds of the clock that only grows
    """
    return _both(
        waits,
        _seen(waits.vcpus, held.vcpus, desired.vcpus, now),
        _seen(waits.memory_mb, held.memory_mb, desired.memory_mb, now),
    )


def _both(waits: Waits, vcpus: Wait, memory_mb: Wait) -> Waits:
    """Return a :class:`Waits` of the two waits; ``waits`` itself if they are those it has."""
    is_same = vcpus is waits.vcpus and memory_mb is waits.memory_mb
    return waits if is_same else Waits(vcpus, memory_mb)


def _seen(wait: Wait, held: int, desired: int, now: float) -> Wait:
    if held == desired:
        if wait.closer_at is None and wait.held == held and wait.desired == desired:
            return wait
        has_given = wait.closer_at is not None and wait.held > wait.desired >= held
        refusals = 0 if has_given else wait.refusals
        return replace(wait, held=held, desired=desired, closer_at=None, refusals=refusals)
    has_turned = (held > desired) != (wait.held > wait.desired)
    if wait.closer_at is None or has_turned or abs(held - desired) < abs(wait.held - desired):
        return replace(wait, held=held, desired=desired, closer_at=now)
    refuses = held > desired and now - wait.closer_at >= STUCK_AFTER
    if refuses and now >= wait.not_before:
        pause = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(wait.refusals, 10))
        wait = replace(wait, refusals=wait.refusals + 1, not_before=now + pause)
    return replace(wait, desired=desired)


def with_waits(claimant: Claimant, waits: Waits, now: float) -> Claimant:
    """Return ``claimant`` with what ``waits`` has of it: ``stalled``, ``waited`` and ``gives``.

    These are fields of :class:`~.contest.Stake`, of the vCPUs and of the memory.

    Until :attr:`Wait.not_before` the floor of the guest is at least what is desired.

    :param now: seconds of the clock that only grows
    """
    vcpus = _with_wait(claimant.vcpus, waits.vcpus, now)
    memory_mb = _with_wait(claimant.memory_mb, waits.memory_mb, now)
    if vcpus is claimant.vcpus and memory_mb is claimant.memory_mb:
        return claimant
    return replace(claimant, vcpus=vcpus, memory_mb=memory_mb)


def _with_wait(stake: Stake, wait: Wait, now: float) -> Stake:
    is_quiet = wait.closer_at is None and wait.deferred_at is None
    if is_quiet and now >= wait.not_before and now >= wait.keeps_until:
        # Nearly all guests in nearly all rounds: nothing of the past counts.
        return (
            stake
            if stake.stalled is None and not stake.waited
            else replace(stake, stalled=None, waited=0.0)
        )
    return replace(
        stake,
        stalled=None if wait.closer_at is None else max(0.0, now - wait.closer_at),
        waited=0.0 if wait.deferred_at is None else max(0.0, now - wait.deferred_at),
        floor=max(stake.floor, stake.desired) if now < wait.not_before else stake.floor,
        gives=stake.gives and now >= wait.keeps_until,
    )


def decided(waits: Waits, grant: Grant, desired: Size, now: float) -> Waits:
    """Return ``waits`` after arbitration has decided on the guest.

    :param grant: the decision
    :param desired: what the guest was to have before the decision
    :param now: seconds of the clock that only grows
    """
    return _both(
        waits,
        _decided(waits.vcpus, grant.vcpus, desired.vcpus, now),
        _decided(waits.memory_mb, grant.memory_mb, desired.memory_mb, now),
    )


def _decided(wait: Wait, share: Share, desired: int, now: float) -> Wait:
    if share.code in FOR_OTHERS:
        wait = replace(wait, gave_at=now)
    elif share.value > desired and wait.gave_at is not None:
        wait = _taken_back(wait, wait.gave_at, now)
    if not share.deferred:
        return wait if wait.deferred_at is None else replace(wait, deferred_at=None)
    if share.value > desired or wait.deferred_at is None:
        return replace(wait, deferred_at=now)
    return wait


def _taken_back(wait: Wait, gave_at: float, now: float) -> Wait:
    """Return ``wait`` after the guest was granted growth again.

    If it was made smaller for others no more than :data:`REGRET` seconds ago, that was wrong: it is
    not made smaller for others again for a time (``keeps_until``).

    :param gave_at: when the guest was made smaller for others
    :param now: seconds of the clock that only grows
    """
    if now - gave_at > REGRET:
        return replace(wait, gave_at=None, regrets=0)
    pause = min(LONGEST_REGRET, REGRET * 2.0 ** min(wait.regrets, 10))
    return replace(wait, gave_at=None, regrets=wait.regrets + 1, keeps_until=now + pause)
