# SPDX-License-Identifier: Apache-2.0
"""The conditions that people see of an instance, each with a stable reason code.

=======================  ==========================================  ===============================
type                     reason                                      true when
=======================  ==========================================  ===============================
``Converged``            ``xloud.<phase>`` or the error's code       the guest has what is desired;
                                                                     always listed, true or false
``GuestRefused``         ``xloud.guest_refused.<what>``              the guest did not follow
``BalloonNotEffective``  ``xloud.balloon.no_driver``,                its balloon does not do what it
                         ``xloud.balloon.holds_more``,               is told, or frees nothing
                         ``xloud.balloon.memory_pinned``
``RemovalUnsettled``     ``xloud.blocked.removal_unsettled``         vCPUs were to go and are there
``CpusNotOnline``        ``xloud.cpus_not_online``                   its agent counts fewer CPUs
                                                                     online than are plugged for it
``Booting``              ``xloud.booting``                           it has just started; its
                                                                     balloon is on the way
``GaveUp``               ``xloud.gave_up.<what>``                    what was asked for last was not
                                                                     reached; what it had is kept
``ReservedTooLittle``    ``xloud.reserved_too_little``               the alarm: it holds more than
                                                                     Placement has for it
=======================  ==========================================  ===============================

Those but the first are listed while they are true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nova_xloud.core import pinned
from nova_xloud.core.lifecycle import GAVE_UP, Condition, Phase, Progress
from nova_xloud.core.state import InstanceState

CONVERGED = "Converged"
GUEST_REFUSED = "GuestRefused"
BALLOON_NOT_EFFECTIVE = "BalloonNotEffective"
REMOVAL_UNSETTLED = "RemovalUnsettled"
CPUS_NOT_ONLINE = "CpusNotOnline"
BOOTING = "Booting"
RESERVED_TOO_LITTLE = "ReservedTooLittle"


def judge(state: InstanceState, progress: Progress, now: str) -> tuple[Condition, ...]:
    """The conditions of an instance.

    :param state: as just read; what was noted before is in its record
    :param progress: where its adjustment is
    :param now: ISO 8601, UTC: since when what is new is true
    """
    before = {(known.type, known.reason): known.since for known in state.desired.noted}
    found = [_converged(state, progress), *_refused(state, progress), *_seen(state, progress)]
    if state.desired.given_up is not None:
        found.append(state.desired.given_up)
    return tuple(
        replace(one, since=one.since or before.get((one.type, one.reason), now)) for one in found
    )


def to_note(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Those that are written down: not what phase and record say, nor what passes by itself."""
    passing = (CONVERGED, GUEST_REFUSED, BOOTING, GAVE_UP)
    return tuple(one for one in conditions if one.type not in passing)


def same(one: tuple[Condition, ...], other: tuple[Condition, ...]) -> bool:
    """Whether both say the same, in whatever words."""
    return {(c.type, c.reason) for c in one} == {(c.type, c.reason) for c in other}


def _converged(state: InstanceState, progress: Progress) -> Condition:
    if state.lacks_guest:
        message = f"there is no guest that could have a size: its vm_state is {state.lacks_guest}"
        return Condition(CONVERGED, False, "xloud.no_guest", message, "")
    there = not state.running or state.numbers.actuated == state.desired.target
    if progress.phase is Phase.CONVERGED and not there:
        message = f"the guest has {state.held} and should have {state.desired.target}"
        return Condition(CONVERGED, False, "xloud.drifted", message, "")
    reached = progress.phase is Phase.CONVERGED
    return Condition(CONVERGED, reached, progress.code, progress.message, progress.since)


def _refused(state: InstanceState, progress: Progress) -> Iterator[Condition]:
    if progress.phase is Phase.CONVERGING:
        # Tried again: it has refused until it is seen to follow.
        progress = state.desired.progress
    if progress.phase is Phase.GUEST_REFUSED:
        yield Condition(GUEST_REFUSED, True, progress.code, progress.message, progress.since)


def _seen(state: InstanceState, progress: Progress) -> Iterator[Condition]:
    guest = state.guest
    if guest is None or not guest.running:
        return
    if not guest.paused:
        yield from _of_balloon(state, progress)
    if state.removal_unsettled:
        message = (
            f"vCPUs were to be removed down to {state.desired.removal_pending}, and "
            f"{guest.vcpus} are there; none is added before it is hard rebooted, or stopped and "
            f"started"
        )
        yield _true(REMOVAL_UNSETTLED, "xloud.blocked.removal_unsettled", message)
    wanted = min(guest.vcpus, state.desired.target.vcpus)
    if guest.vcpus_online is not None and guest.vcpus_online < wanted:
        message = f"{guest.vcpus_online} of {wanted} CPUs are online in the guest, says its agent"
        yield _true(CPUS_NOT_ONLINE, "xloud.cpus_not_online", message)
    if not state.reserved.covers(state.counted):
        message = (
            f"it holds {state.held} and {state.reserved} are reserved; make room on its host, or "
            f"move or stop it"
        )
        yield _true(RESERVED_TOO_LITTLE, "xloud.reserved_too_little", message)


def _of_balloon(state: InstanceState, progress: Progress) -> Iterator[Condition]:
    target, held = state.desired.target.memory_mb, state.held.memory_mb
    if held <= target:
        return
    more = f"its memory is {held} MiB and should be {target}"
    if state.guest is not None and state.guest.pinned:
        reasons = ", ".join(state.guest.pinned)
        message = f"its memory is pinned in the host's RAM ({reasons}): {more}"
        yield _true(BALLOON_NOT_EFFECTIVE, pinned.NOT_EFFECTIVE, message)
    elif state.booting:
        yield _true(BOOTING, "xloud.booting", f"its balloon is on the way: {more}")
    elif state.guest is not None and state.guest.balloon_driver is False:
        message = f"the guest's balloon driver does not report: {more}"
        yield _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.no_driver", message)
    elif progress.finished:
        yield _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.holds_more", more)


def _true(kind: str, reason: str, message: str) -> Condition:
    return Condition(kind, True, reason, message, "")
