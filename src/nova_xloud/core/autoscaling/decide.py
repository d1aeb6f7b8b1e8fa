# SPDX-License-Identifier: Apache-2.0
"""Decide for one resource of a guest whether it grows, shrinks or stays, and say why.

The inputs are what speaks for growth, and what speaks against shrinking.
"""

from __future__ import annotations

from dataclasses import dataclass

from nova_xloud.core.autoscaling.growth import Wish, rounded_up
from nova_xloud.core.autoscaling.recommendation import Advice
from nova_xloud.core.autoscaling.settings import Range
from nova_xloud.core.autoscaling.shrink import Hold
from nova_xloud.core.autoscaling.votes import words


@dataclass(frozen=True, slots=True)
class Case:
    """All that the decision about one resource depends on: vCPUs (a count) or memory (MiB).

    :ivar desired: the desired value of the resource before this decision
    :ivar allowed: the values to which the resource may be set
    :ivar need: what the guest needs; None if unknown
    :ivar floor: see :attr:`.recommendation.Advice.floor`
    :ivar wish: what speaks for growth, and to which value
    :ivar least: growth by less than this is not advised, unless it is growth to the largest value:
        what is left below that could never be given
    :ivar capped: why growth has to wait; None if it need not
    :ivar held: why the resource must not shrink now; None if it may
    :ivar vetoes: the codes of all that speaks against shrinking
    :ivar figures: how much is needed of what the guest has, for people, a clause
    :ivar step: the resource shrinks by this at most in one step
    :ivar band: the resource does not shrink if ``desired`` is above ``floor`` by no more than this
    :ivar is_projected: whether ``floor`` is a need that was projected, and not one that was seen
    """

    desired: int
    allowed: Range
    need: float | None
    floor: int | None
    wish: Wish
    least: float
    capped: Hold | None
    held: Hold | None
    vetoes: tuple[str, ...]
    figures: str
    step: float
    band: float
    is_projected: bool = False


def decided(case: Case) -> Advice:
    """Return the advice: to grow if something speaks for it, else to shrink, or why neither.

    A resource that cannot be adjusted keeps its value. One below the smallest value that is allowed
    grows to that value.
    """
    allowed, desired = case.allowed, case.desired
    if allowed.blocked:
        return _advice(case, desired, "hold.blocked", f"it cannot be adjusted ({allowed.blocked})")
    if desired < allowed.smallest:
        return _advice(
            case, allowed.smallest, "grow.minimum", f"{desired} is below {allowed.smallest}"
        )
    return _growth(case) or _shrink(case)


def _growth(case: Case) -> Advice | None:
    """Return the advice to grow, or to keep the size with the reason why it does not grow.

    None if nothing speaks for growth.
    """
    wish, desired = case.wish, case.desired
    if not wish.votes:
        return None
    why = f"{case.figures}, and {words(wish.votes)}"
    target = rounded_up(wish.target, case.allowed)
    if target <= desired or (target < case.allowed.largest and target - desired < case.least):
        if desired >= case.allowed.largest:
            return _advice(case, desired, "hold.largest", f"{why}: it has the largest size")
        return _advice(case, desired, "hold.grown", f"{why}: it is to have enough already")
    if case.capped is not None:
        return _advice(case, desired, f"hold.{case.capped.code}", f"{why}; {case.capped.reason}")
    if wish.is_undo:
        return _advice(case, target, "grow.undo", f"{why}: the last shrink is taken back")
    return _advice(case, target, f"grow.{wish.votes[0]}", why)


def _shrink(case: Case) -> Advice:
    """Return the advice to shrink, or the advice to keep the size with the reason for that."""
    desired, floor = case.desired, case.floor
    of_use = "may be of use again" if case.is_projected else "were lately of use"
    if case.held is not None and (floor is None or floor < desired):
        return _advice(
            case, desired, f"hold.{case.held.code}", f"{case.figures}; {case.held.reason}"
        )
    if floor is None:
        return _advice(case, desired, "hold.unknown", f"{case.figures}; its need is not known")
    gap = desired - floor
    if gap <= case.band:
        if 0 < case.allowed.held == floor:
            why = f"{case.figures}; a person has asked for {floor}"
            return _advice(case, desired, "hold.person", why)
        return _advice(case, desired, "hold.needed", f"{case.figures}; {floor} {of_use}")
    wanted = rounded_up(max(floor, desired - case.step), case.allowed)
    if wanted >= desired:
        return _advice(case, desired, "hold.cache", f"{case.figures}; no more may be taken at once")
    return _advice(case, wanted, "shrink.window", f"{case.figures}; no more than {floor} {of_use}")


def _advice(case: Case, wanted: int, code: str, reason: str) -> Advice:
    return Advice(wanted, case.need, case.floor, code, reason, case.wish.votes, case.vetoes)
