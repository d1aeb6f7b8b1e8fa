# SPDX-License-Identifier: Apache-2.0
"""When an adjustment that a guest does not follow is given up, and what is desired then.

A run is a try if a guest runs and did not follow, or if it runs and libvirt failed a step or did
not change its definition. It is no try if an earlier run has reached the size asked for, or none
was asked for. It is no try either if the guest is paused or boots, if the instance is not driven in
its vm_state, or if the run ended because another operation goes first, because Placement refuses or
does not answer, or because QEMU does not answer. Nor is it one if only CPUs were not brought
online.

After the last try the size that the guest has becomes the desired size; :func:`after_try` has the
exceptions. So the guest does not boot next with a size that it refused to shrink to, and growth
that cannot be done does not stay claimed.
"""

from __future__ import annotations

from dataclasses import replace

from nova_xloud.core.instance import history
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import GAVE_UP, Condition
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size, of_vcpus

_REFUSED = "xloud.guest_refused."
_GAVE_UP = "xloud.gave_up."
FAILED = "xloud.failed"
# The guest has been given the size and does not use all of it: there is nothing to give up.
_NO_TRY = frozenset((f"{_REFUSED}vcpus_not_online", f"{_REFUSED}not_in_time"))
# The reasons of the condition GaveUp that are known today.
REASONS = (
    "xloud.gave_up.definition_not_set",
    "xloud.gave_up.failed",
    "xloud.gave_up.memory_floor",
    "xloud.gave_up.memory_not_reached",
    "xloud.gave_up.memory_pinned",
    "xloud.gave_up.no_statistics",
    "xloud.gave_up.removal_unsettled",
    "xloud.gave_up.vcpus_not_added",
    "xloud.gave_up.vcpus_not_removed",
)
# An event's details and a value of system_metadata are cut at 255 characters, code included.
_LONGEST_MESSAGE = 210


def after_try(desired: Desired, state: InstanceState, code: str, limit: int, now: str) -> Desired:
    """Return the record after a run that ended with ``code``.

    This is called only if the guest refused, or if libvirt failed a step. The record has one try
    more; after the last try the request is given up, and the tries are 0 again. The record is
    ``desired`` itself if the run is no try or ``limit`` is 0.

    After the last try nothing is given up if the guest's size would change nothing in the record.
    Nothing is given up either if the guest holds more than is reserved, because such a guest has to
    shrink. In both cases the tries stay at ``limit``.

    :param desired: the record to store if the run is no try
    :param state: the instance as read when the run had ended
    :param code: the reason code with which the run ended: ``xloud.guest_refused.<what>``, or
        ``xloud.failed`` if libvirt failed a step
    :param limit: after how many tries the request is given up; 0 for never
    :param now: the time now: ISO 8601, UTC
    """
    if not limit or not _is_try(desired, state, code):
        return desired
    tries = (desired.tries or 0) + 1
    if tries < limit:
        return replace(desired, tries=tries)
    kept = _kept(desired, state.numbers.actuated)
    if kept == (desired.persisted, desired.live) or not state.reserved.covers(state.held):
        # There is nothing to keep, or the guest holds more than is reserved and has to shrink.
        return replace(desired, tries=min(tries, limit))
    persisted, live = kept
    reason = _GAVE_UP + code.removeprefix(_REFUSED).removeprefix("xloud.")
    message = (
        f"{desired.target} were asked for and not reached in {tries} tries ({code}); the instance "
        f"keeps {live or persisted}. Ask again when the reason has gone"
    )
    given_up = Condition(GAVE_UP, True, reason, message, now)
    past = desired.history.ended(history.GAVE_UP, reason)
    return replace(
        desired, persisted=persisted, live=live, tries=0, given_up=given_up, history=past
    )


def _is_try(desired: Desired, state: InstanceState, code: str) -> bool:
    guest = state.guest
    if desired.tries is None or guest is None or not guest.running:
        # The desired size was reached once, or nothing was asked for; or no guest runs.
        return False
    if guest.paused or state.booting or not state.driven:
        return False
    return code == FAILED or (code.startswith(_REFUSED) and code not in _NO_TRY)


def _kept(desired: Desired, has: Size) -> tuple[Size, Size | None]:
    """Return the persisted and the live size once the size ``has`` is desired instead.

    The live size is None if it is the persisted one. ``has`` is the actuated size. If the guest
    does not confirm its memory, the maximum stays claimed, but nobody has asked for the maximum, so
    it does not become the desired size.

    A resource whose live number differs from the persisted one was asked for only until the guest
    stops. The guest did not refuse the persisted number, so that stays.
    """
    target, persisted = desired.target, desired.persisted
    lasting = Size(
        has.vcpus if persisted.vcpus == target.vcpus else persisted.vcpus,
        has.memory_mb if persisted.memory_mb == target.memory_mb else persisted.memory_mb,
    )
    return lasting, None if has == lasting else has


def with_next_start(message: str, state: InstanceState | None) -> str:
    """Return ``message``, and what the guest starts with next if it holds more of a resource now.

    If something is added, ``message`` is cut so that the result has at most 210 characters.
    Else ``message`` is returned as it is, however long it is.

    :param state: the instance as read last; None if it was not read
    """
    less = _less_at_next_start(state) if state is not None else ""
    if not less:
        return message
    more = f"; the guest's next start has {less}"
    if len(message) + len(more) > _LONGEST_MESSAGE:
        message = message[: _LONGEST_MESSAGE - len(more) - 4] + " ..."
    return message + more


def _less_at_next_start(state: InstanceState) -> str:
    held, persisted = state.held, state.desired.persisted
    parts = []
    if persisted.vcpus < held.vcpus:
        parts.append(of_vcpus(persisted.vcpus))
    if persisted.memory_mb < held.memory_mb:
        parts.append(f"{persisted.memory_mb} MiB")
    return ", ".join(parts)
