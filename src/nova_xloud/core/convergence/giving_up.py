# SPDX-License-Identifier: Apache-2.0
"""When an adjustment that a guest does not follow is given up, and what is desired then.

A try is a run that did all it could and did not get the guest to the size that was asked for. One
that ended because somebody else goes first, a guest is paused or boots, or Placement or QEMU does
not answer, is none. After the last try what the guest has is desired again, each resource for
itself: so a shrink that was refused for the guest's safety is not what it boots with next, and
growth that cannot be done does not stay claimed.
"""

from __future__ import annotations

from dataclasses import replace

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import GAVE_UP, Condition
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.core.size import Size

_REFUSED = "xloud.guest_refused."
_GAVE_UP = "xloud.gave_up."
FAILED = "xloud.failed"
# Of what the guest has been given, it does not use all: there is nothing to give up.
_NO_TRY = frozenset((f"{_REFUSED}vcpus_not_online", f"{_REFUSED}not_in_time"))
# The reasons of GaveUp that are known today.
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
# An event's details and a value of system_metadata have 255 characters; the code comes before.
_LONGEST_MESSAGE = 210


def after_try(desired: Desired, state: InstanceState, code: str, limit: int, now: str) -> Desired:
    """The record after a run that ended with ``code``: one try more, or given up.

    :param desired: as it is to be written otherwise
    :param state: as read when the run had ended
    :param limit: the number of tries; 0: any number
    :param now: ISO 8601, UTC
    """
    if not limit or not _is_try(desired, state, code):
        return desired
    tries = (desired.tries or 0) + 1
    if tries < limit:
        return replace(desired, tries=tries)
    kept = _kept(desired, state.numbers.actuated)
    if kept == (desired.persisted, desired.live) or not state.reserved.covers(state.held):
        # What a guest took for which there is no room: it has to come down.
        return replace(desired, tries=min(tries, limit))
    persisted, live = kept
    reason = _GAVE_UP + code.removeprefix(_REFUSED).removeprefix("xloud.")
    message = (
        f"{desired.target} were asked for and not reached in {tries} tries ({code}); it keeps "
        f"{live or persisted}. Ask again when the reason has gone"
    )
    given_up = Condition(GAVE_UP, True, reason, message, now)
    return replace(desired, persisted=persisted, live=live, tries=0, given_up=given_up)


def _is_try(desired: Desired, state: InstanceState, code: str) -> bool:
    guest = state.guest
    if desired.tries is None or guest is None or not guest.running:
        # What was asked for has been there, or nobody asked.
        return False
    if guest.paused or state.booting or not state.driven:
        return False
    return code == FAILED or (code.startswith(_REFUSED) and code not in _NO_TRY)


def _kept(desired: Desired, has: Size) -> tuple[Size, Size | None]:
    """Persisted and live size with what the guest has in place of what was asked for.

    By what QEMU was set to. Where nobody confirms that, the maximum of memory is held and stays
    claimed; but that is no size that anybody asked for.

    A resource of which another size is persisted than is desired now was asked for until the guest
    stops: the persisted one was not refused, and stays.
    """
    target, persisted = desired.target, desired.persisted
    lasting = Size(
        has.vcpus if persisted.vcpus == target.vcpus else persisted.vcpus,
        has.memory_mb if persisted.memory_mb == target.memory_mb else persisted.memory_mb,
    )
    return lasting, None if has == lasting else has


def with_next_start(message: str, state: InstanceState | None) -> str:
    """``message``, and what the guest has after its next start where that is less than it holds."""
    less = _less_at_next_start(state) if state is not None else ""
    if not less:
        return message
    more = f"; it starts next with {less} even so"
    if len(message) + len(more) > _LONGEST_MESSAGE:
        message = message[: _LONGEST_MESSAGE - len(more) - 4] + " ..."
    return message + more


def _less_at_next_start(state: InstanceState) -> str:
    held, persisted = state.held, state.desired.persisted
    parts = []
    if persisted.vcpus < held.vcpus:
        parts.append(f"{persisted.vcpus} vCPUs")
    if persisted.memory_mb < held.memory_mb:
        parts.append(f"{persisted.memory_mb} MiB")
    return ", ".join(parts)
