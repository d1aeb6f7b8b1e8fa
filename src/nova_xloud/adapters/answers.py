# SPDX-License-Identifier: Apache-2.0
"""Turn Placement's answers to a write of allocations into errors, and any answer into words."""

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
    """Return the exception for an answer of Placement whose status is not 204.

    :param answer: the HTTP response, with ``status_code``, ``text`` and ``json()``
    :param refused: makes the exception for a 409 that refuses the amounts, from Placement's reason
    :returns: :class:`ClaimConflict` for a 409 with another generation, the result of ``refused``
        for any other 409, :class:`ClaimRefused` for 400 and 404, :class:`PlacementUnavailable` for
        all other statuses
    """
    status, words = int(answer.status_code), in_words(answer)
    if status == 409:
        return ClaimConflict(words) if _CONFLICT in answer.text else refused(words)
    if status in (401, 403):
        return PlacementUnavailable(
            f"Placement does not let nova-compute write allocations ({status}: {words}); check "
            "[placement] in the nova.conf of nova-compute and Placement's policy"
        )
    if status in (400, 404):
        # A 404 does not last: Nova creates the host's resource provider again if it is gone.
        return ClaimRefused(f"Placement refuses the allocation ({status}): {words}")
    return PlacementUnavailable(f"Placement answered {status}: {words}")


def in_words(answer: Any) -> str:
    """Return Placement's reason in one line of at most 200 characters.

    If the answer is not Placement's JSON (a proxy's error page, for example), return the beginning
    of its text.
    """
    try:
        text = "; ".join(str(error["detail"]) for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError, AttributeError):
        text = str(answer.text)
    return " ".join(text.split()).removeprefix(_PREAMBLE)[:_LONGEST]
