# SPDX-License-Identifier: Apache-2.0
"""The conditions that people see of an instance, each with a stable reason code.

=======================  ==========================================  ===============================
type                     reason                                      true when
=======================  ==========================================  ===============================
``Converged``            ``xloud.<phase>`` or the error's code       the guest has what is desired;
                                                                     always listed, true or false
``GuestRefused``         ``xloud.guest_refused.<what>``              the guest did not follow
``BalloonNotEffective``  ``xloud.balloon.no_driver``,                its balloon does not do what it
                         ``xloud.balloon.holds_more``,               is told, or frees nothing, or
                         ``xloud.balloon.memory_pinned``,            nobody can tell
                         ``xloud.balloon.not_confirmed``
``GuestSilent``          ``xloud.guest_silent.low_memory``,          the guest has probably died of
                         ``xloud.guest_silent.crashed``              too little memory; has crashed
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

from nova_xloud.core.instance import pinned
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.instance.lifecycle import GAVE_UP, Condition, Phase, Progress
from nova_xloud.core.instance.state import InstanceState

CONVERGED = "Converged"
GUEST_REFUSED = "GuestRefused"
BALLOON_NOT_EFFECTIVE = "BalloonNotEffective"
GUEST_SILENT = "GuestSilent"
REMOVAL_UNSETTLED = "RemovalUnsettled"
CPUS_NOT_ONLINE = "CpusNotOnline"
BOOTING = "Booting"
RESERVED_TOO_LITTLE = "ReservedTooLittle"
# Every type, in the order of the table above.
TYPES = (
    CONVERGED,
    GUEST_REFUSED,
    BALLOON_NOT_EFFECTIVE,
    GUEST_SILENT,
    REMOVAL_UNSETTLED,
    CPUS_NOT_ONLINE,
    BOOTING,
    GAVE_UP,
    RESERVED_TOO_LITTLE,
)


def judge(state: InstanceState, progress: Progress, now: str) -> tuple[Condition, ...]:
    """The conditions of an instance.

    :param state: as just read; the conditions of before are in its record
    :param progress: where its adjustment is
    :param now: ISO 8601, UTC: since when what is new is true
    """
    before = {
        (known.type, known.reason): known.since for known in state.desired.recorded_conditions
    }
    found = [_converged(state, progress), *_refused(state, progress), *_of_guest(state, progress)]
    if state.desired.given_up is not None:
        found.append(state.desired.given_up)
    return tuple(
        replace(one, since=one.since or before.get((one.type, one.reason), now)) for one in found
    )


def worth_recording(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Those that go into the record: not what phase and record say, nor what passes by itself."""
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


def _of_guest(state: InstanceState, progress: Progress) -> Iterator[Condition]:
    guest = state.guest
    if guest is None or not guest.running:
        return
    if guest.crashed:
        yield _of_crashed()
    elif not guest.paused:
        yield from _of_balloon(state, guest, progress)
    if _is_unsettled(state, progress):
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
    if not state.reserved.covers(state.must_be_claimed):
        message = (
            f"it holds {state.held} and {state.reserved} are reserved; make room on its host, or "
            f"move or stop it"
        )
        yield _true(RESERVED_TOO_LITTLE, "xloud.reserved_too_little", message)


def _is_unsettled(state: InstanceState, progress: Progress) -> bool:
    """Not before a run has waited for the vCPUs: till then only what was so before is so."""
    before = any(known.type == REMOVAL_UNSETTLED for known in state.desired.recorded_conditions)
    return state.removal_unsettled and (before or progress.finished)


def _of_balloon(
    state: InstanceState, guest: DomainReading, progress: Progress
) -> Iterator[Condition]:
    target, has = state.desired.target.memory_mb, guest.actuated.memory_mb
    more = f"its memory is {has} MiB and should be {target}"
    if guest.pinned:
        if has > target:
            message = f"its memory is pinned in the host's RAM ({', '.join(guest.pinned)}): {more}"
            yield _true(BALLOON_NOT_EFFECTIVE, pinned.NOT_EFFECTIVE, message)
    elif state.booting:
        if state.held.memory_mb > target:
            yield _true(BOOTING, "xloud.booting", f"its balloon is on the way: {more}")
    elif has > target and guest.balloon_driver is False:
        message = f"the guest's balloon driver does not report: {more}"
        yield _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.no_driver", message)
    elif has > target:
        if progress.finished:
            yield _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.holds_more", more)
    elif has < guest.max_memory_mb and guest.balloon_driver is False:
        yield _of_silent(guest)


def _of_crashed() -> Condition:
    message = (
        "libvirt says that the guest has crashed; look at its console, and reboot it hard; if it "
        "died of too little memory, adjust it to more first"
    )
    return _true(GUEST_SILENT, "xloud.guest_silent.crashed", message)


def _of_silent(guest: DomainReading) -> Condition:
    """Of a guest that has less than its maximum, and whose driver is known not to report.

    A driver that is taken away gives all memory back first (measured). So one that has reported,
    and keeps what it took, is in a guest that does nothing any more.
    """
    has, most = guest.memory_mb, guest.max_memory_mb
    if guest.memory_confirmed:
        message = (
            f"its balloon driver took its memory down to {has} MiB and reports nothing more. It "
            f"has probably died of too little memory: look at its console, adjust it to more, and "
            f"reboot it hard; raise the flavor's minimum"
        )
        return _true(GUEST_SILENT, "xloud.guest_silent.low_memory", message)
    message = (
        f"QEMU says that its balloon leaves it {has} MiB; its driver has never reported since the "
        f"guest started, so nobody can tell, and its maximum of {most} MiB is counted"
    )
    return _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.not_confirmed", message)


def _true(kind: str, reason: str, message: str) -> Condition:
    return Condition(kind, True, reason, message, "")
