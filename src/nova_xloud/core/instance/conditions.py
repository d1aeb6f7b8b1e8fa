# SPDX-License-Identifier: Apache-2.0
"""The conditions of an instance, as the API shows them, each with a stable reason code.

=======================  ==========================================  ===============================
type                     reason                                      true when
=======================  ==========================================  ===============================
``Converged``            ``xloud.<phase>`` or the error's code,      the desired size was reached,
                         ``xloud.drifted``, ``xloud.no_guest``       and the guest still has it, or
                                                                     is off as its vm_state says
``GuestRefused``         ``xloud.guest_refused.<what>``              the guest, or its definition,
                                                                     did not get the desired size
``BalloonNotEffective``  ``xloud.balloon.no_driver``,                the balloon does not reach its
                         ``xloud.balloon.holds_more``,               target, or frees nothing, or is
                         ``xloud.balloon.memory_pinned``,            not confirmed
                         ``xloud.balloon.not_confirmed``
``GuestSilent``          ``xloud.guest_silent.low_memory``,          the guest has probably died,
                         ``xloud.guest_silent.crashed``              often of too little memory, or
                                                                     libvirt reports a crash
``RemovalUnsettled``     ``xloud.blocked.removal_unsettled``         vCPUs that were to be removed
                                                                     are still plugged
``CpusNotOnline``        ``xloud.cpus_not_online``                   the guest agent reports fewer
                                                                     CPUs online than are plugged
                                                                     and desired
``Booting``              ``xloud.booting``                           the guest has just started; its
                                                                     balloon is still inflating
``GaveUp``               ``xloud.gave_up.<what>``                    the size asked for last was not
                                                                     reached; the guest's own size
                                                                     became the desired one
``GrowthDeferred``       ``xloud.growth_deferred.<what>``            the instance is scaled
                                                                     automatically, and does not
                                                                     get what is recommended now
``ReservedTooLittle``    ``xloud.reserved_too_little``               the alarm: the guest holds more
                                                                     than Placement has allocated;
                                                                     memory that is not pinned does
                                                                     not count while the guest boots
=======================  ==========================================  ===============================

``Converged`` is always listed, true or false; the others are listed only while they are true. If
the compute host does not answer, they are listed as the record has them. ``GrowthDeferred`` is not
in the record, and not judged here: the compute host adds it while it is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nova_xloud.core.autoscaling.deferral import GROWTH_DEFERRED
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
    GROWTH_DEFERRED,
    RESERVED_TOO_LITTLE,
)


def judge(state: InstanceState, progress: Progress, now: str) -> tuple[Condition, ...]:
    """Return the conditions of an instance: ``Converged``, and the others that are true.

    :param state: the state as just read; its record has the conditions that were recorded last
    :param progress: how far the adjustment has come
    :param now: ISO 8601, UTC: the ``since`` of a condition whose beginning is not recorded
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
    """Return those of ``conditions`` that are kept in the record as conditions.

    ``GuestRefused`` and ``GaveUp`` are left out, because they follow from the rest of the record,
    and ``Converged``, because each reading shows it anew. ``Booting`` is left out, because it
    passes by itself.
    """
    passing = (CONVERGED, GUEST_REFUSED, BOOTING, GAVE_UP)
    return tuple(one for one in conditions if one.type not in passing)


def same(one: tuple[Condition, ...], other: tuple[Condition, ...]) -> bool:
    """Return whether both have the same types and reasons; nothing else is compared."""
    return {(c.type, c.reason) for c in one} == {(c.type, c.reason) for c in other}


def _converged(state: InstanceState, progress: Progress) -> Condition:
    if state.lacks_guest:
        message = (
            f"the instance's vm_state is {state.lacks_guest}, and no guest of it is known to run, "
            f"so it has no size now"
        )
        return Condition(CONVERGED, False, "xloud.no_guest", message, "")
    there = not state.running or state.numbers.actuated == state.desired.target
    if progress.phase is Phase.CONVERGED and not there:
        has = state.numbers.actuated
        message = f"QEMU has {has} for the guest, which should have {state.desired.target}"
        return Condition(CONVERGED, False, "xloud.drifted", message, "")
    reached = progress.phase is Phase.CONVERGED
    return Condition(CONVERGED, reached, progress.code, progress.message, progress.since)


def _refused(state: InstanceState, progress: Progress) -> Iterator[Condition]:
    if progress.phase is Phase.CONVERGING:
        # A run is trying again. Until the guest follows, the refusal of the last run stands.
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
    elif _is_unconfirmed(state, guest):
        # It was paused before its driver could report, so its maximum of memory is claimed.
        yield _of_silent(guest)
    if _is_unsettled(state, progress):
        message = (
            f"vCPUs were to be removed down to {state.desired.removal_pending}, and the guest "
            f"still has {guest.vcpus}; none is added before the instance is hard rebooted, or "
            f"stopped and started"
        )
        yield _true(REMOVAL_UNSETTLED, "xloud.blocked.removal_unsettled", message)
    wanted = min(guest.vcpus, state.desired.target.vcpus)
    if guest.vcpus_online is not None and guest.vcpus_online < wanted:
        message = f"the guest agent reports {guest.vcpus_online} of {wanted} CPUs online"
        yield _true(CPUS_NOT_ONLINE, "xloud.cpus_not_online", message)
    if not state.reserved.covers(state.must_be_claimed):
        message = (
            f"the guest holds {state.held} and only {state.reserved} are reserved in Placement; "
            f"make room on the compute host, or move or stop the instance"
        )
        yield _true(RESERVED_TOO_LITTLE, "xloud.reserved_too_little", message)


def _is_unconfirmed(state: InstanceState, guest: DomainReading) -> bool:
    """Return whether the maximum of memory counts because the balloon driver has not reported.

    The result is False while the guest boots, and if its memory is pinned.
    """
    is_known = bool(guest.pinned) or guest.memory_confirmed is not False
    return not (state.booting or is_known) and guest.memory_mb < guest.max_memory_mb


def _is_unsettled(state: InstanceState, progress: Progress) -> bool:
    """Return whether vCPUs that were to be removed are still plugged after a run has finished.

    While the first run waits for the guest to give them back, the result is False.
    """
    before = any(known.type == REMOVAL_UNSETTLED for known in state.desired.recorded_conditions)
    return state.removal_unsettled and (before or progress.finished)


def _of_balloon(
    state: InstanceState, guest: DomainReading, progress: Progress
) -> Iterator[Condition]:
    target, has = state.desired.target.memory_mb, guest.actuated.memory_mb
    more = f"the guest's memory is {has} MiB and should be {target} MiB"
    if guest.pinned:
        if has > target:
            reasons = ", ".join(guest.pinned)
            message = f"the memory is pinned in the host's RAM ({reasons}): {more}"
            yield _true(BALLOON_NOT_EFFECTIVE, pinned.NOT_EFFECTIVE, message)
    elif state.booting:
        if state.held.memory_mb > target:
            message = (
                f"the guest has just started, and its balloon is still inflating or was not "
                f"confirmed yet: the guest's memory counts as {state.held.memory_mb} MiB and "
                f"should be {target} MiB"
            )
            yield _true(BOOTING, "xloud.booting", message)
    elif has < guest.max_memory_mb and guest.balloon_driver is False:
        # The guest has less than its maximum, so it had a driver, which took memory.
        yield _of_silent(guest)
    elif has > target and guest.balloon_driver is False:
        message = f"the guest's balloon driver does not report: {more}"
        yield _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.no_driver", message)
    elif has > target and progress.finished:
        yield _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.holds_more", more)


def _of_crashed() -> Condition:
    message = (
        "libvirt reports that the guest has crashed; look at the server's console, and hard reboot "
        "the server; if the guest died of too little memory, adjust the server to more first"
    )
    return _true(GUEST_SILENT, "xloud.guest_silent.crashed", message)


def _of_silent(guest: DomainReading) -> Condition:
    """Return the condition of a guest below its maximum whose balloon driver does not report.

    The condition is ``GuestSilent`` if the driver has reported since the guest started or reset
    itself, else ``BalloonNotEffective``. A driver that is unloaded first gives all memory back to
    the guest (measured). So if a driver has reported, is silent now, and keeps the memory, its
    guest has probably died.
    """
    has, most = guest.memory_mb, guest.max_memory_mb
    if guest.memory_confirmed:
        message = (
            f"the balloon driver has stopped reporting at {has} MiB; the guest has probably died, "
            f"often of too little memory: look at the console, adjust the server to more if that "
            f"is why, hard reboot it, and raise the flavor's minimum"
        )
        return _true(GUEST_SILENT, "xloud.guest_silent.low_memory", message)
    message = (
        f"QEMU reports that the balloon leaves the guest {has} MiB; its driver is not known to "
        f"have reported since the guest started or reset itself, so this is not confirmed, and the "
        f"guest counts as having its maximum of {most} MiB"
    )
    return _true(BALLOON_NOT_EFFECTIVE, "xloud.balloon.not_confirmed", message)


def _true(kind: str, reason: str, message: str) -> Condition:
    return Condition(kind, True, reason, message, "")
