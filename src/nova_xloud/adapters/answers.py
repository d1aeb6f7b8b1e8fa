# SPDX-License-Identifier: Apache-2.0
"""What each answer of Placement to a write means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_xloud.compute.ports import ClaimConflict
from nova_xloud.errors import ClaimRefused, PlacementUnavailable, Refused

_CONFLICT = "placement.concurrent_update"
_LONGEST = 200
# What WebOb puts before the reason of every 409.
_PREAMBLE = "There was a conflict when trying to complete your request. "


def error_of(answer: Any, refused: Callable[[str], Refused]) -> Exception:
    """What an answer that is not 204 becomes.

    :param answer: has ``status_code`` and ``text``
    :param refused: from Placement's words to what a refusal of the amounts is
    :returns: :class:`ClaimConflict`, :class:`PlacementUnavailable`, :class:`ClaimRefused`, or what
        ``refused`` says
    """
    status, words = int(answer.status_code), in_words(answer)
    if status == 409:
        return ClaimConflict(words) if _CONFLICT in answer.text else refused(words)
    if status in (401, 403):
        return PlacementUnavailable(
            f"Placement does not let nova-compute write allocations ({status}: {words}); check "
            "[placement] in its nova.conf and Placement's policy"
        )
    if status in (400, 404):
        # Nova makes the host's resource provider again where that is gone.
        return ClaimRefused(f"Placement refuses the allocation ({status}): {words}")
    return PlacementUnavailable(f"Placement answered {status}: {words}")


def in_words(answer: Any) -> str:
    """Placement's reason, in one line; of an answer that is not Placement's, how it begins."""
    try:
        text = "; ".join(str(error["detail"]) for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError, AttributeError):
        text = str(answer.text)
    return " ".join(text.split()).removeprefix(_PREAMBLE)[:_LONGEST]
