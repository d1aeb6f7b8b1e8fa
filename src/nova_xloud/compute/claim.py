# SPDX-License-Identifier: Apache-2.0
"""Change what Placement holds, whoever else is writing."""

from __future__ import annotations

from collections.abc import Callable

from nova_xloud.compute.ports import ClaimConflict, Claims, Reservation
from nova_xloud.core.size import Size
from nova_xloud.errors import PlacementUnavailable


def change_claim(
    claims: Claims,
    current: Reservation,
    wanted: Callable[[Size], Size],
    attempts: int,
    on_conflict: Callable[[], object] = lambda: None,
) -> Reservation:
    """Write what ``wanted`` makes of what is reserved now, retrying on conflict.

    :param wanted: from the size reserved now to the size to reserve; asked again at each try,
        because a conflict means that the first has changed
    :param on_conflict: asked before the next try, and may refuse it
    :raises NoCapacity:
    :raises PlacementUnavailable: it could not be asked, or conflicted at every attempt
    """
    for _ in range(attempts):
        size = wanted(current.size)
        if size == current.size:
            return current
        try:
            return claims.write(current, size)
        except ClaimConflict:
            # In this order: see observe().
            current = claims.read()
            on_conflict()
    raise PlacementUnavailable(
        f"the allocation was changed by somebody else at each of {attempts} attempts; try again"
    )
