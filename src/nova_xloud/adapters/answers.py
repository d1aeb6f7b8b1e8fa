# SPDX-License-Identifier: Apache-2.0
"""Make exceptions from Placement's error answers, and put the reason in one line for people."""

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
    """Return the exception for Placement's answer to a write of allocations that failed.

    :param answer: the HTTP response, with ``status_code``, ``text`` and ``json()``; its status is
        not 204
    :param refused: takes Placement's reason; returns the exception for a 409 that refuses the
        amounts
    :returns: :class:`ClaimConflict` for a 409 with the code ``placement.concurrent_update``, the
        result of ``refused`` for any other 409, :class:`ClaimRefused` for 400 and 404,
        :class:`PlacementUnavailable` for all other statuses
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
    """Return in one line, of at most 200 characters, why Placement answered with an error.

    The line has the ``detail`` of each error in Placement's JSON. If the answer has no such JSON (a
    proxy's error page, for example), the line is the text of the answer.
    """
    try:
        text = "; ".join(str(error["detail"]) for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError, AttributeError):
        text = str(answer.text)
    return " ".join(text.split()).removeprefix(_PREAMBLE)[:_LONGEST]
