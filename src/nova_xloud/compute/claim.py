# SPDX-License-Identifier: Apache-2.0
"""Change the allocation of an instance in Placement while others may change it too."""

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
    """Change the allocation to the size that ``wanted`` returns; after a conflict read and retry.

    Nothing is written if the allocation has that size already.

    :param current: the allocation as it was read last
    :param wanted: takes the size reserved now and returns the size to reserve. It is called at each
        attempt, because a conflict means that the allocation has changed
    :param attempts: how often to try in all
    :param on_conflict: called after a conflict, once the allocation was read again; it raises if
        there shall be no further attempt
    :returns: the allocation as it is now
    :raises NoCapacity: the host has no room for the size
    :raises PlacementUnavailable: Placement could not be asked, or each attempt met a conflict
    :raises Refused: any other refusal by :meth:`~.ports.Claims.read`, :meth:`~.ports.Claims.write`
        or ``on_conflict``
    """
    for _ in range(attempts):
        size = wanted(current.size)
        if size == current.size:
            return current
        try:
            return claims.write(current, size)
        except ClaimConflict:
            # The claim is read before the record, which on_conflict reads: observe() explains why.
            current = claims.read()
            on_conflict()
    raise PlacementUnavailable(
        f"each of {attempts} attempts to write the instance's allocation met another change in "
        f"Placement, of that allocation or of its host's resource provider; try again"
    )
